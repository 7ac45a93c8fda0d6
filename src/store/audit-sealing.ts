import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import { logNewestHead, sealAudit } from './audit-chain.ts';
import type { Database } from './database.ts';

/** What nothing vouches for yet is no older than this, where the service runs. */
const everyMs = 10_000;

/** Seals the audit again and again, by a worker; any number of replicas may. Returns what ends it. */
export function startSealing(
  { db }: Pick<Database, 'db'>,
  { log, clock }: { log: Log; clock: Clock },
): () => Promise<void> {
  let running = logNewestHead(db, log).catch(warn);
  let busy = false;
  const timer = setInterval(() => {
    // A database that hangs is not asked again and again.
    if (busy) return;
    busy = true;
    running = sealAudit(db, { log, now: clock.now() })
      .then(() => {}, warn)
      .finally(() => {
        busy = false;
      });
  }, everyMs);
  timer.unref();
  return async () => {
    clearInterval(timer);
    await running;
  };

  function warn(err: unknown): void {
    log.warn({ err }, 'the audit could not be sealed; it is tried again');
  }
}
