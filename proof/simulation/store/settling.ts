import { settledStatuses } from '../../../src/schemas/deployment.ts';
import { beginnings } from '../../../src/store/beginning.ts';
import type { DeploymentRow, Settlement } from '../../../src/store/deployments.ts';
import type { Claim } from '../../../src/store/jobs.ts';
import { enter, leave } from '../../../src/store/phases.ts';
import { isRevising } from '../../../src/store/revisions.ts';
import { advanceOperation, endOperation, endOthers, runningOf } from './operations.ts';
import {
  addOperation,
  addRevision,
  begin,
  columnsOfRevision,
  deploymentIn,
  kept,
  type Records,
  revisionIn,
  tell,
  write,
  writeRevision,
} from './records.ts';

export function settle(records: Records, claim: Claim, row: DeploymentRow, made: Settlement): void {
  finish(records, claim, row, made.patch?.liveRevision, () => {
    updateRow(records, row, made);
    if (made.events?.length) tell(records, row.id, made.events);
    advanceOperation(records, row, made);
    updateRevision(records, row, made);
    const afterMs = goFurther(records, row, made) ? 0 : made.againInMs;
    const loses = records.flaws.has('lostJob') && made.to === 'Provisioning' && row.status === 'Submitting';
    if (afterMs !== undefined && !loses) records.queue.enqueue(row.id, afterMs);
  });
}

export function drop(records: Records, claim: Claim, row: DeploymentRow | null): void {
  if (row) finish(records, claim, row, undefined, () => {});
  else records.queue.complete(claim);
}

/** Where a change was accepted since the row was read, nothing is saved but what Azure has. */
function finish(
  records: Records,
  claim: Claim,
  row: DeploymentRow,
  liveRevision: number | null | undefined,
  save: () => void,
): void {
  const present = deploymentIn(records, row.id);
  records.queue.complete(claim);
  const same = present.status === row.status && present.operation === row.operation;
  const blind = records.flaws.has('deafSettle') || records.flaws.has('unfencedSettle');
  if (same || blind) {
    save();
    return;
  }
  const { inDoubtUntil: _, ...intent } = present.intent;
  write(records, row.id, { intent, ...(liveRevision === undefined ? {} : { liveRevision }) });
  records.queue.enqueue(row.id);
}

function updateRow(records: Records, row: DeploymentRow, made: Settlement): void {
  const { to, now, patch = {}, outcome, resumes } = made;
  const columns = Object.fromEntries(
    Object.entries(patch).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value instanceof Date ? value : kept(value)]],
    ),
  );
  write(records, row.id, {
    ...columns,
    ...(to === row.status ? {} : { timeline: enter(leave(row.timeline, now), to, now) }),
    status: to,
    settled: settledStatuses.includes(to) && (outcome !== undefined || row.settled),
    ...(resumes ? { operation: resumes } : {}),
    updatedAt: now,
  });
}

function updateRevision(records: Records, row: DeploymentRow, made: Settlement): void {
  const { patch: { images, credentials } = {}, outcome, undo } = made;
  const ended = isRevising(row.intent.kind)
    ? (made.revisionOutcome ?? (undo ? 'Failed' : outcome))
    : undefined;
  writeRevision(records, row.id, row.revision, {
    ...(images ? { images: kept(images) } : {}),
    ...(credentials ? { credentials: kept(credentials) } : {}),
    ...(ended ? { outcome: ended } : {}),
  });
}

/** What comes after the move. Whether anything does. */
function goFurther(records: Records, row: DeploymentRow, made: Settlement): boolean {
  const { outcome, now, ends, undo, begins, resumes, waitingEnd } = made;
  if (ends) endOperation(records, ends.operation, { ...ends, now });
  if (undo) return takeBack(records, row, undo, now);
  if (waitingEnd) endOthers(records, row.id, row.operation, waitingEnd, now);
  if (begins) return beginByItself(records, row, begins, now);
  if (outcome === undefined || resumes) return false;
  releaseQuota(records, row.id);
  const waiting = runningOf(records, row.id).find(({ id }) => id !== row.operation);
  if (!waiting || waiting.kind === 'Create' || waiting.kind === 'Adopt' || waiting.kind === 'Rotate')
    return false;
  const { id: operation, kind, revision, intent } = waiting;
  begin(records, row.id, { operation, kind, revision, intent, now });
  return true;
}

function releaseQuota(records: Records, id: string): void {
  const { liveRevision } = deploymentIn(records, id);
  const needed = (records.revisions.get(id) ?? []).filter(
    ({ number, outcome }) => number === liveRevision || outcome === null,
  );
  if (needed.length > 0) write(records, id, { cpu: Math.max(...needed.map(({ cpu }) => cpu)) });
}

/** The same operation goes on with a revision that has an earlier one's spec. */
function takeBack(
  records: Records,
  row: DeploymentRow,
  { to, intent }: NonNullable<Settlement['undo']>,
  now: Date,
): boolean {
  const earlier = revisionIn(records, row.id, to);
  if (!earlier) throw new Error(`there is no revision ${to}`);
  const { spec, plan, cpu, memoryInGb, policyDigest, createdBy, onBehalfOf } = earlier;
  const number = addRevision(
    records,
    { spec, plan, size: { cpu, memoryInGB: memoryInGb } },
    {
      ...{ deploymentId: row.id, team: row.team, kind: 'Rollback', operationId: row.operation },
      ...{ policyDigest, createdBy, onBehalfOf, createdAt: now },
    },
  );
  const made = revisionIn(records, row.id, number);
  if (made) write(records, row.id, { ...columnsOfRevision(made), intent });
  return true;
}

function beginByItself(
  records: Records,
  { id, team, revision }: DeploymentRow,
  { operation, kind }: NonNullable<Settlement['begins']>,
  now: Date,
): boolean {
  const made = { id: operation, deploymentId: id, team, kind, revision, intent: { kind } };
  addOperation(records, made, beginnings[kind].status, now);
  begin(records, id, { operation, kind, revision, intent: { kind }, now });
  return true;
}
