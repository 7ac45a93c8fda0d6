import { formatArmId, parseArmId } from '../arm-id.ts';
import type { RequestErrorCode } from '../errors.ts';
import type { Caller } from '../schemas/principal.ts';
import { decideRegistries } from './decide-registries.ts';
import { Denied } from './denied.ts';
import { matchesSecret } from './glob.ts';
import type { LoadedPolicy } from './load.ts';
import type { Policy, Team } from './policy.ts';

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

function planOf(policy: Policy, caller: Caller, ask: Ask): Plan {
  const name = teamOf(caller, ask);
  const team = policy.teams[name];
  if (!team) throw noSuchTeam(name);
  // Grammar first: what contradicts itself is said before what is not allowed.
  const registries = decideRegistries(policy, team, ask);
  const target = targetOf(policy, team, ask);
  return {
    team: name,
    target,
    registries,
    workloadSecrets: ask.workloadSecrets.map(secret => workloadSecretOf(policy, team, secret)),
    workloadIdentities: ask.workloadIdentities.map(identity => workloadIdentityOf(team, identity)),
    quota: team.quota ?? {},
  };
}

function teamOf(caller: Caller, { team }: Ask): string {
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

function targetOf(policy: Policy, team: Team, ask: Ask): Plan['target'] {
  const name = ask.target ?? team.targets[0] ?? '';
  const target = team.targets.includes(name) ? policy.targets[name] : undefined;
  if (!target)
    throw new Denied(
      'TargetNotAllowed',
      '/target',
      `Target '${name}' is not available to the team; it may use ${team.targets.join(', ')}.`,
    );
  const asked = ask.location?.toLowerCase().replaceAll(' ', '');
  const location =
    asked === undefined ? target.locations[0] : target.locations.find(candidate => candidate === asked);
  if (location === undefined)
    throw new Denied(
      'TargetNotAllowed',
      '/location',
      `Location '${ask.location}' is not available in target '${name}'; it has ${target.locations.join(', ')}.`,
    );
  if (ask.publicAddress && target.network?.public !== true)
    throw new Denied('TargetNotAllowed', '/ipAddress/type', `Target '${name}' allows no public address.`);
  return { name, subscription: target.subscription, resourceGroup: target.resourceGroup, location };
}

function workloadSecretOf(
  policy: Policy,
  team: Team,
  { pointer, secretName, vault }: Ask['workloadSecrets'][number],
): Plan['workloadSecrets'][number] {
  const place = usableSecretVault(policy, team, 'workload', { pointer, secretName, vault });
  return { pointer, vault: place, secretName };
}

interface NamedSecret {
  pointer: string;
  secretName: string;
  vault?: string | undefined;
}

/** The vault of a secret that the team may use as this kind. A name that globs make both kinds of secret is neither. */
export function usableSecretVault(
  policy: Policy,
  team: Team,
  kind: 'registry' | 'workload',
  { pointer, secretName, vault }: NamedSecret,
): PlannedVault {
  const { registrySecrets = [], workloadSecrets = [] } = team;
  const [usable, others] =
    kind === 'registry' ? [registrySecrets, workloadSecrets] : [workloadSecrets, registrySecrets];
  const place = vaultOf(policy, team, vault, pointer);
  if (place && matchesSecret(usable, secretName) && !matchesSecret(others, secretName)) return place;
  throw new Denied(
    'CredentialNotAvailable',
    pointer,
    `Secret '${secretName}' is not available as a ${kind} secret; the team may use ${listed(usable)}.`,
  );
}

/** The vault that is named, or the team's only one. */
function vaultOf(
  policy: Policy,
  team: Team,
  vault: string | undefined,
  pointer: string,
): PlannedVault | null {
  const [only, ...others] = team.vaults ?? [];
  if (vault === undefined && others.length > 0)
    throw new Denied(
      'InvalidRequest',
      pointer,
      `needs a vault beside it: one of ${listed(team.vaults ?? [])}`,
    );
  const name = vault ?? only;
  const found = name !== undefined && team.vaults?.includes(name) ? policy.vaults?.[name] : undefined;
  return found && name !== undefined ? { name, url: found.url.replace(/\/$/, '') } : null;
}

function workloadIdentityOf(team: Team, { pointer, id }: Ask['workloadIdentities'][number]): string {
  return usableIdentity(team, id, 'workload', pointer, () => true);
}

/** The id as policy spells it, made anew from its parts; Azure compares without case. */
export function usableIdentity(
  team: Team,
  id: string,
  use: 'pull' | 'workload',
  pointer: string,
  fits: (registries: readonly string[] | undefined) => boolean,
): string {
  const asked = parseArmId(id);
  if (!asked) throw new Denied('InvalidRequest', pointer, 'is not the ARM id of a user-assigned identity');
  const usable = (team.identities ?? []).filter(
    identity => identity.use === use && fits(identity.registries),
  );
  const found = usable
    .map(identity => parseArmId(identity.id))
    .find(identity => identity && formatArmId(identity).toLowerCase() === formatArmId(asked).toLowerCase());
  if (!found) {
    const names = usable.map(identity => identity.id.split('/').at(-1) ?? '');
    throw new Denied(
      'IdentityNotAvailable',
      pointer,
      `Identity '${asked.name}' is not available to the team for this; it may use ${listed(names)}.`,
    );
  }
  return formatArmId(found);
}

export const listed = (names: readonly string[]) => (names.length > 0 ? names.join(', ') : 'none');
