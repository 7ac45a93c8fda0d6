import type { AciEvent, ContainerGroupState } from '../azure/container-groups.ts';
import type { ContainerGroupView } from '../schemas/deployment.ts';
import type { NewEvent } from '../store/deployments.ts';
import type { Spec } from './spec.ts';

type Container = ContainerGroupState['containers'][number];

/** What a look at the live group says about the deployment. */
export type Observation =
  | { kind: 'moving' }
  | { kind: 'running' }
  | { kind: 'completed' }
  | { kind: 'provisioningFailed' }
  | { kind: 'pullFailed'; container: Container; event: AciEvent }
  | { kind: 'crashed'; container: Container };

/** Azure restarts a container a few times before one may say that it keeps crashing. */
const crashingAfterRestarts = 2;

/** Judges a group. ARM's `Succeeded` is not running: every container counts (recorded traffic). */
export function observe(group: ContainerGroupState, spec: Spec): Observation {
  const pull = failedPull(group);
  if (pull) return { kind: 'pullFailed', ...pull };
  if (group.provisioningState === 'Failed') return { kind: 'provisioningFailed' };
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

function failedPull(group: ContainerGroupState): { container: Container; event: AciEvent } | null {
  for (const container of everyContainer(group)) {
    if (container.state === 'Running' || container.state === 'Terminated') continue;
    const event = container.events.findLast(
      ({ name, message }) => name === 'Failed' && /failed to pull/i.test(message),
    );
    if (event) return { container, event };
  }
  return null;
}

function hasCrashed(
  { state, exitCode, detailStatus, restartCount, previousState }: Container,
  { restartPolicy }: Spec,
): boolean {
  if (restartPolicy === 'Never') return state === 'Terminated' && exitCode !== 0;
  if (state === 'Running') return false;
  const lastExit = state === 'Terminated' ? exitCode : previousState?.exitCode;
  const failing = lastExit !== undefined && lastExit !== null && lastExit !== 0;
  return failing && (restartCount >= crashingAfterRestarts || /crashloopbackoff/i.test(detailStatus ?? ''));
}

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
