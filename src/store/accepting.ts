import { type Kysely, sql, type Transaction } from 'kysely';
import type { Deployment } from '../schemas/deployment.ts';
import type { Intent } from '../schemas/intent.ts';
import type { Principal } from '../schemas/principal.ts';
import type { DeploymentRequest } from '../schemas/request.ts';
import { auditChange } from './audit.ts';
import { insertEvents } from './events.ts';
import { type Idempotency, type Replayed, remember, replay } from './idempotency.ts';
import type { Jobs } from './jobs.ts';
import { json } from './json.ts';
import { insertOperation } from './operations.ts';
import { enter } from './phases.ts';
import { exceededQuota, type Quota, type QuotaExceeded } from './quota.ts';
import { readDeployment } from './reading.ts';
import { insertRevision } from './revisions.ts';
import type { Tables } from './tables.ts';
import { lockTeam } from './teams.ts';
import { asTeams } from './walls.ts';

/** A deployment to be accepted: judged and allowed before. */
export interface Acceptance {
  id: string;
  operation: string;
  team: string;
  name: string;
  target: string;
  subscription: string;
  resourceGroup: string;
  location: string;
  spec: DeploymentRequest;
  plan: object;
  policyDigest: string;
  createdBy: Principal;
  onBehalfOf: string | null;
  size: { cpu: number; memoryInGB: number };
  quota: Quota;
  deadlineAt: Date;
  now: Date;
  requestId: string;
  idempotencyKeyHash?: string | null;
  /** A group that is there is taken over, instead of one being made. */
  adopts?: true;
  intent?: Omit<Intent, 'kind'>;
  idempotency?: Idempotency;
}

export type Accepted = { outcome: 'accepted'; deployment: Deployment } | Replayed | Taken | QuotaExceeded;

interface Taken {
  outcome: 'exists';
  /** Null where another team that shares the resource group has the name: its rows are not seen, but the unique index is. */
  id: string | null;
}

export async function accept(db: Kysely<Tables>, jobs: Jobs, acceptance: Acceptance): Promise<Accepted> {
  return asTeams(db, [acceptance.team], async trx => {
    await lockTeam(trx, acceptance);
    const replayed = await replay(trx, acceptance);
    if (replayed) return replayed;
    const holder = await findHolder(trx, acceptance);
    if (holder) return holder;
    const exceeded = await exceededQuota(trx, { ...acceptance, groups: 1 });
    if (exceeded) return exceeded;
    if (!(await insertDeployment(trx, acceptance))) return { outcome: 'exists', id: null };

    await insertFirsts(trx, acceptance);
    await remember(trx, acceptance);
    await jobs.enqueue(trx, { deployment: acceptance.id, team: acceptance.team });
    return { outcome: 'accepted', deployment: await readDeployment(trx, acceptance.id) };
  });
}

/** Azure compares subscriptions and resource groups without case. */
async function findHolder(
  trx: Transaction<Tables>,
  { team, subscription, resourceGroup, name }: Acceptance,
): Promise<Taken | null> {
  const holder = await trx
    .selectFrom('deployments')
    .select('id')
    .where('team', '=', team)
    .where(sql<string>`lower(subscription)`, '=', subscription.toLowerCase())
    .where(sql<string>`lower(resource_group)`, '=', resourceGroup.toLowerCase())
    .where('name', '=', name)
    .where('holdsName', '=', true)
    .executeTakeFirst();
  return holder ? { outcome: 'exists', id: holder.id } : null;
}

/** Whether it was inserted: not where another team has the name. Those of this team wait for its lock. */
async function insertDeployment(trx: Transaction<Tables>, acceptance: Acceptance): Promise<boolean> {
  const { idempotency, requestId, idempotencyKeyHash, adopts: _, intent, ...accepted } = acceptance;
  const { quota, size, now, createdBy, spec, plan, ...columns } = accepted;
  const { status, kind } = beginningOf(acceptance);
  const inserted = await trx
    .insertInto('deployments')
    .values({
      ...columns,
      status,
      settled: false,
      revision: 1,
      liveRevision: null,
      health: 'Unknown',
      observedAt: null,
      waitingFor: null,
      createdAt: now,
      updatedAt: now,
      createdBy: json(createdBy),
      spec: json(spec),
      plan: json(plan),
      images: json([]),
      credentials: json([]),
      containerGroup: null,
      failure: null,
      timeline: json(enter([], status, now)),
      operationUrl: null,
      seenEvents: json([]),
      holdsName: true,
      cpu: size.cpu,
      memoryInGb: size.memoryInGB,
      eventSeq: 1,
      retries: 0,
      intent: json({ ...intent, kind }),
      conditions: json([]),
      expiresAt: spec.expiresAt === undefined ? null : new Date(spec.expiresAt),
    })
    .onConflict(conflict => conflict.doNothing())
    .returning('id')
    .executeTakeFirst();
  return inserted !== undefined;
}

function beginningOf({ adopts }: Acceptance) {
  return adopts
    ? ({ status: 'Adopting', kind: 'Adopt', action: 'adopt', message: 'The adoption was accepted' } as const)
    : ({
        status: 'Accepted',
        kind: 'Create',
        action: 'create',
        message: 'The deployment was accepted',
      } as const);
}

/** The first revision, operation and event, and the row of the audit. */
async function insertFirsts(trx: Transaction<Tables>, acceptance: Acceptance): Promise<void> {
  const { id, operation, team, name, now } = acceptance;
  const { status, kind, action, message } = beginningOf(acceptance);
  const { createdBy, onBehalfOf, policyDigest } = acceptance;
  const made = { deploymentId: id, team, kind, operationId: operation, policyDigest, createdBy, onBehalfOf };
  const revision = await insertRevision(trx, acceptance, { ...made, now });
  const intent = { ...acceptance.intent, kind };
  await insertOperation(trx, { ...made, id: operation, revision, phase: status, intent, now });
  await insertEvents(
    trx,
    acceptance,
    [{ at: now, source: 'Slipway', type: status, phase: status, message }],
    1,
  );
  await auditChange(trx, action, name, acceptance);
}
