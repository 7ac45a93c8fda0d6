import type {
  ContainerGroupBody,
  ContainerGroupState,
  GroupPlace,
} from '../../../src/azure/container-groups.ts';
import { AzureError } from '../../../src/azure/failure.ts';
import { ownerTag, revisionTag } from '../../../src/deployments/container-group.ts';
import type { Random } from '../random.ts';
import type { DrivenTime } from '../time.ts';
import { drawFortune, type Life, viewOf } from './life.ts';

export interface Group {
  place: GroupPlace;
  tags: Record<string, string>;
  body: ContainerGroupBody;
  life: Life;
  /** It is being deleted until then. */
  goneAt: number | null;
  /** When somebody else took our tags away, or a group of ours was last where he made it; null where nobody did. */
  touchedAt: number | null;
}

/** Resource Manager and the container groups that it has. Every method is one request, at the moment it arrives. */
export interface Groups {
  get(place: GroupPlace): ContainerGroupState | null;
  put(place: GroupPlace, body: ContainerGroupBody): boolean;
  remove(place: GroupPlace): 'deleted' | 'accepted' | 'absent';
  restart(place: GroupPlace): void;
  start(place: GroupPlace): void;
  stop(place: GroupPlace): void;
  tag(place: GroupPlace, tags: Record<string, string>): void;
  at(place: GroupPlace): Group | undefined;
  all(): Group[];
  /** Somebody else deletes it, or takes our tags away. */
  meddle(group: Group, how: 'deletes' | 'untags'): void;
  /** Somebody else's group of that name. */
  intrude(place: GroupPlace): void;
  /** From now on what is started runs. */
  calm(): void;
}

/** What is seen where something changes. */
export type OnEffect = (effect: 'made' | 'changed' | 'removed', group: Group) => void;

export function createGroups(time: DrivenTime, random: Random, onEffect: OnEffect): Groups {
  const groups = new Map<string, Group>();
  /** When a group was last there: a call that was meant for it may come later. */
  const leftAt = new Map<string, number>();
  let troubled = true;

  function at(place: GroupPlace): Group | undefined {
    const group = groups.get(keyOf(place));
    if (!group || group.goneAt === null || group.goneAt > time.now()) return group;
    leave(place);
    return undefined;
  }

  function leave(place: GroupPlace): void {
    groups.delete(keyOf(place));
    leftAt.set(keyOf(place), time.now());
  }

  function steady(place: GroupPlace): Group {
    const group = at(place);
    if (!group) throw refusal(404, 'ResourceNotFound', 'The container group was not found');
    if (isMoving(group, time.now()))
      throw refusal(409, 'ContainerGroupTransitioning', 'The container group is still transitioning');
    return group;
  }

  const lifeFrom = (
    doing: Life['doing'],
    { restartPolicy = 'Always' }: ContainerGroupBody,
    before?: Life,
  ): Life => ({
    ...{ doing, fortune: drawFortune(random, restartPolicy, troubled), stopped: false },
    startedAt: time.now() + 500 + random.below(8_000),
    before: before && !before.stopped ? before.startedAt : null,
  });

  return {
    at,
    all: () => [...groups.values()].filter(({ place }) => at(place)),
    get(place) {
      const group = at(place);
      return group ? stateOf(group, time.now()) : null;
    },
    put(place, body) {
      if (!at(place)) {
        const { tags = {} } = body;
        const group = { place, tags, body, life: lifeFrom('Creating', body), goneAt: null, touchedAt: null };
        groups.set(keyOf(place), group);
        onEffect('made', group);
        return true;
      }
      const group = steady(place);
      if (fixedOf(group.body) !== fixedOf(body))
        throw refusal(400, 'InvalidContainerGroupUpdate', 'The updates on the container group are invalid');
      const same = JSON.stringify(group.body) === JSON.stringify(body);
      Object.assign(group, { body, tags: body.tags ?? {} });
      if (!same) Object.assign(group, { life: lifeFrom('Updating', body, group.life) });
      if (!same) onEffect('changed', group);
      return false;
    },
    remove(place) {
      const group = at(place);
      if (!group) return 'absent';
      if (group.goneAt === null) onEffect('removed', group);
      const takesMs = random.chance(0.5) ? 0 : random.below(20_000);
      group.goneAt ??= time.now() + takesMs;
      return at(place) ? 'accepted' : 'deleted';
    },
    restart(place) {
      const group = steady(place);
      group.life = lifeFrom('Restarting', group.body, group.life);
    },
    start(place) {
      const group = steady(place);
      if (viewOf(group.life, policyOf(group), time.now()).state !== 'Running')
        group.life = lifeFrom('Restarting', group.body, group.life);
    },
    stop(place) {
      const group = steady(place);
      group.life = { ...group.life, stopped: true };
    },
    tag(place, tags) {
      steady(place).tags = tags;
    },
    meddle(group, how) {
      group.touchedAt = time.now();
      if (how === 'deletes') leave(group.place);
      else group.tags = { owner: 'somebody' };
    },
    intrude(place) {
      const body = { location: 'eastus', osType: 'Linux', tags: { owner: 'somebody' }, containers: [] };
      const life = lifeFrom('Creating', body);
      const touchedAt = leftAt.get(keyOf(place)) ?? 0;
      groups.set(keyOf(place), { place, body, tags: body.tags, life, goneAt: null, touchedAt });
    },
    calm() {
      troubled = false;
    },
  };
}

export const keyOf = ({ subscription, resourceGroup, name }: GroupPlace) =>
  `${subscription}/${resourceGroup}/${name}`.toLowerCase();

export const ownerOf = ({ tags }: Pick<Group, 'tags'>): string | undefined => tags[ownerTag];
export const revisionOf = ({ tags }: Pick<Group, 'tags'>): number => Number(tags[revisionTag] ?? 0);

const policyOf = ({ body }: Group) => body.restartPolicy ?? 'Always';

function isMoving(group: Group, now: number): boolean {
  if (group.goneAt !== null) return true;
  const { provisioningState } = viewOf(group.life, policyOf(group), now);
  return provisioningState !== 'Succeeded' && provisioningState !== 'Failed';
}

/** What cannot be changed in place. */
const fixedOf = ({ location, osType, restartPolicy, containers }: ContainerGroupBody) =>
  JSON.stringify([
    location,
    osType,
    restartPolicy,
    containers.map(({ name, resources }) => [name, resources]),
  ]);

export function refusal(status: number, code: string, message: string, retryAfterMs: number | null = null) {
  return new AzureError({
    kind: 'arm',
    operation: 'simulated',
    status,
    code,
    message,
    retryAfterMs,
    requestId: null,
  });
}

function stateOf(group: Group, now: number): ContainerGroupState {
  const { container, ...view } = viewOf(group.life, policyOf(group), now);
  const { subscription, resourceGroup, name } = group.place;
  return {
    ...view,
    ...(group.goneAt === null ? {} : { provisioningState: 'Deleting' }),
    id: `/subscriptions/${subscription}/resourceGroups/${resourceGroup}/containerGroups/${name}`,
    tags: { ...group.tags },
    containers: group.body.containers.map(each => ({
      ...{ name: each.name, restartCount: 0, events: [] },
      ...container,
    })),
  };
}
