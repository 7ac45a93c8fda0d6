import type { Transaction } from 'kysely';
import type { Clock } from '../clock.ts';
import type { RetentionSettings } from '../config.ts';
import type { Log } from '../log.ts';
import { pruneAudit } from './audit-pruning.ts';
import type { Database } from './database.ts';
import { isAlone } from './one-replica.ts';
import {
  batchSize,
  deleteEnded,
  deleteEvents,
  deleteExpired,
  deleteRotations,
  deleteSavedLogs,
} from './past-records.ts';
import type { Tables } from './tables.ts';
import { asWorker } from './walls.ts';

interface RetentionParts {
  days: RetentionSettings;
  clock: Clock;
  log: Log;
}

const everyMs = 3_600_000;
// Between two batches others have their turn.
const pauseMs = 50;
const dayMs = 24 * 3_600_000;

/** Deletes what is past its time, again and again. Returns what ends it; any number of replicas may, one of them is at it. */
export function startRetention(database: Pick<Database, 'db'>, parts: RetentionParts): () => Promise<void> {
  const stopping = new AbortController();
  const running = keepDeleting(database, parts, stopping.signal);
  return async () => {
    stopping.abort();
    await running;
  };
}

async function keepDeleting(database: Pick<Database, 'db'>, parts: RetentionParts, signal: AbortSignal) {
  while (!signal.aborted) {
    await deletePast(database, parts, signal).catch(err => {
      if (!signal.aborted)
        parts.log.warn({ err }, 'what is past its time could not be deleted; it is tried again');
    });
    await parts.clock.wait(everyMs, signal).catch(() => {});
  }
}

/** One round of everything, until nothing is past its time or the signal aborts. */
export async function deletePast(
  { db }: Pick<Database, 'db'>,
  { days, clock, log }: RetentionParts,
  signal?: AbortSignal,
): Promise<void> {
  const deleted: Record<string, number> = {};
  for (const [what, deleteBatch] of Object.entries(stepsOf(days, clock.now())))
    for (let count = -1; count !== 0 && !signal?.aborted; ) {
      count = await asWorker(db, async trx => ((await isAlone(trx, work)) ? deleteBatch(trx) : 0));
      if (count === 0) continue;
      deleted[what] = (deleted[what] ?? 0) + count;
      await clock.wait(pauseMs, signal);
    }
  if (Object.keys(deleted).length > 0) log.info({ deleted }, 'what was past its time was deleted');
}

const work = 'deleting what is past its time';

/** Each deletes one batch, and says how many rows it was: 0 where nothing is left. */
function stepsOf(
  days: RetentionSettings,
  now: Date,
): Record<string, (trx: Transaction<Tables>) => Promise<number>> {
  const ago = (count: number) => new Date(now.getTime() - count * dayMs);
  // A day of the audit goes as a whole: each time it is a row of the audit again.
  const sealed = new Date(Math.floor(ago(days.audit).getTime() / dayMs) * dayMs);
  return {
    events: trx => deleteEvents(trx, ago(days.events)),
    savedLogs: trx => deleteSavedLogs(trx, ago(days.events)),
    expired: trx => deleteExpired(trx, now),
    ended: trx => deleteEnded(trx, ago(days.records)),
    rotations: trx => deleteRotations(trx, ago(days.records)),
    audit: trx => pruneAudit(trx, { before: sealed, most: batchSize, now }),
  };
}
