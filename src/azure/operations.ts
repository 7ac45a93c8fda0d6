import type { ContainerInstanceManagementClient } from '@azure/arm-containerinstance';
import { createPipelineRequest, type PipelineResponse } from '@azure/core-rest-pipeline';
import { type OperationState, operationStateOf } from './container-group-state.ts';
import { errorOfAnswer, toAzureError } from './failure.ts';
import { refuseForeignOperation } from './routes.ts';

const timeoutMs = 20_000;

/** How an operation is doing, at the address that ARM named. Throws `AzureError`. */
export async function readOperation(
  clientOf: (subscription: string) => ContainerInstanceManagementClient,
  url: string,
  signal: AbortSignal | undefined,
): Promise<OperationState> {
  try {
    refuseForeignOperation(url);
    const [, subscription = ''] = /\/subscriptions\/([^/]+)/i.exec(url) ?? [];
    const request = createPipelineRequest({ url, method: 'GET', timeout: timeoutMs });
    if (signal) request.abortSignal = signal;
    return stateIn(await clientOf(subscription).sendRequest(request));
  } catch (error) {
    throw toAzureError('arm', 'get operation', error);
  }
}

function stateIn(answer: PipelineResponse): OperationState {
  const body = parse(answer.bodyAsText);
  const state = answer.status < 400 ? operationStateOf(body) : null;
  if (state) return state;
  throw errorOfAnswer('arm', 'get operation', answer, body);
}

/** Null where it is no JSON. */
export function parse(text: string | null | undefined) {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return null;
  }
}
