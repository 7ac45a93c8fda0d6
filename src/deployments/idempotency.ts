import { createHash } from 'node:crypto';
import type { Caller } from '../schemas/principal.ts';

/** What a change needs to know of its request. */
export interface ChangeContext {
  requestId: string;
  /** Verb and route: an idempotency key counts for one only. */
  route: string;
  idempotencyKey: string | null;
}

const keptMs = 72 * 3_600_000;

/** The caller's key together with whom and what it counts for, and the hash of what was asked with it. */
export function idempotency(
  caller: Caller,
  team: string,
  { route, idempotencyKey }: ChangeContext,
  asked: object,
  now: Date,
) {
  if (idempotencyKey === null) return {};
  return {
    idempotency: {
      // A portal's users do not meet in each other's keys.
      keyHash: hash([caller.principal.issuer, team, route, idempotencyKey, ...portalUser(caller)]),
      requestHash: hash(asked),
      expiresAt: new Date(now.getTime() + keptMs),
    },
  };
}

const portalUser = ({ onBehalfOf }: Caller) => (onBehalfOf === undefined ? [] : [onBehalfOf]);

export const forAudit = ({ requestId, idempotencyKey }: ChangeContext) => ({
  requestId,
  idempotencyKeyHash: idempotencyKey === null ? null : hashKey(idempotencyKey),
});

/** What the audit keeps of an `Idempotency-Key`. */
export const hashKey = (key: string) => createHash('sha256').update(key).digest('hex');

/** Equal for equal content, whatever the order of members. */
function hash(content: object): string {
  const sorted = JSON.stringify(content, (_name, value) =>
    value && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
  return createHash('sha256').update(sorted).digest('hex');
}
