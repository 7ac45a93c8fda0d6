import type { DeploymentRow } from '../../store/deployments.ts';
import { failure } from '../failure.ts';
import { isOurs } from '../group-marks.ts';
import { type Move, settle, stay } from '../move.ts';
import { placeOf, type Stage } from './stage.ts';

/** Deletes the group, and believes it only when it is gone. A group that is not ours is left alone. */
export const remove: Stage = async (row, { containerGroups, clock }, signal) => {
  const now = clock.now();
  const group = await containerGroups.get(placeOf(row), signal);
  if (group && isOurs(group, row)) {
    await containerGroups.remove(placeOf(row), signal);
    return stay('Deleting', 500, {});
  }
  const doubt = inDoubt(row, now);
  if (doubt) return doubt;
  const message = group
    ? `A container group '${row.name}' that is not this deployment's was left alone`
    : `Container group '${row.name}' is gone`;
  const gone = { liveRevision: null, holdsName: false, health: 'Missing', observedAt: now } as const;
  return {
    ...settle('Deleted', gone, [{ at: now, source: 'Slipway', type: 'Deleted', phase: 'Deleted', message }]),
    waitingEnd: failure('Superseded', 'The deployment was deleted before it was its turn.'),
  };
};

const lookAgainInMs = 2_000;

/** Looks again until nothing that was sent before can still arrive; null where nothing can. */
export function inDoubt({ status, intent, waitingFor }: DeploymentRow, now: Date): Move | null {
  const { inDoubtUntil } = intent;
  if (inDoubtUntil === undefined || now >= new Date(inDoubtUntil)) return null;
  const reason = 'LateCall';
  const since = waitingFor?.reason === reason ? waitingFor.since : now.toISOString();
  return stay(status, lookAgainInMs, { waitingFor: { reason, since, until: inDoubtUntil } });
}
