import { parseArgs } from 'node:util';
import { environment } from '../../config.ts';
import { type Command, UsageError } from '../command.ts';
import { exits } from './exits.ts';
import { loginFile, readLogin, saveLogin } from './saved-login.ts';
import { commonOptions, commonUsage, inSession } from './session.ts';
import { methods, readMethod } from './sign-in.ts';

export const login: Command = {
  usage: `login [--url URL] [--audience A] [--with ${methods.join('|')}] [--team T] ${commonUsage}`,
  summary:
    'Sign in and say who one is; what is given is kept for later commands (where and how, never a token)',

  async run(args) {
    const { values } = parseArgs({
      args,
      options: {
        ...commonOptions,
        url: { type: 'string' },
        audience: { type: 'string' },
        with: { type: 'string' },
        team: { type: 'string' },
      },
    });
    if (values.with !== undefined) readMethod(values.with);
    const { output, ...given } = values;
    const kept = Object.keys(given).length > 0;
    const before = readLogin(environment);
    if (kept) saveLogin(environment, { ...before, ...definite(given) });
    if (kept && environment.SLIPWAY_URL && given.url && environment.SLIPWAY_URL !== given.url)
      throw new UsageError('SLIPWAY_URL is set and comes before what is kept: unset it.');
    return inSession({ output }, async session => {
      const { body } = await session.client.getMe({});
      if (session.output === 'json') console.log(JSON.stringify(body, null, 2));
      else {
        const teams = body.teams.map(({ team, permissions }) => `${team} (${permissions.join(', ')})`);
        console.log(`${session.url}, signed in by ${session.method}`);
        console.log(`  who    ${body.principal.name ?? body.principal.client ?? body.principal.subject}`);
        console.log(`  teams  ${teams.join('; ') || 'none'}`);
        if (kept) console.log(`  kept   ${loginFile(environment)}`);
      }
      return exits.reached;
    });
  },
};

const definite = (members: Record<string, string | undefined>) =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
