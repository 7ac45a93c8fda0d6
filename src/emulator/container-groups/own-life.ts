import type { ContainerGroup, Pull } from '../world.ts';
import { type AciEvent, event, instant } from './event.ts';
import type { ContainerView, View } from './life.ts';
import type { StoredContainer, StoredProperties } from './stored.ts';

/** Milliseconds of the emulator's time from PUT to `Creating`, and from pulled to started: quick, in Azure's order. */
export const creatingAfterMs = 300;
const startedAfterMs = 300;
/** How long a job of the demo world works. */
const jobMs = 300;
const restartEveryMs = 1_000;
const provisioningTimeoutMs = 1_800_000;

export const containersOf = ({ properties }: ContainerGroup) =>
  (properties as StoredProperties).containers ?? [];

/** The life that Azure gives a group whose images are pulled, or not. */
export function ownView(group: ContainerGroup, now: number): View {
  const age = now - group.life.startedAt;
  const containers = Object.fromEntries(
    containersOf(group).map(container => [container.name, containerView(container, group, now)]),
  );
  if (Object.values(containers).every(isSettled))
    return { provisioningState: 'Succeeded', state: groupState(containers), events: [], containers };
  const view: View = { provisioningState: 'Creating', state: 'Pending', events: [], containers };
  if (age < creatingAfterMs) return { ...view, provisioningState: 'Pending' };
  if (age < provisioningTimeoutMs) return view;
  return { ...view, provisioningState: 'Failed', error: { code: 'Failed', message: timeoutText(view) } };
}

const isSettled = ({ currentState, restartCount }: ContainerView) =>
  restartCount > 0 || currentState?.state === 'Running' || currentState?.state === 'Terminated';

function timeoutText({ containers }: View): string {
  const said = Object.values(containers).flatMap(({ events }) =>
    events.map(each => ('message' in each ? String(each.message) : '')),
  );
  const end = "Subscription deployment didn't reach a successful provisioning state after '00:30:00'.";
  return [...said, end].join(';');
}

function groupState(containers: Record<string, ContainerView>): string {
  const ended = Object.values(containers).map(({ currentState }) => currentState);
  if (ended.some(state => state?.state !== 'Terminated')) return 'Running';
  return ended.every(state => state?.exitCode === 0) ? 'Succeeded' : 'Failed';
}

function containerView(container: StoredContainer, group: ContainerGroup, now: number): ContainerView {
  const { startedAt, pulls, images } = group.life;
  if (now - startedAt < creatingAfterMs) return { restartCount: 0, events: [] };
  const image = images?.[container.name] ?? container.properties.image ?? '';
  const pull = pulls?.[container.name] ?? {};
  const events = pullEvents(image, pull, startedAt + creatingAfterMs);
  const { done } = pull;
  const startsAt = done ? done.at + startedAfterMs : Number.POSITIVE_INFINITY;
  if (!done || now < startsAt) {
    const detailStatus = pull.failed && !done ? 'ImagePullBackOff' : '';
    return { restartCount: 0, currentState: { state: 'Waiting', detailStatus }, events };
  }
  return startedView(
    done.exitCode,
    startsAt,
    [...events, event('Started', 'Started container', startsAt)],
    group,
    now,
  );
}

/** ACI tells the digest that it found, though a tag was sent, and an engine's error without its equals signs (recorded traffic). */
function pullEvents(image: string, { done, failed }: Pull, at: number): AciEvent[] {
  const tries = (failed?.count ?? 0) + (done ? 1 : 0);
  const lastAt = done?.at ?? failed?.lastAt ?? at;
  const events = [event('Pulling', `pulling image "${image}"`, at, { count: Math.max(1, tries), lastAt })];
  if (failed) {
    const again = { count: failed.count, lastAt: failed.lastAt };
    events.push(
      event('Failed', failed.error, failed.firstAt, { ...again, type: 'Warning' }),
      event('BackOff', `Back-off pulling image "${image}"`, failed.firstAt, again),
    );
  }
  if (done) events.push(event('Pulled', `Successfully pulled image "${image}"`, done.at));
  return events;
}

function startedView(
  exitCode: number | null,
  startsAt: number,
  events: AciEvent[],
  group: ContainerGroup,
  now: number,
): ContainerView {
  const endsAt = startsAt + jobMs;
  if (exitCode === null || now < endsAt) {
    const currentState = { state: 'Running', startTime: instant(startsAt), detailStatus: '' };
    return { restartCount: 0, currentState, events };
  }
  const { restartPolicy = 'Always' } = group.properties as StoredProperties;
  const ended = endedState(exitCode, startsAt, endsAt);
  const restarts = restartPolicy === 'Always' || (restartPolicy === 'OnFailure' && exitCode !== 0);
  if (!restarts) return { restartCount: 0, currentState: ended, events };
  const restartCount = 1 + Math.floor((now - endsAt) / restartEveryMs);
  const lastAt = endsAt + (restartCount - 1) * restartEveryMs;
  return {
    restartCount,
    currentState: { state: 'Waiting', detailStatus: 'CrashLoopBackOff: Back-off 10s restarting failed' },
    previousState: ended,
    events: [
      ...events,
      event('BackOff', 'Back-off restarting failed container', endsAt, { count: restartCount, lastAt }),
    ],
  };
}

function endedState(exitCode: number, startsAt: number, endsAt: number): Record<string, unknown> {
  return {
    state: 'Terminated',
    startTime: instant(startsAt),
    exitCode,
    finishTime: instant(endsAt),
    detailStatus: exitCode === 0 ? 'Completed' : 'Error',
  };
}
