import { formatArmId, parseArmId } from '../arm-id.ts';
import { unboundByPolicy, writtenFor } from './bind.ts';
import type { PlannedRegistry, PlannedVault } from './decide.ts';
import type { Policy, Team } from './policy.ts';

/** A secret that a team may use; its name may be a glob. */
export interface SecretChoice {
  vault: PlannedVault;
  secretName: string;
}

export type PlannedSecret = PlannedRegistry & { kind: 'secret' };

export const isGlob = (secretName: string) => secretName.includes('*');

/** The secrets of one kind that a team may name, in each of its vaults. */
export function secretChoices(policy: Policy, team: Team, kind: 'registry' | 'workload'): SecretChoice[] {
  const names = (kind === 'registry' ? team.registrySecrets : team.workloadSecrets) ?? [];
  const vaults = (team.vaults ?? []).flatMap(name => {
    const vault = policy.vaults?.[name];
    return vault ? [{ name, url: vault.url.replace(/\/$/, '') }] : [];
  });
  return vaults.flatMap(vault => names.map(secretName => ({ vault, secretName })));
}

/** The identities that a team may name, in the one form that Slipway sends. */
export function identityChoices(
  { identities = [] }: Team,
  use: 'pull' | 'workload',
  host?: string,
): { id: string; name: string; registries: readonly string[] | null }[] {
  return identities.flatMap(({ id, use: its, registries = null }) => {
    const parsed = parseArmId(id);
    const serves = host === undefined || registries === null || registries.includes(host);
    return parsed && its === use && serves
      ? [{ id: formatArmId(parsed), name: parsed.name, registries }]
      : [];
  });
}

/** What binds a secret to a registry: policy itself, or tags that only the vault knows; null where policy keeps it away. */
export function boundBy(policy: Policy, choice: SecretChoice, host: string): 'policy' | 'tags' | null {
  const planned = plannedFor(choice, host);
  if (unboundByPolicy(policy, planned) !== null) return null;
  return writtenFor(policy, planned) ? 'policy' : 'tags';
}

/** A secret as if a request named it for a registry, for any of its repositories. */
export function plannedFor({ vault, secretName }: SecretChoice, host: string): PlannedSecret {
  return { kind: 'secret', host, repositories: [], pointer: '', vault, secretName };
}
