import type { FastifyReply } from 'fastify';
import { tooMany } from '../arm/throttling.ts';
import type { Limits } from '../limits/limits.ts';

/**
 * Container instances count their creations and deletions themselves, by region: the answer says how many are left.
 * Throws 429 where there were too many; what is refused for another reason is not counted.
 */
export function requireRoom(
  kind: 'creates' | 'deletes',
  place: { subscriptionId: string; location: string },
  limits: Limits,
  reply: FastifyReply,
): void {
  const { subscriptionId, location } = place;
  const room = limits.roomForGroup(kind, subscriptionId, location);
  reply.headers(room.headers);
  if (room.retryAfter === undefined) return;
  // Azure's own words for it are not on record.
  throw tooMany(
    limits,
    room,
    'TooManyRequests',
    `The limit of ${kind} of container groups in region '${location}' was reached for subscription '${subscriptionId}'. Please try again after '${room.retryAfter}' seconds.`,
  );
}
