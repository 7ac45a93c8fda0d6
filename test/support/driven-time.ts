import type { Clock } from '../../src/clock.ts';
import { execute } from './database.ts';
import type { DemoWorld } from './demo-world.ts';

/** One time for replicas in this process, the embedded Azure and the queue in the database: it passes, and can be let pass. */
export interface DrivenTime {
  clock: Clock;
  pass(ms: number): Promise<void>;
}

export function createDrivenTime(world: Pick<DemoWorld, 'control'>, databaseUrl: string): DrivenTime {
  let aheadMs = 0;
  return {
    clock: {
      now: () => new Date(Date.now() + aheadMs),
      wait: (ms, signal) =>
        new Promise((resolve, reject) => {
          if (signal?.aborted) return reject(signal.reason);
          const timer = setTimeout(resolve, ms);
          signal?.addEventListener('abort', () => {
            clearTimeout(timer);
            reject(signal.reason);
          });
        }),
    },
    async pass(ms) {
      await world.control('POST', 'clock', { advanceMs: ms });
      aheadMs += ms;
      await execute(
        databaseUrl,
        `update pgboss.job set start_after = start_after - interval '${ms} milliseconds' where state < 'active'`,
      );
    },
  };
}
