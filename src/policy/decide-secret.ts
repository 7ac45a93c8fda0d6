import type { RequestErrorCode } from '../errors.ts';
import type { PlannedVault } from './decide.ts';
import { Denied } from './denied.ts';
import type { Policy, Team } from './policy.ts';
import { usableSecret } from './usable.ts';

export type SecretDecision =
  | { allowed: true; vault: PlannedVault; secretName: string }
  | { allowed: false; code: RequestErrorCode; pointer: string; detail: string };

/** Whether a team may use a secret to pull images, wherever that is. */
export function decideSecret(
  policy: Policy,
  team: Team,
  named: { pointer: string; secretName: string; vault?: string | undefined },
): SecretDecision {
  try {
    return { allowed: true, ...usableSecret(policy, team, 'registry', named) };
  } catch (error) {
    if (!(error instanceof Denied)) throw error;
    return { allowed: false, code: error.code, pointer: error.pointer, detail: error.message };
  }
}
