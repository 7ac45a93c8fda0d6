import type { Operation } from '../../../src/schemas/deployment.ts';
import type { Failure } from '../../../src/schemas/failure.ts';
import type { DeploymentRow, Settlement } from '../../../src/store/deployments.ts';
import { enter, leave } from '../../../src/store/phases.ts';
import { waitingForOf } from '../../../src/store/reading.ts';
import { kept, type OperationRow, type Records, writeRevision } from './records.ts';

/** Keeps the running operation's steps; ends it where there is an outcome. What ended stays as it ended. */
export function advanceOperation(
  records: Records,
  row: DeploymentRow,
  { to, now, patch = {}, outcome, operationFailure, result }: Settlement,
): void {
  const operation = operationIn(records, row.operation);
  if (operation.endedAt && !records.flaws.has('twiceEnded')) return;
  const moved = to !== row.status;
  const left = moved || outcome ? leave(operation.steps, now) : operation.steps;
  const failure = operationFailure ?? patch.failure;
  records.operations.set(row.operation, {
    ...operation,
    status: outcome ?? 'Running',
    steps: moved && !outcome ? enter(left, to, now) : left,
    ...(outcome ? { endedAt: now } : {}),
    ...(patch.waitingFor === undefined ? {} : { waitingFor: kept(patch.waitingFor) }),
    ...(failure === undefined ? {} : { failure: kept(failure) }),
    ...(result ? { result: kept(result) } : {}),
  });
}

interface End {
  status: 'Failed' | 'Canceled';
  failure: Failure;
  now: Date;
}

/** Ends an operation that is not the deployment's running one, and what it would have made. */
export function endOperation(records: Records, id: string, { status, failure, now }: End): void {
  const running = operationIn(records, id);
  if (running.endedAt) return;
  const steps = leave(running.steps, now);
  records.operations.set(id, { ...running, status, steps, endedAt: now, waitingFor: null, failure });
  const { deploymentId } = running;
  for (const revision of records.revisions.get(deploymentId ?? '') ?? [])
    if (revision.operationId === id && revision.outcome === null)
      writeRevision(records, revision.deploymentId, revision.number, { outcome: status });
}

/** Ends every operation of a deployment that has not ended, but one. */
export function endOthers(
  records: Records,
  deployment: string,
  but: string,
  failure: Failure,
  now: Date,
): void {
  for (const { id } of runningOf(records, deployment))
    if (id !== but) endOperation(records, id, { status: 'Canceled', failure, now });
}

/** Those that have not ended, in the order in which they were accepted. */
export const runningOf = ({ operations }: Records, deployment: string): OperationRow[] =>
  [...operations.values()].filter(
    ({ deploymentId, endedAt }) => deploymentId === deployment && endedAt === null,
  );

export function operationIn({ operations }: Records, id: string): OperationRow {
  const operation = operations.get(id);
  if (!operation) throw new Error(`there is no operation ${id}`);
  return operation;
}

export function operationOf({
  deploymentId,
  waitingFor,
  failure,
  result,
  intent: _,
  ...row
}: OperationRow): Operation {
  return {
    ...{ id: row.id, kind: row.kind, deployment: deploymentId, revision: row.revision, status: row.status },
    ...{
      createdAt: row.createdAt.toISOString(),
      endedAt: row.endedAt?.toISOString() ?? null,
      steps: row.steps,
    },
    ...(waitingFor ? { waitingFor: waitingForOf(waitingFor) } : {}),
    ...(failure ? { failure } : {}),
    ...(result ? { result } : {}),
  };
}
