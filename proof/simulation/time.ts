import type { Clock } from '../../src/clock.ts';

/** Time that passes only when it is let pass. */
export interface DrivenTime {
  clock: Clock;
  now(): number;
  pass(ms: number): void;
  /** A signal that aborts when so much has passed: what `AbortSignal.timeout` is in the simulation. */
  timeout(ms: number): AbortSignal;
  /** What came from elsewhere is no longer waited for. */
  forget(): void;
}

interface Timer {
  at: number;
  ring(): void;
}

const begin = Date.parse('2026-01-01T00:00:00Z');

export function createDrivenTime(): DrivenTime {
  let now = begin;
  let timers: Timer[] = [];
  const later = (ms: number, ring: () => void) => timers.push({ at: now + ms, ring });
  return {
    now: () => now,
    clock: {
      now: () => new Date(now),
      wait: (ms, signal) =>
        new Promise((resolve, reject) => {
          later(ms, resolve);
          signal?.addEventListener('abort', () => reject(signal.reason));
        }),
    },
    pass(ms) {
      now += ms;
      const due = timers.filter(({ at }) => at <= now).sort((a, b) => a.at - b.at);
      if (due.length === 0) return;
      timers = timers.filter(({ at }) => at > now);
      for (const { ring } of due) ring();
    },
    timeout(ms) {
      const controller = new AbortController();
      later(ms, () => controller.abort(new DOMException('it took too long', 'TimeoutError')));
      return controller.signal;
    },
    forget() {
      timers = [];
    },
  };
}
