import {
  type ContainerGroup,
  ContainerInstanceManagementClient,
  type Event as SdkEvent,
} from '@azure/arm-containerinstance';
import type { TokenCredential } from '@azure/core-auth';
import { createPipelineRequest, type HttpClient, type PipelineResponse } from '@azure/core-rest-pipeline';
import { AzureError, retryAfter, toAzureError } from './failure.ts';
import { arm, refusal } from './routes.ts';

/** What ARM is sent, in the SDK's flat form. It may hold secrets. */
export type ContainerGroupBody = ContainerGroup;

export interface GroupPlace {
  subscription: string;
  resourceGroup: string;
  name: string;
}

export interface AciEvent {
  name: string;
  message: string;
  type: string;
  count: number;
  lastTimestamp?: string;
}

/** A live group, as far as Slipway looks at it. */
export interface ContainerGroupState {
  id: string;
  tags: Record<string, string>;
  provisioningState?: string;
  state?: string;
  ipAddress?: { ip?: string; fqdn?: string };
  events: AciEvent[];
  containers: ContainerState[];
}

export interface ContainerState {
  name: string;
  state?: string;
  detailStatus?: string;
  exitCode?: number;
  restartCount: number;
  previousState?: { state?: string; exitCode?: number };
  events: AciEvent[];
}

export interface OperationState {
  status: string;
  events: AciEvent[];
  error?: { code: string; message: string };
}

export interface ContainerGroups {
  /** Null where there is no such group. */
  get(place: GroupPlace, signal?: AbortSignal): Promise<ContainerGroupState | null>;
  /** Sends the PUT once and does not wait for its end. `build` makes the body, secrets and all, inside the call. */
  put(
    place: GroupPlace,
    build: () => ContainerGroupBody,
    signal?: AbortSignal,
  ): Promise<{ created: boolean; operationUrl: string | null }>;
  /** How an operation that ARM named is doing; its address is used as it came. */
  operation(url: string, signal?: AbortSignal): Promise<OperationState>;
  remove(place: GroupPlace, signal?: AbortSignal): Promise<void>;
  logs(
    place: GroupPlace,
    container: string,
    options: { tail?: number; signal?: AbortSignal },
  ): Promise<string>;
}

const readTimeoutMs = 20_000;
// ACI looks at the image inside PUT: seconds (recorded traffic).
const writeTimeoutMs = 50_000;

export function createContainerGroups({
  credential,
  transport,
}: {
  credential: TokenCredential;
  transport: HttpClient;
}): ContainerGroups {
  const clients = new Map<string, ContainerInstanceManagementClient>();
  const clientOf = (subscription: string) => {
    const client =
      clients.get(subscription) ??
      // Retries are the workflow's: the SDK's sleep in memory for as long as Retry-After says, and send a PUT again (measured).
      new ContainerInstanceManagementClient(credential, subscription, {
        httpClient: transport,
        retryOptions: { maxRetries: 0 },
      });
    clients.set(subscription, client);
    return client;
  };
  return {
    async get({ subscription, resourceGroup, name }, signal) {
      try {
        return stateOf(
          await clientOf(subscription).containerGroups.get(
            resourceGroup,
            name,
            options(readTimeoutMs, signal),
          ),
        );
      } catch (error) {
        const found = toAzureError('arm', 'get container group', error);
        if (
          found.status === 404 &&
          found.code !== 'SubscriptionNotFound' &&
          found.code !== 'ResourceGroupNotFound'
        )
          return null;
        throw found;
      }
    },

    async put({ subscription, resourceGroup, name }, build, signal) {
      const answer = await sendOnce('put container group', onResponse =>
        clientOf(subscription).containerGroups.beginCreateOrUpdate(resourceGroup, name, build(), {
          ...options(writeTimeoutMs, signal),
          onResponse,
        }),
      );
      const operationUrl =
        answer.headers.get('azure-asyncoperation') ?? answer.headers.get('location') ?? null;
      return { created: answer.status === 201, operationUrl };
    },

    async operation(url, signal) {
      const subscription = /\/subscriptions\/([^/]+)/i.exec(url)?.[1] ?? '';
      try {
        if (URL.parse(url)?.origin !== arm) throw refusal('the operation is not on Azure Resource Manager');
        const request = createPipelineRequest({
          url,
          method: 'GET',
          timeout: readTimeoutMs,
          ...(signal ? { abortSignal: signal } : {}),
        });
        return readOperation(await clientOf(subscription).sendRequest(request));
      } catch (error) {
        throw toAzureError('arm', 'get operation', error);
      }
    },

    async remove({ subscription, resourceGroup, name }, signal) {
      await sendOnce('delete container group', onResponse =>
        clientOf(subscription).containerGroups.beginDelete(resourceGroup, name, {
          ...options(writeTimeoutMs, signal),
          onResponse,
        }),
      );
    },

    async logs({ subscription, resourceGroup, name }, container, { tail, signal }) {
      try {
        const { containers } = clientOf(subscription);
        const { content } = await containers.listLogs(resourceGroup, name, container, {
          ...options(readTimeoutMs, signal),
          ...(tail ? { tail } : {}),
        });
        return content ?? '';
      } catch (error) {
        throw toAzureError('arm', 'list logs', error);
      }
    },
  };
}

