import type { FastifyInstance } from 'fastify';
import { apiVersions } from '../container-groups/api-versions.ts';
import { regions as groupRegions } from '../container-groups/regions.ts';
import type { ArmAccess } from './access.ts';

type Named = { Params: { subscription: string; namespace: string } };

/** What `GET .../locations` lists: regions of the demo world and their neighbours. */
const regions: [name: string, displayName: string, group: string][] = [
  ['eastus', 'East US', 'US'],
  ['eastus2', 'East US 2', 'US'],
  ['westus', 'West US', 'US'],
  ['westus2', 'West US 2', 'US'],
  ['northeurope', 'North Europe', 'Europe'],
  ['westeurope', 'West Europe', 'Europe'],
];

interface Provider {
  types: string[];
  versions: string[];
  /** Where they can be, if not where all else is. */
  locations?: string[];
  /** What the first of its types can have. */
  capabilities?: string;
}

const resourceTypes: Record<string, Provider> = {
  'Microsoft.ContainerInstance': {
    locations: Object.values(groupRegions),
    capabilities: 'SystemAssignedResourceIdentity, SupportsTags, SupportsLocation',
    types: [
      'containerGroups',
      'serviceAssociationLinks',
      'locations',
      'locations/capabilities',
      'locations/usages',
      'locations/cachedImages',
      'locations/operations',
      'locations/operationresults',
      'operations',
    ],
    versions: apiVersions.toReversed(),
  },
  'Microsoft.ContainerRegistry': {
    types: ['registries'],
    versions: ['2023-07-01', '2022-02-01-preview', '2019-05-01'],
  },
  'Microsoft.KeyVault': { types: ['vaults'], versions: ['2023-07-01', '2022-07-01', '2019-09-01'] },
  'Microsoft.ManagedIdentity': {
    types: ['userAssignedIdentities'],
    versions: ['2023-01-31', '2022-01-31-preview', '2018-11-30'],
  },
  'Microsoft.Authorization': {
    types: ['roleAssignments', 'roleDefinitions'],
    versions: ['2022-04-01', '2020-04-01-preview'],
  },
  'Microsoft.Resources': {
    types: ['resourceGroups', 'subscriptions'],
    versions: ['2022-09-01', '2021-04-01'],
  },
};

/** Resource providers, all of them registered, and a subscription's regions. */
export function registerProviders(arm: FastifyInstance, arms: ArmAccess): void {
  arm.get<Named>('/subscriptions/:subscription/locations', async request => ({
    value: regions.map(([name, displayName, geographyGroup]) => ({
      id: `/subscriptions/${request.params.subscription}/locations/${name}`,
      name,
      type: 'Region',
      displayName,
      regionalDisplayName: `(${geographyGroup}) ${displayName}`,
      metadata: { regionType: 'Physical', regionCategory: 'Recommended', geographyGroup },
    })),
  }));
  arm.get<Named>('/subscriptions/:subscription/providers', async request => ({
    value: Object.keys(resourceTypes).map(namespace => describe(request.params.subscription, namespace)),
  }));
  const one = '/subscriptions/:subscription/providers/:namespace';
  arm.get<Named>(one, async request => find(request.params));
  arm.post<Named>(`${one}/register`, async request => find(request.params));

  function find({ subscription, namespace }: Named['Params']): object {
    const known = Object.keys(resourceTypes).find(each => each.toLowerCase() === namespace.toLowerCase());
    if (known) return describe(subscription, known);
    throw arms.error(404, 'InvalidResourceNamespace', `The resource namespace '${namespace}' is invalid.`);
  }
}

function describe(subscription: string, namespace: string): object {
  const {
    types = [],
    versions = [],
    capabilities = 'None',
    locations = regions.map(([, displayName]) => displayName),
  }: Partial<Provider> = resourceTypes[namespace] ?? {};
  return {
    id: `/subscriptions/${subscription}/providers/${namespace}`,
    namespace,
    registrationPolicy: 'RegistrationRequired',
    registrationState: 'Registered',
    resourceTypes: types.map((resourceType, index) => ({
      resourceType,
      locations,
      apiVersions: versions,
      capabilities: index === 0 ? capabilities : 'None',
    })),
  };
}
