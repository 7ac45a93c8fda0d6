import type { GroupCall } from '../schemas/intent.ts';
import type { DeploymentRow } from '../store/deployments.ts';
import { inDoubtMs } from '../store/whose-turn.ts';
import { type Move, stay } from './move.ts';

type Kept = Pick<DeploymentRow, 'status' | 'revision' | 'intent'>;

/** The deployment, where the worker before was lost while he submitted it: what he sent may come after what we do. */
export function afterLoss<T extends Kept>(row: T, attempt: number, now: Date): T {
  if (attempt === 0) return row;
  const { status, revision, intent } = row;
  const before = lateCall(row, now);
  const until = new Date(now.getTime() + inDoubtMs).toISOString();
  // That of another revision does harm for as long as any may come.
  if (status === 'Submitting')
    return { ...row, intent: { ...intent, late: { revision: before?.revision ?? revision, until } } };
  const { inDoubtUntil } = intent;
  if (before || inDoubtUntil === undefined || new Date(inDoubtUntil) <= now) return row;
  return { ...row, intent: { ...intent, late: { revision: null, until: inDoubtUntil } } };
}

/** What may still reach Azure of those who were lost; null where nothing can. */
export function lateCall({ intent: { late } }: Pick<Kept, 'intent'>, now: Date): GroupCall | null {
  return late && new Date(late.until) > now ? late : null;
}

/** Nothing comes to rest while a late call may still change what Azure has: it is looked at again then. */
export function untilNothingIsLate(row: DeploymentRow, move: Move, now: Date): Move {
  const late = lateCall(row, now);
  const { liveRevision = row.liveRevision } = move.patch ?? {};
  if (!late || move.outcome === undefined || liveRevision === late.revision) return move;
  const reason = 'LateCall';
  const since = row.waitingFor?.reason === reason ? row.waitingFor.since : now.toISOString();
  const waitingFor = { reason, since, until: late.until };
  return stay(row.status, new Date(late.until).getTime() - now.getTime(), { waitingFor });
}
