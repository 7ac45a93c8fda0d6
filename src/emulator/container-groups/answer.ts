import type { ContainerGroup, World } from '../world.ts';
import type { ContainerView, View } from './life.ts';
import { containerGroup, showMembers } from './members.ts';
import type { StoredContainer, StoredProperties } from './stored.ts';

/** A group as ARM answers it: what was put without its secrets, what became of it, and what Azure fills in (recorded traffic). */
export function describeGroup(
  group: ContainerGroup,
  view: View,
  world: World,
  version: string,
  more: { instanceView: boolean },
): object {
  const stored = group.properties as StoredProperties;
  const propertiesShape = containerGroup.members.properties?.shape;
  const shown = propertiesShape
    ? (showMembers(group.properties, propertiesShape, version) as StoredProperties)
    : {};
  const recent = version.slice(0, 10) >= '2022-09-01';
  return {
    properties: {
      sku: stored.sku ?? 'Standard',
      ...(version.slice(0, 10) >= '2024-05-01' ? { isCreatedFromStandbyPool: false } : {}),
      provisioningState: view.provisioningState,
      ...(recent ? { provisioningTimeoutInSeconds: 1800, isCustomProvisioningTimeout: false } : {}),
      ...shown,
      containers: (shown.containers ?? []).map(container =>
        describeContainer(container, view.containers[container.name]),
      ),
      initContainers: shown.initContainers ?? [],
      ...(shown.imageRegistryCredentials
        ? {
            imageRegistryCredentials: shown.imageRegistryCredentials.map(each => ({
              ...each,
              ...(recent ? { isDelegatedIdentity: false } : {}),
            })),
          }
        : {}),
      ...(shown.ipAddress ? { ipAddress: describeAddress(shown.ipAddress, group, view) } : {}),
      ...(more.instanceView ? { instanceView: { events: view.events, state: view.state } } : {}),
    },
    ...(group.identity ? { identity: describeIdentity(group, world) } : {}),
    id: group.id,
    name: group.name,
    type: 'Microsoft.ContainerInstance/containerGroups',
    location: group.location,
    ...(group.zones ? { zones: group.zones } : {}),
    tags: group.tags,
  };
}

function describeContainer({ name, properties }: StoredContainer, view: ContainerView | undefined): object {
  const { ports = [], environmentVariables = [], ...others } = properties;
  return {
    name,
    properties: {
      ...others,
      ports,
      environmentVariables,
      ...(view?.currentState ? { instanceView: view } : {}),
    },
  };
}

function describeAddress(
  address: NonNullable<StoredProperties['ipAddress']>,
  { life, location }: ContainerGroup,
  { provisioningState }: View,
): object {
  return {
    ...address,
    ...(provisioningState === 'Succeeded' ? { ip: life.ip } : {}),
    ...(address.dnsNameLabel ? { fqdn: `${address.dnsNameLabel}.${location}.azurecontainer.io` } : {}),
  };
}

function describeIdentity({ identity }: ContainerGroup, world: World): object {
  const attached = Object.keys(identity?.userAssignedIdentities ?? {}).map(id => {
    const known = world.identities[id.toLowerCase()];
    return [id, known ? { principalId: known.principalId, clientId: known.clientId } : {}];
  });
  return {
    type: identity?.type,
    tenantId: world.tenantId,
    ...(attached.length > 0 ? { userAssignedIdentities: Object.fromEntries(attached) } : {}),
  };
}
