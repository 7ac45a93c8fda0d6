import type { Failure } from '../schemas/failure.ts';
import type { DeploymentRow } from '../store/deployments.ts';

/** Platform faults that pass: Slipway tries again by itself, and the record shows them meanwhile. */
export const passes = ({ owner, retryable }: Failure): boolean => owner === 'platform' && retryable;

/** Thrown by a stage that is to run again: what it met, and the error that told so. */
export class NotNow extends Error {
  readonly failure: Failure;
  /** What is waited for, where the error does not say. */
  readonly reason: string | null;
  constructor(failure: Failure, cause: Error, reason: string | null = null) {
    super(failure.detail, { cause });
    this.failure = failure;
    this.reason = reason;
  }
}

/** What has not passed by the deadline. */
export function stillThere(failure: Failure, { spec }: Pick<DeploymentRow, 'spec'>): Failure {
  const detail = `${failure.detail} It was tried again for ${spec.timeoutSeconds ?? 1800} seconds.`;
  return { ...failure, detail };
}
