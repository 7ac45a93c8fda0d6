import type { Place, PlaceAsk } from '../../../src/store/pacing.ts';
import type { Flaws } from '../flaws.ts';

interface Held {
  deployment: string;
  at: number;
  used: boolean;
}

/** Places in Azure's limits: so many calls in five minutes, first come first served. */
export interface Paces {
  /** How many those are. */
  most: number;
  reserve(ask: PlaceAsk): Place;
  take(ask: PlaceAsk): Place;
  giveBack(ask: PlaceAsk): void;
  release(deployment: string): void;
  block(key: string, until: Date): void;
}

const windowMs = 5 * 60_000 + 2_000;

export function createPaces(most: number, flaws: Flaws): Paces {
  const places = new Map<string, Held[]>();
  const blocked = new Map<string, number>();
  const of = (key: string) => places.get(key) ?? [];
  const mine = (key: string, deployment: string) =>
    of(key).find(held => held.deployment === deployment && !held.used);

  function hold({ deployment, counted: { key }, now }: PlaceAsk): Held {
    const found = mine(key, deployment);
    if (found) return Object.assign(found, { at: Math.max(found.at, blocked.get(key) ?? 0) });
    const counting = of(key)
      .map(({ at }) => at)
      .sort((a, b) => a - b);
    const leaves = (counting.at(-most) ?? Number.NEGATIVE_INFINITY) + windowMs;
    const room = flaws.has('unpaced') ? now.getTime() : leaves;
    const at = Math.max(now.getTime(), room, blocked.get(key) ?? 0);
    const held = { deployment, at, used: false };
    const lasting = of(key).filter(each => !each.used || each.at > now.getTime() - windowMs);
    places.set(key, [...lasting, held]);
    return held;
  }

  const placeOf = ({ at }: Held, now: Date): Place =>
    at <= now.getTime() ? { go: true } : { go: false, at: new Date(at), full: 'window' };

  return {
    most,
    reserve: ask => placeOf(hold(ask), ask.now),
    take(ask) {
      const held = hold(ask);
      const place = placeOf(held, ask.now);
      if (place.go) Object.assign(held, { used: true, at: ask.now.getTime() });
      return place;
    },
    giveBack({ deployment, counted: { key } }) {
      const last = of(key).findLast(held => held.deployment === deployment && held.used);
      places.set(
        key,
        of(key).filter(held => held !== last),
      );
    },
    release(deployment) {
      for (const [key, held] of places)
        places.set(
          key,
          held.filter(each => each.used || each.deployment !== deployment),
        );
    },
    block: (key, until) => blocked.set(key, Math.max(blocked.get(key) ?? 0, until.getTime())),
  };
}
