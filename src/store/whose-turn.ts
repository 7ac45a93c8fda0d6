import type { OperationKind, Status } from '../schemas/deployment.ts';
import type { Intent } from '../schemas/intent.ts';
import type { ChangeAcceptance, ChangeAccepted } from './changing.ts';
import type { DeploymentRow } from './deployments.ts';
import { isRevising } from './revisions.ts';

/** Why a change is not taken now; null where nothing speaks against it. Pure. */
export function refusalOf(row: DeploymentRow, change: ChangeAcceptance): ChangeAccepted | null {
  const { expects, intent } = change;
  const same =
    !expects ||
    (expects.operation === row.operation &&
      expects.status === row.status &&
      expects.revision === row.revision);
  if (!same) return { outcome: 'changed' };
  if (intent.kind === 'Cancel') {
    if (row.settled) return { outcome: 'notCancelable', because: 'nothingRuns' };
    return isCancelable(row) ? null : { outcome: 'notCancelable', because: 'tooLate' };
  }
  if (!row.settled && turnOf(row, change) === 'no') return busy(row);
  if (!row.holdsName && row.settled) return { outcome: 'gone' };
  return null;
}

/** Who asks again for the deletion that is under way gets just that. Pure. */
export const isUnderWay = ({ status }: DeploymentRow, { intent }: ChangeAcceptance): boolean =>
  intent.kind === 'Delete' && status === 'Deleting';

const beforeArm: readonly Status[] = ['Accepted', 'Resolving', 'Submitting'];

/** What was live is taken down, and the new group is not made yet: between the two nothing would be left. */
const isMakingRoom = ({ intent, status }: DeploymentRow) =>
  intent.replaces === true && (intent.previous ?? null) !== null && status === 'Submitting';

/** A change before which nothing was live, until it is at its end; any other until Azure may serve it. */
function isCancelable(row: DeploymentRow): boolean {
  const { intent, liveRevision, status } = row;
  const { kind, previous = null, undoing } = intent;
  if (!isRevising(kind) || kind === 'Adopt' || undoing || isMakingRoom(row)) return false;
  return previous === null || (liveRevision === previous && beforeArm.includes(status));
}

/** What takes a group away, or brings it to rest, need not wait for the end of a job that runs. */
const endsJobs: readonly OperationKind[] = ['Stop', 'Delete'];
/** What may not be left half done. */
const lasting: readonly OperationKind[] = ['Delete', 'Cancel', 'Adopt'];

/** Whether it begins at once, waits for what runs, or may do neither. Pure. */
export function turnOf(
  row: DeploymentRow,
  { onBusy = 'fail', intent }: ChangeAcceptance,
): 'now' | 'later' | 'no' {
  if (row.settled) return 'now';
  if (onBusy === 'queue') return 'later';
  if (row.status === 'Running' && endsJobs.includes(intent.kind)) return 'now';
  if (onBusy !== 'supersede' || lasting.includes(row.intent.kind)) return 'no';
  return isMakingRoom(row) && intent.kind !== 'Delete' ? 'no' : 'now';
}

/** Whose run it is that holds the deployment, where it made a revision. */
function busy({ operation, intent: { kind }, spec }: DeploymentRow): ChangeAccepted {
  const runUrl = isRevising(kind) ? (spec.source?.runUrl ?? null) : null;
  return { outcome: 'busy', operation, kind, runUrl };
}

// A call to Azure is given up after 50 s; what a lost worker sent has arrived by then or never will.
export const inDoubtMs = 60_000;

/** What it is to do, and what it finds that may still be on its way to Azure. Pure. */
export function wholeIntent(row: DeploymentRow, { intent, now }: ChangeAcceptance): Intent {
  const { late } = row.intent;
  return {
    ...intent,
    ...(intent.kind === 'Cancel'
      ? { cancels: { operation: row.operation, intent: row.intent, status: row.status } }
      : {}),
    ...(late && new Date(late.until) > now ? { late } : {}),
    ...(row.status === 'Submitting'
      ? { inDoubtUntil: new Date(now.getTime() + inDoubtMs).toISOString() }
      : {}),
  };
}
