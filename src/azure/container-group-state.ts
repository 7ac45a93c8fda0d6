import type { ContainerGroup, Event as SdkEvent } from '@azure/arm-containerinstance';
import { readErrorBody } from './error-body.ts';
import { tellable } from './failure.ts';

export interface AciEvent {
  name: string;
  message: string;
  type: string;
  count: number;
  firstTimestamp?: string;
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
  /** They end before the containers start. */
  initContainers?: ContainerState[];
}

export interface ContainerState {
  name: string;
  state?: string;
  detailStatus?: string;
  exitCode?: number;
  restartCount: number;
  /** Of its present run (RFC 3339), by Azure's clock. */
  startTime?: string;
  previousState?: { state?: string; exitCode?: number };
  events: AciEvent[];
}

export interface OperationState {
  status: string;
  events: AciEvent[];
  error?: { code: string; message: string };
}

export function stateOf(group: ContainerGroup): ContainerGroupState {
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
    // Events can be missing entirely (recorded traffic), and so can all else that is read-only.
    events: (instanceView?.events ?? []).map(eventOf),
    containers: (group.containers ?? []).map(containerOf),
    ...(group.initContainers?.length ? { initContainers: group.initContainers.map(containerOf) } : {}),
  };
}

type SdkContainer =
  | ContainerGroup['containers'][number]
  | NonNullable<ContainerGroup['initContainers']>[number];

function containerOf({ name, instanceView }: SdkContainer): ContainerState {
  const { currentState, previousState, restartCount, events } = instanceView ?? {};
  return {
    name,
    ...momentOf(currentState),
    ...startOf(currentState),
    restartCount: restartCount ?? 0,
    ...(previousState ? { previousState: momentOf(previousState) } : {}),
    events: (events ?? []).map(eventOf),
  };
}

function startOf(moment: { startTime?: Date | string } | undefined) {
  const startTime = instant(moment?.startTime);
  return startTime === undefined ? {} : { startTime };
}

function momentOf(moment: { state?: string; detailStatus?: string; exitCode?: number } | undefined) {
  const { state, detailStatus, exitCode } = moment ?? {};
  return {
    ...(state ? { state } : {}),
    ...(detailStatus ? { detailStatus } : {}),
    ...(exitCode !== undefined ? { exitCode } : {}),
  };
}

type RawEvent = Omit<SdkEvent, 'firstTimestamp' | 'lastTimestamp'> & {
  firstTimestamp?: Date | string;
  lastTimestamp?: Date | string;
};

function eventOf({ name, message, type, count, firstTimestamp, lastTimestamp }: RawEvent): AciEvent {
  const first = instant(firstTimestamp);
  const last = instant(lastTimestamp);
  return {
    name: name ?? '',
    message: tellable(message ?? ''),
    type: type ?? '',
    count: count ?? 1,
    ...(first ? { firstTimestamp: first } : {}),
    ...(last ? { lastTimestamp: last } : {}),
  };
}

function instant(value: Date | string | undefined): string | undefined {
  const at = new Date(value ?? Number.NaN);
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString();
}

/** The body of an operation, as Resource Manager answers it; the newest has a status and nothing more (recorded traffic). */
interface OperationBody {
  status?: string;
  error?: unknown;
  properties?: { events?: RawEvent[] | null } | null;
}

/** Null where the answer is none of an operation's. */
export function operationStateOf(body: OperationBody | null): OperationState | null {
  if (typeof body?.status !== 'string') return null;
  const { status, properties } = body;
  const error = readErrorBody(body.error);
  return {
    status,
    events: (properties?.events ?? []).map(eventOf),
    ...(error ? { error: { code: error.code ?? '', message: tellable(error.message) } } : {}),
  };
}
