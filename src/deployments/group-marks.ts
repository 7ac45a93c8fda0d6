import type { ContainerGroupState } from '../azure/container-groups.ts';
import type { GroupMarks } from '../schemas/intent.ts';
import type { DeploymentRow } from '../store/deployments.ts';
import { ownerTag, revisionTag } from './container-group.ts';
import { everyContainer } from './observe.ts';

type Tagged = Pick<ContainerGroupState, 'tags'>;
type Stated = Pick<ContainerGroupState, 'tags' | 'provisioningState'>;

/** Only what carries our tag is ours; ARM keeps tag names without case. */
export const isOurs = (group: Tagged, { id }: Pick<DeploymentRow, 'id'>): boolean =>
  tagOf(group, ownerTag) === id;

/** The revision that a group of ours was made of. One that was adopted has no tag for it. */
export const revisionOf = (group: Tagged): number => Number(tagOf(group, revisionTag) ?? 1);

/** What ARM serves of a deployment: not what it is deleting. */
export const liveIn = (group: Stated | null, row: Pick<DeploymentRow, 'id'>): number | null =>
  group && isOurs(group, row) && !isGoing(group) ? revisionOf(group) : null;

function tagOf({ tags }: Tagged, tag: string): string | undefined {
  return Object.entries(tags).find(([name]) => name.toLowerCase() === tag)?.[1];
}

/** By Azure's own clock, so that ours need not agree with it. */
export function marksOf(group: ContainerGroupState): GroupMarks {
  const started = everyContainer(group).flatMap(({ name, startTime }) =>
    startTime === undefined ? [] : [[name, startTime] as const],
  );
  const events = [group.events, ...everyContainer(group).map(({ events }) => events)].flat();
  const times = events.flatMap(({ lastTimestamp }) => lastTimestamp ?? []).sort();
  return { started: Object.fromEntries(started), eventsUntil: times.at(-1) ?? null };
}

/** Whether a container was started, or Azure is at it, since the marks were made. */
export function hasMoved(group: ContainerGroupState, marks: GroupMarks): boolean {
  if (isMoving(group)) return true;
  return everyContainer(group).some(({ name, startTime }) => startTime !== marks.started[name]);
}

/** Azure is deleting it. */
export const isGoing = ({
  provisioningState = '',
}: Pick<ContainerGroupState, 'provisioningState'>): boolean => /^deleting$/i.test(provisioningState);

/** Azure is still at it. */
export const isMoving = ({
  provisioningState = 'Succeeded',
}: Pick<ContainerGroupState, 'provisioningState'>): boolean =>
  !/^(?:succeeded|failed|canceled|unhealthy)$/i.test(provisioningState);

/** Without the events of what was there before: they stay, and say nothing of the change. */
export function since(group: ContainerGroupState, marks: GroupMarks | undefined): ContainerGroupState {
  const until = marks?.eventsUntil;
  if (!until) return group;
  const later = <T extends { events: ContainerGroupState['events'] }>(part: T): T => ({
    ...part,
    events: part.events.filter(({ lastTimestamp }) => lastTimestamp === undefined || lastTimestamp > until),
  });
  return {
    ...later(group),
    containers: group.containers.map(later),
    ...(group.initContainers ? { initContainers: group.initContainers.map(later) } : {}),
  };
}
