import { type Kysely, sql, type Transaction, type UpdateObject } from 'kysely';
import { settledStatuses } from '../schemas/deployment.ts';
import { auditChange, slipway } from './audit.ts';
import { begin, beginnings, columnsOfRevision } from './beginning.ts';
import type { DeploymentRow, Settlement } from './deployments.ts';
import { insertEvents } from './events.ts';
import type { Claim, Jobs } from './jobs.ts';
import { json, storable } from './json.ts';
import { advanceOperation, endOperation, endOthers, insertOperation, nextWaiting } from './operations.ts';
import { atItsPlace } from './pacing.ts';
import { enter, leave } from './phases.ts';
import { loadRow } from './reading.ts';
import { insertRevision, isRevising, loadRevision } from './revisions.ts';
import type { Tables } from './tables.ts';
import { asWorker } from './walls.ts';
import { changed } from './watch.ts';

export async function settle(
  db: Kysely<Tables>,
  jobs: Jobs,
  claim: Claim,
  row: DeploymentRow,
  made: Settlement,
): Promise<void> {
  await finish(db, jobs, claim, row, made.patch ?? {}, async trx => {
    const settlement = await atItsPlace(trx, row, made);
    const last = await updateRow(trx, row, settlement);
    await insertEvents(trx, row, settlement.events ?? [], last);
    await advanceOperation(trx, row, settlement);
    await updateRevision(trx, row, settlement);
    const begun = await goFurther(trx, row, settlement);
    const afterMs = begun ? 0 : settlement.againInMs;
    if (afterMs !== undefined) await jobs.enqueue(trx, { ...jobOf(row), afterMs });
    await changed(trx, row.id);
  });
}

export async function drop(
  db: Kysely<Tables>,
  jobs: Jobs,
  claim: Claim,
  row: DeploymentRow | null,
): Promise<void> {
  if (row) await finish(db, jobs, claim, row, {}, async () => {});
  else await asWorker(db, trx => claim.complete(trx));
}

/**
 * Ends the claim together with what it made of the row. Where a change was accepted since the row was read, the claim made
 * nothing but what Azure has of it, and the new change's stage runs at once. The row is locked before the job, as who
 * accepts changes does.
 */
async function finish(
  db: Kysely<Tables>,
  jobs: Jobs,
  claim: Claim,
  row: DeploymentRow,
  { liveRevision }: { liveRevision?: number | null },
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
    if (present.status === row.status && present.operation === row.operation) return save(trx);
    await trx
      .updateTable('deployments')
      // Who ended his call in order has nothing on its way to Azure any more.
      .set({
        intent: sql`intent - 'inDoubtUntil'`,
        ...(liveRevision === undefined ? {} : { liveRevision }),
      })
      .where('id', '=', row.id)
      .execute();
    await jobs.enqueue(trx, jobOf({ ...row, ...present }));
  });
}

const jobOf = ({ id, team, status }: Pick<DeploymentRow, 'id' | 'team' | 'status'>) => ({
  deployment: id,
  team,
  goesFirst: status === 'Deleting' || status === 'Canceling',
});

/** What comes after the move: nothing, what it begins itself, or what has waited for its turn. Whether anything does. */
async function goFurther(
  trx: Transaction<Tables>,
  row: DeploymentRow,
  { outcome, now, ends, undo, begins, resumes, waitingEnd }: Settlement,
): Promise<boolean> {
  if (ends) await endOperation(trx, ends.operation, { ...ends, now });
  if (undo) return takeBack(trx, row, undo, now);
  if (waitingEnd) await endOthers(trx, row.id, { but: row.operation, failure: waitingEnd, now });
  if (begins) return beginByItself(trx, row, begins, now);
  if (outcome === undefined || resumes) return false;
  await releaseQuota(trx, row.id);
  const waiting = await nextWaiting(trx, row);
  const present = waiting && (await loadRow(trx, row.id));
  if (!present || waiting.kind === 'Create' || waiting.kind === 'Adopt' || waiting.kind === 'Rotate')
    return false;
  const { id: operation, kind, revision, intent } = waiting;
  await begin(trx, present, { operation, kind, revision, intent, now });
  return true;
}

/** The deployment holds of the quota what Azure serves, and what still waits to be made. */
async function releaseQuota(trx: Transaction<Tables>, id: string): Promise<void> {
  await sql`update deployments d set cpu = needed.cpu, memory_in_gb = needed.memory
    from (select max(r.cpu) as cpu, max(r.memory_in_gb) as memory from revisions r, deployments e
      where e.id = ${id} and r.deployment_id = e.id and (r.number = e.live_revision or r.outcome is null)) needed
    where d.id = ${id} and needed.cpu is not null`.execute(trx);
}

