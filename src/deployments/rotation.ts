import { randomUUIDv7 } from 'node:crypto';
import { AzureError } from '../azure/failure.ts';
import type { SecretVersion, Vault } from '../azure/vault.ts';
import type { Clock } from '../clock.ts';
import { createError } from '../errors.ts';
import type { PlannedVault } from '../policy/decide.ts';
import { decideSecret } from '../policy/decide-secret.ts';
import type { LoadedPolicy } from '../policy/load.ts';
import type { Caller } from '../schemas/principal.ts';
import type { CredentialUsages } from '../schemas/rotation.ts';
import type { RotationStore, SecretUse } from '../store/rotations.ts';
import { denied } from './denied.ts';
import { type ChangeContext, forAudit, idempotency } from './idempotency.ts';
import { keyReused } from './refusals.ts';
import { teamFor } from './team-for.ts';

/** A secret as a request names it. */
export interface AskedSecret {
  secretName: string;
  vault?: string | undefined;
  team?: string | undefined;
}

interface RotationParts {
  rotations: Pick<RotationStore, 'accept' | 'uses' | 'versionsInUse'>;
  vault: Pick<Vault, 'properties'>;
  policy: () => LoadedPolicy;
  clock: Clock;
}

export type Rotations = ReturnType<typeof createRotations>;

const longestMs = 6 * 3_600_000;

/** Azure keeps the password that it was given: who uses which version of a secret, and how all come to the newest. */
export function createRotations({ rotations, vault, policy, clock }: RotationParts) {
  return {
    async usages(caller: Caller, asked: AskedSecret): Promise<CredentialUsages> {
      const { team, place, secretName } = usable(caller, asked);
      const secret = { vault: place.name, secretName };
      const [versions, uses, inUse] = await Promise.all([
        versionsOf(place, secretName),
        rotations.uses([team], secret),
        rotations.versionsInUse(secret),
      ]);
      const gone = [...new Set(uses.map(({ version }) => version))].filter(
        version => !versions.some(known => known.version === version),
      );
      const known = versions.map(({ version, enabled, expiresOn }) => ({
        ...{ version, enabled, expiresOn: expiresOn?.toISOString() ?? null },
      }));
      const all = [...known, ...gone.map(version => ({ version, enabled: null, expiresOn: null }))];
      return {
        ...secret,
        versions: all.map((each, index) => ({
          ...each,
          current: index === 0 && versions.length > 0,
          ...usesOf(uses.filter(({ version }) => version === each.version)),
          safeToRevoke: index > 0 && !inUse.includes(each.version),
        })),
      };
    },

    /** One operation that redeploys whatever is behind; the operation's id. */
    async rotate(
      caller: Caller,
      asked: AskedSecret,
      context: ChangeContext,
    ): Promise<{ operation: string; teams: readonly string[]; replayed: boolean }> {
      const { team, place, secretName } = usable(caller, asked);
      if (!caller.teams[team]?.includes('deploy'))
        throw createError('PermissionDenied', `You may not deploy in team '${team}'.`);
      const now = clock.now();
      const accepted = await rotations.accept({
        ...{ operation: randomUUIDv7(), team, vault: place.name, secretName, caller, now },
        createdBy: caller.principal,
        onBehalfOf: caller.onBehalfOf ?? null,
        policyDigest: policy().digest,
        deadlineAt: new Date(now.getTime() + longestMs),
        ...forAudit(context),
        ...idempotency(caller, team, context, { rotate: secretName, vault: place.name }, now),
      });
      if (!accepted) throw keyReused();
      return { ...accepted, teams: [team] };
    },
  };

  /** What the team may not use and what does not exist answer alike, and no vault is asked. */
  function usable(caller: Caller, { team: asked, secretName, vault: name }: AskedSecret) {
    const loaded = policy();
    const { name: team, team: rules } = teamFor(loaded.policy, caller, asked);
    const named = { pointer: '/secretName', secretName, vault: name };
    const decision = decideSecret(loaded.policy, rules, named);
    if (!decision.allowed) throw denied(decision);
    return { team, place: decision.vault, secretName: decision.secretName };
  }

  async function versionsOf({ url }: PlannedVault, secretName: string): Promise<SecretVersion[]> {
    try {
      return await vault.properties(url, secretName);
    } catch (error) {
      if (!(error instanceof AzureError)) throw error;
      if (error.code === 'SecretNotFound') return [];
      throw createError('AzureUnavailable', 'The vault did not say which versions there are.');
    }
  }
}

/** Who pulls with it, and whose workload was given it. */
function usesOf(
  uses: readonly SecretUse[],
): Pick<CredentialUsages['versions'][number], 'deployments' | 'workloads'> {
  const live = ({ deployment, name, target, team, revision }: SecretUse) => ({
    ...{ deployment, name, target, team, revision },
  });
  return {
    deployments: uses.flatMap(use => (use.server === null ? [] : [{ ...live(use), server: use.server }])),
    workloads: uses.flatMap(use => (use.pointers === null ? [] : [{ ...live(use), pointers: use.pointers }])),
  };
}
