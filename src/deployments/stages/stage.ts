import type { ContainerGroups } from '../../azure/container-groups.ts';
import type { GroupDocuments } from '../../azure/group-documents.ts';
import type { Roles } from '../../azure/roles.ts';
import type { Vault } from '../../azure/vault.ts';
import type { Clock } from '../../clock.ts';
import type { Ask, Plan, PlannedRegistry, PlannedVault } from '../../policy/decide.ts';
import { decide } from '../../policy/decide.ts';
import type { LoadedPolicy } from '../../policy/load.ts';
import { callerAgain } from '../../policy/principals.ts';
import type { RegistryClient } from '../../registry/client.ts';
import type { Failure } from '../../schemas/failure.ts';
import type { Caller } from '../../schemas/principal.ts';
import type { Secret } from '../../secret.ts';
import type { DeploymentRow } from '../../store/deployments.ts';
import type { SavedLogs } from '../../store/saved-logs.ts';
import { failure } from '../failure.ts';
import type { Looks } from '../looks.ts';
import type { Move } from '../move.ts';

/** What the stages work with. */
export interface StageParts {
  vault: Vault;
  containerGroups: ContainerGroups;
  documents: GroupDocuments;
  roles: Roles;
  registry: RegistryClient;
  acrToken: (signal: AbortSignal) => Promise<Secret>;
  savedLogs: Pick<SavedLogs, 'save'>;
  looks: Pick<Looks, 'nextInMs' | 'firstInMs' | 'nextComparisonInMs' | 'isCrowded'>;
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
  const { plan, ask, caller } = row.plan as StoredPlan;
  // By name what policy filled in then: its default of today may be one that the deployment never had.
  const { team, target, location } = row;
  const again = decide(loaded, callerAgain(loaded, caller), { ...ask, team, target, location });
  if (!again.allowed) return revoked(row, again.detail, again.pointer);
  if (meansOf(again.plan) !== meansOf(plan))
    return revoked(row, 'it names another resource group, vault or credential for it now.');
  return { allowed: true, plan: again.plan, policy: loaded };
}

function revoked(row: DeploymentRow, why: string, target?: string): Again {
  const detail = `The policy no longer allows this: ${why}`;
  const place = target === undefined ? {} : { target };
  return { allowed: false, failure: failure('PolicyRevoked', detail, { stage: row.status, ...place }) };
}

/** Where the group goes and what it is given on the way: what was proven is what is sent, or nothing. */
function meansOf({ target, registries, workloadSecrets }: Plan): string {
  const secretOf = ({ vault, secretName }: { vault: PlannedVault; secretName: string }) =>
    `${vault.url}/${secretName}`;
  const credentialOf = (planned: PlannedRegistry) => {
    if (planned.kind === 'anonymous') return planned.kind;
    return planned.kind === 'identity' ? planned.id : secretOf(planned);
  };
  return [
    target.subscription,
    target.resourceGroup,
    ...registries.map(planned => `${planned.host} ${credentialOf(planned)}`),
    ...workloadSecrets.map(secretOf),
  ]
    .join('\n')
    .toLowerCase();
}

export function placeOf({ subscription, resourceGroup, name }: DeploymentRow) {
  return { subscription, resourceGroup, name };
}
