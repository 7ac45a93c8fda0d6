import type { AciEvent, ContainerGroupState, OperationState } from '../azure/container-groups.ts';
import type { ContainerGroupView } from '../schemas/deployment.ts';
import type { NewEvent } from '../store/deployments.ts';
import type { Spec } from './spec.ts';

type Container = ContainerGroupState['containers'][number];

/** What a look at the live group says about the deployment. */
export type Observation =
  | { kind: 'moving' }
  | { kind: 'running' }
  | { kind: 'completed' }
  /** With what its operation said, where that was asked. */
  | { kind: 'provisioningFailed'; operation?: OperationState }
  | { kind: 'startFailed'; container?: Container; events: AciEvent[] }
  | { kind: 'crashed'; container: Container };

/** Azure restarts a container a few times before one may say that it keeps crashing. */
const crashingAfterRestarts = 2;

/** Judges a group. ARM's `Succeeded` is not running: every container counts (recorded traffic). */
export function observe(group: ContainerGroupState, spec: Spec): Observation {
  if (/^failed$/i.test(group.provisioningState ?? '')) return { kind: 'provisioningFailed' };
  const failed = failedStart(group);
  if (failed) return failed;
  const crashed = everyContainer(group).find(container => hasCrashed(container, spec));
  if (crashed) return { kind: 'crashed', container: crashed };
  const states = group.containers.map(container => stateOf(container, spec));
  if (states.length === 0 || states.includes('moving')) return { kind: 'moving' };
  return { kind: states.includes('running') ? 'running' : 'completed' };
}

/** Those that must end first, first: a group waits in silence for one that does not. */
export const everyContainer = ({ initContainers = [], containers }: ContainerGroupState) => [
  ...initContainers,
  ...containers,
];

function stateOf(
  { state, exitCode }: Container,
  { restartPolicy }: Spec,
): 'running' | 'completed' | 'moving' {
  if (state === 'Running') return 'running';
  return restartPolicy !== 'Always' && state === 'Terminated' && exitCode === 0 ? 'completed' : 'moving';
}

/** What Azure says of a container that does not come to run, or of a group in which none does. */
function failedStart(group: ContainerGroupState): (Observation & { kind: 'startFailed' }) | null {
  const waiting = everyContainer(group).filter(({ state }) => state !== 'Running' && state !== 'Terminated');
  for (const container of waiting) {
    const events = [...container.events.filter(isFailure), ...failureOfState(container)];
    if (events.length > 0) return { kind: 'startFailed', container, events };
  }
  const events = group.events.filter(isFailure);
  return waiting.length > 0 && events.length > 0 ? { kind: 'startFailed', events } : null;
}

const isFailure = ({ name, message }: AciEvent) =>
  /^(?:failed|unhealthy$)/i.test(name) || (/^back-?off$/i.test(name) && /pulling image/i.test(message));

/** Its events may be missing (recorded traffic). */
function failureOfState({ detailStatus = '' }: Container): AciEvent[] {
  if (
    !/ImagePullBackOff|ErrImagePull|InvalidImageName|ImageInspectError|RunContainerError|CannotRun/i.test(
      detailStatus,
    )
  )
    return [];
  return [{ name: 'Waiting', message: detailStatus, type: 'Warning', count: 1 }];
}

function hasCrashed(container: Container, { restartPolicy }: Spec): boolean {
  const { state, exitCode, restartCount, previousState } = container;
  const detailStatus = container.detailStatus ?? '';
  if (restartPolicy === 'Never') return state === 'Terminated' && exitCode !== 0;
  if (state === 'Running') return false;
  if (/OOMKilled|CrashLoopBackOff/i.test(detailStatus)) return !endsWell(container);
  const lastExit = state === 'Terminated' ? exitCode : previousState?.exitCode;
  const failing = lastExit !== undefined && lastExit !== null && lastExit !== 0;
  return failing && (restartCount >= crashingAfterRestarts || endedByPlatform.has(lastExit));
}

/** Azure's own maintenance (documented). */
const endedByPlatform: ReadonlySet<number> = new Set([7147, 7148]);
const endsWell = ({ exitCode, previousState }: Container) => (exitCode ?? previousState?.exitCode) === 0;

/** The group as the record shows it. */
export function viewOf(group: ContainerGroupState): ContainerGroupView {
  const { id, provisioningState, state, ipAddress, containers } = group;
  return {
    id,
    provisioningState: provisioningState ?? null,
    state: state ?? null,
    ...(ipAddress ? { ipAddress } : {}),
    containers: containers.map(container => ({
      name: container.name,
      state: container.state ?? null,
      restartCount: container.restartCount,
      exitCode: container.exitCode ?? null,
      ...(container.detailStatus ? { detailStatus: container.detailStatus } : {}),
    })),
  };
}

/** Azure's events that are not on record yet. They have no ids: equal ones are told apart by their count. */
export function newEvents(
  group: ContainerGroupState,
  seen: readonly string[],
): { events: NewEvent[]; seenEvents: string[] } {
  const all = [
    ...group.events.map(event => ({ event, container: undefined })),
    ...everyContainer(group).flatMap(({ name, events }) => events.map(event => ({ event, container: name }))),
  ].map(({ event, container }) => ({
    event,
    container,
    key: [container, event.name, event.message, event.count].join('|'),
  }));
  const fresh = all.filter(({ key }) => !seen.includes(key));
  fresh.sort((a, b) => (a.event.lastTimestamp ?? '').localeCompare(b.event.lastTimestamp ?? ''));
  const events = fresh.map(({ event, container }) => ({
    at: event.lastTimestamp ? new Date(event.lastTimestamp) : new Date(),
    source: 'Aci' as const,
    type: event.name || 'Event',
    ...(container !== undefined ? { container } : {}),
    message: event.message,
  }));
  return { events, seenEvents: [...seen, ...fresh.map(({ key }) => key)] };
}
