import { createError } from '../errors.ts';
import type { Deployment, Event, TeamEvent } from '../schemas/deployment.ts';
import type { Caller } from '../schemas/principal.ts';
import type { DeploymentStore, Watch } from '../store/deployments.ts';
import { beforeLast, type Positions, readTeams, type TeamsPage } from './every-team.ts';
import { findOrThrow, recordsFor, teamsWith } from './finding.ts';

/** What a follower is told at once: the events that came, and once nothing is to come any more, why. */
export interface News<E> {
  events: E[];
  over?: Pick<Deployment, 'status' | 'health' | 'operation'>;
}

/** Events from a place on, for as long as they come. Only a page is held in memory, and only while it is asked for. */
export interface Feed<E> extends Disposable {
  team: string;
  /** Waits for what comes next, at most `ms` or until the signal aborts; without events where nothing came. */
  next(ms: number, signal: AbortSignal): Promise<News<E>>;
}

interface EventParts {
  store: Pick<DeploymentStore, 'find' | 'events' | 'teamEvents' | 'lastPosition' | 'lastPositions'>;
  watch: Pick<Watch, 'subscribe'>;
}

interface Page<E> {
  value: E[];
  /** Where the next page begins; absent where there is none. */
  next?: number;
}

// Small: it is what a follower who reads slowly costs.
const feedSize = 50;

export type Events = ReturnType<typeof createEvents>;

/** What happened, of one deployment and of all deployments of a team. Records: they outlive the group. */
export function createEvents({ store, watch }: EventParts) {
  const find = (caller: Caller, ref: string) => findOrThrow(store, recordsFor(caller), ref);
  return {
    async page(caller: Caller, ref: string, place: { after: number; size: number }): Promise<Page<Event>> {
      const { id } = await find(caller, ref);
      const { value, more } = await store.events(recordsFor(caller), id, place);
      return pageOf(value, more, value.at(-1)?.seq);
    },

    /** Ends when the deployment has settled; with `follow` when it is deleted. */
    async feed(
      caller: Caller,
      ref: string,
      { after, follow }: { after: number; follow: boolean },
    ): Promise<Feed<Event>> {
      const teams = recordsFor(caller);
      const { id, team } = await find(caller, ref);
      const isOver = ({ settled, status }: Deployment) => (follow ? status === 'Deleted' : settled);
      let place = after;
      return readOn(team, watch.subscribe({ id }), async () => {
        // Before its events: those of the move that ended it are on record with it.
        const { status, health, operation, ...deployment } = await find(caller, id);
        const { value, more } = await store.events(teams, id, { after: place, size: feedSize });
        place = value.at(-1)?.seq ?? place;
        const over = !more && isOver({ status, health, operation, ...deployment });
        return { events: value, more, ...(over ? { over: { status, health, operation } } : {}) };
      });
    },

    async teamPage(
      caller: Caller,
      asked: string | undefined,
      place: { after: number; size: number },
    ): Promise<Page<TeamEvent>> {
      const { value, more } = await store.teamEvents(recordsFor(caller), teamOf(caller, asked), place);
      return pageOf(value, more, value.at(-1)?.position);
    },

    /** Never ends by itself. `tail`: begins with the last so many. */
    async teamFeed(
      caller: Caller,
      asked: string | undefined,
      { after, tail }: { after: number; tail?: number | undefined },
    ): Promise<Feed<TeamEvent>> {
      const teams = recordsFor(caller);
      const team = teamOf(caller, asked);
      let place =
        tail === undefined ? after : Math.max(after, (await store.lastPosition(teams, team)) - tail);
      return readOn(team, watch.subscribe({ team }), async () => {
        const { value, more } = await store.teamEvents(teams, team, { after: place, size: feedSize });
        place = value.at(-1)?.position ?? place;
        return { events: value, more };
      });
    },

    /** The same of all teams in which the caller may read, each in its own order. */
    async everyTeamFeed(
      caller: Caller,
      { after, tail }: { after: Positions; tail?: number | undefined },
    ): Promise<Feed<TeamsPage['value'][number]>> {
      const teams = recordsFor(caller);
      let place = tail === undefined ? after : await beforeLast(store, teams, tail);
      return readOn('*', watch.subscribe({ teams }), async () => {
        const { value, upTo, more } = await readTeams(store, teams, place, feedSize);
        place = upTo;
        return { events: value, more };
      });
    },
  };
}

/** Reads in more than one team, and names none. */
export const readsEveryTeam = (caller: Caller, asked: string | undefined): boolean =>
  asked === undefined && (caller.operator === true || teamsWith(caller, 'read').length > 1);

/** Reads again whenever something has come, and while there is more. */
function readOn<E>(
  team: string,
  news: ReturnType<Watch['subscribe']>,
  read: () => Promise<News<E> & { more: boolean }>,
): Feed<E> {
  let behind = true;
  return {
    team,
    async next(ms, signal) {
      behind ||= await news.within(ms, signal);
      if (!behind || signal.aborted) return { events: [] };
      const { more, ...found } = await read();
      behind = more;
      return found;
    },
    [Symbol.dispose]: () => news[Symbol.dispose](),
  };
}

const pageOf = <E>(value: E[], more: boolean, last: number | undefined): Page<E> =>
  more && last !== undefined ? { value, next: last } : { value };

/** The team whose events are asked for: his only one, or the one that he names. An operator names any. */
function teamOf(caller: Caller, asked: string | undefined): string {
  const teams = teamsWith(caller, 'read');
  if (asked === undefined) {
    const [only, ...others] = teams;
    if (only !== undefined && others.length === 0) return only;
    const detail = `is missing; you may read in ${caller.operator ? 'every team' : teams.join(', ')}`;
    throw createError('InvalidRequest', `team: ${detail}`, {
      errors: [{ pointer: 'querystring:/team', detail }],
    });
  }
  if (!caller.operator && !teams.includes(asked))
    throw createError('PermissionDenied', `You may not read in team '${asked}'.`);
  return asked;
}
