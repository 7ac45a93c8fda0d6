import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Kysely, sql } from 'kysely';
import { parse, stringify } from 'yaml';
import type { Scope } from '../proof/scope.ts';
import type { Tables } from '../src/store/tables.ts';
import { createOwnedDatabase } from '../test/support/database.ts';
import { type DemoWorld, startDemoWorld } from '../test/support/demo-world.ts';
import { temporaryDirectory } from '../test/support/service.ts';
import type { StoreName } from './groups.ts';

const server = process.env.DATABASE_URL;

export const storeName: StoreName = server ? 'PostgreSQL' : 'PGlite';

interface Teams {
  teams: Record<string, { principals: { client: string }[]; quota: object }>;
}

/**
 * The embedded Azure in a process of its own, and the settings of a service with a store of its own and room for any number.
 * `otherTeams` may do what the demo team may, and are the other team's client.
 */
export async function furnish(
  scope: Scope,
  { otherTeams = [] }: { otherTeams?: readonly string[] } = {},
): Promise<{ world: DemoWorld; env: Record<string, string | undefined> }> {
  const world = await startDemoWorld(scope, { search: false });
  const policy: Teams = parse(readFileSync(join(import.meta.dirname, '../src/policy/embedded.yaml'), 'utf8'));
  const { demo, other } = policy.teams;
  for (const team of otherTeams) policy.teams[team] = structuredClone({ ...demo, ...pick(other) });
  for (const team of Object.values(policy.teams)) team.quota = roomy;
  const file = join(temporaryDirectory(scope), 'policy.yaml');
  writeFileSync(file, stringify(policy));
  const DATABASE_URL = server ? await createOwnedDatabase(scope, server) : undefined;
  return { world, env: { ...world.env, SLIPWAY_POLICY: file, DATABASE_URL, LOG_LEVEL: 'warn' } };
}

const pick = (team: Teams['teams'][string] | undefined) => ({
  principals: team?.principals ?? [],
  quota: roomy,
});

const roomy = { groups: 9e6, cpu: 9e6, memoryInGB: 9e6, deploysPerHour: 9e6 };

const endless = { size: 1e9, perSecond: 1e9 };
const windows = { per5Minutes: 1e9, perHour: 1e9 };

/** What Azure limits, without a limit. */
export const noLimits = {
  resourceManager: { reads: endless, writes: endless, deletes: endless },
  containerGroups: { creates: windows, deletes: windows },
  quotas: { ContainerGroups: 1e6, StandardCores: 1e6 },
};

/** Statements of this transaction may last longer than those of a service. */
export const takeTime = (db: Kysely<Tables>) => sql`set local statement_timeout = 0`.execute(db);

/** A name that nobody has used. */
export const freshName = (prefix: string) => `${prefix}-${randomBytes(5).toString('hex')}`;
