import { liveIn } from '../group-marks.ts';
import { keepLogs } from '../kept-logs.ts';
import { fail, refuse } from '../move.ts';
import { placeOf, type Stage } from './stage.ts';

/**
 * Ends a change whose failure is on the row. A group that came to be by it goes first unless it is to stay: a failed group
 * may still start, and bill. What was there before the change is not taken away.
 */
export const clear: Stage = async (row, parts, signal) => {
  const { containerGroups, clock } = parts;
  if (!row.failure) throw new Error(`deployment ${row.id} has no failure to end with`);
  const group = await containerGroups.get(placeOf(row), signal);
  const live = liveIn(group, row);
  const resolving = row.status === 'Resolving';
  const stays = resolving || row.spec.keepFailed || (row.intent.previous ?? null) !== null;
  if (live !== null && stays) {
    const health = live === row.revision ? 'Degraded' : row.health;
    return fail(row.failure, clock.now(), { health, liveRevision: live });
  }
  if (live !== null) {
    await keepLogs(row, group, parts, signal);
    await containerGroups.remove(placeOf(row), signal);
  }
  const gone = { health: 'Missing', liveRevision: null } as const;
  return resolving ? refuse(row, row.failure, clock.now(), gone) : fail(row.failure, clock.now(), gone);
};
