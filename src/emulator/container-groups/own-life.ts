import type { ContainerGroup, Pull } from '../world.ts';
import { containerLife, creatingAfterMs, restarts, startedAfterMs } from './container-life.ts';
import type { ContainerView, View } from './life.ts';
import type { StoredContainer, StoredProperties } from './stored.ts';

const provisioningTimeoutMs = 1_800_000;

const stored = ({ properties }: ContainerGroup): StoredProperties => properties;
export const containersOf = (group: ContainerGroup) => stored(group).containers ?? [];
export const initContainersOf = (group: ContainerGroup) => stored(group).initContainers ?? [];
export const allContainersOf = (group: ContainerGroup) => [
  ...initContainersOf(group),
  ...containersOf(group),
];

/** The life that Azure gives a group whose images are pulled, or not: init containers first, one after another. */
export function ownView(group: ContainerGroup, now: number): View {
  const { startedAt } = group.life;
  const inits = initLives(group, now);
  const begin = inits.at(-1)?.endsAt ?? startedAt;
  const apps = containersOf(group).map(each => [each.name, lifeOf(each, group, begin, now).view] as const);
  const containers = Object.fromEntries([...inits.map(({ name, view }) => [name, view] as const), ...apps]);
  const view: View = { provisioningState: 'Creating', state: 'Pending', events: [], containers };
  const views = apps.map(([, each]) => each);
  if (views.every(isSettled)) return { ...view, provisioningState: 'Succeeded', state: groupState(views) };
  if (now - startedAt < creatingAfterMs) return { ...view, provisioningState: 'Pending' };
  const broken = inits.find(({ failed }) => failed);
  if (broken) return { ...view, provisioningState: 'Failed', state: 'Failed', error: initError(broken) };
  if (now - startedAt < provisioningTimeoutMs) return view;
  return { ...view, provisioningState: 'Failed', error: { code: 'Failed', message: timeoutText(view) } };
}

interface InitLife {
  name: string;
  view: ContainerView;
  /** When it had done its work, and the next one may start. */
  endsAt: number;
  /** It ended in vain, and is not started again. */
  failed: boolean;
}

function initLives(group: ContainerGroup, now: number): InitLife[] {
  let begin = group.life.startedAt;
  return initContainersOf(group).map(each => {
    const { view, endsAt, exitCode } = lifeOf(each, group, begin, now);
    begin = exitCode === 0 ? endsAt : Number.POSITIVE_INFINITY;
    const ended = exitCode !== null && exitCode !== 0 && now >= endsAt;
    return { name: each.name, view, endsAt: begin, failed: ended && !restarts(policyOf(group), exitCode) };
  });
}

const policyOf = (group: ContainerGroup) => stored(group).restartPolicy ?? 'Always';

/** A container's life, not before `begin`. */
function lifeOf(container: StoredContainer, group: ContainerGroup, begin: number, now: number) {
  const { startedAt, pulls, images } = group.life;
  const pull: Pull = pulls?.[container.name] ?? {};
  const startsAt = pull.done ? Math.max(pull.done.at, begin) + startedAfterMs : Number.POSITIVE_INFINITY;
  const isInit = initContainersOf(group).includes(container);
  // An init container that did its work is not started again, whatever the policy says.
  const policy = isInit && pull.done?.exitCode === 0 ? 'Never' : policyOf(group);
  return containerLife({
    image: images?.[container.name] ?? container.properties.image ?? '',
    creatingAt: startedAt + creatingAfterMs,
    ...{ id: `${group.id}/${container.name}/${startedAt}`, pull, startsAt, policy, now },
  });
}

const isSettled = ({ currentState, restartCount }: ContainerView) =>
  restartCount > 0 || currentState?.state === 'Running' || currentState?.state === 'Terminated';

const initError = ({ name, view }: InitLife) => ({
  code: 'Failed',
  message: `The init container '${name}' terminated with exit code ${view.currentState?.exitCode}.`,
});

function timeoutText({ containers }: View): string {
  const said = Object.values(containers).flatMap(({ events }) =>
    events.map(each => ('message' in each ? String(each.message) : '')),
  );
  const end = "Subscription deployment didn't reach a successful provisioning state after '00:30:00'.";
  return [...said, end].join(';');
}

function groupState(views: ContainerView[]): string {
  const ended = views.map(({ currentState }) => currentState);
  if (ended.some(state => state?.state !== 'Terminated')) return 'Running';
  return ended.every(state => state?.exitCode === 0) ? 'Succeeded' : 'Failed';
}