const options = (timeout: number, signal: AbortSignal | undefined) => ({
  requestOptions: { timeout },
  ...(signal ? { abortSignal: signal } : {}),
});

type Answer = Pick<PipelineResponse, 'status' | 'headers'>;

/** Leaves the SDK's call once the answer is there: it would poll at once, and in memory. */
class Sent extends Error {
  readonly answer: Answer;
  constructor(answer: Answer) {
    super('sent');
    this.answer = answer;
  }
}

async function sendOnce(
  operation: string,
  begin: (onResponse: (raw: Answer, flat: unknown, error?: unknown) => void) => Promise<unknown>,
): Promise<Answer> {
  try {
    await begin((raw, _flat, error) => {
      // The SDK calls back for refusals too, and not always with the error.
      if (!error && raw.status < 400) throw new Sent(raw);
    });
  } catch (error) {
    if (error instanceof Sent) return error.answer;
    throw toAzureError('arm', operation, error);
  }
  throw new Error(`${operation}: the SDK gave no answer`);
}

function readOperation({ status, headers, bodyAsText }: PipelineResponse): OperationState {
  const body = parse(bodyAsText);
  if (status >= 400)
    throw new AzureError({
      kind: 'arm',
      operation: 'get operation',
      status,
      code: body.error?.code ?? null,
      message: body.error?.message ?? `ARM answered ${status}`,
      retryAfterMs: retryAfter(headers.get('retry-after')),
      requestId: headers.get('x-ms-request-id') ?? null,
    });
  const { error } = body;
  return {
    status: body.status ?? '',
    events: (body.properties?.events ?? []).map(eventOf),
    ...(error ? { error: { code: error.code ?? '', message: error.message ?? '' } } : {}),
  };
}

interface OperationBody {
  status?: string;
  error?: { code?: string; message?: string };
  properties?: { events?: RawEvent[] };
}

function parse(text: string | null | undefined): OperationBody {
  try {
    return JSON.parse(text ?? '{}');
  } catch {
    return {};
  }
}

type RawEvent = Omit<SdkEvent, 'lastTimestamp' | 'firstTimestamp'> & { lastTimestamp?: Date | string };

function eventOf({ name, message, type, count, lastTimestamp }: RawEvent): AciEvent {
  const last = lastTimestamp instanceof Date ? lastTimestamp.toISOString() : lastTimestamp;
  return {
    name: name ?? '',
    message: message ?? '',
    type: type ?? '',
    count: count ?? 1,
    ...(last ? { lastTimestamp: last } : {}),
  };
}

function stateOf(group: ContainerGroup): ContainerGroupState {
  const { provisioningState, instanceView, ipAddress } = group;
  return {
    id: group.id ?? '',
    tags: group.tags ?? {},
    ...(provisioningState ? { provisioningState } : {}),
    ...(instanceView?.state ? { state: instanceView.state } : {}),
    ...(ipAddress
      ? {
          ipAddress: {
            ...(ipAddress.ip ? { ip: ipAddress.ip } : {}),
            ...(ipAddress.fqdn ? { fqdn: ipAddress.fqdn } : {}),
          },
        }
      : {}),
    events: (instanceView?.events ?? []).map(eventOf),
    containers: group.containers.map(containerOf),
  };
}

function containerOf({ name, instanceView }: ContainerGroup['containers'][number]): ContainerState {
  const { currentState, previousState, restartCount, events } = instanceView ?? {};
  return {
    name,
    ...momentOf(currentState),
    restartCount: restartCount ?? 0,
    ...(previousState ? { previousState: momentOf(previousState) } : {}),
    events: (events ?? []).map(eventOf),
  };
}

function momentOf(moment: { state?: string; detailStatus?: string; exitCode?: number } | undefined) {
  const { state, detailStatus, exitCode } = moment ?? {};
  return {
    ...(state ? { state } : {}),
    ...(detailStatus ? { detailStatus } : {}),
    ...(exitCode !== undefined ? { exitCode } : {}),
  };
}
