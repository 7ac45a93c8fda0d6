import type { ContainerGroup, Life, LifeStep, Pulled } from '../world.ts';
import type { StoredContainer, StoredProperties } from './stored.ts';

/** Milliseconds of the emulator's time from PUT to `Creating`, and from pulled to started: quick, in Azure's order. */
export const creatingAfterMs = 300;
export const startedAfterMs = 300;
/** How long a job of the demo world works. */
const jobMs = 300;
const restartEveryMs = 1_000;
const provisioningTimeoutMs = 1_800_000;

interface AciEvent {
  count: number;
  firstTimestamp: string;
  lastTimestamp: string;
  name: string;
  message: string;
  type: string;
}

export interface ContainerView {
  restartCount: number;
  currentState?: Record<string, unknown>;
  previousState?: Record<string, unknown>;
  events: object[];
}

/** How a group stands at a moment. */
export interface View {
  provisioningState: string;
  state: string;
  events: object[];
  containers: Record<string, ContainerView>;
  error?: { code: string; message: string };
}

const terminal = new Set(['Succeeded', 'Failed', 'Canceled']);
export const isTransitioning = (view: View) => !terminal.has(view.provisioningState);

/** Follows from what is stored and the moment alone. */
export function viewAt(group: ContainerGroup, now: number): View {
  const { life } = group;
  if (life.stoppedAt !== undefined) return stopped(group);
  return life.prescribed ? prescribedView(group, life, life.prescribed, now) : ownView(group, now);
}

const containersOf = ({ properties }: ContainerGroup) => (properties as StoredProperties).containers ?? [];
const stamp = (at: number) => `${new Date(at).toISOString().slice(0, 19)}Z`;
const instant = (at: number) => new Date(at).toISOString();

function event(name: string, message: string, at: number, type = 'Normal'): AciEvent {
  return { count: 1, firstTimestamp: stamp(at), lastTimestamp: stamp(at), name, message, type };
}

function stopped(group: ContainerGroup): View {
  return {
    provisioningState: 'Succeeded',
    state: 'Stopped',
    events: [],
    containers: Object.fromEntries(
      containersOf(group).map(({ name }) => [name, { restartCount: 0, events: [] }]),
    ),
  };
}

function ownView(group: ContainerGroup, now: number): View {
  const { startedAt } = group.life;
  const containers = Object.fromEntries(
    containersOf(group).map(container => [container.name, containerView(container, group, now)]),
  );
  const states = Object.values(containers).map(({ currentState }) => currentState?.state);
  const settled =
    states.every(state => state === 'Running' || state === 'Terminated') || crashing(containers);
  const provisioningState = settled
    ? 'Succeeded'
    : now - startedAt < creatingAfterMs
      ? 'Pending'
      : now - startedAt > provisioningTimeoutMs
        ? 'Failed'
        : 'Creating';
  return {
    provisioningState,
    state: settled ? groupState(group, containers) : 'Pending',
    events: [],
    containers,
  };
}

const crashing = (containers: Record<string, ContainerView>) =>
  Object.values(containers).every(
    ({ restartCount, currentState }) => restartCount > 0 || currentState?.state === 'Running',
  );

function groupState(group: ContainerGroup, containers: Record<string, ContainerView>): string {
  const { restartPolicy = 'Always' } = group.properties as StoredProperties;
  const ended = Object.values(containers).map(({ currentState }) => currentState);
  if (ended.some(state => state?.state !== 'Terminated')) return 'Running';
  const good = ended.every(state => state?.exitCode === 0);
  return good ? 'Succeeded' : restartPolicy === 'Never' ? 'Failed' : 'Running';
}

function containerView(
  { name, properties: { image = '' } }: StoredContainer,
  group: ContainerGroup,
  now: number,
): ContainerView {
  const { startedAt, pulls, pulledAt = 0 } = group.life;
  if (now - startedAt < creatingAfterMs) return { restartCount: 0, events: [] };
  const pulling = event('Pulling', `pulling image "${image}"`, startedAt + creatingAfterMs);
  const pulled = pulls?.[name];
  if (!pulled)
    return { restartCount: 0, currentState: { state: 'Waiting', detailStatus: '' }, events: [pulling] };
  if ('error' in pulled) return cannotPull(image, pulled.error, pulling, pulledAt);
  return startedView(image, pulled, pulling, group, now);
}

