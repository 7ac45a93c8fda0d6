import { circuitOpenCode } from '../circuits.ts';
import type { FailureCode } from '../failures.ts';
import { retryBudgetCode } from '../retry-budget.ts';
import type { Failure } from '../schemas/failure.ts';
import type { DeploymentRow } from '../store/deployments.ts';
import { NotNow } from './not-now.ts';

const outages: ReadonlySet<FailureCode> = new Set(['RegistryUnreachable', 'RegistryUnavailable']);

/** A registry that does not answer as it should may be back in a moment; one that refuses, or limits, has answered. */
export const mayBeBack = ({ code, retryable }: Failure): boolean => retryable && outages.has(code);

export const registryOutage = 'RegistryOutage';

// What nobody reaches is more often named wrongly, or behind a wall, than out: its caller is told after as long.
const longestMs = 2 * 60_000;

/** A registry's outage is waited for, as any other; what is left of one that has lasted too long is its failure. Throws `NotNow`. */
export function outlast(
  found: Failure,
  { waitingFor }: Pick<DeploymentRow, 'waitingFor'>,
  now: Date,
): Failure {
  const since = waitingFor?.reason === registryOutage ? Date.parse(waitingFor.since) : now.getTime();
  // What was met when it was asked last says more than that it is not asked now.
  const met = wasAsked(found) ? found : (waitingFor?.failure ?? found);
  if (now.getTime() - since < longestMs) throw new NotNow(met, new Error(met.code), registryOutage);
  return { ...met, detail: `${met.detail} It was tried again for ${longestMs / 1_000} seconds.` };
}

const unasked: readonly (string | undefined)[] = [circuitOpenCode, retryBudgetCode];
const wasAsked = ({ evidence }: Failure) => !evidence.some(({ code }) => unasked.includes(code));
