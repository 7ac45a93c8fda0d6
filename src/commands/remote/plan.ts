import { parseArgs } from 'node:util';
import { environment } from '../../config.ts';
import type { DeploymentPlan } from '../../schemas/plan.ts';
import { type Command, UsageError } from '../command.ts';
import { exits } from './exits.ts';
import { printable } from './printable.ts';
import { readRequest, requestOptions, requestUsage } from './request-flags.ts';
import { commonOptions, commonUsage, inSession } from './session.ts';

export const plan: Command = {
  usage: `plan ${requestUsage} ${commonUsage}`,
  summary: 'What deploy would do, without doing it; exits 1 where something stands in the way',

  async run(args) {
    const options = { ...requestOptions, ...commonOptions };
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
    if (positionals.length > 0) throw new UsageError(`'${positionals[0]}' is one too many: is it -f FILE?`);
    const body = readRequest(values, environment);
    return inSession(values, async ({ connection, output }) => {
      const answer = await connection.send({ method: 'POST', path: '/deployments/plan', body });
      const told = answer.body as DeploymentPlan;
      console.log(output === 'json' ? JSON.stringify(told, null, 2) : planLines(told).join('\n'));
      return told.possible ? exits.reached : exits.failed;
    });
  },
};

function planLines({
  possible,
  changeKind,
  effect,
  images,
  quota,
  diff,
  troubles,
}: DeploymentPlan): string[] {
  return [
    `${possible ? 'Possible' : 'Not possible'}: ${changeKind ?? 'unknown'}. ${printable(effect)}`,
    ...images.map(({ container, requested, usable, image, notes = [] }) => {
      const digest = image?.digest ? `  ${image.digest}` : '';
      const told = notes.length > 0 ? ` (${notes.join('; ')})` : '';
      return `  image     ${printable(`${container}  ${requested}${digest}  ${usable ? 'can be pulled' : 'CANNOT be pulled'}${told}`)}`;
    }),
    ...diff.map(
      ({ path, live, wanted }) => `  differs   ${printable(`${path}: ${shown(live)} -> ${shown(wanted)}`)}`,
    ),
    ...quota
      .filter(({ exceeded }) => exceeded)
      .map(
        ({ which, used, asked, limit }) =>
          `  quota     ${which}: ${used} used, ${asked} asked, ${limit} at most`,
      ),
    ...troubles.flatMap(({ code, detail, pointer, failure }) => [
      `  trouble   ${printable(`${code}${pointer ? ` at ${pointer}` : ''}: ${detail}`)}`,
      ...(failure?.fixes ?? []).map(
        ({ action, command }) => `  fix       ${printable(`${action}${command ? `: ${command}` : ''}`)}`,
      ),
    ]),
  ];
}

const shown = (value: unknown) => (value === undefined ? 'nothing' : JSON.stringify(value));
