import { createError, type RequestError } from '../errors.ts';
import type { Deployment } from '../schemas/deployment.ts';
import type { ChangeAccepted } from '../store/deployments.ts';
import type { Spec } from './spec.ts';

/** A refusal that concerns a deployment, which the request may name by its id. */
const about = ({ team, name }: Deployment) => ({ about: { team, target: name } });

export const keyReused = (deployment?: Deployment) =>
  createError(
    'IdempotencyKeyReused',
    'This Idempotency-Key was used with another request; take a new one.',
    deployment && about(deployment),
  );

/** The link is for who may follow it: the name may be taken by another team that shares the target. */
export function deploymentExists(spec: Spec, holder: string | null): RequestError {
  const detail = `Target '${spec.target}' has a deployment '${spec.name}' already. Delete it first, change it, or take another name.`;
  return createError(
    'DeploymentExists',
    detail,
    holder ? { members: { deployment: `/deployments/${holder}` } } : {},
  );
}

export function quotaExceeded(
  team: string,
  { which, limit, used }: { which: string; limit: number; used: number },
): RequestError {
  return createError(
    'TeamQuotaExceeded',
    `Team '${team}' may have ${limit} ${which} and has ${used}; delete what is no longer needed.`,
  );
}

export function changedSince(deployment: Deployment): RequestError {
  const detail = `The deployment is at revision ${deployment.revision} and ${deployment.status}; read it again and say with If-Match what you change.`;
  return createError('PreconditionFailed', detail, about(deployment));
}

export function notLive(deployment: Deployment): RequestError {
  const detail = `Deployment '${deployment.name}' is ${deployment.status} and has no container group in Azure.`;
  return createError('DeploymentNotLive', detail, about(deployment));
}

type Refused = Exclude<ChangeAccepted, { outcome: 'accepted' | 'replayed' }>;

/** Why a change was not accepted. */
export function refusedChange(deployment: Deployment, refused: Refused): RequestError {
  switch (refused.outcome) {
    case 'keyReused':
      return keyReused(deployment);
    case 'busy':
      return busy(deployment, refused);
    case 'changed':
      return changedSince(deployment);
    case 'gone':
      return notLive(deployment);
    case 'notCancelable':
      return notCancelable(deployment, refused.because);
    case 'quotaExceeded':
      return quotaExceeded(deployment.team, refused);
  }
}

function busy(
  deployment: Deployment,
  { operation, kind, runUrl }: Refused & { outcome: 'busy' },
): RequestError {
  const run = runUrl === null ? '' : ` of ${runUrl}`;
  const detail = `A ${kind}${run} is still running; wait for its end, or ask with onBusy to queue or to supersede it.`;
  return createError('DeploymentBusy', detail, {
    members: { operation: `/operations/${operation}`, ...(runUrl === null ? {} : { runUrl }) },
    ...about(deployment),
  });
}

function notCancelable(deployment: Deployment, because: 'nothingRuns' | 'tooLate'): RequestError {
  const detail =
    because === 'nothingRuns'
      ? 'Nothing is under way that could be canceled.'
      : deployment.status === 'Deleting'
        ? 'A deletion cannot be canceled.'
        : 'Azure has it already: it runs to its end. Use rollback then.';
  return createError('NotCancelable', detail, about(deployment));
}
