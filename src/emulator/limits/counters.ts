import type { Rate } from './settings.ts';

/** How many more requests there may be now, and after how long the next where there may be none. */
export interface Room {
  remaining: number;
  waitMs: number;
}

/** Something that counts requests by key, on the emulator's clock. */
export interface Counter<Limit> {
  room(key: string, limit: Limit): Room;
  /** One more was asked. */
  count(key: string, limit: Limit): void;
  /** As if nobody had asked yet. */
  clear(): void;
}

const mostKept = 10_000;

/** Buckets that fill again by themselves. */
export function createBuckets(clock: { now(): number }): Counter<Rate> {
  const buckets = new Map<string, { tokens: number; at: number }>();
  function tokensOf(key: string, { size, perSecond }: Rate): number {
    const bucket = buckets.get(key);
    if (!bucket) return size;
    // A machine's clock may be set back: that takes nothing away.
    const elapsedMs = Math.max(0, clock.now() - bucket.at);
    return Math.min(size, bucket.tokens + (elapsedMs / 1000) * perSecond);
  }
  return {
    room(key, limit) {
      const tokens = tokensOf(key, limit);
      // The millisecond in which a token is there counts as its own: sums of fractions fall short of it.
      const remaining = Math.floor(tokens + 1e-6);
      const missing = Math.max(0, 1 - tokens);
      return { remaining, waitMs: remaining > 0 ? 0 : (missing / limit.perSecond) * 1000 };
    },
    count(key, limit) {
      const tokens = tokensOf(key, limit) - 1;
      buckets.delete(key);
      buckets.set(key, { tokens, at: clock.now() });
      forgetOldest(buckets);
    },
    clear: () => buckets.clear(),
  };
}

/** Windows that begin with the first request: so many until they end. */
export function createWindows(clock: { now(): number }, lengthMs: number): Counter<number> {
  const windows = new Map<string, { count: number; endsAt: number }>();
  function windowOf(key: string): { count: number; endsAt: number } {
    const window = windows.get(key);
    const leftMs = window ? window.endsAt - clock.now() : 0;
    return window && leftMs > 0 && leftMs <= lengthMs ? window : { count: 0, endsAt: clock.now() + lengthMs };
  }
  return {
    room(key, limit) {
      const { count, endsAt } = windowOf(key);
      const remaining = Math.max(0, limit - count);
      return { remaining, waitMs: remaining > 0 ? 0 : endsAt - clock.now() };
    },
    count(key) {
      const window = windowOf(key);
      windows.set(key, { ...window, count: window.count + 1 });
      forgetOldest(windows);
    },
    clear: () => windows.clear(),
  };
}

/** What was not asked for long is full again. */
function forgetOldest(counts: Map<string, unknown>): void {
  const [oldest] = counts.keys();
  if (counts.size > mostKept && oldest !== undefined) counts.delete(oldest);
}
