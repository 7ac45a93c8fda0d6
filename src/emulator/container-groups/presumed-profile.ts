import type { ArmAccess } from '../arm/access.ts';
import type { Parts } from '../parts.ts';
import type { ContainerGroup, LifeStep } from '../world.ts';
import { type Draft, propertiesOf } from './draft.ts';
import { event, instant } from './event.ts';
import type { StoredContainer, StoredProperties } from './stored.ts';

/** What a container group profile says that nobody made: in tier `simulated` every one that is named exists. */
const presumed = {
  image: 'mcr.microsoft.com/azuredocs/aci-helloworld:latest',
  ports: [{ port: 8000 }],
  configMap: { keyValuePairs: { key: 'value' } },
  resources: { requests: { memoryInGB: 1.5, cpu: 1 } },
};

/** Completes what was put by the profile that it names; there are none but presumed ones here. */
export function applyProfile(draft: Draft, { tier }: Pick<Parts, 'tier'>, access: ArmAccess): void {
  const { containerGroupProfile, containers, subnetIds } = propertiesOf(draft);
  const { id } = containerGroupProfile ?? {};
  if (id === undefined) return;
  if (tier !== 'simulated') {
    const [, group = '', name = ''] = /\/resourceGroups\/([^/]+)\/.*\/([^/]+)$/i.exec(id) ?? [];
    throw access.error(
      404,
      'ResourceNotFound',
      `The Resource 'Microsoft.ContainerInstance/containerGroupProfiles/${name}' under resource group '${group}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix`,
    );
  }
  const { ports } = presumed;
  const profile: StoredProperties = {
    sku: 'Standard',
    imageRegistryCredentials: [],
    osType: 'Linux',
    ipAddress: { ports, type: subnetIds ? 'Private' : 'Public' },
  };
  draft.properties = {
    ...profile,
    ...draft.properties,
    containers: (containers ?? [{ name: 'app', properties: {} }]).map(complete),
  };
}

const complete = ({ name, properties }: StoredContainer): StoredContainer => ({
  name,
  properties: { ...presumed, ...properties },
});

/** A group out of a standby pool was there before it was asked for: it runs at once (recorded traffic). */
export function pooledLife(group: ContainerGroup, images: Record<string, string>): LifeStep[] {
  const at = group.life.startedAt - 3_600_000;
  const containers = (propertiesOf(group).containers ?? []).map(({ name }) => ({
    name,
    restartCount: 0,
    currentState: { state: 'Running', startTime: instant(at), detailStatus: '' },
    events: [
      event('Pulling', `pulling image "${images[name]}"`, at - 16_000),
      event('Pulled', `Successfully pulled image "${images[name]}"`, at - 13_000),
      event('Started', 'Started container', at),
    ].map(each => ({ ...each })),
  }));
  return [{ afterMs: 0, provisioningState: 'Succeeded', state: 'Running', containers }];
}

export const isFromPool = (group: Draft) => propertiesOf(group).standbyPoolProfile !== undefined;
