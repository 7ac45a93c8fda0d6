import { type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import type { Event, TeamEvent } from '../schemas/deployment.ts';
import { json, storable, storableText } from './json.ts';
import type { EventsTable, Tables } from './tables.ts';
import { ofTeams, type ReadTeams } from './walls.ts';
import { told } from './watch.ts';

/** An event before it has its number. */
export type NewEvent = Omit<Event, 'seq' | 'at'> & { at: Date };

/** A page: what comes after a number, at most so many. */
export interface EventPlace {
  after: number;
  size: number;
}

/** Writes events whose last number is `last`, as the update of their deployment's row raised it. */
export async function insertEvents(
  trx: Transaction<Tables>,
  { id, team }: { id: string; team: string },
  events: readonly NewEvent[],
  last: number,
): Promise<void> {
  if (events.length === 0) return;
  const first = last - events.length + 1;
  const position = await takePositions(trx, team, events.length);
  await trx
    .insertInto('events')
    .values(
      events.map(({ message, phase = null, container = null, data = null, ...event }, index) => ({
        ...event,
        phase,
        container,
        message: storableText(message),
        data: json(storable(data)),
        deploymentId: id,
        team,
        seq: first + index,
        position: position + index,
      })),
    )
    .execute();
  await told(trx, { id, team });
}

/**
 * The next places in the order of a team. Its counter stays locked until the commit, so that nobody can read a place before
 * those below it are to be read too: who has read up to one has missed none. A deployment's row is locked before it.
 */
async function takePositions(trx: Transaction<Tables>, team: string, count: number): Promise<number> {
  const { last } = await trx
    .insertInto('eventCounters')
    .values({ team, last: count })
    .onConflict(conflict =>
      conflict.column('team').doUpdateSet({ last: sql`event_counters.last + excluded.last` }),
    )
    .returning('last')
    .executeTakeFirstOrThrow();
  return last - count + 1;
}

/** Of one deployment. */
export async function listEvents(
  db: Kysely<Tables>,
  teams: ReadTeams,
  deployment: string,
  { after, size }: EventPlace,
): Promise<{ value: Event[]; more: boolean }> {
  if (teams.length === 0) return { value: [], more: false };
  const rows = await db
    .selectFrom('events')
    .selectAll()
    .where('deploymentId', '=', deployment)
    .where(ofTeams(teams))
    .where('seq', '>', after)
    .orderBy('seq')
    .limit(size + 1)
    .execute();
  return { value: rows.slice(0, size).map(eventOf), more: rows.length > size };
}

/** Of all deployments of one team. */
export async function listTeamEvents(
  db: Kysely<Tables>,
  teams: ReadTeams,
  team: string,
  { after, size }: EventPlace,
): Promise<{ value: TeamEvent[]; more: boolean }> {
  if (teams !== 'all' && !teams.includes(team)) return { value: [], more: false };
  const rows = await db
    .selectFrom('events')
    .selectAll()
    .where('team', '=', team)
    .where('position', '>', after)
    .orderBy('position')
    .limit(size + 1)
    .execute();
  const value = rows.slice(0, size).map(row => ({
    position: row.position,
    team: row.team,
    deployment: row.deploymentId,
    ...eventOf(row),
  }));
  return { value, more: rows.length > size };
}

/** The last place that a team's order has. */
export async function lastPosition(db: Kysely<Tables>, team: string): Promise<number> {
  const counter = await db
    .selectFrom('eventCounters')
    .select('last')
    .where('team', '=', team)
    .executeTakeFirst();
  return counter?.last ?? 0;
}

/** The same of each team that has any. */
export async function lastPositions(db: Kysely<Tables>, teams: ReadTeams): Promise<Map<string, number>> {
  if (teams.length === 0) return new Map();
  const counters = await db
    .selectFrom('eventCounters')
    .select(['team', 'last'])
    .where(ofTeams(teams))
    .orderBy('team')
    .execute();
  return new Map(counters.map(({ team, last }) => [team, last]));
}

function eventOf(row: Selectable<EventsTable>): Event {
  const { seq, at, source, type, phase, container, message, data } = row;
  return {
    seq,
    at: at.toISOString(),
    source,
    type,
    ...(phase ? { phase } : {}),
    ...(container ? { container } : {}),
    message,
    ...(data ? { data } : {}),
  };
}
