import type { Status } from '../../../src/schemas/deployment.ts';
import type { DeploymentRow } from '../../../src/store/deployments.ts';
import type { Crowd, Followed, GroupOfGroups, Resting } from '../../../src/store/following.ts';
import type { Records } from './records.ts';

const going: readonly Status[] = ['Deleting', 'Canceling'];
const followedStatuses: readonly Status[] = [
  ...going,
  ...(['Provisioning', 'Running', 'Restarting', 'Starting', 'Stopping'] as const),
];

const isFollowed = ({ settled, status }: DeploymentRow) => !settled && followedStatuses.includes(status);
const isSilent = ({ status, containerGroup }: DeploymentRow) =>
  !going.includes(status) &&
  /^(?:succeeded|failed|canceled|unhealthy)$/i.test(containerGroup?.provisioningState ?? '');

const placeOf = ({ subscription, resourceGroup }: GroupOfGroups) =>
  `${subscription}/${resourceGroup}`.toLowerCase();

export function crowdsIn({ deployments }: Records): Crowd[] {
  const open = [...deployments.values()].filter(({ settled }) => !settled);
  return [...new Set(open.map(placeOf))].map(place => {
    const [subscription = '', resourceGroup = ''] = place.split('/');
    const here = open.filter(row => placeOf(row) === place);
    const followed = here.filter(isFollowed);
    const silent = followed.filter(isSilent).length;
    return { subscription, resourceGroup, open: here.length, silent, listed: followed.length - silent };
  });
}

export function restingIn({ deployments }: Records): Resting[] {
  const live = [...deployments.values()].filter(
    ({ holdsName, settled, liveRevision }) => holdsName && settled && liveRevision !== null,
  );
  const subscriptions = new Set(live.map(({ subscription }) => subscription.toLowerCase()));
  return [...subscriptions].map(subscription => ({
    subscription,
    groups: live.filter(row => row.subscription.toLowerCase() === subscription).length,
  }));
}

export function takeTurn({ turns }: Records, place: GroupOfGroups, now: Date, dueAt: Date): boolean {
  if ((turns.get(placeOf(place)) ?? now) > now) return false;
  turns.set(placeOf(place), dueAt);
  return true;
}

export const followedIn = ({ deployments }: Records, place: GroupOfGroups): Followed[] =>
  [...deployments.values()]
    .filter(row => isFollowed(row) && placeOf(row) === placeOf(place))
    .sort((a, b) => a.updatedAt.getTime() - b.updatedAt.getTime())
    .map(({ id, name, status, revision, containerGroup, timeline, updatedAt, waitingFor }) => ({
      ...{ id, name, status, revision, updatedAt },
      startedAt: timeline.at(-1)?.startedAt ?? null,
      provisioningState: containerGroup?.provisioningState ?? null,
      waitsUntil: waitingFor?.until ?? null,
    }));
