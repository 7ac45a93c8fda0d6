import { fail } from '../move.ts';
import { isOurs } from './resolve.ts';
import { placeOf, type Stage } from './stage.ts';

/**
 * Ends a deployment whose failure is on the row. Its group, which may or may not have come to be, goes first unless it is
 * to stay: a failed group may still start, and bill.
 */
export const clear: Stage = async (row, { containerGroups, clock }, signal) => {
  if (!row.failure) throw new Error(`deployment ${row.id} has no failure to end with`);
  const group = await containerGroups.get(placeOf(row), signal);
  const ours = group !== null && isOurs(group, row);
  if (ours && row.spec.keepFailed) return fail(row.failure, clock.now(), { health: 'Degraded' });
  if (ours) await containerGroups.remove(placeOf(row), signal);
  return fail(row.failure, clock.now(), { health: 'Missing', liveRevision: null });
};
