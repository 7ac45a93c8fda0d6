import { type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import type { Jobs } from './jobs.ts';
import { json } from './json.ts';
import type { Counted, Place, PlaceAsk } from './pacing.ts';
import { inTurns, type PaceWindow, planSlots } from './pacing-plan.ts';
import type { PacesTable, Tables } from './tables.ts';

export type State = Selectable<PacesTable>;
export type Trx = Transaction<Tables>;

interface Held {
  at: Date;
  state: 'waiting' | 'admitted' | 'used';
}

export const placeOf = ({ at }: Held, now: Date): Place =>
  at <= now ? { go: true } : { go: false, at, full: 'window' };

export const heldBy = (trx: Trx, deployment: string) =>
  trx.selectFrom('places').where('deployment', '=', deployment).where('state', '<>', 'used');

export async function findOrTake(trx: Trx, jobs: Jobs, ask: PlaceAsk): Promise<Held> {
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

/** Gives out the places of a key anew; who comes sooner or later by it is told, but for `but`, who is here. */
export async function planAgain(trx: Trx, jobs: Jobs, state: State, now: Date, but?: string): Promise<void> {
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
export const longestDueMs = 15 * 60_000;
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

export function windowsOf({ most, lengthsMs, foreignCalls }: State, counted?: Counted): PaceWindow[] {
  return lengthsMs.map((lengthMs, index) => {
    const foreign = foreignCalls[index];
    const usual = counted?.windows[index]?.most ?? 0;
    return { lengthMs, most: most[index] ?? usual, ...(foreign ? { foreign } : {}) };
  });
}

export function lock(db: Kysely<Tables>, key: string): Promise<State | undefined> {
  return db.selectFrom('paces').selectAll().where('key', '=', key).forUpdate().executeTakeFirst();
}

export async function lockOrMake(trx: Trx, { key, windows }: Counted): Promise<State> {
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

export async function save(trx: Trx, key: string, change: Parameters<typeof setOf>[0]): Promise<void> {
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
