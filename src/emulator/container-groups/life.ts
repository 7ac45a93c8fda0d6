import type { ContainerGroup, Life, LifeStep } from '../world.ts';
import { stamp } from './event.ts';
import { stoppedView, withPast } from './former-life.ts';
import { allContainersOf, ownView } from './own-life.ts';

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
export const isTerminal = (provisioningState: string) => terminal.has(provisioningState);
export const isTransitioning = (view: View) => !isTerminal(view.provisioningState);

/** Follows from what is stored and the moment alone. */
export function viewAt(group: ContainerGroup, now: number): View {
  const { stoppedAt, past } = group.life;
  const view = presentView(group, Math.min(now, stoppedAt ?? now));
  const whole = past ? withPast(view, past) : view;
  return stoppedAt === undefined ? whole : stoppedView(whole, stoppedAt);
}

const presentView = (group: ContainerGroup, now: number): View =>
  group.life.prescribed ? prescribedView(group, group.life, group.life.prescribed, now) : ownView(group, now);

function emptyView(group: ContainerGroup): View {
  const containers = allContainersOf(group).map(({ name }): [string, ContainerView] => [
    name,
    { restartCount: 0, events: [] },
  ]);
  return {
    provisioningState: 'Pending',
    state: 'Pending',
    events: [],
    containers: Object.fromEntries(containers),
  };
}

/** A life that a test wrote: each step adds to those before it, the last one stays. */
function prescribedView(
  group: ContainerGroup,
  { startedAt }: Life,
  steps: readonly LifeStep[],
  now: number,
): View {
  const view = emptyView(group);
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
  view.events = addEvents(view.events, events, at);
  for (const { name, events: more = [], ...changed } of containers) {
    const present = view.containers[name] ?? { restartCount: 0, events: [] };
    view.containers[name] = { ...present, ...changed, events: addEvents(present.events, more, at) };
  }
}

type Told = Record<string, unknown>;

/** What a step before told already is told once, as the later step has it: a step may list all or only what is new. */
function addEvents(present: object[], told: readonly Told[], at: number): object[] {
  const rows: Told[] = present.map(each => ({ ...each }));
  const known = rows.length;
  for (const each of told) {
    const same = rows.findIndex(
      (row, index) => index < known && row.name === each.name && row.message === each.message,
    );
    if (same >= 0) rows[same] = { ...rows[same], ...each };
    else
      rows.push({ count: 1, firstTimestamp: stamp(at), lastTimestamp: stamp(at), type: 'Normal', ...each });
  }
  return rows;
}
