export interface AciEvent {
  count: number;
  firstTimestamp: string;
  lastTimestamp: string;
  name: string;
  message: string;
  type: string;
}

/** Events have no milliseconds, states have them (recorded traffic). */
export const stamp = (at: number) => `${new Date(at).toISOString().slice(0, 19)}Z`;
export const instant = (at: number) => new Date(at).toISOString();

/** Equal events are told once, with how often they were (recorded traffic). */
export function event(
  name: string,
  message: string,
  at: number,
  more: { type?: 'Normal' | 'Warning'; count?: number; lastAt?: number } = {},
): AciEvent {
  const { type = 'Normal', count = 1, lastAt = at } = more;
  return { count, firstTimestamp: stamp(at), lastTimestamp: stamp(lastAt), name, message, type };
}
