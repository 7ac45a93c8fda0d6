import type { FastifyReply } from 'fastify';

const prefix = 'x-ms-ratelimit-remaining-subscription';

/** Remaining-headers as recorded: the buckets behind them are not emptied yet. */
export function tellRemaining(
  reply: FastifyReply,
  kind: 'reads' | 'writes' | 'deletes',
  { creates = kind !== 'reads' } = {},
): void {
  const left = { reads: 249, writes: 199, deletes: 199 }[kind];
  reply.headers({ [`${prefix}-${kind}`]: String(left), [`${prefix}-global-${kind}`]: String(left * 15) });
  if (!creates) return;
  // Container instances count their own creates and deletes.
  reply.headers({ [`${prefix}-resource-requests-pt1h`]: '299', [`${prefix}-resource-requests-pt5m`]: '99' });
}
