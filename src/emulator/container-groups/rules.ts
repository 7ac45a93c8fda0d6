import type { Parts } from '../parts.ts';
import type { ContainerGroup, World } from '../world.ts';
import { isSince } from './api-versions.ts';
import { checkCredentials } from './credential-rules.ts';
import { fqdnOf } from './dns-name.ts';
import { type Draft, propertiesOf, type Refuse } from './draft.ts';
import { checkQuotas } from './quota.ts';
import { fullRegion } from './regions.ts';
import type { StoredContainer } from './stored.ts';

/** Everything that Azure refuses before it looks at an image, with Azure's codes and words, misspelt ones included. */
export function checkDraft(
  draft: Draft,
  present: ContainerGroup | undefined,
  version: string,
  refuse: Refuse,
): void {
  checkGroup(draft, version, refuse);
  const { containers = [], initContainers = [] } = propertiesOf(draft);
  checkNames([...containers, ...initContainers], draft, refuse);
  for (const container of containers) checkResources(container, draft, refuse);
  checkCredentials(draft, version, refuse);
  if (present) checkUpdate(draft, present, refuse);
}

/** What depends on the region and the other groups there: it holds at the moment when the group is made. */
export function checkRoom(
  draft: Draft,
  { world, limits }: Pick<Parts, 'world' | 'limits'>,
  refuse: Refuse,
): void {
  checkQuotas(draft, world, limits, refuse);
  checkDnsLabel(draft, world, refuse);
  if (draft.location === fullRegion) throw refuse(409, 'ServiceUnavailable', noRoom(draft));
}

function checkGroup(draft: Draft, version: string, refuse: Refuse): void {
  const { containers = [], provisioningTimeoutInSeconds, ...properties } = propertiesOf(draft);
  const { osType = isSince(version, '2024-05-01') ? 'Linux' : '' } = properties;
  if (!/^(?:linux|windows)$/i.test(osType))
    throw refuse(
      400,
      'InvalidOsType',
      `The 'osType' for container group '${osType === '' ? '<null>' : draft.name}' is invalid. The value must be one of 'Windows,Linux'.`,
    );
  // Later versions take it (documentation of 2026).
  if (draft.identity && /^windows$/i.test(osType) && !isSince(version, '2025-09-01'))
    throw refuse(
      400,
      'IdentityNotSupportedOnWindows',
      'Managed service identity is not supported for Windows container groups.',
    );
  // Azure answers it, and does not take it back.
  if (provisioningTimeoutInSeconds !== undefined)
    throw refuse(
      400,
      'CustomProvisioningTimeoutInSecondsNotSuppported',
      `The custom provisioning timeout in seconds is not supported for container group '${draft.name}'.`,
    );
  if (containers.length === 0)
    throw refuse(
      400,
      'MissingRequiredProperty',
      `The container group '${draft.name}' must have at least one container.`,
    );
}

function checkNames(containers: StoredContainer[], draft: Draft, refuse: Refuse): void {
  const seen = new Set<string>();
  for (const { name, properties } of containers) {
    if (!/^[a-z0-9](?:-?[a-z0-9])*$/.test(name) || name.length > 63 || seen.has(name))
      throw refuse(
        400,
        'InvalidContainerName',
        `The container name '${name}' in container group '${draft.name}' is invalid. The name must be between 1 and 63 characters long, of lower-case letters, numbers and hyphens, and no other container's.`,
      );
    seen.add(name);
    if (!properties.image)
      throw refuse(
        400,
        'MissingImage',
        `The image is not specified in container '${name}' of container group '${draft.name}'.`,
      );
  }
}

function checkResources({ name, properties }: StoredContainer, draft: Draft, refuse: Refuse): void {
  const requests = properties.resources?.requests;
  if (!requests?.cpu || !requests.memoryInGB)
    throw refuse(
      400,
      'ResourceRequestsNotSpecified',
      `The resource requests are not specified in container '${name}' of contain group '${draft.name}'. Both memory and CPU requests are required since API version '2017-07-01-preview'.`,
    );
}

/** What cannot be changed in place: as its refusal says, and documentation and reports of zones, priority and workspace. */
function checkUpdate(draft: Draft, present: ContainerGroup, refuse: Refuse): void {
  const fixed = ({ zones, properties }: Pick<Draft, 'zones' | 'properties'>) => {
    const { osType = 'Linux', restartPolicy = 'Always', ...others } = propertiesOf({ properties });
    return JSON.stringify([
      zones ?? [],
      (others.priority ?? 'Regular').toLowerCase(),
      others.diagnostics?.logAnalytics?.workspaceId?.toLowerCase(),
      osType.toLowerCase(),
      restartPolicy.toLowerCase(),
      others.subnetIds,
      others.networkProfile,
      others.containers?.map(({ name, properties }) => [name, properties.resources]),
    ]);
  };
  if (draft.location !== present.location)
    throw refuse(
      409,
      'InvalidResourceLocation',
      `The resource '${present.name}' already exists in location '${present.location}' in resource group '${present.resourceGroup}'. A resource with the same name cannot be created in location '${draft.location}'. Please select a new resource name.`,
    );
  if (fixed(draft) === fixed(present)) return;
  throw refuse(
    400,
    'InvalidContainerGroupUpdate',
    `The updates on container group '${draft.name}' are invalid. If you are going to update the os type, restart policy, network profile, CPU, memory or GPU resources for a container group, you must delete it first and then create a new one.`,
  );
}

function checkDnsLabel(draft: Draft, { containerGroups, tenantId }: World, refuse: Refuse): void {
  const label = propertiesOf(draft).ipAddress?.dnsNameLabel;
  if (label === undefined) return;
  if (!/^[a-z](?:[a-z0-9-]{3,61})[a-z0-9]$/.test(label))
    throw refuse(
      400,
      'InvalidDnsNameLabel',
      `The DNS name label '${label}' in container group '${draft.name}' is invalid. It can contain only lowercase letters, numbers and hyphens. The first character must be a letter. The last character must be a letter or number. The value must be between 5 and 63 characters long.`,
    );
  const name = fqdnOf(draft, tenantId);
  const holder = Object.values(containerGroups).find(
    group => fqdnOf(group, tenantId) === name && group.id.toLowerCase() !== draft.id.toLowerCase(),
  );
  if (holder)
    throw refuse(
      400,
      'DnsNameLabelAlreadyTaken',
      `The DNS name label '${label}' in container group '${draft.name}' is not available. Try using a different label.`,
    );
}

function noRoom({ location, properties }: Draft): string {
  const { containers = [], osType = 'Linux', subnetIds = [] } = propertiesOf({ properties });
  const total = (amount: 'cpu' | 'memoryInGB') =>
    containers.reduce((sum, each) => sum + (each.properties.resources?.requests?.[amount] ?? 0), 0);
  const network = subnetIds.length > 0 ? ' virtual network' : '';
  return `The requested resource is not available in the location '${location}' at this moment. Please retry with a different resource request or in another location. Resource requested: '${total('cpu')}' CPU '${total('memoryInGB')}' GB memory '${osType}' OS${network}`;
}
