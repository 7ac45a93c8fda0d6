/** Pure: when calls may be made that a service counts by windows, and who goes first. Instants are milliseconds. */

/** So many in any span of this length. A span is a little longer than the service's, whose clock begins later. */
export interface PaceWindow {
  most: number;
  lengthMs: number;
  /** Calls that are not ours, made then as far as anybody knows. */
  foreign?: { count: number; at: number };
}

export interface Pace {
  windows: readonly PaceWindow[];
  /** When calls were made, or are to be made, in order. */
  made: readonly number[];
  /** Nothing is called before. */
  blockedUntil: number;
  now: number;
}

/** The next `count` instants at which a call may be made, in order. */
export function planSlots({ windows, made, blockedUntil, now }: Pace, count: number): number[] {
  const counted = windows.map(({ most, lengthMs, foreign }) => {
    const strangers = foreign ? Array.from({ length: Math.min(foreign.count, most) }, () => foreign.at) : [];
    return { most, lengthMs, calls: [...made, ...strangers].sort((a, b) => a - b) };
  });
  const slots: number[] = [];
  let at = Math.max(now, blockedUntil);
  while (slots.length < count) {
    // The one that must have left the span before another may enter it.
    for (const { most, lengthMs, calls } of counted)
      at = Math.max(at, (calls.at(-most) ?? Number.NEGATIVE_INFINITY) + lengthMs);
    for (const { calls } of counted) calls.push(at);
    slots.push(at);
  }
  return slots;
}

/** By turns: the first of every team, then the second of every team; in a team whoever came first. */
export function inTurns<T extends { team: string; number: number }>(waiting: readonly T[]): T[] {
  const counts = new Map<string, number>();
  return [...waiting]
    .sort((a, b) => a.number - b.number)
    .map(each => {
      const turn = counts.get(each.team) ?? 0;
      counts.set(each.team, turn + 1);
      return { each, turn };
    })
    .sort((a, b) => a.turn - b.turn || a.each.number - b.each.number)
    .map(({ each }) => each);
}
