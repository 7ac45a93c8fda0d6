import type { Kysely, Transaction } from 'kysely';
import type { Operation, OperationKind, Status } from '../schemas/deployment.ts';
import type { DeploymentRow, Settlement } from './deployments.ts';
import { json, storable } from './json.ts';
import { enter, leave } from './phases.ts';
import { waitingForOf } from './reading.ts';
import type { Tables } from './tables.ts';
import { ofTeams, type ReadTeams } from './walls.ts';

interface NewOperation {
  id: string;
  deploymentId: string;
  team: string;
  kind: OperationKind;
  revision: number;
  phase: Status;
  now: Date;
}

export async function insertOperation(
  trx: Transaction<Tables>,
  { phase, now, ...operation }: NewOperation,
): Promise<void> {
  await trx
    .insertInto('operations')
    .values({
      ...operation,
      status: 'NotStarted',
      createdAt: now,
      endedAt: null,
      steps: json(enter([], phase, now)),
      waitingFor: null,
      failure: null,
    })
    .execute();
}

/** Keeps the running operation's steps; ends it where there is an outcome. What ended stays as it ended. */
export async function advanceOperation(
  trx: Transaction<Tables>,
  row: DeploymentRow,
  { to, now, patch = {}, outcome }: Settlement,
): Promise<void> {
  const { steps } = await trx
    .selectFrom('operations')
    .select('steps')
    .where('id', '=', row.operation)
    .executeTakeFirstOrThrow();
  const moved = to !== row.status;
  const left = moved || outcome ? leave(steps, now) : steps;
  const { waitingFor, failure } = patch;
  await trx
    .updateTable('operations')
    .set({
      status: outcome ?? 'Running',
      steps: json(moved && !outcome ? enter(left, to, now) : left),
      ...(outcome ? { endedAt: now } : {}),
      ...(waitingFor !== undefined ? { waitingFor: json(storable(waitingFor)) } : {}),
      ...(failure !== undefined ? { failure: json(storable(failure)) } : {}),
    })
    .where('id', '=', row.operation)
    .where('endedAt', 'is', null)
    .execute();
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
  const { waitingFor, failure, status } = row;
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
    ...(failure && status === 'Failed' ? { error: { code: failure.code, message: failure.detail } } : {}),
  };
}
