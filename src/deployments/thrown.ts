import { AzureError } from '../azure/failure.ts';
import { retryBudgetCode } from '../retry-budget.ts';
import type { Status } from '../schemas/deployment.ts';
import type { Failure } from '../schemas/failure.ts';
import type { DeploymentRow } from '../store/deployments.ts';
import { explain } from './explain.ts';
import { failure, fix } from './failure.ts';
import { NotNow, passes } from './not-now.ts';

export interface Pause {
  reason: string;
  againInMs: number | null;
}

/** Everything that a stage throws may pass by itself; what cannot is a failure, which stages return. */
export function waitOf(thrown: unknown): Pause {
  if (thrown instanceof NotNow && thrown.reason) return { reason: thrown.reason, againInMs: null };
  const error = thrown instanceof NotNow ? thrown.cause : thrown;
  if (!(error instanceof AzureError)) return { reason: 'InternalError', againInMs: null };
  const from = { vault: 'Vault', arm: 'Arm', identity: 'Identity', storage: 'Storage' }[error.kind];
  return { reason: `${from}${whyNotNow(error)}`, againInMs: error.retryAfterMs };
}

function whyNotNow({ status, code }: AzureError): string {
  if (status === 429) return 'Throttled';
  if (code === retryBudgetCode) return 'RetryBudget';
  return code === 'ContainerGroupTransitioning' ? 'Transitioning' : 'Outage';
}

export const mayPass = (error: unknown, found: Failure): boolean =>
  error instanceof NotNow || passes(found) || (error instanceof AzureError && error.retryable);

/** What Azure's error means; null where it is an error of ours, which is retried. */
export function explainThrown(row: DeploymentRow, error: unknown): Failure | null {
  if (error instanceof NotNow) return error.failure;
  if (!(error instanceof AzureError)) return null;
  const { kind, status, code, message } = error;
  if (kind === 'identity') return noToken(error, row.status);
  const context = { stage: row.status, group: row.name, resourceGroup: row.resourceGroup };
  if (kind === 'vault') return explain({ kind, status, code, message }, context);
  return explain(
    { kind: 'arm', ...(status !== null ? { status } : {}), ...(code !== null ? { code } : {}), message },
    context,
  );
}

/** Slipway's own sign-in: also where it is refused its operator can mend it, and all that waits goes on. */
export function noToken({ status, code, message }: AzureError, stage: Status): Failure {
  return failure('EntraUnavailable', `Entra ID gave Slipway no token: ${message}`, {
    stage,
    evidence: [
      {
        step: 'identity',
        ...(status !== null ? { status } : {}),
        ...(code !== null ? { code } : {}),
        message,
      },
    ],
    fixes: [fix('platform', 'See to the identity that Slipway runs with, and to its secret or certificate')],
  });
}
