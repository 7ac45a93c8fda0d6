import { settle, stay } from '../move.ts';
import { isOurs } from './resolve.ts';
import { placeOf, type Stage } from './stage.ts';

/** Deletes the group, and believes it only when it is gone. A group that is not ours is left alone. */
export const remove: Stage = async (row, { containerGroups, clock }, signal) => {
  const group = await containerGroups.get(placeOf(row), signal);
  if (group && isOurs(group, row)) {
    await containerGroups.remove(placeOf(row), signal);
    return stay('Deleting', 500, {});
  }
  const message = group
    ? `A container group '${row.name}' that is not this deployment's was left alone`
    : `Container group '${row.name}' is gone`;
  return settle(
    'Deleted',
    { liveRevision: null, holdsName: false, health: 'Missing', observedAt: clock.now() },
    [{ at: clock.now(), source: 'Slipway', type: 'Deleted', phase: 'Deleted', message }],
  );
};
