import type { OperationState, PutAnswer } from '../azure/container-groups.ts';
import type { DeploymentRow, NewEvent } from '../store/deployments.ts';
import type { Patch } from './move.ts';

type Told = Pick<DeploymentRow, 'name' | 'operationUrl' | 'containerGroup'>;

export const operationAccepted = 'OperationAccepted';

/** That Resource Manager has it, by the numbers under which Azure's support finds it. */
export function acceptedBy(answer: PutAnswer, { name }: Told, at: Date): NewEvent {
  const { created, operationUrl, requestId, provisioningState } = answer;
  const message = `Azure Resource Manager accepted container group '${name}'`;
  const data = {
    status: created ? 201 : 200,
    ...(operationUrl ? { operation: operationIn(operationUrl) } : {}),
    ...(requestId ? { requestId } : {}),
    ...(provisioningState ? { provisioningState } : {}),
  };
  return { at, source: 'Arm', type: operationAccepted, message, data };
}

/** In its own words, why it failed; none where it gave no reason. */
export function failedBy(
  { operation }: { operation?: OperationState },
  { operationUrl }: Told,
  at: Date,
): NewEvent[] {
  if (!operation?.error) return [];
  const { code, message } = operation.error;
  const data = { code, ...(operationUrl ? { operation: operationIn(operationUrl) } : {}) };
  return [{ at, source: 'Arm', type: 'OperationFailed', message: `${code}: ${message}`, data }];
}

const operationIn = (url: string) => /\/operations\/([\w-]+)/i.exec(url)?.[1] ?? url;

/** What the state on record was of an operation before: the new one's has not been told yet. */
export const untold = ({ containerGroup }: Told): Patch =>
  containerGroup ? { containerGroup: { ...containerGroup, provisioningState: null } } : {};
