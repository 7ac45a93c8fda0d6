import { sql } from 'kysely';
import type { Database } from './database.ts';
import type { Settlement } from './deployments.ts';
import type { Jobs } from './jobs.ts';
import { json } from './json.ts';
import {
  findOrTake,
  heldBy,
  lock,
  lockOrMake,
  longestDueMs,
  placeOf,
  planAgain,
  type State,
  save,
  type Trx,
  windowsOf,
} from './places.ts';
import { asWorker } from './walls.ts';

/** What is counted together: `creates/SUBSCRIPTION/eastus`. `most` calls in each of the windows, until Azure says otherwise. */
export interface Counted {
  key: string;
  windows: readonly { most: number; lengthMs: number }[];
}

/** A bucket of `size` calls that fills again. */
export interface Bucket {
  key: string;
  size: number;
  perSecond: number;
}

export interface PlaceAsk {
  deployment: string;
  team: string;
  counted: Counted;
  now: Date;
}

/** Whether the call may be made now, or when; `full` is what makes it wait. */
export type Place = { go: true } | { go: false; at: Date; full: 'window' | 'bucket' };

/** One view of what Azure lets through, for all replicas. */
export interface PacingStore {
  /** Takes a place for a call, or finds the one that is held: who waits is moved once, and the backlog is in turns by team. */
  reserve(ask: PlaceAsk): Promise<Place>;
  /** The same, and where the call may be made its place is used. */
  take(ask: PlaceAsk, bucket: Bucket): Promise<Place>;
  /** The call was refused for another reason: it did not count. */
  giveBack(ask: PlaceAsk): Promise<void>;
  /** What a deployment holds and will not use goes to who waits behind it. */
  release(deployment: string, now: Date): Promise<void>;
  /** Nothing is called before `until`: Azure said so to one of us. */
  block(counted: Counted, until: Date, now: Date): Promise<void>;
  /** What Azure says is left, by window; null where it does not say. */
  learn(counted: Counted, left: readonly (number | null)[], now: Date): Promise<void>;
  /** Nothing of it is asked before `until`: told to every replica. */
  tellBlocked(key: string, until: Date): Promise<void>;
  onBlocked(heard: (key: string, until: Date) => void): void;
  close(): Promise<void>;
  /** The bucket holds no more than `left` at `now`, or has become larger. */
  learnBucket(bucket: Bucket, left: number, now: Date): Promise<void>;
}

const channel = 'slipway_paces';

export async function createPacingStore({ db }: Pick<Database, 'db'>, jobs: Jobs): Promise<PacingStore> {
  const listeners: Parameters<PacingStore['onBlocked']>[0][] = [];
  const hear = (payload: string) => {
    const [key = '', until] = payload.split(' ');
    for (const listener of listeners) listener(key, new Date(Number(until)));
  };
  const unlisten = await jobs.listen(channel, hear, () => {});
  return {
    reserve: ask => asWorker(db, async trx => placeOf(await findOrTake(trx, jobs, ask), ask.now)),
    take: (ask, bucket) => asWorker(db, trx => take(trx, jobs, ask, bucket)),
    async giveBack({ deployment, counted: { key } }) {
      const used = sql<number>`(select max(number) from places
        where key = ${key} and deployment = ${deployment} and state = 'used')`;
      await asWorker(db, trx => trx.deleteFrom('places').where('number', '=', used).execute());
    },
    async release(deployment, now) {
      // Nearly always there is nothing, which takes no lock.
      const held = await asWorker(db, trx => heldBy(trx, deployment).select('key').execute());
      for (const { key } of held)
        await asWorker(db, async trx => {
          const state = await lock(trx, key);
          const freed = await trx
            .deleteFrom('places')
            .where('number', 'in', heldBy(trx, deployment).select('number'))
            .where('key', '=', key)
            .executeTakeFirst();
          if (state && freed.numDeletedRows > 0n) await planAgain(trx, jobs, state, now);
        });
    },
    block: ({ key, windows }, until, now) =>
      asWorker(db, async trx => {
        const state = await lockOrMake(trx, { key, windows });
        if ((state.blockedUntil ?? until) > until) return;
        await save(trx, key, { blockedUntil: until });
        await planAgain(trx, jobs, { ...state, blockedUntil: until }, now);
      }),
    learn: (counted, left, now) => asWorker(db, trx => learn(trx, jobs, counted, left, now)),
    async tellBlocked(key, until) {
      await sql`select pg_notify(${channel}, ${`${key} ${until.getTime()}`})`.execute(db);
    },
    onBlocked(heard) {
      listeners.push(heard);
    },
    close: unlisten,
    learnBucket: (bucket, left, now) => asWorker(db, trx => learnBucket(trx, bucket, left, now)),
  };
}

