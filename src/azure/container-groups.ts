import { type ContainerGroup, ContainerInstanceManagementClient } from '@azure/arm-containerinstance';
import type { TokenCredential } from '@azure/core-auth';
import type { HttpClient } from '@azure/core-rest-pipeline';
import { type ContainerGroupState, type OperationState, stateOf } from './container-group-state.ts';
import { forgetRefused } from './credential.ts';
import { AzureError, errorOfAnswer, toAzureError } from './failure.ts';
import {
  type NewerMembers,
  newestVersion,
  putNewerMembers,
  versionFor,
  withoutNewerMembers,
} from './newer-members.ts';
import { refuseDropped } from './nothing-dropped.ts';
import { parse, readOperation } from './operations.ts';
import { sendOnce } from './send-once.ts';

export type {
  AciEvent,
  ContainerGroupState,
  ContainerState,
  OperationState,
} from './container-group-state.ts';

/** What ARM is sent, in the SDK's flat form, with what newer versions than the SDK's know. It may hold secrets. */
export type ContainerGroupBody = ContainerGroup & NewerMembers;

export interface GroupPlace {
  subscription: string;
  resourceGroup: string;
  name: string;
}

export interface ContainerGroups {
  /** Null where there is no such group. */
  get(place: GroupPlace, signal?: AbortSignal): Promise<ContainerGroupState | null>;
  /** Sends the PUT once and does not wait for its end. `build` makes the body, secrets and all, inside the call. */
  put(place: GroupPlace, build: () => ContainerGroupBody, signal?: AbortSignal): Promise<PutAnswer>;
  /** Whether the group that is there keeps identities from its workload; false where ARM does not know how. */
  isIsolated(place: GroupPlace, signal?: AbortSignal): Promise<boolean>;
  /** How an operation that ARM named is doing; its address is used as it came. */
  operation(url: string, signal?: AbortSignal): Promise<OperationState>;
  /** `accepted`: Azure is still at it. Only a `get` proves that it is gone. */
  remove(place: GroupPlace, signal?: AbortSignal): Promise<'deleted' | 'accepted' | 'absent'>;
  /** In place; images are pulled again. None of the three waits for its end. */
  restart(place: GroupPlace, signal?: AbortSignal): Promise<void>;
  stop(place: GroupPlace, signal?: AbortSignal): Promise<void>;
  start(place: GroupPlace, signal?: AbortSignal): Promise<void>;
  logs(place: GroupPlace, container: string, options: LogOptions): Promise<string>;
}

export interface PutAnswer {
  created: boolean;
  operationUrl: string | null;
  /** By which Azure's support finds it. */
  requestId: string | null;
  provisioningState: string | null;
  /** Whether `identityAcls` were taken: a cloud that does not know that version yet is sent the group without them. */
  isolated: boolean;
}

interface LogOptions {
  tail?: number;
  timestamps?: boolean;
  signal?: AbortSignal;
}

const readTimeoutMs = 20_000;
// ACI looks at the image inside PUT: seconds (recorded traffic).
const writeTimeoutMs = 50_000;

export function createContainerGroups(options: {
  credential: TokenCredential;
  transport: HttpClient;
}): ContainerGroups {
  const clients = createClients(options.credential, forgetRefused(options.transport, options.credential));
  return {
    get: (place, signal) => get(clients, place, signal),
    put: (place, build, signal) => put(clients, place, build, signal),
    isIsolated: (place, signal) => isIsolated(clients, place, signal),
    operation: (url, signal) => readOperation(clients.of, url, signal),
    remove: (place, signal) => remove(clients, place, signal),
    restart: (place, signal) => ask(clients, 'restart', place, signal),
    stop: (place, signal) => ask(clients, 'stop', place, signal),
    start: (place, signal) => ask(clients, 'start', place, signal),
    logs: (place, container, options) => logs(clients, place, container, options),
  };
}

interface Clients {
  of(subscription: string): ContainerInstanceManagementClient;
  /** One of the version that knows every member of `NewerMembers`. */
  newest(subscription: string): ContainerInstanceManagementClient;
  /** One that sends this body whole, or not at all. */
  sending(body: ContainerGroupBody, subscription: string): ContainerInstanceManagementClient;
}

function createClients(credential: TokenCredential, transport: HttpClient): Clients {
  const kept = new Map<string, ContainerInstanceManagementClient>();
  // Retries are the workflow's: the SDK's sleep in memory for as long as Retry-After says, and send a PUT again (measured).
  const retryOptions = { maxRetries: 0 };
  const create = (subscription: string, httpClient: HttpClient, version: { apiVersion?: string } = {}) =>
    new ContainerInstanceManagementClient(credential, subscription, { httpClient, retryOptions, ...version });
  return {
    of(subscription) {
      const client = kept.get(subscription) ?? create(subscription, transport);
      kept.set(subscription, client);
      return client;
    },
    newest: subscription => create(subscription, transport, { apiVersion: newestVersion }),
    sending: (body, subscription) => create(subscription, sendingWhole(transport, body), versionFor(body)),
  };
}