function cannotPull(image: string, error: string, pulling: AciEvent, at: number): ContainerView {
  const events = [
    pulling,
    event('Failed', error, at, 'Warning'),
    event('BackOff', `Back-off pulling image "${image}"`, at),
  ];
  return { restartCount: 0, currentState: { state: 'Waiting', detailStatus: 'ImagePullBackOff' }, events };
}

function startedView(
  image: string,
  pulled: Exclude<Pulled, { error: string }>,
  pulling: AciEvent,
  group: ContainerGroup,
  now: number,
): ContainerView {
  const { pulledAt = 0 } = group.life;
  const startsAt = pulledAt + startedAfterMs;
  const events = [pulling, event('Pulled', `Successfully pulled image "${image}"`, pulledAt)];
  if (now < startsAt)
    return { restartCount: 0, currentState: { state: 'Waiting', detailStatus: '' }, events };
  events.push(event('Started', 'Started container', startsAt));
  const endsAt = startsAt + jobMs;
  if (pulled.exitCode === null || now < endsAt)
    return {
      restartCount: 0,
      currentState: { state: 'Running', startTime: instant(startsAt), detailStatus: '' },
      events,
    };
  return endedView(pulled.exitCode, { startsAt, endsAt }, events, group, now);
}

function endedView(
  exitCode: number,
  { startsAt, endsAt }: { startsAt: number; endsAt: number },
  events: AciEvent[],
  group: ContainerGroup,
  now: number,
): ContainerView {
  const { restartPolicy = 'Always' } = group.properties as StoredProperties;
  const ended = {
    state: 'Terminated',
    startTime: instant(startsAt),
    exitCode,
    finishTime: instant(endsAt),
    detailStatus: exitCode === 0 ? 'Completed' : 'Error',
  };
  const restarts = restartPolicy === 'Always' || (restartPolicy === 'OnFailure' && exitCode !== 0);
  if (!restarts) return { restartCount: 0, currentState: ended, events };
  const restartCount = 1 + Math.floor((now - endsAt) / restartEveryMs);
  const backOff = event('BackOff', 'Back-off restarting failed container', endsAt);
  const waiting = { state: 'Waiting', detailStatus: 'CrashLoopBackOff: Back-off 10s restarting failed' };
  return { restartCount, currentState: waiting, previousState: ended, events: [...events, backOff] };
}

/** A life that a test wrote: each step adds to those before it, the last one stays. */
function prescribedView(
  group: ContainerGroup,
  { startedAt }: Life,
  steps: readonly LifeStep[],
  now: number,
): View {
  const view: View = {
    provisioningState: 'Pending',
    state: 'Pending',
    events: [],
    containers: Object.fromEntries(
      containersOf(group).map(({ name }) => [name, { restartCount: 0, events: [] }]),
    ),
  };
  for (const step of steps) {
    const at = startedAt + step.afterMs;
    if (at <= now) applyStep(view, step, at);
  }
  return view;
}

function applyStep(
  view: View,
  { provisioningState, state, containers = [], events = [], error }: LifeStep,
  at: number,
): void {
  if (provisioningState !== undefined) view.provisioningState = provisioningState;
  if (state !== undefined) view.state = state;
  if (error) view.error = error;
  view.events = [...view.events, ...events.map(each => dated(each, at))];
  for (const { name, events: more = [], ...changed } of containers) {
    const present = view.containers[name] ?? { restartCount: 0, events: [] };
    view.containers[name] = {
      ...present,
      ...changed,
      events: [...present.events, ...more.map(each => dated(each, at))],
    };
  }
}

const dated = (each: Record<string, unknown>, at: number) => ({
  count: 1,
  firstTimestamp: stamp(at),
  lastTimestamp: stamp(at),
  type: 'Normal',
  ...each,
});
