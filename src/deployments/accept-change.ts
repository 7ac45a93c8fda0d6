import { randomUUIDv7 } from 'node:crypto';
import type { Clock } from '../clock.ts';
import type { LoadedPolicy } from '../policy/load.ts';
import type { Deployment, Operation } from '../schemas/deployment.ts';
import type { Caller } from '../schemas/principal.ts';
import type { ChangeAcceptance, ChangeAccepted, DeploymentStore } from '../store/deployments.ts';
import { failure } from './failure.ts';
import { type ChangeContext, forAudit, idempotency } from './idempotency.ts';
import { keyReused, refusedChange } from './refusals.ts';

/** A change that was accepted, now or before with the same key. */
export interface Change {
  deployment: Deployment;
  operation: Operation;
  teams: readonly string[];
  replayed: boolean;
}

export interface ChangeParts {
  store: DeploymentStore;
  policy: () => LoadedPolicy;
  clock: Clock;
}

/** A change of one deployment, judged: what is left is whether its turn has come. */
export interface JudgedChange extends Pick<ChangeAcceptance, 'intent' | 'onBusy' | 'expects' | 'revision'> {
  /** What was asked, as the idempotency key counts it. */
  asked: object;
}

/** Accepts in one transaction. Throws why not; null where the deployment is gone already. */
export async function acceptChange(
  { store, policy, clock }: ChangeParts,
  caller: Caller,
  deployment: Deployment,
  { asked, ...judged }: JudgedChange,
  context: ChangeContext,
): Promise<Change | null> {
  const now = clock.now();
  const { id, team } = deployment;
  const result = await store.acceptChange({
    ...judged,
    id,
    team,
    operation: randomUUIDv7(),
    createdBy: caller.principal,
    onBehalfOf: caller.onBehalfOf ?? null,
    policyDigest: policy().digest,
    now,
    superseded: failure('Superseded', `A later ${judged.intent.kind} took the place of this operation.`),
    ...forAudit(context),
    ...idempotency(caller, team, context, asked, now),
  });
  return result.outcome === 'gone' ? null : changeOf(store, deployment, result);
}

/** What was accepted with the same key before; null where nothing was. It is answered before anything is judged anew. */
export async function acceptedBefore(
  { store, clock }: ChangeParts,
  caller: Caller,
  deployment: Deployment,
  asked: object,
  context: ChangeContext,
): Promise<Change | null> {
  const now = clock.now();
  const { team } = deployment;
  const key = idempotency(caller, team, context, asked, now);
  const before = key.idempotency ? await store.replayed({ team, now, ...key }) : null;
  return before && changeOf(store, deployment, before);
}

async function changeOf(store: DeploymentStore, asked: Deployment, result: ChangeAccepted): Promise<Change> {
  if (result.outcome === 'keyReused') throw keyReused(asked);
  if (result.outcome !== 'accepted' && result.outcome !== 'replayed') throw refusedChange(asked, result);
  const replayed = result.outcome === 'replayed';
  return readChange(store, result.deployment, [asked.team], replayed, result.operation);
}

export async function readChange(
  store: Pick<DeploymentStore, 'findOperation'>,
  deployment: Deployment,
  teams: readonly string[],
  replayed: boolean,
  id: string,
): Promise<Change> {
  const operation = await store.findOperation(teams, id);
  if (!operation) throw new Error(`deployment ${deployment.id} has no operation ${id}`);
  return { deployment, operation, teams, replayed };
}
