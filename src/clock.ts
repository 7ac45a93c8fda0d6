import { setTimeout as sleep } from 'node:timers/promises';

/** Where time comes from. The service uses the system's; tests drive their own. */
export interface Clock {
  now(): Date;
  /** Resolves after `ms` milliseconds, or rejects with the signal's reason. */
  wait(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => new Date(),
  wait: (ms, signal) => sleep(ms, undefined, { signal, ref: true }),
};