async function take(trx: Trx, jobs: Jobs, ask: PlaceAsk, bucket: Bucket): Promise<Place> {
  const held = await findOrTake(trx, jobs, ask);
  const place = placeOf(held, ask.now);
  if (!place.go) return place;
  const at = held.state === 'admitted' ? ask.now : await pour(trx, bucket, ask.now);
  const waits = at > ask.now;
  await trx
    .updateTable('places')
    .set({ at, state: waits ? 'admitted' : 'used' })
    .where('number', 'in', heldBy(trx, ask.deployment).where('key', '=', ask.counted.key).select('number'))
    .execute();
  return waits ? { go: false, at, full: 'bucket' } : place;
}

/** Takes one from the bucket: when it is there. `fullAt` is when it will be full again. */
async function pour(trx: Trx, bucket: Bucket, now: Date): Promise<Date> {
  const { size: usual, fullAt } = await lockOrMake(trx, { key: bucket.key, windows: [] });
  const size = usual ?? bucket.size;
  const eachMs = 1000 / bucket.perSecond;
  const isOfNow = fullAt && fullAt.getTime() < now.getTime() + size * eachMs + longestDueMs;
  const full = Math.max(isOfNow ? fullAt.getTime() : 0, now.getTime()) + eachMs;
  await save(trx, bucket.key, { fullAt: new Date(full) });
  return new Date(Math.max(now.getTime(), Math.ceil(full - size * eachMs)));
}

async function learnBucket(trx: Trx, bucket: Bucket, left: number, now: Date): Promise<void> {
  const { size: usual, fullAt } = await lockOrMake(trx, { key: bucket.key, windows: [] });
  const size = Math.max(usual ?? bucket.size, left + 1);
  const full = new Date(now.getTime() + ((size - left) * 1000) / bucket.perSecond);
  await save(trx, bucket.key, { size, ...(fullAt && fullAt > full ? {} : { fullAt: full }) });
}

/**
 * More is left than we thought there is: the limit is larger, and who waits comes sooner. Less is left: others call too,
 * and until their calls have left the window they count as made now.
 */
async function learn(
  trx: Trx,
  jobs: Jobs,
  counted: Counted,
  left: readonly (number | null)[],
  now: Date,
): Promise<void> {
  const state = await lockOrMake(trx, counted);
  const windows = windowsOf(state, counted);
  const most = windows.map((window, index) => Math.max(window.most, (left[index] ?? 0) + 1));
  const foreignCalls: State['foreignCalls'] = [];
  for (const [index, { lengthMs, foreign }] of windows.entries()) {
    const since = new Date(now.getTime() - lengthMs);
    const own = await countUsed(trx, counted.key, since);
    const known = foreign && foreign.at > since.getTime() ? foreign.count : 0;
    const more = (most[index] ?? 0) - own - known - (left[index] ?? Number.POSITIVE_INFINITY);
    foreignCalls.push(more > 0 ? { count: known + more, at: now.getTime() } : (foreign ?? null));
  }
  const changed = { most, foreignCalls };
  if (JSON.stringify(changed) === JSON.stringify({ most: state.most, foreignCalls: state.foreignCalls }))
    return;
  await save(trx, counted.key, { most, foreignCalls: json(foreignCalls) });
  await planAgain(trx, jobs, { ...state, ...changed }, now);
}

async function countUsed(trx: Trx, key: string, since: Date): Promise<number> {
  const { used } = await trx
    .selectFrom('places')
    .select(sql<number>`count(*)::int`.as('used'))
    .where('key', '=', key)
    .where('state', '=', 'used')
    .where('at', '>', since)
    .executeTakeFirstOrThrow();
  return used;
}

/** The same settlement, due when its place is now: others may have moved it since it was taken. */
export async function atItsPlace(trx: Trx, { id }: { id: string }, made: Settlement): Promise<Settlement> {
  const { waitingFor } = made.patch ?? {};
  if (!made.place || !waitingFor) return made;
  const held = await heldBy(trx, id).select('at').orderBy('at', 'desc').executeTakeFirst();
  if (!held) return made;
  const againInMs = Math.max(0, held.at.getTime() - made.now.getTime());
  return {
    ...made,
    againInMs,
    patch: { ...made.patch, waitingFor: { ...waitingFor, until: held.at.toISOString() } },
  };
}
