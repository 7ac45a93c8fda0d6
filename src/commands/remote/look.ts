import { parseArgs } from 'node:util';
import type { Deployment } from '../../client/api.ts';
import type { Command } from '../command.ts';
import { readTimeout, waitFor } from './change.ts';
import { inColumns } from './columns.ts';
import { exits } from './exits.ts';
import { printable } from './printable.ts';
import { commonOptions, commonUsage, inSession, onePositional } from './session.ts';
import { deploymentLines, tellFailure } from './tell.ts';

export const get: Command = {
  usage: `get DEPLOYMENT ${commonUsage}`,
  summary: 'One deployment, by its id or as TARGET:NAME',

  async run(args) {
    const { values, positionals } = parseArgs({ args, options: commonOptions, allowPositionals: true });
    const id = onePositional(positionals, 'DEPLOYMENT');
    return inSession(values, async session => {
      const { body } = await session.client.getDeployment({ id });
      if (session.output === 'json') console.log(JSON.stringify(body, null, 2));
      else if (body) console.log(deploymentLines(body).join('\n'));
      if (body?.failure && session.output === 'text')
        tellFailure(body.failure, { GITHUB_ACTIONS: undefined });
      return exits.reached;
    });
  },
};

export const wait: Command = {
  usage: `wait DEPLOYMENT [--timeout SECONDS] ${commonUsage}`,
  summary: 'Wait for the end of the change under way; exits as that change did',

  async run(args) {
    const { values, positionals } = parseArgs({
      args,
      options: { ...commonOptions, timeout: { type: 'string' } },
      allowPositionals: true,
    });
    const id = onePositional(positionals, 'DEPLOYMENT');
    const timeoutMs = readTimeout(values.timeout) * 1000;
    return inSession(values, async session => {
      const { body } = await session.client.getDeployment({ id });
      if (!body) throw new Error('Slipway answered without the deployment');
      return waitFor(session, { deployment: body.id, operation: body.operation }, timeoutMs);
    });
  },
};

/** As they are typed, and as the query names them. */
const filters = {
  ...{ team: 'team', target: 'target', name: 'name', status: 'status', image: 'image', digest: 'digest' },
  ...{ secret: 'secretName', identity: 'identity', 'created-by': 'createdBy', label: 'label' },
} as const;
const filterOptions = Object.fromEntries(
  Object.keys(filters).map(name => [name, { type: 'string' as const }]),
);

export const list: Command = {
  usage: `list [--team T] [--target T] [--name N] [--status S] [--image I] [--digest D] [--secret N] [--identity ID] [--created-by WHO] [--label NAME=VALUE] [--limit 100] ${commonUsage}`,
  summary: 'Deployments, newest first',

  async run(args) {
    const { values } = parseArgs({
      args,
      options: {
        ...filterOptions,
        ...commonOptions,
        limit: { type: 'string' },
      },
    });
    const limit = readTimeout(values.limit ?? '100');
    const given = new Map<string, unknown>(Object.entries(values));
    const asked = Object.entries(filters).flatMap(([name, member]) =>
      given.has(name) ? [[member, given.get(name)]] : [],
    );
    return inSession(values, async ({ client, output }) => {
      // Whether a status is one is for the service to say.
      const query = Object.fromEntries(asked) as { team?: string };
      const found: Deployment[] = [];
      for await (const deployment of client.each('listDeployments', { maxpagesize: 100, ...query })) {
        if (found.length === limit) break;
        found.push(deployment);
      }
      console.log(output === 'json' ? JSON.stringify(found, null, 2) : table(found));
      return exits.reached;
    });
  },
};

function table(deployments: Deployment[]): string {
  const rows = deployments.map(({ target, name, status, health, revision, updatedAt, images }) => [
    `${target}:${name}`,
    status,
    health,
    String(revision),
    updatedAt.slice(0, 19),
    printable(images.map(({ requested }) => requested).join(' ')),
  ]);
  return inColumns([['DEPLOYMENT', 'STATUS', 'HEALTH', 'REVISION', 'UPDATED', 'IMAGES'], ...rows]);
}

export const revisions: Command = {
  usage: `revisions DEPLOYMENT ${commonUsage}`,
  summary: 'Who made which revision, of what, and what it came to; newest first',

  async run(args) {
    const { values, positionals } = parseArgs({ args, options: commonOptions, allowPositionals: true });
    const id = onePositional(positionals, 'DEPLOYMENT');
    return inSession(values, async ({ client, output }) => {
      const found = await Array.fromAsync(client.each('listRevisions', { id }));
      const rows = found.map(({ number, kind, outcome, createdAt, createdBy, images }) => [
        String(number),
        kind,
        outcome ?? 'under way',
        createdAt.slice(0, 19),
        printable(createdBy.name ?? createdBy.client ?? createdBy.subject),
        printable(images.map(({ requested }) => requested).join(' ')),
      ]);
      const heads = ['REVISION', 'KIND', 'OUTCOME', 'MADE', 'BY', 'IMAGES'];
      console.log(output === 'json' ? JSON.stringify(found, null, 2) : inColumns([heads, ...rows]));
      return exits.reached;
    });
  },
};
