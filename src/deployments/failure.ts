import { type FailureCode, failureKinds } from '../failures.ts';
import type { Failure } from '../schemas/failure.ts';

/** A failure of the table, with what is particular to this one. */
export function failure(
  code: FailureCode,
  detail: string,
  more: Partial<Pick<Failure, 'stage' | 'target' | 'evidence' | 'fixes' | 'causes'>> = {},
): Failure {
  const { title, owner, retryable, confidence } = failureKinds[code];
  return { code, title, detail, owner, retryable, confidence, evidence: [], fixes: [], ...more };
}

/** The command that stores a registry password as a new version; a version without tags would be bound to nothing. */
export function secretCommand(
  vault: string,
  secretName: string,
  registry: string,
  username = 'USERNAME',
): string {
  const tags = `slipway-registry=${registry} slipway-username=${username}`;
  return `az keyvault secret set --vault-name ${vault} --name ${secretName} --file /dev/stdin --tags ${tags}`;
}
