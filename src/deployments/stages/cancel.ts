import { failure } from '../failure.ts';
import { isOurs, liveIn } from '../group-marks.ts';
import type { Move } from '../move.ts';
import { inDoubt, takeAway } from './remove.ts';
import { placeOf, type Stage } from './stage.ts';

/**
 * Ends the change that was under way, once it is certain what Azure has of it: of a first revision nothing may be left;
 * of a later one what was live stays, and where Azure has it already it runs to its end.
 */
export const cancel: Stage = async (row, parts, signal) => {
  const { cancels } = row.intent;
  if (!cancels) throw new Error(`deployment ${row.id} has nothing to cancel`);
  // Not what was live when it was canceled, which may be of the change itself.
  const { previous = null } = cancels.intent;
  const now = parts.clock.now();
  const group = await parts.containerGroups.get(placeOf(row), signal);
  const live = liveIn(group, row);
  if (previous !== null && live === row.revision) return tooLate(cancels, live, now);
  if (previous === null && group && isOurs(group, row)) return takeAway(group, row, parts, signal);
  return inDoubt(row, now) ?? canceled(cancels.operation, live, now);
};

function canceled(operation: string, live: number | null, at: Date): Move {
  const left = live === null ? 'Nothing of it is left in Azure' : `Revision ${live} stays live`;
  return {
    to: 'Canceled',
    outcome: 'Succeeded',
    patch: {
      liveRevision: live,
      waitingFor: null,
      operationUrl: null,
      ...(live === null ? { holdsName: false, health: 'Missing', observedAt: at } : {}),
    },
    events: [{ at, source: 'Slipway', type: 'Canceled', phase: 'Canceled', message: left }],
    ends: { operation, status: 'Canceled', failure: failure('Canceled', `It was canceled. ${left}.`) },
  };
}

type Cancels = { operation: string; intent: Parameters<Stage>[0]['intent'] };

function tooLate({ operation, intent }: Cancels, live: number, at: Date): Move {
  const found = failure(
    'CancelTooLate',
    `Azure had revision ${live} already when it was to be canceled. It runs to its end; use rollback then.`,
  );
  return {
    to: 'Provisioning',
    againInMs: 0,
    outcome: 'Failed',
    operationFailure: found,
    resumes: operation,
    patch: { liveRevision: live, intent, waitingFor: null },
    events: [{ at, source: 'Slipway', type: 'CancelTooLate', message: found.detail }],
  };
}
