import type { RequestErrorCode } from '../errors.ts';
import type { PlannedVault } from './decide.ts';
import { Denied } from './denied.ts';
import type { Policy, Team } from './policy.ts';
import { usableSecret } from './usable.ts';

export type SecretDecision =
  | { allowed: true; vault: PlannedVault; secretName: string }
  | { allowed: false; code: RequestErrorCode; pointer: string; detail: string };

/** Whether a team may use a secret, wherever that is: to pull images, or for what runs. */
export function decideSecret(
  policy: Policy,
  team: Team,
  named: { pointer: string; secretName: string; vault?: string | undefined },
): SecretDecision {
  const toPull = decideUse('registry', policy, team, named);
  if (toPull.allowed) return toPull;
  const toRun = decideUse('workload', policy, team, named);
  return toRun.allowed ? toRun : toPull;
}

function decideUse(
  kind: 'registry' | 'workload',
  policy: Policy,
  team: Team,
  named: Parameters<typeof decideSecret>[2],
): SecretDecision {
  try {
    return { allowed: true, ...usableSecret(policy, team, kind, named) };
  } catch (error) {
    if (!(error instanceof Denied)) throw error;
    return { allowed: false, code: error.code, pointer: error.pointer, detail: error.message };
  }
}
