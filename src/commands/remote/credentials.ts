import { parseArgs } from 'node:util';
import type { CredentialTest, CredentialUsages } from '../../client/api.ts';
import { type Command, UsageError } from '../command.ts';
import { inColumns } from './columns.ts';
import { exits } from './exits.ts';
import { printable } from './printable.ts';
import { commonOptions, commonUsage, inSession, onePositional } from './session.ts';
import { tellFailure } from './tell.ts';

/** Where a secret is, if that is not the only place. */
export const secretOptions = {
  ...commonOptions,
  team: { type: 'string' },
  vault: { type: 'string' },
} as const;
export const secretUsage = `[--team T] [--vault V] ${commonUsage}`;

export const credentials: Command = {
  usage: `credentials [--team T] ${commonUsage}`,
  summary: 'The secrets and identities that one may use, and how they are; never a value',

  async run(args) {
    const { values } = parseArgs({ args, options: { ...commonOptions, team: { type: 'string' } } });
    const { team } = values;
    return inSession(values, async ({ client, output }) => {
      const { value } = (await client.listCredentials(team === undefined ? {} : { team })).body;
      const rows = value.map(({ team, use, secretName, identity, registries, expiresOn, health, detail }) => [
        ...[
          team,
          use,
          printable(secretName ?? identity?.split('/').at(-1) ?? ''),
          registries.join(' '),
          expiresOn ?? '',
        ],
        printable(detail ? `${health}: ${detail}` : health),
      ]);
      const heads = ['TEAM', 'USE', 'CREDENTIAL', 'REGISTRIES', 'EXPIRES', 'HEALTH'];
      console.log(output === 'json' ? JSON.stringify(value, null, 2) : inColumns([heads, ...rows]));
      return exits.reached;
    });
  },
};

export const credentialsTest: Command = {
  usage: `credentials test --server SERVER (--secret NAME | --identity ARM_ID) --image IMAGE ${secretUsage}`,
  summary: 'Whether a credential can pull an image now; exits 1 where it cannot',

  async run(args) {
    const text = { type: 'string' } as const;
    const options = { ...secretOptions, server: text, secret: text, identity: text, image: text };
    const { values } = parseArgs({ args, options });
    const { server, image, secret: secretName, identity, team, vault } = values;
    if (server === undefined || image === undefined)
      throw new UsageError(`--${server === undefined ? 'server' : 'image'} is missing.`);
    if ((secretName === undefined) === (identity === undefined))
      throw new UsageError('Say which credential: --secret NAME or --identity ARM_ID.');
    const named = Object.entries({ secretName, identity, team, vault }).filter(
      ([, name]) => name !== undefined,
    );
    const body = { server, image, ...Object.fromEntries(named) };
    return inSession(values, async ({ client, output, env }) => {
      const { body: told } = await client.testCredential({ body });
      if (output === 'json') console.log(JSON.stringify(told, null, 2));
      else if (told.usable) console.log(usableLines(told, image).join('\n'));
      if (told.failure) tellFailure(told.failure, env);
      return told.usable ? exits.reached : exits.failed;
    });
  },
};

const usableLines = ({ digest, notes = [] }: CredentialTest, image: string) => [
  printable(`It can pull ${image}${digest ? `, which is ${digest}` : ''}.`),
  ...notes.map(note => `  note      ${printable(note)}`),
];

export const credentialsUsages: Command = {
  usage: `credentials usages SECRET ${secretUsage}`,
  summary: 'Which live deployments use which version of a secret, and which may be revoked',

  async run(args) {
    const { values, positionals } = parseArgs({ args, options: secretOptions, allowPositionals: true });
    const secretName = onePositional(positionals, 'SECRET');
    return inSession(values, async ({ client, output }) => {
      const { body } = await client.getCredentialUsages({ secretName, ...placeOf(values) });
      console.log(output === 'json' ? JSON.stringify(body, null, 2) : usageTable(body));
      return exits.reached;
    });
  },
};

/** As a query names the team and the vault. */
export const placeOf = ({ team, vault }: { team?: string | undefined; vault?: string | undefined }) => ({
  ...(team === undefined ? {} : { team }),
  ...(vault === undefined ? {} : { vault }),
});

function usageTable({ versions }: CredentialUsages): string {
  const rows = versions.map(({ version, current, enabled, deployments, workloads, safeToRevoke }) => {
    const state = enabled === null ? 'not in the vault' : enabled ? '' : 'disabled';
    const users = [...deployments, ...workloads].map(({ target, name }) => `${target}:${name}`);
    const verdict = current ? 'current' : safeToRevoke ? 'safe to revoke' : 'in use';
    return [version, [verdict, state].filter(Boolean).join(', '), [...new Set(users)].join(' ')];
  });
  return inColumns([['VERSION', 'STATE', 'USED BY'], ...rows]);
}
