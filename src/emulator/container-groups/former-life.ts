import type { Past } from '../world.ts';
import { event, instant } from './event.ts';
import type { ContainerView, View } from './life.ts';

type Containers = View['containers'];

const mapContainers = (
  containers: Containers,
  change: (name: string, container: ContainerView) => ContainerView,
): Containers =>
  Object.fromEntries(Object.entries(containers).map(([name, each]) => [name, change(name, each)]));

/** Who is stopped keeps what he did, and says who ended him (recorded traffic). */
export function stoppedView(view: View, at: number): View {
  const end = {
    state: 'Terminated',
    finishTime: instant(at),
    detailStatus: 'Container stopped per client request',
  };
  const stop = (_: string, container: ContainerView): ContainerView => {
    const { currentState } = container;
    if (!currentState || currentState.state === 'Terminated') return container;
    return { ...container, currentState: end, previousState: currentState };
  };
  const containers = mapContainers(view.containers, stop);
  return { ...view, provisioningState: 'Succeeded', state: 'Stopped', containers };
}

/** What is to be remembered of a group that is started again at `at`. */
export function pastOf({ state, containers }: View, at: number): Past {
  const running = state === 'Running';
  const kill = (name: string) =>
    running ? [event('Killing', `Killing container ${name} (platform initiated).`, at)] : [];
  return {
    running,
    containers: mapContainers(containers, (name, each) => ({
      ...each,
      events: each.currentState?.state === 'Running' ? merge(each.events, kill(name)) : each.events,
    })),
  };
}

/** The events of former runs stay, and while the new ones are on their way those that ran go on (recorded traffic). */
export function withPast(view: View, { running, containers }: Past): View {
  const isComing = running && view.provisioningState === 'Pending';
  const recall = (name: string, container: ContainerView): ContainerView => {
    const { currentState, events = [] } = containers[name] ?? {};
    const present = isComing && currentState ? { ...container, currentState } : container;
    return { ...present, events: merge(events, container.events) };
  };
  return {
    ...view,
    ...(isComing ? { provisioningState: 'Updating', state: 'Running' } : {}),
    containers: mapContainers(view.containers, recall),
  };
}

type Told = { name?: unknown; message?: unknown; count?: number };

/** Equal events are told once, with how often they were. */
function merge(former: readonly Told[], later: readonly Told[]): Told[] {
  const rows = [...former];
  for (const each of later) {
    const index = rows.findIndex(({ name, message }) => name === each.name && message === each.message);
    const row = rows[index];
    if (!row) rows.push(each);
    else
      rows[index] = {
        ...each,
        ...('firstTimestamp' in row ? { firstTimestamp: row.firstTimestamp } : {}),
        count: (row.count ?? 1) + (each.count ?? 1),
      };
  }
  return rows;
}
