import type { PGlite } from '@electric-sql/pglite';
import type { Log } from '../log.ts';

type Files = Pick<PGlite, 'exec'> & {
  query<T>(statement: string, parameters: unknown[]): Promise<{ rows: T[] }>;
};

const everyMs = 60_000;
const dirtyRows = 1_000;

const findDirty = `select format('%I.%I', schemaname, relname) as name from pg_stat_user_tables
  where n_dead_tup > $1 or n_mod_since_analyze > $1`;

/** Does what a server's background processes would: without it files only grow (measured: 353 MB of log for 47 MB). */
export function startMaintenance(pglite: Files, log: Log): () => Promise<void> {
  let running: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    running = running
      .then(() => maintain(pglite))
      .catch(err => log.warn({ err }, 'maintenance of the store failed'));
  }, everyMs);
  timer.unref();
  return async () => {
    clearInterval(timer);
    await running;
  };
}

/** Vacuums what has many dead or new rows: each statement stops this process's event loop for as long as it takes. */
export async function maintain(pglite: Files): Promise<void> {
  const dirty = await pglite.query<{ name: string }>(findDirty, [dirtyRows]);
  for (const { name } of dirty.rows) await pglite.exec(`vacuum (analyze) ${name}`);
  await pglite.exec('checkpoint');
}
