import { type Kysely, sql, type Transaction } from 'kysely';
import type { Deployment } from '../schemas/deployment.ts';
import { auditChange, type Changer } from './audit.ts';
import type { DeploymentRow } from './deployments.ts';
import { insertEvents } from './events.ts';
import { type Idempotency, type Replayed, remember, replay } from './idempotency.ts';
import type { Jobs } from './jobs.ts';
import { json } from './json.ts';
import { insertOperation } from './operations.ts';
import { enter, leave } from './phases.ts';
import { readDeployment } from './reading.ts';
import type { Tables } from './tables.ts';
import { lockTeam } from './teams.ts';
import { asTeams } from './walls.ts';
import { changed } from './watch.ts';

/** A deletion to be accepted: allowed before. */
export interface DeleteAcceptance extends Changer {
  id: string;
  operation: string;
  idempotency?: Idempotency;
}

export type DeleteAccepted =
  | { outcome: 'accepted'; deployment: Deployment }
  | Replayed
  | { outcome: 'busy'; operation: string }
  | { outcome: 'gone' };

export async function acceptDelete(
  db: Kysely<Tables>,
  jobs: Jobs,
  acceptance: DeleteAcceptance,
): Promise<DeleteAccepted> {
  const { id, team } = acceptance;
  return asTeams(db, [team], async trx => {
    await lockTeam(trx, team);
    const replayed = await replay(trx, acceptance);
    if (replayed) return replayed;
    const row = await lockDeployment(trx, acceptance);
    if (!row.settled) return { outcome: 'busy', operation: row.operation };
    if (!row.holdsName) return { outcome: 'gone' };

    await beginDeleting(trx, acceptance, row);
    await remember(trx, acceptance);
    await jobs.enqueue(trx, { deployment: id, team, priority: 1 });
    await changed(trx, id);
    return { outcome: 'accepted', deployment: await readDeployment(trx, id) };
  });
}

/** The row before the job: in this order everywhere, or two transactions wait for each other. */
function lockDeployment(trx: Transaction<Tables>, { id, team }: DeleteAcceptance): Promise<DeploymentRow> {
  return trx
    .selectFrom('deployments')
    .selectAll()
    .where('id', '=', id)
    .where('team', '=', team)
    .forUpdate()
    .executeTakeFirstOrThrow();
}

async function beginDeleting(
  trx: Transaction<Tables>,
  acceptance: DeleteAcceptance,
  row: DeploymentRow,
): Promise<void> {
  const { id, operation, team, now } = acceptance;
  const { eventSeq } = await trx
    .updateTable('deployments')
    .set({
      status: 'Deleting',
      settled: false,
      operation,
      updatedAt: now,
      retries: 0,
      waitingFor: null,
      timeline: json(enter(leave(row.timeline, now), 'Deleting', now)),
      eventSeq: sql`event_seq + 1`,
    })
    .where('id', '=', id)
    .returning('eventSeq')
    .executeTakeFirstOrThrow();
  await insertOperation(trx, {
    id: operation,
    deploymentId: id,
    team,
    kind: 'Delete',
    revision: row.revision,
    phase: 'Deleting',
    now,
  });
  const message = 'The deletion was accepted';
  await insertEvents(
    trx,
    row,
    [{ at: now, source: 'Slipway', type: 'Deleting', phase: 'Deleting', message }],
    eventSeq,
  );
  await auditChange(trx, 'delete', row.name, acceptance);
}
