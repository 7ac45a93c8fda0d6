import { formatArmId, parseArmId, sameArmId } from '../arm-id.ts';
import type { PlannedVault } from './decide.ts';
import { Denied } from './denied.ts';
import { matchesSecret } from './glob.ts';
import type { Policy, Team } from './policy.ts';

interface NamedSecret {
  pointer: string;
  secretName: string;
  vault?: string | undefined;
}

/**
 * A secret that the team may use as this kind, in policy's spelling, and its vault. A name that globs make both kinds of
 * secret is neither.
 */
export function usableSecret(
  policy: Policy,
  team: Team,
  kind: 'registry' | 'workload',
  { pointer, secretName, vault }: NamedSecret,
): { vault: PlannedVault; secretName: string } {
  const { registrySecrets = [], workloadSecrets = [] } = team;
  const [usable, others] =
    kind === 'registry' ? [registrySecrets, workloadSecrets] : [workloadSecrets, registrySecrets];
  const place = vaultOf(policy, team, vault, pointer);
  if (place && matchesSecret(usable, secretName) && !matchesSecret(others, secretName))
    return { vault: place, secretName: spelled(usable, secretName) };
  throw new Denied(
    'CredentialNotAvailable',
    pointer,
    `Secret '${secretName}' is not available as a ${kind} secret; the team may use ${listed(usable)}.`,
  );
}

/** One spelling for one secret, so that records of it are found: policy's own, or where a glob allows it, lower case. */
function spelled(usable: readonly string[], secretName: string): string {
  const name = secretName.toLowerCase();
  return usable.find(candidate => candidate.toLowerCase() === name) ?? name;
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

/**
 * The id as policy spells it, made anew from its parts; Azure compares without case. A pull identity may be bound to
 * registries: `host` is the one that it is for.
 */
export function usableIdentity(
  team: Team,
  id: string,
  use: 'pull' | 'workload',
  pointer: string,
  host?: string,
): string {
  const asked = parseArmId(id);
  if (!asked) throw new Denied('InvalidRequest', pointer, 'is not the ARM id of a user-assigned identity');
  const usable = (team.identities ?? []).filter(
    identity =>
      identity.use === use &&
      (host === undefined || identity.registries === undefined || identity.registries.includes(host)),
  );
  const found = parseArmId(usable.find(identity => sameArmId(identity.id, id))?.id ?? '');
  if (found) return formatArmId(found);
  const ids = usable.map(identity => identity.id);
  throw new Denied(
    'IdentityNotAvailable',
    pointer,
    `Identity '${id}' is not available to the team for this; it may use ${listed(ids)}.`,
  );
}

export const listed = (names: readonly string[]) => (names.length > 0 ? names.join(', ') : 'none');
