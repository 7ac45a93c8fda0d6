import type { Kysely, Transaction } from 'kysely';
import type { Deployment, OperationKind } from '../schemas/deployment.ts';
import type { Failure } from '../schemas/failure.ts';
import type { Intent } from '../schemas/intent.ts';
import { auditChange, type Changer } from './audit.ts';
import { begin, beginnings } from './beginning.ts';
import type { DeploymentRow } from './deployments.ts';
import { type Idempotency, type Replayed, remember, replay } from './idempotency.ts';
import type { Jobs } from './jobs.ts';
import { endOthers, insertOperation } from './operations.ts';
import { exceededQuota, type Quota, type QuotaExceeded } from './quota.ts';
import { readDeployment } from './reading.ts';
import { insertRevision, type NewRevision } from './revisions.ts';
import type { Tables } from './tables.ts';
import { lockTeam } from './teams.ts';
import { asTeams } from './walls.ts';
import { changed } from './watch.ts';
import { isUnderWay, refusalOf, turnOf, wholeIntent } from './whose-turn.ts';

/** What is done while another operation of the deployment runs. */
export type OnBusy = 'fail' | 'queue' | 'supersede';

/** A change of a deployment that is there: judged and allowed before. */
export interface ChangeAcceptance extends Changer {
  id: string;
  operation: string;
  intent: Intent & { kind: keyof typeof beginnings };
  onBusy?: OnBusy;
  /** The deployment as it was when the change was judged; absent where that does not matter. */
  expects?: Pick<Deployment, 'operation' | 'status' | 'revision'>;
  /** What those end with whose place it takes. */
  superseded: Failure;
  /** Of a change that makes one. */
  revision?: NewRevision & { quota: Quota };
  idempotency?: Idempotency;
}

export type ChangeAccepted =
  | { outcome: 'accepted'; deployment: Deployment; operation: string }
  | Replayed
  | { outcome: 'busy'; operation: string; kind: OperationKind; runUrl: string | null }
  /** The deployment is no longer what was judged. */
  | { outcome: 'changed' }
  /** There is nothing left that could be changed. */
  | { outcome: 'gone' }
  | { outcome: 'notCancelable'; because: 'nothingRuns' | 'tooLate' }
  | QuotaExceeded;

export async function acceptChange(
  db: Kysely<Tables>,
  jobs: Jobs,
  change: ChangeAcceptance,
): Promise<ChangeAccepted> {
  const { id, team } = change;
  return asTeams(db, [team], async trx => {
    await lockTeam(trx, change);
    const replayed = await replay(trx, change);
    if (replayed) return replayed;
    const row = await lockDeployment(trx, change);
    if (isUnderWay(row, change)) return join(trx, row, change);
    const refused = refusalOf(row, change) ?? (await overQuota(trx, row, change));
    if (refused) return refused;

    await record(trx, row, change);
    await remember(trx, change);
    // First those that take something away: what waits behind them may be what makes room.
    const goesFirst = change.intent.kind === 'Delete' || change.intent.kind === 'Cancel';
    await jobs.enqueue(trx, { deployment: id, team, goesFirst });
    await changed(trx, id);
    return accepted(trx, change);
  });
}

/** The key stands for the operation that was there before it. */
async function join(
  trx: Transaction<Tables>,
  { operation }: DeploymentRow,
  change: ChangeAcceptance,
): Promise<ChangeAccepted> {
  const joined = { ...change, operation };
  await remember(trx, joined);
  return accepted(trx, joined);
}

async function accepted(
  trx: Transaction<Tables>,
  { id, operation }: Pick<ChangeAcceptance, 'id' | 'operation'>,
): Promise<ChangeAccepted> {
  return { outcome: 'accepted', deployment: await readDeployment(trx, id), operation };
}

/** The row before the job: in this order everywhere, or two transactions wait for each other. */
function lockDeployment(trx: Transaction<Tables>, { id, team }: ChangeAcceptance): Promise<DeploymentRow> {
  return trx
    .selectFrom('deployments')
    .selectAll()
    .where('id', '=', id)
    .where('team', '=', team)
    .forUpdate()
    .executeTakeFirstOrThrow();
}

/** What it takes more than what the deployment holds already. */
async function overQuota(
  trx: Transaction<Tables>,
  row: DeploymentRow,
  { revision, team, now }: ChangeAcceptance,
): Promise<QuotaExceeded | null> {
  if (!revision) return null;
  const more = {
    cpu: Math.max(0, revision.size.cpu - row.cpu),
    memoryInGB: Math.max(0, revision.size.memoryInGB - row.memoryInGb),
  };
  const exceeded = await exceededQuota(trx, { team, quota: revision.quota, now, groups: 0, size: more });
  if (exceeded) return exceeded;
  await trx
    .updateTable('deployments')
    .set({ cpu: row.cpu + more.cpu, memoryInGb: row.memoryInGb + more.memoryInGB })
    .where('id', '=', row.id)
    .execute();
  return null;
}

async function record(trx: Transaction<Tables>, row: DeploymentRow, change: ChangeAcceptance): Promise<void> {
  const { operation, now, intent } = change;
  const { kind } = intent;
  const made = { deploymentId: row.id, operationId: operation, kind, ...changerOf(change) };
  const revision = change.revision ? await insertRevision(trx, change.revision, made) : row.revision;
  const turn = turnOf(row, change);
  const whole = wholeIntent(row, change);
  const phase = beginnings[kind].status;
  await insertOperation(trx, { ...made, id: operation, revision, phase, intent: whole, now });
  // A cancel ends the other operation once it is certain that nothing of it is left.
  if (turn === 'now' && !row.settled)
    await endOthers(trx, row.id, { but: operation, failure: change.superseded, now });
  if (turn === 'now' || kind === 'Cancel')
    await begin(trx, row, { operation, kind, revision, intent: whole, now });
  await auditChange(trx, beginnings[kind].action, row.name, change);
}

const changerOf = ({ team, createdBy, onBehalfOf, policyDigest, now }: ChangeAcceptance) => ({
  team,
  createdBy,
  onBehalfOf,
  policyDigest,
  now,
});
