import type { Kysely, Transaction } from 'kysely';
import type { Operation, OperationKind, Status } from '../schemas/deployment.ts';
import type { Failure } from '../schemas/failure.ts';
import type { Intent } from '../schemas/intent.ts';
import { currentTraceparent } from '../telemetry/trace.ts';
import type { DeploymentRow, Settlement } from './deployments.ts';
import { json, storable } from './json.ts';
import { enter, leave } from './phases.ts';
import { waitingForOf } from './reading.ts';
import type { Tables } from './tables.ts';
import { ofTeams, type ReadTeams } from './walls.ts';

interface NewOperation {
  id: string;
  /** Null where it is over many. */
  deploymentId: string | null;
  team: string;
  kind: OperationKind;
  revision: number;
  phase: Status;
  intent: Intent;
  now: Date;
}

export async function insertOperation(
  trx: Transaction<Tables>,
  { id, deploymentId, team, kind, revision, phase, intent, now }: NewOperation,
): Promise<void> {
  await trx
    .insertInto('operations')
    .values({
      ...{ id, deploymentId, team, kind, revision },
      intent: json(intent),
      status: 'NotStarted',
      createdAt: now,
      endedAt: null,
      steps: json(enter([], phase, now)),
      waitingFor: null,
      failure: null,
      traceparent: currentTraceparent(),
    })
    .execute();
}

/** Keeps the running operation's steps; ends it where there is an outcome. What ended stays as it ended. */
export async function advanceOperation(
  trx: Transaction<Tables>,
  row: DeploymentRow,
  { to, now, patch = {}, outcome, operationFailure, result }: Settlement,
): Promise<void> {
  const { steps } = await trx
    .selectFrom('operations')
    .select('steps')
    .where('id', '=', row.operation)
    .executeTakeFirstOrThrow();
  const moved = to !== row.status;
  const left = moved || outcome ? leave(steps, now) : steps;
  const { waitingFor, failure = operationFailure } = operationFailure
    ? { ...patch, failure: operationFailure }
    : patch;
  await trx
    .updateTable('operations')
    .set({
      status: outcome ?? 'Running',
      steps: json(moved && !outcome ? enter(left, to, now) : left),
      ...(outcome ? { endedAt: now } : {}),
      ...(waitingFor !== undefined ? { waitingFor: json(storable(waitingFor)) } : {}),
      ...(failure !== undefined ? { failure: json(storable(failure)) } : {}),
      ...(result ? { result: json(storable(result)) } : {}),
    })
    .where('id', '=', row.operation)
    .where('endedAt', 'is', null)
    .execute();
}

interface End {
  status: 'Failed' | 'Canceled';
  failure: Failure;
  now: Date;
}

/** Ends an operation that is not the deployment's running one, and what it would have made. */
export async function endOperation(
  trx: Transaction<Tables>,
  id: string,
  { status, failure, now }: End,
): Promise<void> {
  const running = await trx
    .selectFrom('operations')
    .select('steps')
    .where('id', '=', id)
    .where('endedAt', 'is', null)
    .executeTakeFirst();
  if (!running) return;
  await trx
    .updateTable('operations')
    .set({
      status,
      steps: json(leave(running.steps, now)),
      endedAt: now,
      waitingFor: null,
      failure: json(storable(failure)),
    })
    .where('id', '=', id)
    .execute();
  await trx
    .updateTable('revisions')
    .set({ outcome: status })
    .where('operationId', '=', id)
    .where('outcome', 'is', null)
    .execute();
}

/** Ends every operation of a deployment that has not ended, but one. */
export async function endOthers(
  trx: Transaction<Tables>,
  deployment: string,
  { but, failure, now }: { but: string; failure: Failure; now: Date },
): Promise<void> {
  const others = await trx
    .selectFrom('operations')
    .select('id')
    .where('deploymentId', '=', deployment)
    .where('endedAt', 'is', null)
    .where('id', '!=', but)
    .execute();
  for (const { id } of others) await endOperation(trx, id, { status: 'Canceled', failure, now });
}

/** The one that was accepted first of those that wait for their turn; undefined where none does. */
export function nextWaiting(trx: Transaction<Tables>, { id, operation }: DeploymentRow) {
  return trx
    .selectFrom('operations')
    .select(['id', 'kind', 'revision', 'intent'])
    .where('deploymentId', '=', id)
    .where('endedAt', 'is', null)
    .where('id', '!=', operation)
    .orderBy('number')
    .limit(1)
    .executeTakeFirst();
}

export async function findOperation(
  db: Kysely<Tables>,
  teams: ReadTeams,
  id: string,
): Promise<Operation | null> {
  if (teams.length === 0) return null;
  const row = await db
    .selectFrom('operations')
    .selectAll()
    .where('id', '=', id)
    .where(ofTeams(teams))
    .executeTakeFirst();
  if (!row) return null;
  const { waitingFor, failure, status, result } = row;
  const rotation = row.kind === 'Rotate' ? await findRotation(db, id) : null;
  return {
    id: row.id,
    kind: row.kind,
    deployment: row.deploymentId,
    revision: row.revision,
    status,
    createdAt: row.createdAt.toISOString(),
    endedAt: row.endedAt?.toISOString() ?? null,
    steps: row.steps,
    ...(waitingFor ? { waitingFor: waitingForOf(waitingFor) } : {}),
    ...(failure ? { failure } : {}),
    ...(result ? { result } : {}),
    ...(rotation ? { rotation } : {}),
    ...(failure && status === 'Failed' ? { error: { code: failure.code, message: failure.detail } } : {}),
  };
}

async function findRotation(db: Kysely<Tables>, id: string) {
  const row = await db.selectFrom('rotations').selectAll().where('id', '=', id).executeTakeFirst();
  if (!row) return null;
  const { secretName, vault, version, items } = row;
  return { secretName, vault, version, deployments: items ?? [] };
}
