import { type FailureCode, failureKinds } from '../failures.ts';
import type { Failure, Fix } from '../schemas/failure.ts';
import { command } from './command.ts';

/** A failure of the table, with what is particular to this one. */
export function failure(
  code: FailureCode,
  detail: string,
  more: Partial<Pick<Failure, 'stage' | 'target' | 'evidence' | 'fixes' | 'causes'>> = {},
): Failure {
  const { title, owner, retryable, confidence } = failureKinds[code];
  return { code, title, detail, owner, retryable, confidence, evidence: [], fixes: [], ...more };
}

export const fix = (who: Fix['who'], action: string, line?: string): Fix => ({
  who,
  action,
  ...(line ? { command: line } : {}),
});

/** The command that stores a registry password as a new version; a version without tags would be bound to nothing. */
export function secretCommand(
  vault: string,
  secretName: string,
  registry: string,
  username = 'USERNAME',
): string {
  return command`az keyvault secret set --vault-name ${vault} --name ${secretName} --file /dev/stdin --tags slipway-registry=${registry} slipway-username=${username}`;
}