/** The same operation goes on with a revision that has an earlier one's spec. */
async function takeBack(
  trx: Transaction<Tables>,
  row: DeploymentRow,
  { to, intent }: NonNullable<Settlement['undo']>,
  now: Date,
): Promise<boolean> {
  const earlier = await loadRevision(trx, row.id, to);
  if (!earlier) throw new Error(`deployment ${row.id} has no revision ${to}`);
  const { spec, plan, cpu, memoryInGb, policyDigest, createdBy, onBehalfOf = null } = earlier;
  const number = await insertRevision(
    trx,
    { spec, plan, size: { cpu, memoryInGB: memoryInGb } },
    {
      ...{ deploymentId: row.id, team: row.team, kind: 'Rollback', operationId: row.operation },
      ...{ policyDigest, createdBy, onBehalfOf, now },
    },
  );
  const made = await loadRevision(trx, row.id, number);
  if (!made) throw new Error(`revision ${number} of deployment ${row.id} was not made`);
  await trx
    .updateTable('deployments')
    .set({ ...columnsOfRevision(made), intent: json(intent) })
    .where('id', '=', row.id)
    .execute();
  return true;
}

/** A change that nobody asked for now: it was asked for with the spec. */
async function beginByItself(
  trx: Transaction<Tables>,
  row: DeploymentRow,
  { operation, kind }: NonNullable<Settlement['begins']>,
  now: Date,
): Promise<boolean> {
  const intent = { kind };
  const { team, name, revision, policyDigest } = row;
  const { status: phase, action } = beginnings[kind];
  await insertOperation(trx, {
    ...{ id: operation, deploymentId: row.id, team, kind, revision, phase, intent, now },
  });
  const present = await loadRow(trx, row.id);
  if (!present) throw new Error(`deployment ${row.id} is not there`);
  await begin(trx, present, { operation, kind, revision, intent, now });
  await auditChange(trx, action, name, {
    ...{ team, policyDigest, now, createdBy: slipway, onBehalfOf: null, requestId: operation },
  });
  return true;
}

/** Raises the event number in the same update that changes the row: numbers are in order and have no gap. Returns the last. */
async function updateRow(
  trx: Transaction<Tables>,
  row: DeploymentRow,
  { to, now, patch = {}, events = [], outcome, resumes }: Settlement,
): Promise<number> {
  const set: UpdateObject<Tables, 'deployments'> = {
    ...columnsOf(patch),
    ...(to === row.status ? {} : { timeline: json(enter(leave(row.timeline, now), to, now)) }),
    status: to,
    // A job that runs is not at its end.
    settled: settledStatuses.includes(to) && (outcome !== undefined || row.settled),
    ...(resumes ? { operation: resumes } : {}),
    // A look that finds nothing new changes nothing.
    ...(isSilentLook(row, patch, events) ? {} : { updatedAt: now }),
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

const isSilentLook = (row: DeploymentRow, patch: object, events: readonly unknown[]) =>
  row.settled && Object.keys(patch).length === 0 && events.length === 0;

const jsonColumns = [
  'images',
  'credentials',
  'workloadSecrets',
  'seenEvents',
  'containerGroup',
  'waitingFor',
  'failure',
  'intent',
  'conditions',
] as const satisfies (keyof NonNullable<Settlement['patch']>)[];

function columnsOf(patch: NonNullable<Settlement['patch']>): UpdateObject<Tables, 'deployments'> {
  const columns: Record<string, unknown> = { ...patch };
  for (const column of jsonColumns)
    if (columns[column] !== undefined) columns[column] = json(storable(columns[column]));
  return columns;
}

/** What the revision came to: not what a deletion or a restart did, which come after it. */
async function updateRevision(
  trx: Transaction<Tables>,
  row: DeploymentRow,
  { patch = {}, outcome, undo, revisionOutcome = undo ? 'Failed' : outcome }: Settlement,
): Promise<void> {
  const { images, credentials, workloadSecrets } = patch;
  const ended = isRevising(row.intent.kind) ? revisionOutcome : undefined;
  if (!images && !credentials && !workloadSecrets && !ended) return;
  await trx
    .updateTable('revisions')
    .set({
      ...(images ? { images: json(storable(images)) } : {}),
      ...(credentials ? { credentials: json(storable(credentials)) } : {}),
      ...(workloadSecrets ? { workloadSecrets: json(storable(workloadSecrets)) } : {}),
      ...(ended ? { outcome: ended } : {}),
    })
    .where('deploymentId', '=', row.id)
    .where('number', '=', row.revision)
    .execute();
}
