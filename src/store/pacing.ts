import { type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import type { Database } from './database.ts';
import type { Jobs } from './jobs.ts';
import { json } from './json.ts';
import { inTurns, type PaceWindow, planSlots } from './pacing-plan.ts';
import type { PacesTable, Tables } from './tables.ts';
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
  /** The bucket holds no more than `left` at `now`, or has become larger. */
  learnBucket(bucket: Bucket, left: number, now: Date): Promise<void>;
}

type State = Selectable<PacesTable>;
type Trx = Transaction<Tables>;

export function createPacingStore({ db }: Pick<Database, 'db'>, jobs: Jobs): PacingStore {
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
    learnBucket: (bucket, left, now) => asWorker(db, trx => learnBucket(trx, bucket, left, now)),
  };
}

interface Held {
  at: Date;
  state: 'waiting' | 'admitted' | 'used';
}

const placeOf = ({ at }: Held, now: Date): Place =>
  at <= now ? { go: true } : { go: false, at, full: 'window' };

const heldBy = (trx: Trx, deployment: string) =>
  trx.selectFrom('places').where('deployment', '=', deployment).where('state', '<>', 'used');

async function findOrTake(trx: Trx, jobs: Jobs, ask: PlaceAsk): Promise<Held> {
  const { deployment, team, counted, now } = ask;
  const { key } = counted;
  const state = await lockOrMake(trx, counted);
  const find = () =>
    heldBy(trx, deployment).where('key', '=', key).select(['at', 'state']).executeTakeFirst();
  const held = await find();
  if (held) return held;
  await forget(trx, state, now);
  const at = await lastPlace(trx, state, now);
  const others = await waitingByTeam(trx, key);
  await trx.insertInto('places').values({ key, deployment, team, at, state: 'waiting' }).execute();
  // Behind everybody is his turn only where no other team has waited less often.
  const own = others.get(team) ?? 0;
  if ([...others.values()].every(count => count <= own)) return { at, state: 'waiting' };
  await planAgain(trx, jobs, state, now, deployment);
  return (await find()) ?? { at, state: 'waiting' };
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

/** Gives out the places of a key anew; who comes sooner or later by it is told, but for `but`, who is here. */
async function planAgain(trx: Trx, jobs: Jobs, state: State, now: Date, but?: string): Promise<void> {
  const places = await trx
    .selectFrom('places')
    .selectAll()
    .where('key', '=', state.key)
    .orderBy('at')
    .execute();
  const waiting = inTurns(places.filter(place => place.state === 'waiting'));
  const made = places.filter(place => place.state !== 'waiting').map(({ at }) => at.getTime());
  const slots = planSlots({ ...paceOf(state, now), made }, waiting.length);
  for (const [index, { number, deployment, at }] of waiting.entries()) {
    const slot = slots[index] ?? at.getTime();
    // A place that is due stays due.
    if (slot === at.getTime() || (slot <= now.getTime() && at <= now)) continue;
    const until = new Date(slot);
    await trx.updateTable('places').set({ at: until }).where('number', '=', number).execute();
    if (deployment !== but) await moveWaiting(trx, jobs, deployment, until, now);
  }
}

/** The row before the job, as everywhere. */
async function moveWaiting(trx: Trx, jobs: Jobs, deployment: string, until: Date, now: Date): Promise<void> {
  const told = sql`jsonb_set(waiting_for, '{until}', to_jsonb(cast(${until.toISOString()} as text)))`;
  await sql`update deployments set waiting_for = ${told}
    where id = ${deployment} and waiting_for ? 'until' and status = 'Submitting'`.execute(trx);
  await sql`update operations set waiting_for = ${told}
    where deployment_id = ${deployment} and ended_at is null and waiting_for ? 'until'`.execute(trx);
  await jobs.reschedule(trx, deployment, Math.max(0, until.getTime() - now.getTime()));
}

const paceOf = (state: State, now: Date) => ({
  windows: windowsOf(state),
  blockedUntil: state.blockedUntil?.getTime() ?? 0,
  now: now.getTime(),
});

/** The place behind everybody who has one. */
async function lastPlace(trx: Trx, state: State, now: Date): Promise<Date> {
  const { windows, blockedUntil } = paceOf(state, now);
  const behind = (offset: number) =>
    trx
      .selectFrom('places')
      .select('at')
      .where('key', '=', state.key)
      .orderBy('at', 'desc')
      .offset(offset)
      .limit(1)
      .executeTakeFirst();
  const { waits } = await trx
    .selectFrom('places')
    .select(({ fn }) => fn.max('at').as('waits'))
    .where('key', '=', state.key)
    .where('state', '=', 'waiting')
    .executeTakeFirstOrThrow();
  let at = Math.max(now.getTime(), blockedUntil, waits?.getTime() ?? 0);
  for (const { most, lengthMs, foreign } of windows) {
    const strangers = foreign && foreign.at > now.getTime() - lengthMs ? Math.min(foreign.count, most) : 0;
    const leaves = strangers === most ? foreign?.at : (await behind(most - strangers - 1))?.at.getTime();
    if (leaves !== undefined) at = Math.max(at, leaves + lengthMs);
  }
  return new Date(at);
}

async function waitingByTeam(trx: Trx, key: string): Promise<Map<string, number>> {
  const counts = await trx
    .selectFrom('places')
    .select(['team', sql<number>`count(*)::int`.as('count')])
    .where('key', '=', key)
    .where('state', '=', 'waiting')
    .groupBy('team')
    .execute();
  return new Map(counts.map(({ team, count }) => [team, count]));
}

// Whoever has not come by then was deleted, or ended otherwise.
const longestDueMs = 15 * 60_000;
// A call that was made later than that from now was made before this machine's clock went back.
const clockErrorMs = 60_000;

async function forget(trx: Trx, state: State, now: Date): Promise<void> {
  const longest = Math.max(0, ...windowsOf(state).map(({ lengthMs }) => lengthMs));
  const past = (ms: number) => new Date(now.getTime() - ms);
  await trx
    .deleteFrom('places')
    .where('key', '=', state.key)
    .where(where =>
      where.or([
        where.and([where('state', '=', 'used'), where('at', '<', past(longest))]),
        where.and([where('state', '<>', 'used'), where('at', '<', past(longestDueMs))]),
      ]),
    )
    .execute();
  await trx
    .updateTable('places')
    .set({ at: now })
    .where('key', '=', state.key)
    .where('state', '=', 'used')
    .where('at', '>', past(-clockErrorMs))
    .execute();
}

function windowsOf({ most, lengthsMs, foreignCalls }: State, counted?: Counted): PaceWindow[] {
  return lengthsMs.map((lengthMs, index) => {
    const foreign = foreignCalls[index];
    const usual = counted?.windows[index]?.most ?? 0;
    return { lengthMs, most: most[index] ?? usual, ...(foreign ? { foreign } : {}) };
  });
}

function lock(db: Kysely<Tables>, key: string): Promise<State | undefined> {
  return db.selectFrom('paces').selectAll().where('key', '=', key).forUpdate().executeTakeFirst();
}

async function lockOrMake(trx: Trx, { key, windows }: Counted): Promise<State> {
  const found = await lock(trx, key);
  if (found) return found;
  await trx
    .insertInto('paces')
    .values({
      key,
      most: windows.map(({ most }) => most),
      lengthsMs: windows.map(({ lengthMs }) => lengthMs),
      foreignCalls: json([]),
      blockedUntil: null,
      fullAt: null,
      size: null,
    })
    .onConflict(conflict => conflict.doNothing())
    .execute();
  const made = await lock(trx, key);
  if (!made) throw new Error(`the pace of ${key} is not there`);
  return made;
}

async function save(trx: Trx, key: string, change: Parameters<typeof setOf>[0]): Promise<void> {
  await trx.updateTable('paces').set(setOf(change)).where('key', '=', key).execute();
}

const setOf = (change: Partial<PacesUpdate>) => change;
type PacesUpdate = {
  most: number[];
  foreignCalls: ReturnType<typeof json<State['foreignCalls']>>;
  blockedUntil: Date;
  fullAt: Date;
  size: number;
};
