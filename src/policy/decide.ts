import type { RequestErrorCode } from '../errors.ts';
import type { Caller } from '../schemas/principal.ts';
import { decideRegistries } from './decide-registries.ts';
import { decideTarget } from './decide-target.ts';
import { Denied } from './denied.ts';
import type { LoadedPolicy } from './load.ts';
import type { Policy, Team } from './policy.ts';
import { usableIdentity, usableSecret } from './usable.ts';

/** What a request asks of policy: names and places. Hosts are canonical. */
export interface Ask {
  team?: string;
  target?: string;
  location?: string;
  images: AskedImage[];
  credentials: AskedCredential[];
  workloadSecrets: { pointer: string; secretName: string; vault?: string }[];
  workloadIdentities: { pointer: string; id: string }[];
  publicAddress: boolean;
  /** Absent in what was asked before there were these. */
  subnets?: { pointer: string; id: string }[];
  /** Ids of Log Analytics workspaces: GUIDs, or ARM ids. */
  workspaces?: { pointer: string; id: string }[];
  storageAccounts?: { pointer: string; name: string }[];
  /** Plain values under the name of a secret. */
  plainSecrets?: { pointer: string; name: string }[];
}

export interface AskedImage {
  pointer: string;
  host: string;
  repository: string;
  tag: string | null;
  digest: string | null;
}

export interface AskedCredential {
  pointer: string;
  server: string;
  secretName?: string;
  vault?: string;
  identity?: string;
}

export type Decision =
  | { allowed: true; digest: string; plan: Plan }
  | { allowed: false; digest: string; code: RequestErrorCode; pointer: string; detail: string };

/** What was allowed, resolved from policy: the worker uses these values, never the request's. */
export interface Plan {
  team: string;
  target: { name: string; subscription: string; resourceGroup: string; location: string };
  /** One per registry that an image names, in the order of first use. */
  registries: PlannedRegistry[];
  workloadSecrets: { pointer: string; vault: PlannedVault; secretName: string }[];
  workloadIdentities: string[];
  subnets: string[];
  quota: { groups?: number; cpu?: number; memoryInGB?: number; deploysPerHour?: number };
}

export interface PlannedVault {
  name: string;
  url: string;
}

export type PlannedRegistry = { host: string; repositories: string[]; pointer: string } & (
  | { kind: 'anonymous' }
  | { kind: 'secret'; vault: PlannedVault; secretName: string }
  | { kind: 'identity'; id: string; registryId: string | null }
);

/** Decides from the policy alone: no vault, registry or ARM is asked for what it denies. */
export function decide({ policy, digest }: LoadedPolicy, caller: Caller, ask: Ask): Decision {
  try {
    return { allowed: true, digest, plan: planOf(policy, caller, ask) };
  } catch (error) {
    if (!(error instanceof Denied)) throw error;
    const { code, pointer, message } = error;
    return { allowed: false, digest, code, pointer, detail: message };
  }
}

export type PullDecision =
  | { allowed: true; digest: string; registries: PlannedRegistry[] }
  | Extract<Decision, { allowed: false }>;

/** Decides on a pull alone, for no target: how its images may be pulled. */
export function decidePull(
  { policy, digest }: LoadedPolicy,
  caller: Caller,
  ask: Pick<Ask, 'team' | 'images' | 'credentials'>,
): PullDecision {
  try {
    const name = teamOf(caller, ask);
    const team = policy.teams[name];
    if (!team) throw noSuchTeam(name);
    return { allowed: true, digest, registries: decideRegistries(policy, team, ask) };
  } catch (error) {
    if (!(error instanceof Denied)) throw error;
    const { code, pointer, message } = error;
    return { allowed: false, digest, code, pointer, detail: message };
  }
}

function planOf(policy: Policy, caller: Caller, ask: Ask): Plan {
  const name = teamOf(caller, ask);
  const team = Object.hasOwn(policy.teams, name) ? policy.teams[name] : undefined;
  if (!team) throw noSuchTeam(name);
  refusePlainSecrets(team, ask);
  // Grammar first: what contradicts itself is said before what is not allowed.
  const registries = decideRegistries(policy, team, ask);
  const { target, subnets } = decideTarget(policy, team, ask);
  return {
    team: name,
    target,
    registries,
    workloadSecrets: ask.workloadSecrets.map(secret => ({
      pointer: secret.pointer,
      ...usableSecret(policy, team, 'workload', secret),
    })),
    workloadIdentities: ask.workloadIdentities.map(({ pointer, id }) =>
      usableIdentity(team, id, 'workload', pointer),
    ),
    subnets,
    quota: team.quota ?? {},
  };
}

function teamOf(caller: Caller, { team }: Pick<Ask, 'team'>): string {
  const deploying = Object.keys(caller.teams).filter(name => caller.teams[name]?.includes('deploy'));
  if (team !== undefined) {
    if (!deploying.includes(team)) throw noSuchTeam(team);
    return team;
  }
  const [only, ...others] = deploying;
  if (only === undefined) throw new Denied('PermissionDenied', '/team', 'The caller may deploy in no team.');
  if (others.length > 0)
    throw new Denied('InvalidRequest', '/team', `is missing; you may deploy in ${deploying.join(', ')}`);
  return only;
}

/** A team that does not exist and one that is not the caller's answer alike. */
const noSuchTeam = (team: string) =>
  new Denied('PermissionDenied', '/team', `You may not deploy in team '${team}'.`);

function refusePlainSecrets(team: Team, { plainSecrets: [first] = [] }: Ask): void {
  if (!first || team.allowPlainSensitiveNames) return;
  throw new Denied(
    'SecretInRequest',
    first.pointer,
    `is a plain value, and '${first.name}' is the name of a secret (rule sensitive-name): store it in Key Vault and name it with \`secretName\``,
  );
}
