import { sql, type Transaction } from 'kysely';
import { fromKysely, type JobWithMetadata, PgBoss } from 'pg-boss';
import type { Log } from '../log.ts';
import type { Database } from './database.ts';
import type { Tables } from './tables.ts';
import { nextPriority, served, turnOf } from './turns.ts';

const queue = 'advance';
const year = 365 * 24 * 3600;

/** The longest that a handler may run; its claim is given to another then. */
const longestClaimSeconds = 120;

/** It waits as long as it must and is retried until it is done. */
const queueOptions = {
  notify: true,
  retryLimit: 1_000_000,
  retryDelay: 1,
  retryBackoff: true,
  retryDelayMax: 60,
  retentionSeconds: year,
  deleteAfterSeconds: 3600,
  expireInSeconds: longestClaimSeconds,
  // The least that pg-boss takes: another replica has a dead worker's job after about 12 s (measured).
  heartbeatSeconds: 10,
} as const;

export interface NextJob {
  deployment: string;
  team: string;
  afterMs?: number;
  /** It takes something away: no other job is made to wait for it in vain. */
  goesFirst?: boolean;
}

/** A worker's hold on a deployment: only who has it may write. */
export interface Claim {
  deployment: string;
  /** How often it was tried before. */
  attempt: number;
  /** Aborted when the hold has run out. */
  signal: AbortSignal;
  /** Ends the job inside the transaction that saves what it did; throws `ClaimLost` where it is somebody else's now. */
  complete(trx: Transaction<Tables>): Promise<void>;
}

export class ClaimLost extends Error {
  override readonly name = 'ClaimLost';
}

export interface Jobs {
  /** Sends the next job of a deployment, or brings the waiting one forward. One that is being worked on is left to its end. */
  enqueue(trx: Transaction<Tables>, job: NextJob): Promise<void>;
  /** Makes a waiting job due now. */
  wake(trx: Transaction<Tables>, deployment: string): Promise<void>;
  /** Lets a waiting job be due then. */
  reschedule(trx: Transaction<Tables>, deployment: string, afterMs: number): Promise<void>;
  work(handler: (claim: Claim) => Promise<void>, options: { concurrency: number }): Promise<void>;
  /** Calls back for every NOTIFY on the channel, and after a reconnect, when some may have been missed. */
  listen(
    channel: string,
    onNotify: (payload: string) => void,
    onReconnect: () => void,
  ): Promise<() => Promise<void>>;
  /** Claims nothing more and waits for the handlers, at most 8 s; what they did not end is taken up again. */
  stop(): Promise<void>;
}

const stopTimeoutMs = 8_000;

// Jobs that become due by time are not notified (measured): one worker asks this often, the others now and then, in case
// that one is busy. Eight that ask as often cost 7 % of a core for nothing (measured).
const pollingSeconds = 0.5;
const idlePollingSeconds = 2;

