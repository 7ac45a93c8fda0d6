import { sql, type Transaction } from 'kysely';
import type { Deployment } from '../schemas/deployment.ts';
import type { Jobs } from './jobs.ts';
import { isStoreOutage } from './outage.ts';
import type { Tables } from './tables.ts';
import type { ReadTeams } from './walls.ts';

const channel = 'slipway_deployments';

/** Tells every replica, at commit, that a deployment changed. */
export async function changed(trx: Transaction<Tables>, id: string): Promise<void> {
  await sql`select pg_notify(${channel}, ${id})`.execute(trx);
}

/** Tells every replica, at commit, that a deployment has new events, and so its team. */
export async function told(
  trx: Transaction<Tables>,
  { id, team }: { id: string; team: string },
): Promise<void> {
  await sql`select pg_notify(${channel}, ${id}), pg_notify(${channel}, ${teamKey(team)})`.execute(trx);
}

const teamKey = (team: string) => `team ${team}`;
const everyTeam = teamKey('*');

function keysOf(news: News): string[] {
  if ('id' in news) return [news.id];
  if ('team' in news) return [teamKey(news.team)];
  return news.teams === 'all' ? [everyTeam] : news.teams.map(teamKey);
}

/** What is new of a deployment, of a team's, or of all that somebody may read. */
export type News = { id: string } | { team: string } | { teams: ReadTeams };

/** Waits for deployments to change: one listener per process, any number of waiters. */
export interface Watch {
  /** The deployment once `done` says so, or as it is when the time is over or the signal aborts; null where there is none. */
  until(
    id: string,
    teams: ReadTeams,
    done: (deployment: Deployment) => boolean | Promise<boolean>,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<Deployment | null>;
  /** For who reads again when something has come: made before he reads, so that nothing comes unseen in between. */
  subscribe(to: News): Subscription;
  /** Everybody who waits is answered with the deployment as it is. */
  close(): Promise<void>;
}

export interface Subscription extends Disposable {
  /** Whether something has come since it was last asked: waits at most `ms`, or until the signal aborts. */
  within(ms: number, signal?: AbortSignal): Promise<boolean>;
}

type Find = (teams: ReadTeams, id: string) => Promise<Deployment | null>;

/** Who waits has time: a lost connection is made again meanwhile. */
const againMs = 250;

function outageOf(error: unknown): Error {
  if (error instanceof Error && isStoreOutage(error)) return error;
  throw error;
}

export async function startWatch(jobs: Jobs, find: Find): Promise<Watch> {
  const waiting = new Map<string, Set<() => void>>();
  const wake = (id: string) => {
    for (const waiter of waiting.get(id) ?? []) waiter();
    if (id.startsWith('team ')) for (const waiter of waiting.get(everyTeam) ?? []) waiter();
  };
  const wakeAll = () => {
    for (const id of waiting.keys()) wake(id);
  };
  const unlisten = await jobs.listen(channel, wake, wakeAll);
  let closed = false;

  return {
    async until(id, teams, done, timeoutMs, signal) {
      const deadline = Date.now() + timeoutMs;
      for (;;) {
        // Subscribed before the row is read: a change in between wakes too.
        using next = subscribe(waiting, id);
        const found = await find(teams, id).catch(outageOf);
        const left = deadline - Date.now();
        const over = left <= 0 || signal?.aborted || closed;
        if (found instanceof Error) {
          if (over) throw found;
          await next.within(Math.min(left, againMs), signal);
          continue;
        }
        if (!found || (await done(found)) || over) return found;
        await next.within(left, signal);
      }
    },
    subscribe: to => subscribe(waiting, ...keysOf(to)),
    async close() {
      closed = true;
      wakeAll();
      await unlisten();
    },
  };
}

export function subscribe(waiting: Map<string, Set<() => void>>, ...keys: string[]): Subscription {
  let came = false;
  let resume = () => {};
  const wake = () => {
    came = true;
    resume();
  };
  for (const key of keys) waiting.set(key, (waiting.get(key) ?? new Set()).add(wake));
  return {
    async within(ms, signal) {
      if (!came && !signal?.aborted) {
        const { promise, resolve } = Promise.withResolvers<void>();
        resume = resolve;
        const timer = setTimeout(resolve, ms);
        signal?.addEventListener('abort', resume);
        await promise;
        clearTimeout(timer);
        signal?.removeEventListener('abort', resume);
      }
      const news = came;
      came = false;
      return news;
    },
    [Symbol.dispose]() {
      for (const key of keys) {
        const waiters = waiting.get(key);
        waiters?.delete(wake);
        if (waiters?.size === 0) waiting.delete(key);
      }
    },
  };
}
