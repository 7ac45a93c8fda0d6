import type { ContainerGroups } from '../../azure/container-groups.ts';
import type { Roles } from '../../azure/roles.ts';
import type { Vault } from '../../azure/vault.ts';
import type { Clock } from '../../clock.ts';
import type { Ask, Decision, Plan } from '../../policy/decide.ts';
import { decide } from '../../policy/decide.ts';
import type { LoadedPolicy } from '../../policy/load.ts';
import { callerAgain } from '../../policy/principals.ts';
import type { RegistryClient } from '../../registry/client.ts';
import type { Failure } from '../../schemas/failure.ts';
import type { Caller } from '../../schemas/principal.ts';
import type { Secret } from '../../secret.ts';
import type { DeploymentRow } from '../../store/deployments.ts';
import { failure } from '../failure.ts';
import type { Move } from '../move.ts';

/** What the stages work with. */
export interface StageParts {
  vault: Vault;
  containerGroups: ContainerGroups;
  roles: Roles;
  registry: RegistryClient;
  acrToken: (signal: AbortSignal) => Promise<Secret>;
  policy: () => LoadedPolicy;
  clock: Clock;
  tenantId: string;
}

/** Does one thing for one deployment and says what becomes of it. May be run twice: a kill can come at any line. */
export type Stage = (row: DeploymentRow, parts: StageParts, signal: AbortSignal) => Promise<Move>;

/** What was decided when the deployment was accepted, and what was asked then. */
export interface StoredPlan {
  plan: Plan;
  ask: Ask;
  caller: Caller;
}

export type Again =
  | { allowed: true; plan: Plan; policy: LoadedPolicy }
  | { allowed: false; failure: Failure };

/** Policy is asked again before a credential is resolved: a right withdrawn in between ends the deployment. */
export function decideAgain(row: DeploymentRow, { policy }: StageParts): Again {
  const loaded = policy();
  const { ask, caller } = row.plan as StoredPlan;
  const decision: Decision = decide(loaded, callerAgain(loaded, caller), ask);
  if (decision.allowed) return { allowed: true, plan: decision.plan, policy: loaded };
  const detail = `The policy no longer allows this: ${decision.detail}`;
  return {
    allowed: false,
    failure: failure('PolicyRevoked', detail, { stage: row.status, target: decision.pointer }),
  };
}

export function placeOf({ subscription, resourceGroup, name }: DeploymentRow) {
  return { subscription, resourceGroup, name };
}
