import type { Operation } from '../../client/api.ts';
import type { RefusedCall } from '../../client/failed-call.ts';

/** How a command that asks Slipway ends. */
export const exits = {
  reached: 0,
  failed: 1,
  badRequest: 2,
  denied: 3,
  stillGoing: 4,
  unavailable: 5,
  busy: 6,
} as const;

const byStatus: Record<number, number> = {
  401: exits.denied,
  403: exits.denied,
  408: exits.stillGoing,
  412: exits.busy,
  422: exits.failed,
  429: exits.unavailable,
};

/** Where the code says more than the status: what was asked cannot be done as things are, or something else is under way. */
const byCode: Record<string, number> = {
  DeploymentBusy: exits.busy,
  Superseded: exits.busy,
  IdempotentRequestInProgress: exits.busy,
  RequestTimeout: exits.unavailable,
  IdempotencyKeyReused: exits.badRequest,
  RequiresReplacement: exits.badRequest,
  NoRevisionToRollBackTo: exits.badRequest,
};

export function exitOfRefusal({ status, code }: Pick<RefusedCall, 'status' | 'code'>): number {
  const known = byCode[code] ?? byStatus[status];
  if (known !== undefined) return known;
  return status >= 500 ? exits.unavailable : exits.badRequest;
}

export function exitOfOperation({ status, failure, error }: Operation): number {
  if (status === 'Succeeded') return exits.reached;
  const code: string | undefined = failure?.code ?? error?.code;
  return code === 'Superseded' ? exits.busy : exits.failed;
}
