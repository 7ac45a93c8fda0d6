import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Database, DatabaseOptions } from '../../src/store/database.ts';
import type { Acceptance, DeploymentStore } from '../../src/store/deployments.ts';
import { asWorker } from '../../src/store/walls.ts';
import { acceptance } from './store.ts';

type Teardown = { teardown(done: () => unknown): unknown };

export const limit = 10;

/** Something acceptable of a team that may have ten groups; another name each time, in every process. */
export function limited(more: Partial<Acceptance> = {}): Acceptance {
  const one = acceptance({ team: 'limited', quota: { groups: limit }, ...more });
  return more.name === undefined ? { ...one, name: `limited-${one.id}` } : one;
}

/** How many groups the team has, by the rows. */
export async function countLive({ db }: Pick<Database, 'db'>): Promise<number> {
  const live = await asWorker(db, trx =>
    trx
      .selectFrom('deployments')
      .select('id')
      .where('team', '=', 'limited')
      .where('holdsName', '=', true)
      .execute(),
  );
  return live.length;
}

/** How many it has, as who asks for one more is told. */
export async function usedOf(store: DeploymentStore): Promise<number> {
  const refused = await store.accept(limited({ quota: { groups: 0 } }));
  if (refused.outcome !== 'quotaExceeded')
    throw new Error(`${refused.outcome}: a quota of none was not kept`);
  return refused.used;
}

/** Runs a process that uses the quota up and frees it, and kills it with -9 after so many answers. */
export async function killWhileLimited(
  t: Teardown,
  { url, directory = '' }: DatabaseOptions,
  answers: number,
): Promise<{ live: number; used: number }> {
  const where = url ? ['postgres', url] : ['embedded', directory];
  const child = spawn(process.execPath, [join(import.meta.dirname, 'quota-child.ts'), ...where], {
    env: { ...process.env, NODE_OPTIONS: undefined },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const exited = once(child, 'exit');
  let found: { live: number; used: number } | undefined;
  let heard = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const [, live, used] = /^live (\d+) used (\d+)$/.exec(line) ?? [];
    if (live) found = { live: Number(live), used: Number(used) };
    else if (++heard === answers) child.kill('SIGKILL');
  }
  const [, signal] = await exited;
  if (signal !== 'SIGKILL' || !found) throw new Error(`the process ended by itself after ${heard} answers`);
  return found;
}
