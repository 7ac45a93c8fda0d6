import type { ContainerGroup, World } from '../world.ts';
import { type Draft, propertiesOf, type Refuse } from './draft.ts';
import type { StoredProperties } from './stored.ts';

interface Quota {
  name: string;
  localizedName: string;
  /** In each region of a subscription. */
  limit: number;
  /** How much of it a group takes. */
  taken(properties: StoredProperties): number;
}

const isSpot = ({ priority }: StoredProperties) => String(priority).toLowerCase() === 'spot';

const coresOf = ({ containers = [] }: StoredProperties) =>
  containers.reduce((sum, { properties }) => sum + (properties.resources?.requests?.cpu ?? 0), 0);

const gpusOf = ({ containers = [] }: StoredProperties, sku: string) =>
  containers
    .map(({ properties }) => properties.resources?.requests?.gpu)
    .reduce((sum, gpu) => sum + (gpu?.sku?.toUpperCase() === sku ? (gpu.count ?? 0) : 0), 0);

const quotas: readonly Quota[] = [
  { name: 'ContainerGroups', localizedName: 'Container Groups', limit: 1_000, taken: () => 1 },
  {
    name: 'StandardCores',
    localizedName: 'Standard Cores',
    limit: 1_000,
    taken: properties => (isSpot(properties) ? 0 : coresOf(properties)),
  },
  {
    name: 'StandardSpotCores',
    localizedName: 'Standard Spot Cores',
    limit: 100,
    taken: properties => (isSpot(properties) ? coresOf(properties) : 0),
  },
  ...['K80', 'P100', 'V100'].map(sku => ({
    name: `${sku}Cores`,
    localizedName: `${sku} Cores`,
    limit: 8,
    taken: (properties: StoredProperties) => gpusOf(properties, sku),
  })),
];

/** Refuses a group for which its region has not enough left. */
export function checkQuotas(draft: Draft, world: World, refuse: Refuse): void {
  const id = draft.id.toLowerCase();
  const others = groupsIn(world, draft.subscriptionId, draft.location).filter(
    group => group.id.toLowerCase() !== id,
  );
  for (const { name, limit, taken } of quotas) {
    const requested = taken(propertiesOf(draft));
    const usage = sum(others, taken);
    if (requested > 0 && usage + requested > limit)
      throw refuse(
        400,
        'ContainerGroupQuotaReached',
        `Resource type 'Microsoft.ContainerInstance/containerGroups' container group quota '${name}' exceeded in region '${draft.location}'. Limit: '${limit}', Usage: '${usage}' Requested: '${requested}'.`,
      );
  }
}

/** `GET .../locations/{location}/usages`. */
export function describeUsages(world: World, subscriptionId: string, location: string): object[] {
  const groups = groupsIn(world, subscriptionId, location);
  return quotas.map(({ name, localizedName, limit, taken }) => ({
    unit: 'Count',
    currentValue: sum(groups, taken),
    limit,
    name: { value: name, localizedValue: localizedName },
  }));
}

function groupsIn({ containerGroups }: World, subscriptionId: string, location: string): ContainerGroup[] {
  const subscription = subscriptionId.toLowerCase();
  return Object.values(containerGroups).filter(
    group => group.location === location && group.subscriptionId.toLowerCase() === subscription,
  );
}

const sum = (groups: readonly ContainerGroup[], taken: Quota['taken']) =>
  groups.reduce((total, group) => total + taken(propertiesOf(group)), 0);