export async function startJobs(database: Database, { log }: { log: Log }): Promise<Jobs> {
  const boss = new PgBoss({
    ...database.boss,
    schema: 'pgboss',
    useListenNotify: true,
    superviseIntervalSeconds: 5,
    monitorIntervalSeconds: 5,
    schedule: false,
  });
  boss.on('error', err => log.error({ err: asError(err) }, 'the job queue met an error'));
  boss.on('warning', ({ message }) => log.warn({ reason: message }, 'the job queue warns'));
  await boss.start();
  // One live job per deployment, by a unique index.
  await boss.createQueue(queue, { policy: 'exclusive', ...queueOptions });
  await boss.updateQueue(queue, queueOptions);
  if (database.kind === 'embedded') await freeOrphans(database);
  const turns = tellTurns(database, log);

  return {
    async enqueue(trx, { deployment, team, afterMs = 0, goesFirst = false }) {
      const db = fromKysely(trx);
      const priority = await nextPriority(trx, team, { goesFirst });
      // Relative, by the database's clock: absolute instants of this machine's could miss the NOTIFY or the order.
      const startAfter = afterMs / 1000;
      const options = { singletonKey: deployment, startAfter, priority, db };
      const sent = await boss.send(queue, { deployment }, { ...options, group: { id: team } });
      if (sent === null) await boss.update(queue, undefined, options);
    },

    async wake(trx, deployment) {
      const db = fromKysely(trx);
      await boss.update(queue, undefined, { singletonKey: deployment, startAfter: 0, db });
    },

    async reschedule(trx, deployment, afterMs) {
      const options = { singletonKey: deployment, startAfter: afterMs / 1000, db: fromKysely(trx) };
      await boss.update(queue, undefined, options);
    },

    async work(handler, { concurrency }) {
      const workers: string[] = [];
      for (let n = 0; n < concurrency; n += 1) {
        const seconds = n === 0 ? pollingSeconds : idlePollingSeconds;
        const options = {
          pollingIntervalSeconds: seconds,
          notifyPollingIntervalSeconds: seconds,
          includeMetadata: true,
        } as const;
        const worker = await boss.work(
          queue,
          options,
          async ([job]: JobWithMetadata<{ deployment: string }>[]) => {
            if (job) turns.began(turnOf(job.priority));
            // Where one job was due there may be more: nobody sleeps on a backlog.
            for (const id of workers) boss.notifyWorker(id);
            if (job) await handler(claimOf(boss, job)).catch(err => failed(job.data.deployment, err));
          },
        );
        workers.push(worker);
      }
    },

    async listen(channel, onNotify, onReconnect) {
      const handle = await boss.getDb().listen?.(channel, onNotify, onReconnect);
      if (!handle) throw new Error('this database cannot notify');
      return () => handle.close();
    },

    async stop() {
      await boss.stop({ graceful: true, timeout: stopTimeoutMs });
      await turns.told();
    },
  };

  /** The queue tries again, later each time; why goes to the log. */
  function failed(deployment: string, err: unknown): never {
    log.error({ deployment, err }, 'a move failed and is made again');
    // Only the message is kept with the job: errors of clients carry requests and answers.
    throw new Error(err instanceof Error ? err.name : 'failed');
  }
}

const tellTurnsEveryMs = 1_000;

/** Whose turn it is need not be known to the millisecond: one row that every claim writes would be a queue of its own. */
function tellTurns({ db }: Database, log: Log) {
  let turn = 0;
  let toldAt = 0;
  let telling: Promise<void> = Promise.resolve();
  return {
    began(next: number) {
      turn = Math.max(turn, next);
      if (Date.now() - toldAt < tellTurnsEveryMs) return;
      toldAt = Date.now();
      telling = served(db, turn).catch(err => log.warn({ err }, 'whose turn it is could not be told'));
    },
    told: () => telling,
  };
}

interface ClaimedJob {
  id: string;
  retryCount: number;
  data: { deployment: string };
  signal: AbortSignal;
}

function claimOf(boss: PgBoss, { id, retryCount, data: { deployment }, signal }: ClaimedJob): Claim {
  return {
    deployment,
    attempt: retryCount,
    signal,
    async complete(trx) {
      const settled = await boss.complete(queue, { id, retryCount }, null, { db: fromKysely(trx) });
      const affected = 'affected' in settled ? settled.affected : 0;
      if (affected !== 1) throw new ClaimLost(`the claim on deployment ${deployment} has run out`);
    },
  };
}

/** The lock on the embedded store proves that whoever claimed these is dead: nobody needs to wait for their heartbeat. */
async function freeOrphans({ db }: Database): Promise<void> {
  await sql`update pgboss.job set state = 'retry', start_after = now(), heartbeat_on = null
    where name = ${queue} and state = 'active'`.execute(db);
}

/** Some of the queue's errors are plain objects with an error's members. */
function asError(error: unknown): unknown {
  const plain =
    typeof error === 'object' && error !== null && !(error instanceof Error) && 'message' in error;
  return plain ? Object.assign(new Error(String(error.message)), error) : error;
}
