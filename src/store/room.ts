import { statfsSync } from 'node:fs';
import type { PGlite } from '@electric-sql/pglite';
import type { PGliteDialectConfig } from 'kysely';
import type { Log } from '../log.ts';

/** A PGlite as Kysely, pg-boss and the maintenance take it. */
export type RoomyStore = Exclude<PGliteDialectConfig['pglite'], (...parameters: never) => unknown> &
  Pick<PGlite, 'exec' | 'listen'>;

export type FreeBytes = (directory: string) => number;

// Two of PostgreSQL's log files: what is being written is written to its end.
const leastMb = 32;
/** PostgreSQL's code. */
const diskFull = '53100';

const writing = /\b(?:insert\s+into|update|delete\s+from|merge\s+into|truncate|vacuum|create|alter|drop)\b/i;

/**
 * The same store, to which nothing is written where little of the disk is left; reads go on. A statement that meets a full
 * disk fails, no more; but at the end of PostgreSQL's log PGlite is at its end: the next statement never returns, nor does
 * this process's event loop (measured). Then the process ends first, as if it were killed: what was acknowledged is kept.
 */
export function refuseWithoutRoom(
  pglite: PGlite,
  directory: string,
  log: Log,
  freeBytes: FreeBytes = readFreeBytes,
): RoomyStore {
  let full = false;

  function requireRoom(statement: string): void {
    if (!writing.test(statement)) return;
    const wasFull = full;
    full = freeBytes(directory) < leastMb * 1024 * 1024;
    const sentence = `the disk of the store has less than ${leastMb} MB left`;
    if (full && !wasFull) log.error({ directory }, `${sentence}: nothing is written`);
    if (!full && wasFull) log.warn({ directory }, 'the disk of the store has room again');
    if (full) throw Object.assign(new Error(sentence), { code: diskFull });
  }

  async function send<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      if (!isPanic(error)) throw error;
      log.fatal(
        { directory, err: error },
        'the store is at the end of its disk: make room, start Slipway again',
      );
      process.exit(1);
    }
  }

  const queriesOf = (to: Pick<PGlite, 'query'>): Pick<RoomyStore, 'query'> => ({
    async query(statement, parameters, options) {
      requireRoom(statement);
      return await send(() => to.query(statement, parameters, options));
    },
  });
  return {
    ...queriesOf(pglite),
    async exec(statements, options) {
      requireRoom(statements);
      return await send(() => pglite.exec(statements, options));
    },
    transaction: work =>
      send(() => pglite.transaction(tx => work({ ...queriesOf(tx), rollback: () => tx.rollback() }))),
    listen: (channel, hear) => pglite.listen(channel, hear),
    waitReady: pglite.waitReady,
    close: () => pglite.close(),
    get ready() {
      return pglite.ready;
    },
    get closed() {
      return pglite.closed;
    },
  };
}

const isPanic = (error: unknown) =>
  error instanceof Error && 'severity' in error && error.severity === 'PANIC';

const readFreeBytes: FreeBytes = directory => {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
};
