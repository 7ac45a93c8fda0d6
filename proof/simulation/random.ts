/** Chance from a seed: the same seed, the same draws. */
export interface Random {
  /** From 0 up to, and without, 1. */
  next(): number;
  /** A whole number from 0 up to, and without, `limit`. */
  below(limit: number): number;
  chance(probability: number): boolean;
  pick<T>(items: readonly T[]): T;
  /** By weight; those without any are never drawn. */
  weighed<T>(items: readonly (readonly [weight: number, item: T])[]): T;
}

export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  // mulberry32: small, quick, and good enough to shuffle steps.
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const below = (limit: number) => Math.floor(next() * limit);
  return {
    next,
    below,
    chance: probability => next() < probability,
    pick: items => certain(items[below(items.length)]),
    weighed(items) {
      const total = items.reduce((sum, [weight]) => sum + weight, 0);
      let left = next() * total;
      const drawn = items.find(([weight]) => {
        left -= weight;
        return left < 0;
      });
      return certain(drawn ?? items.at(-1))[1];
    },
  };
}

function certain<T>(item: T | undefined): T {
  if (item === undefined) throw new Error('there is nothing to draw from');
  return item;
}
