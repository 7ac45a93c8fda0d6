import { type Kysely, sql, type Transaction, type UpdateObject } from 'kysely';
import { settledStatuses } from '../schemas/deployment.ts';
import type { DeploymentRow, Settlement } from './deployments.ts';
import { insertEvents } from './events.ts';
import type { Claim, Jobs } from './jobs.ts';
import { json, storable } from './json.ts';
import { advanceOperation } from './operations.ts';
import { enter, leave } from './phases.ts';
import type { Tables } from './tables.ts';
import { asWorker } from './walls.ts';
import { changed } from './watch.ts';

export async function settle(
  db: Kysely<Tables>,
  jobs: Jobs,
  claim: Claim,
  row: DeploymentRow,
  settlement: Settlement,
): Promise<void> {
  await finish(db, jobs, claim, row, async trx => {
    const last = await updateRow(trx, row, settlement);
    await insertEvents(trx, row, settlement.events ?? [], last);
    await advanceOperation(trx, row, settlement);
    await updateRevision(trx, row, settlement);
    const { againInMs } = settlement;
    if (againInMs !== undefined)
      await jobs.enqueue(trx, { deployment: row.id, team: row.team, afterMs: againInMs });
    await changed(trx, row.id);
  });
}

export async function drop(
  db: Kysely<Tables>,
  jobs: Jobs,
  claim: Claim,
  row: DeploymentRow | null,
): Promise<void> {
  if (row) await finish(db, jobs, claim, row, async () => {});
  else await asWorker(db, trx => claim.complete(trx));
}

/**
 * Ends the claim together with what it made of the row. Where a change was accepted since the row was read, the claim made
 * nothing: the new change's stage runs at once. The row is locked before the job, as who accepts changes does.
 */
async function finish(
  db: Kysely<Tables>,
  jobs: Jobs,
  claim: Claim,
  row: DeploymentRow,
  save: (trx: Transaction<Tables>) => Promise<void>,
): Promise<void> {
  await asWorker(db, async trx => {
    const present = await trx
      .selectFrom('deployments')
      .select(['status', 'operation'])
      .where('id', '=', row.id)
      .forUpdate()
      .executeTakeFirstOrThrow();
    await claim.complete(trx);
    if (present.status === row.status && present.operation === row.operation) await save(trx);
    else await jobs.enqueue(trx, { deployment: row.id, team: row.team });
  });
}

/** Raises the event number in the same update that changes the row: numbers are in order and have no gap. Returns the last. */
async function updateRow(
  trx: Transaction<Tables>,
  row: DeploymentRow,
  { to, now, patch = {}, events = [] }: Settlement,
): Promise<number> {
  const set: UpdateObject<Tables, 'deployments'> = {
    ...columnsOf(patch),
    ...(to === row.status ? {} : { timeline: json(enter(leave(row.timeline, now), to, now)) }),
    status: to,
    settled: settledStatuses.includes(to),
    updatedAt: now,
    eventSeq: sql`event_seq + ${events.length}`,
  };
  const { eventSeq } = await trx
    .updateTable('deployments')
    .set(set)
    .where('id', '=', row.id)
    .returning('eventSeq')
    .executeTakeFirstOrThrow();
  return eventSeq;
}

const jsonColumns = [
  'images',
  'credentials',
  'seenEvents',
  'containerGroup',
  'waitingFor',
  'failure',
] as const satisfies (keyof NonNullable<Settlement['patch']>)[];

function columnsOf(patch: NonNullable<Settlement['patch']>): UpdateObject<Tables, 'deployments'> {
  const columns: Record<string, unknown> = { ...patch };
  for (const column of jsonColumns)
    if (columns[column] !== undefined) columns[column] = json(storable(columns[column]));
  return columns;
}

/** What the revision came to: not that of a deletion, which ends after it. */
async function updateRevision(
  trx: Transaction<Tables>,
  row: DeploymentRow,
  { patch = {}, outcome }: Settlement,
): Promise<void> {
  const { images, credentials } = patch;
  const ended = row.status === 'Deleting' ? undefined : outcome;
  if (!images && !credentials && !ended) return;
  await trx
    .updateTable('revisions')
    .set({
      ...(images ? { images: json(storable(images)) } : {}),
      ...(credentials ? { credentials: json(storable(credentials)) } : {}),
      ...(ended ? { outcome: ended } : {}),
    })
    .where('deploymentId', '=', row.id)
    .where('number', '=', row.revision)
    .execute();
}
