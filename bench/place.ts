import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Scope } from '../proof/scope.ts';
import { createOwnedDatabase } from '../test/support/database.ts';
import { type DemoWorld, startDemoWorld } from '../test/support/demo-world.ts';
import { temporaryDirectory } from '../test/support/service.ts';

const server = process.env.DATABASE_URL;

export const storeName = server ? 'PostgreSQL' : 'PGlite';

/** The embedded Azure in a process of its own, and the settings of a service with a store of its own and room for any number. */
export async function furnish(
  scope: Scope,
): Promise<{ world: DemoWorld; env: Record<string, string | undefined> }> {
  const world = await startDemoWorld(scope, { search: false });
  const text = readFileSync(join(import.meta.dirname, '../src/policy/embedded.yaml'), 'utf8');
  const policy = join(temporaryDirectory(scope), 'policy.yaml');
  writeFileSync(
    policy,
    text.replaceAll(/groups: 500, cpu: \d+, memoryInGB: \d+, deploysPerHour: \d+/g, roomy),
  );
  const DATABASE_URL = server ? await createOwnedDatabase(scope, server) : undefined;
  return { world, env: { ...world.env, SLIPWAY_POLICY: policy, DATABASE_URL, LOG_LEVEL: 'warn' } };
}

const roomy = 'groups: 9000000, cpu: 9000000, memoryInGB: 9000000, deploysPerHour: 9000000';

/** A name that nobody has used. */
export const freshName = (prefix: string) => `${prefix}-${randomBytes(5).toString('hex')}`;
