import type { ContainerGroup, World } from '../world.ts';
import { checkCredentials } from './credential-rules.ts';
import { type Draft, propertiesOf, type Refuse } from './draft.ts';
import type { StoredProperties } from './stored.ts';

const limits = { groups: 1_000, cores: 1_000 };

/** Everything that Azure refuses before it looks at an image, with Azure's codes and words, misspelt ones included. */
export function checkDraft(
  draft: Draft,
  present: ContainerGroup | undefined,
  version: string,
  refuse: Refuse,
): void {
  checkContainers(draft, version, refuse);
  checkCredentials(draft, version, refuse);
  if (present) checkUpdate(draft, present, refuse);
}

/** What depends on the other groups there are: it holds at the moment when the group is made. */
export function checkRoom(draft: Draft, world: World, refuse: Refuse): void {
  checkQuota(draft, world, refuse);
  checkDnsLabel(draft, world, refuse);
}

function checkContainers(draft: Draft, version: string, refuse: Refuse): void {
  const { containers = [], osType = version.slice(0, 10) < '2024-05-01' ? '' : 'Linux' } =
    propertiesOf(draft);
  if (!/^(?:linux|windows)$/i.test(osType))
    throw refuse(
      400,
      'InvalidOsType',
      `The 'osType' for container group '${osType === '' ? '<null>' : draft.name}' is invalid. The value must be one of 'Windows,Linux'.`,
    );
  if (containers.length === 0)
    throw refuse(
      400,
      'MissingRequiredProperty',
      `The container group '${draft.name}' must have at least one container.`,
    );
  for (const { name, properties } of containers) {
    if (!/^[a-z0-9](?:-?[a-z0-9])*$/.test(name ?? '') || name.length > 63)
      throw refuse(
        400,
        'InvalidContainerName',
        `The container name '${name}' in container group '${draft.name}' is invalid. The name must be between 1 and 63 characters long, of lower-case letters, numbers and hyphens.`,
      );
    if (!properties?.image)
      throw refuse(
        400,
        'MissingImage',
        `The image is not specified in container '${name}' of container group '${draft.name}'.`,
      );
    const requests = properties.resources?.requests;
    if (!requests?.cpu || !requests.memoryInGB)
      throw refuse(
        400,
        'ResourceRequestsNotSpecified',
        `The resource requests are not specified in container '${name}' of contain group '${draft.name}'. Both memory and CPU requests are required since API version '2017-07-01-preview'.`,
      );
  }
}

/** What cannot be changed in place. */
function checkUpdate(draft: Draft, present: ContainerGroup, refuse: Refuse): void {
  const fixed = ({ osType, restartPolicy, subnetIds, containers = [] }: StoredProperties) =>
    JSON.stringify([
      osType?.toLowerCase(),
      restartPolicy ?? 'Always',
      subnetIds,
      containers.map(({ name, properties }) => [name, properties.resources]),
    ]);
  if (draft.location !== present.location)
    throw refuse(
      409,
      'InvalidResourceLocation',
      `The resource '${present.name}' already exists in location '${present.location}' in resource group '${present.resourceGroup}'. A resource with the same name cannot be created in location '${draft.location}'. Please select a new resource name.`,
    );
  if (fixed(propertiesOf(draft)) === fixed(propertiesOf(present))) return;
  throw refuse(
    400,
    'InvalidContainerGroupUpdate',
    `The updates on container group '${draft.name}' are invalid. If you are going to update the os type, restart policy, network profile, CPU, memory or GPU resources for a container group, you must delete it first and then create a new one.`,
  );
}

const coresOf = ({ containers = [] }: StoredProperties) =>
  containers.reduce((sum, { properties }) => sum + (properties.resources?.requests?.cpu ?? 0), 0);

function checkQuota(draft: Draft, { containerGroups }: World, refuse: Refuse): void {
  const others = Object.values(containerGroups).filter(
    group =>
      group.subscriptionId === draft.subscriptionId &&
      group.location === draft.location &&
      group.id.toLowerCase() !== draft.id.toLowerCase(),
  );
  const cores = others.reduce((sum, group) => sum + coresOf(propertiesOf(group)), 0);
  const asked = coresOf(propertiesOf(draft));
  const exceeded = (quota: string, limit: number, usage: number, requested: number) =>
    refuse(
      400,
      'ContainerGroupQuotaReached',
      `Resource type 'Microsoft.ContainerInstance/containerGroups' container group quota '${quota}' exceeded in region '${draft.location}'. Limit: '${limit}', Usage: '${usage}' Requested: '${requested}'.`,
    );
  if (others.length + 1 > limits.groups) throw exceeded('ContainerGroups', limits.groups, others.length, 1);
  if (cores + asked > limits.cores) throw exceeded('StandardCores', limits.cores, cores, asked);
}

function checkDnsLabel(draft: Draft, { containerGroups }: World, refuse: Refuse): void {
  const label = propertiesOf(draft).ipAddress?.dnsNameLabel;
  if (label === undefined) return;
  if (!/^[a-z](?:[a-z0-9-]{3,61})[a-z0-9]$/.test(label))
    throw refuse(
      400,
      'InvalidDnsNameLabel',
      `The DNS name label '${label}' in container group '${draft.name}' is invalid. It can contain only lowercase letters, numbers and hyphens. The first character must be a letter. The last character must be a letter or number. The value must be between 5 and 63 characters long.`,
    );
  const holder = Object.values(containerGroups).find(
    group =>
      group.location === draft.location &&
      propertiesOf(group).ipAddress?.dnsNameLabel === label &&
      group.id.toLowerCase() !== draft.id.toLowerCase(),
  );
  if (holder)
    throw refuse(
      400,
      'DnsNameLabelAlreadyTaken',
      `The DNS name label '${label}' in container group '${draft.name}' is not available. Try using a different label.`,
    );
}