async function get(
  clients: Clients,
  { subscription, resourceGroup, name }: GroupPlace,
  signal: AbortSignal | undefined,
): Promise<ContainerGroupState | null> {
  try {
    const { containerGroups } = clients.of(subscription);
    const group = await containerGroups.get(resourceGroup, name, timed(readTimeoutMs, signal));
    // What passes for a group without tags would be taken for somebody else's.
    if (!group.id) throw new Error('the answer is no container group');
    return stateOf(group);
  } catch (error) {
    const found = toAzureError('arm', 'get container group', error);
    if (found.status === 404 && found.code !== null && !absentParents.has(found.code)) return null;
    throw found;
  }
}

async function put(
  clients: Clients,
  place: GroupPlace,
  build: () => ContainerGroupBody,
  signal: AbortSignal | undefined,
): Promise<PutAnswer> {
  const body = build();
  try {
    return await putOnce(clients, place, body, signal);
  } catch (error) {
    if (!body.identityAcls || !isVersionUnknown(error)) throw error;
    // Refused before anything was looked at: this is the first PUT that counts.
    return putOnce(clients, place, withoutNewerMembers(body), signal);
  }
}

const versionUnknown: readonly (string | null)[] = [
  'NoRegisteredProviderFound',
  'InvalidApiVersionParameter',
  'InvalidResourceType',
  'UnsupportedApiVersion',
];
const isVersionUnknown = (error: unknown) =>
  error instanceof AzureError && versionUnknown.includes(error.code);

async function putOnce(
  clients: Clients,
  { subscription, resourceGroup, name }: GroupPlace,
  body: ContainerGroupBody,
  signal: AbortSignal | undefined,
): Promise<PutAnswer> {
  const { status, headers, bodyAsText } = await sendOnce('put container group', onResponse => {
    const { containerGroups } = clients.sending(body, subscription);
    const options = { ...timed(writeTimeoutMs, signal), onResponse };
    return containerGroups.beginCreateOrUpdate(resourceGroup, name, body, options);
  });
  const { properties } = parse(bodyAsText) ?? {};
  // What stands in front may answer for Resource Manager, which never saw the group then.
  if (!properties) throw errorOfAnswer('arm', 'put container group', { status, headers }, null);
  const { provisioningState } = properties;
  return {
    created: status === 201,
    operationUrl: headers.get('azure-asyncoperation') ?? headers.get('location') ?? null,
    requestId: headers.get('x-ms-request-id') ?? null,
    provisioningState: typeof provisioningState === 'string' ? provisioningState : null,
    isolated: body.identityAcls !== undefined,
  };
}

/** The SDK leaves out of its answer what its own version does not know (measured). */
async function isIsolated(
  clients: Clients,
  { subscription, resourceGroup, name }: GroupPlace,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    const { containerGroups } = clients.newest(subscription);
    let answered = '';
    const onResponse = ({ bodyAsText }: { bodyAsText?: string | null }) => {
      answered = bodyAsText ?? '';
    };
    await containerGroups.get(resourceGroup, name, { ...timed(readTimeoutMs, signal), onResponse });
    return JSON.parse(answered).properties?.identityAcls !== undefined;
  } catch (error) {
    const found = toAzureError('arm', 'get container group', error);
    if (isVersionUnknown(found)) return false;
    throw found;
  }
}

async function remove(
  clients: Clients,
  { subscription, resourceGroup, name }: GroupPlace,
  signal: AbortSignal | undefined,
): Promise<'deleted' | 'accepted' | 'absent'> {
  const { status } = await sendOnce('delete container group', onResponse => {
    const options = { ...timed(writeTimeoutMs, signal), onResponse };
    return clients.of(subscription).containerGroups.beginDelete(resourceGroup, name, options);
  });
  return status === 204 ? 'absent' : status === 202 ? 'accepted' : 'deleted';
}

async function ask(
  clients: Clients,
  verb: 'restart' | 'stop' | 'start',
  { subscription, resourceGroup, name }: GroupPlace,
  signal: AbortSignal | undefined,
): Promise<void> {
  await sendOnce(`${verb} container group`, onResponse => {
    const { containerGroups } = clients.of(subscription);
    const options = { ...timed(writeTimeoutMs, signal), onResponse };
    if (verb === 'stop') return containerGroups.stop(resourceGroup, name, options);
    return verb === 'restart'
      ? containerGroups.beginRestart(resourceGroup, name, options)
      : containerGroups.beginStart(resourceGroup, name, options);
  });
}

async function logs(
  clients: Clients,
  { subscription, resourceGroup, name }: GroupPlace,
  container: string,
  { tail, timestamps, signal }: LogOptions,
): Promise<string> {
  try {
    const { containers } = clients.of(subscription);
    const { content } = await containers.listLogs(resourceGroup, name, container, {
      ...timed(readTimeoutMs, signal),
      ...(tail ? { tail } : {}),
      ...(timestamps ? { timestamps } : {}),
    });
    return content ?? '';
  } catch (error) {
    throw toAzureError('arm', 'list logs', error);
  }
}

/** What is missing then is not the group alone, which would mean that it may be made. */
const absentParents = new Set(['SubscriptionNotFound', 'ResourceGroupNotFound']);

const timed = (timeout: number, signal: AbortSignal | undefined) => ({
  requestOptions: { timeout },
  ...(signal ? { abortSignal: signal } : {}),
});

function sendingWhole(transport: HttpClient, built: ContainerGroupBody): HttpClient {
  return {
    async sendRequest(asked) {
      if (typeof asked.body === 'string') {
        asked.body = putNewerMembers(built, asked.body);
        refuseDropped(built, asked.body);
      }
      return transport.sendRequest(asked);
    },
  };
}
