import { type Kysely, sql } from 'kysely';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Database } from './database.ts';
import type { Tables } from './tables.ts';
import { asWorker } from './walls.ts';

const everyMs = 3_600_000;
// Each is one transaction: nobody waits for it.
const batchSize = 1_000;
const dayMs = 24 * 3_600_000;

/** What is told of deployments is kept for so many days. Returns what ends it; any number of replicas may. */
export function startRetention(
  { db }: Pick<Database, 'db'>,
  { days, clock, log }: { days: number; clock: Pick<Clock, 'now'>; log: Log },
): () => Promise<void> {
  const stopping = new AbortController();
  let running: Promise<void> = Promise.resolve();
  const run = () => {
    running = running.then(async () => {
      const before = new Date(clock.now().getTime() - days * dayMs);
      const deleted = await deleteOld(db, before, stopping.signal).catch(err => {
        log.warn({ err }, 'what is past its time could not be deleted; it is tried again');
        return 0;
      });
      if (deleted > 0) log.info({ deleted, before }, 'events and logs past their time were deleted');
    });
  };
  run();
  const timer = setInterval(run, everyMs);
  timer.unref();
  return async () => {
    clearInterval(timer);
    stopping.abort();
    await running;
  };
}

/** Deletes events and saved logs that were written before an instant; of an order always its beginning. How many. */
export async function deleteOld(db: Kysely<Tables>, before: Date, signal?: AbortSignal): Promise<number> {
  let deleted = 0;
  for (const { table, written } of tables) {
    let count = batchSize;
    while (count === batchSize && !signal?.aborted) {
      count = await asWorker(db, async trx => {
        const { rows } = await sql`delete from ${sql.table(table)} where ctid = any (array(
          select ctid from ${sql.table(table)} where ${sql.ref(written)} < ${before}
          order by ${sql.ref(written)} limit ${batchSize} for update skip locked)) returning 1`.execute(trx);
        return rows.length;
      });
      deleted += count;
    }
  }
  return deleted;
}

const tables = [
  { table: 'events', written: 'recorded_at' },
  { table: 'saved_logs', written: 'at' },
] as const;
