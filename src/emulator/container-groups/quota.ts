import type { Limits } from '../limits/limits.ts';
import type { QuotaName } from '../limits/settings.ts';
import type { ContainerGroup, World } from '../world.ts';
import { type Draft, propertiesOf, type Refuse } from './draft.ts';
import type { StoredProperties } from './stored.ts';

interface Quota {
  name: QuotaName;
  /** How much of it a group takes. */
  taken(properties: StoredProperties): number;
}

const skuOf = ({ sku = 'Standard' }: StoredProperties) => sku.toLowerCase();
const isSpot = ({ priority }: StoredProperties) => String(priority).toLowerCase() === 'spot';

const coresOf = ({ containers = [] }: StoredProperties) =>
  containers.reduce((sum, { properties }) => sum + (properties.resources?.requests?.cpu ?? 0), 0);

const gpusOf = ({ containers = [] }: StoredProperties, sku: string) =>
  containers
    .map(({ properties }) => properties.resources?.requests?.gpu)
    .reduce((sum, gpu) => sum + (gpu?.sku?.toUpperCase() === sku ? (gpu.count ?? 0) : 0), 0);

const ofSku =
  (sku: string, taken: Quota['taken']): Quota['taken'] =>
  properties =>
    skuOf(properties) === sku ? taken(properties) : 0;
const spotless: Quota['taken'] = properties => (isSpot(properties) ? 0 : coresOf(properties));

/** In the order, and by the names, of recorded answers. */
const quotas: readonly Quota[] = [
  { name: 'ContainerGroups', taken: () => 1 },
  { name: 'StandardCores', taken: ofSku('standard', spotless) },
  { name: 'StandardSpotCores', taken: properties => (isSpot(properties) ? coresOf(properties) : 0) },
  ...(['K80', 'P100', 'V100'] as const).map(gpu => ({
    name: `Standard${gpu}Cores` as const,
    taken: (properties: StoredProperties) => gpusOf(properties, gpu),
  })),
  ...(['Dedicated', 'Confidential'] as const).flatMap(sku => [
    { name: `${sku}ContainerGroups` as const, taken: ofSku(sku.toLowerCase(), () => 1) },
    { name: `${sku}Cores` as const, taken: ofSku(sku.toLowerCase(), coresOf) },
  ]),
];

/** `StandardK80Cores` is `Standard K80 Cores`. */
const readable = (name: QuotaName) => name.replaceAll(/(?<=[a-z])(?=[A-Z])|(?<=\d)(?=[A-Z])/g, ' ');

/** Refuses a group for which its region has not enough left. */
export function checkQuotas(draft: Draft, world: World, limits: Limits, refuse: Refuse): void {
  const same = world.containerGroups[draft.id.toLowerCase()];
  const others = groupsIn(world, draft.subscriptionId, draft.location).filter(group => group !== same);
  for (const { name, taken } of quotas) {
    const requested = taken(propertiesOf(draft));
    // Of ten thousand groups the sums are what a PUT takes (measured): only those that matter are made.
    if (requested <= 0) continue;
    const limit = limits.quota(name);
    const usage = sum(others, taken);
    if (usage + requested > limit)
      throw refuse(
        400,
        'ContainerGroupQuotaReached',
        `Resource type 'Microsoft.ContainerInstance/containerGroups' container group quota '${name}' exceeded in region '${draft.location}'. Limit: '${limit}', Usage: '${usage}' Requested: '${requested}'.`,
      );
  }
}

/** `GET .../locations/{location}/usages`. */
export function describeUsages(
  world: World,
  limits: Limits,
  subscriptionId: string,
  location: string,
): object[] {
  const groups = groupsIn(world, subscriptionId, location);
  const place = `/subscriptions/${subscriptionId}/providers/Microsoft.ContainerInstance/locations/${location}`;
  return quotas.map(({ name, taken }) => ({
    id: `${place}/usages/${name}`,
    unit: 'Count',
    currentValue: sum(groups, taken),
    limit: limits.quota(name),
    name: { value: name, localizedValue: readable(name) },
  }));
}

function groupsIn({ containerGroups }: World, subscriptionId: string, location: string): ContainerGroup[] {
  // The ids by which they are kept are in lower case.
  const place = `/subscriptions/${subscriptionId.toLowerCase()}/`;
  return Object.entries(containerGroups)
    .filter(([id, group]) => group.location === location && id.startsWith(place))
    .map(([, group]) => group);
}

const sum = (groups: readonly ContainerGroup[], taken: Quota['taken']) =>
  groups.reduce((total, group) => total + taken(propertiesOf(group)), 0);
