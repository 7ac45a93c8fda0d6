import { sql, type Transaction } from 'kysely';
import type { Deployment } from '../schemas/deployment.ts';
import type { Jobs } from './jobs.ts';
import type { Tables } from './tables.ts';
import type { ReadTeams } from './walls.ts';

const channel = 'slipway_deployments';

/** Tells every replica, at commit, that a deployment changed. */
export async function changed(trx: Transaction<Tables>, id: string): Promise<void> {
  await sql`select pg_notify(${channel}, ${id})`.execute(trx);
}

/** Waits for deployments to change: one listener per process, any number of waiters. */
export interface Watch {
  /** The deployment once `done` says so, or as it is when the time is over or the signal aborts; null where there is none. */
  until(
    id: string,
    teams: ReadTeams,
    done: (deployment: Deployment) => boolean,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<Deployment | null>;
  /** Everybody who waits is answered with the deployment as it is. */
  close(): Promise<void>;
}

type Find = (teams: ReadTeams, id: string) => Promise<Deployment | null>;

export async function startWatch(jobs: Jobs, find: Find): Promise<Watch> {
  const waiting = new Map<string, Set<() => void>>();
  const wake = (id: string) => {
    for (const waiter of waiting.get(id) ?? []) waiter();
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
        const deployment = await find(teams, id);
        const left = deadline - Date.now();
        if (!deployment || done(deployment) || left <= 0 || signal?.aborted || closed) return deployment;
        await next.within(left, signal);
      }
    },
    async close() {
      closed = true;
      wakeAll();
      await unlisten();
    },
  };
}

function subscribe(waiting: Map<string, Set<() => void>>, id: string) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const waiters = waiting.get(id) ?? new Set();
  waiters.add(resolve);
  waiting.set(id, waiters);
  return {
    /** Resolves at the next change, at the latest after `ms`. Leaves no timer behind. */
    async within(ms: number, signal?: AbortSignal): Promise<void> {
      const timer = setTimeout(resolve, ms);
      const abort = () => resolve();
      signal?.addEventListener('abort', abort);
      await promise;
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    },
    [Symbol.dispose]() {
      waiters.delete(resolve);
      if (waiters.size === 0) waiting.delete(id);
    },
  };
}
