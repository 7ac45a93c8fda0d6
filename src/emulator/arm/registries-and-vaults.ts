import type { FastifyInstance } from 'fastify';
import { vaultSuffix } from '../door/hosts.ts';
import type { ContainerRegistry, Vault, World } from '../world.ts';
import type { ArmAccess } from './access.ts';
import { can } from './authorization.ts';
import { groupId, normaliseLocation } from './subscriptions.ts';

type Listed = { Params: { subscription: string; group?: string } };
type Named = { Params: { subscription: string; group: string; name: string } };

interface Provider<T> {
  type: string;
  all(): T[];
  describe(resource: T): object;
}

/** `Microsoft.ContainerRegistry/registries` and `Microsoft.KeyVault/vaults`, as ARM shows them. */
export function registerRegistriesAndVaults(
  arm: FastifyInstance,
  parts: { world: World; changed(): void },
  arms: ArmAccess,
): void {
  const { world } = parts;
  registerReads(arm, world, arms, {
    type: 'Microsoft.ContainerRegistry/registries',
    all: () => Object.values(world.containerRegistries),
    describe: describeRegistry,
  });
  registerReads(arm, world, arms, {
    type: 'Microsoft.KeyVault/vaults',
    all: () => Object.values(world.vaults),
    describe: (vault: Vault) => describeVault(world, vault),
  });
  registerRegistryWrite(arm, parts, arms);
}

function registerReads<T extends { id: string; subscriptionId: string; resourceGroup: string }>(
  arm: FastifyInstance,
  world: World,
  arms: ArmAccess,
  { type, all, describe }: Provider<T>,
): void {
  const ofSubscription = `/subscriptions/:subscription/providers/${type}`;
  const ofGroup = `/subscriptions/:subscription/resourceGroups/:group/providers/${type}`;
  for (const path of [ofSubscription, ofGroup])
    arm.get<Listed>(path, async request => {
      const { subscription, group } = request.params;
      if (group) arms.requireGroup(subscription, group);
      const { principalId } = arms.caller(request);
      const scope = group ? groupId(subscription, group) : `/subscriptions/${subscription}`;
      const inside = all().filter(({ id }) => id.toLowerCase().startsWith(`${scope}/`.toLowerCase()));
      return { value: inside.filter(({ id }) => can(world, principalId, `${type}/read`, id)).map(describe) };
    });
  arm.get<Named>(`${ofGroup}/:name`, async request => {
    const { subscription, group, name } = request.params;
    const id = `${groupId(subscription, group)}/providers/${type}/${name}`;
    arms.allow(request, `${type}/read`, id);
    arms.requireGroup(subscription, group);
    const found = all().find(each => each.id.toLowerCase() === id.toLowerCase());
    if (found) return describe(found);
    throw arms.error(
      404,
      'ResourceNotFound',
      `The Resource '${type}/${name}' under resource group '${group}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix`,
    );
  });
}

interface RegistryInput {
  location?: string;
  properties?: Partial<
    Pick<ContainerRegistry, 'adminUserEnabled' | 'roleAssignmentMode' | 'publicNetworkAccess'>
  > & { policies?: { azureADAuthenticationAsArmPolicy?: { status?: 'enabled' | 'disabled' } } };
}

function registerRegistryWrite(
  arm: FastifyInstance,
  { world, changed }: { world: World; changed(): void },
  arms: ArmAccess,
): void {
  const type = 'Microsoft.ContainerRegistry/registries';
  type Write = Named & { Body: RegistryInput | null };
  arm.route<Write>({
    method: ['PUT', 'PATCH'],
    url: `/subscriptions/:subscription/resourceGroups/:group/providers/${type}/:name`,
    handler: async (request, reply) => {
      const { subscription, group, name } = request.params;
      const id = `${groupId(subscription, group)}/providers/${type}/${name}`;
      arms.allow(request, `${type}/write`, id);
      arms.requireGroup(subscription, group);
      const known = world.containerRegistries[id.toLowerCase()];
      const place = { id, name, subscriptionId: subscription, resourceGroup: group };
      const registry = merge(
        known ?? newRegistry(place, request.body?.location ?? 'eastus'),
        request.body ?? {},
      );
      world.containerRegistries[id.toLowerCase()] = registry;
      world.registries[registry.loginServer] ??= {
        host: registry.loginServer,
        kind: 'acr',
        users: {},
        anonymous: [],
        limited: [],
        repositories: {},
      };
      changed();
      return reply.code(known ? 200 : 201).send(describeRegistry(registry));
    },
  });
}

export function newRegistry(
  place: { id: string; name: string; subscriptionId: string; resourceGroup: string },
  location: string,
): ContainerRegistry {
  return {
    ...place,
    location: normaliseLocation(location),
    loginServer: `${place.name.toLowerCase()}.azurecr.io`,
    adminUserEnabled: false,
    roleAssignmentMode: 'LegacyRegistryPermissions',
    azureADAuthenticationAsArmPolicy: 'enabled',
    publicNetworkAccess: 'Enabled',
  };
}

function merge(registry: ContainerRegistry, { properties = {} }: RegistryInput): ContainerRegistry {
  return {
    ...registry,
    adminUserEnabled: properties.adminUserEnabled ?? registry.adminUserEnabled,
    roleAssignmentMode: properties.roleAssignmentMode ?? registry.roleAssignmentMode,
    publicNetworkAccess: properties.publicNetworkAccess ?? registry.publicNetworkAccess,
    azureADAuthenticationAsArmPolicy:
      properties.policies?.azureADAuthenticationAsArmPolicy?.status ??
      registry.azureADAuthenticationAsArmPolicy,
  };
}

function describeRegistry(registry: ContainerRegistry): object {
  const { id, name, location, loginServer, adminUserEnabled, roleAssignmentMode, publicNetworkAccess } =
    registry;
  return {
    id,
    name,
    type: 'Microsoft.ContainerRegistry/registries',
    location,
    tags: {},
    sku: { name: 'Premium', tier: 'Premium' },
    properties: {
      loginServer,
      provisioningState: 'Succeeded',
      adminUserEnabled,
      roleAssignmentMode,
      publicNetworkAccess,
      policies: { azureADAuthenticationAsArmPolicy: { status: registry.azureADAuthenticationAsArmPolicy } },
    },
  };
}

function describeVault(world: World, { id, name, location }: Vault): object {
  return {
    id,
    name,
    type: 'Microsoft.KeyVault/vaults',
    location,
    tags: {},
    properties: {
      tenantId: world.tenantId,
      sku: { family: 'A', name: 'standard' },
      accessPolicies: [],
      enableRbacAuthorization: true,
      vaultUri: `https://${name}${vaultSuffix}/`,
      provisioningState: 'Succeeded',
      publicNetworkAccess: 'Enabled',
    },
  };
}
