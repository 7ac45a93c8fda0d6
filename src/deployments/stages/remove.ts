import type { ContainerGroupState } from '../../azure/container-groups.ts';
import type { DeploymentRow } from '../../store/deployments.ts';
import { operationAccepted } from '../arm-operation.ts';
import { failure } from '../failure.ts';
import { isGoing, isOurs } from '../group-marks.ts';
import { keepLogs } from '../kept-logs.ts';
import { type Move, settle, stay } from '../move.ts';
import { placeOf, type Stage, type StageParts } from './stage.ts';

/** Deletes the group, and believes it only when it is gone. A group that is not ours is left alone. */
export const remove: Stage = async (row, parts, signal) => {
  const now = parts.clock.now();
  const group = await parts.containerGroups.get(placeOf(row), signal);
  if (group && isOurs(group, row)) return takeAway(group, row, parts, signal);
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

/** Where nothing has come of a deletion after that long, it is sent again. */
const longestWithoutMs = 60_000;

/** Tells Azure once to delete the group, and looks then until it is gone. */
export async function takeAway(
  group: ContainerGroupState,
  row: DeploymentRow,
  parts: StageParts,
  signal: AbortSignal,
): Promise<Move> {
  const { status, intent, name } = row;
  const now = parts.clock.now();
  const sentMs = Date.parse(intent.deletionSentAt ?? '');
  if (now.getTime() - sentMs < longestWithoutMs || isGoing(group))
    return stay(status, await parts.looks.nextInMs(row), { waitingFor: null });
  if (Number.isNaN(sentMs)) await keepLogs(row, group, parts, signal);
  const taken = await parts.containerGroups.remove(placeOf(row), signal);
  const message = `Azure Resource Manager accepted the deletion of container group '${name}'`;
  return stay(
    status,
    taken === 'accepted' ? await parts.looks.nextInMs(row) : 0,
    { intent: { ...intent, deletionSentAt: now.toISOString() }, waitingFor: null, retries: 0 },
    taken === 'absent' ? [] : [{ at: now, source: 'Arm', type: operationAccepted, message }],
  );
}

const lookAgainInMs = 2_000;

/** Looks again until nothing that was sent before can still arrive; null where nothing can. */
export function inDoubt({ status, intent, waitingFor }: DeploymentRow, now: Date): Move | null {
  const { inDoubtUntil } = intent;
  if (inDoubtUntil === undefined || now >= new Date(inDoubtUntil)) return null;
  const reason = 'LateCall';
  const since = waitingFor?.reason === reason ? waitingFor.since : now.toISOString();
  // A group that comes now is deleted by itself.
  const { deletionSentAt: _, ...open } = intent;
  return stay(status, lookAgainInMs, {
    intent: open,
    waitingFor: { reason, since, until: inDoubtUntil },
  });
}
