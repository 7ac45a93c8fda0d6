import type { Intent } from '../schemas/intent.ts';
import type { DeploymentRow } from '../store/deployments.ts';
import type { Move } from './move.ts';

/**
 * What becomes of a failure where the change is to be undone: the operation goes on with a revision that has the spec of
 * the one that was live, and ends `Failed` all the same. What never reached Azure has nothing to undo.
 */
export function withUndoing(row: DeploymentRow, move: Move, at: Date): Move {
  const { undoing, onFailure, previous = null, kind, late } = row.intent;
  if (undoing && move.outcome)
    return { ...move, outcome: 'Failed', revisionOutcome: move.outcome, operationFailure: undoing };
  const failure = move.patch?.failure;
  if (move.outcome !== 'Failed' || !failure || onFailure !== 'rollback' || previous === null) return move;
  const { liveRevision = row.liveRevision } = move.patch ?? {};
  if (liveRevision === previous) return move;

  const { holdsName: _, ...patch } = move.patch ?? {};
  const intent: Intent = { kind, undoing: failure, previous, allowReplace: true, ...(late ? { late } : {}) };
  const message = `${failure.code}: ${failure.detail} Revision ${previous} is made again.`;
  return {
    to: 'Resolving',
    againInMs: 0,
    patch: { ...patch, failure: null, waitingFor: null, operationUrl: null, retries: 0 },
    events: [
      ...(move.events ?? []).filter(({ phase }) => phase !== 'Failed'),
      { at, source: 'Slipway', type: 'RollingBack', message },
    ],
    undo: { to: previous, intent },
  };
}
