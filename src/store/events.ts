import type { Kysely, Transaction } from 'kysely';
import type { Event } from '../schemas/deployment.ts';
import { json, storable, storableText } from './json.ts';
import type { Tables } from './tables.ts';
import { ofTeams, type ReadTeams } from './walls.ts';

/** An event before it has its number. */
export type NewEvent = Omit<Event, 'seq' | 'at'> & { at: Date };

/** Writes events whose last number is `last`, as the update of their deployment's row raised it. */
export async function insertEvents(
  trx: Transaction<Tables>,
  { id, team }: { id: string; team: string },
  events: readonly NewEvent[],
  last: number,
): Promise<void> {
  if (events.length === 0) return;
  const first = last - events.length + 1;
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
      })),
    )
    .execute();
}

export async function listEvents(
  db: Kysely<Tables>,
  teams: ReadTeams,
  deployment: string,
  { after, size }: { after: number; size: number },
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
  const value = rows.slice(0, size).map(({ seq, at, source, type, phase, container, message, data }) => ({
    seq,
    at: at.toISOString(),
    source,
    type,
    ...(phase ? { phase } : {}),
    ...(container ? { container } : {}),
    message,
    ...(data ? { data } : {}),
  }));
  return { value, more: rows.length > size };
}
