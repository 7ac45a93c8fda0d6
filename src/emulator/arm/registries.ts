import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Parts } from '../parts.ts';
import type { ContainerRegistry, World } from '../world.ts';
import type { ArmAccess } from './access.ts';
import { type BodyReader, readBody } from './body-reader.ts';
import { readNetworkRules } from './network-rules.ts';
import { listPath, type OfResource, registerReads, resourceId, resourceNotFound } from './resource-reads.ts';
import { normaliseLocation } from './subscriptions.ts';

export const registryType = 'Microsoft.ContainerRegistry/registries';
type Changing = Pick<Parts, 'world' | 'changed'>;

/** `Microsoft.ContainerRegistry/registries`: the resource. What answers under its name is the registry itself. */
export function registerRegistryResources(arm: FastifyInstance, parts: Changing, arms: ArmAccess): void {
  const { world } = parts;
  const path = `${listPath(registryType)}/:name`;
  registerReads(arm, world, arms, {
    type: registryType,
    all: () => Object.values(world.containerRegistries),
    describe: describeRegistry,
  });
  arm.put<OfResource>(path, async (request, reply) => writeRegistry(request, reply, parts, arms));
  arm.patch<OfResource>(path, async (request, reply) => writeRegistry(request, reply, parts, arms));
  arm.delete<OfResource>(path, async (request, reply) => {
    const id = resourceId(request.params, registryType);
    arms.allow(request, `${registryType}/delete`, id);
    const found = world.containerRegistries[id.toLowerCase()];
    if (!found) return reply.code(204).send();
    removeRegistry(parts, found);
    return reply.code(200).send();
  });
  arm.get<OfResource>(`${path}/listUsages`, async request => {
    const id = resourceId(request.params, registryType);
    arms.allow(request, `${registryType}/listUsages/read`, id);
    const found = world.containerRegistries[id.toLowerCase()];
    if (!found) throw resourceNotFound(arms, registryType, request.params.name, request.params.group);
    return { value: describeUsages(world, found) };
  });
  registerNameCheck(arm, world, arms);
}

function registerNameCheck(arm: FastifyInstance, world: World, arms: ArmAccess): void {
  const path = '/subscriptions/:subscription/providers/Microsoft.ContainerRegistry/checkNameAvailability';
  arm.post<{ Params: { subscription: string } }>(path, async request => {
    const scope = `/subscriptions/${request.params.subscription}`;
    arms.allow(request, 'Microsoft.ContainerRegistry/checkNameAvailability/read', scope);
    const body = readBody(request.body, arms);
    const name = body.text('name') ?? '';
    body.oneOf('type', [registryType]);
    if (!isName(name)) return { nameAvailable: false, reason: 'Invalid', message: invalidName(name) };
    if (isTaken(world, name))
      return {
        nameAvailable: false,
        reason: 'AlreadyExists',
        message: `The registry ${name} is already in use.`,
      };
    return { nameAvailable: true };
  });
}

async function writeRegistry(
  request: FastifyRequest<OfResource>,
  reply: FastifyReply,
  { world, changed }: Changing,
  arms: ArmAccess,
): Promise<FastifyReply> {
  const { subscription, group, name } = request.params;
  const id = resourceId(request.params, registryType);
  arms.allow(request, `${registryType}/write`, id);
  arms.requireGroup(subscription, group);
  const known = world.containerRegistries[id.toLowerCase()];
  if (!known && request.method === 'PATCH') throw resourceNotFound(arms, registryType, name, group);
  const body = readBody(request.body, arms);
  if (!known) requireFree(world, name, arms);
  const location = known?.location ?? body.text('location');
  if (!location)
    throw arms.error(400, 'LocationRequired', 'The location property is required for this definition.');
  const place = { id, name, subscriptionId: subscription, resourceGroup: group };
  // PUT says all of it, PATCH what is to be otherwise.
  const present =
    known && request.method === 'PATCH' ? known : newRegistry(known ?? place, location, 'Standard');
  const registry = merge(present, body, arms);
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
}

/** The resource, and with it everything that was pushed there. */
export function removeRegistry({ world, changed }: Changing, { id, loginServer }: ContainerRegistry): void {
  delete world.containerRegistries[id.toLowerCase()];
  delete world.registries[loginServer];
  changed('containerRegistries', id.toLowerCase());
  changed('registries', loginServer);
}

const isName = (name: string) => /^[a-z0-9]{5,50}$/i.test(name);

function invalidName(name: string): string {
  return `The registry name '${name}' is invalid. Resource names may contain alpha numeric characters only and must be between 5 and 50 characters.`;
}

/** Names are everybody's: they become host names. */
const isTaken = (world: World, name: string) =>
  Object.values(world.containerRegistries).some(each => each.name.toLowerCase() === name.toLowerCase());

function requireFree(world: World, name: string, arms: ArmAccess): void {
  if (!isName(name)) throw arms.error(400, 'InvalidResourceName', invalidName(name));
  if (isTaken(world, name))
    throw arms.error(
      409,
      'AlreadyInUse',
      `The registry DNS name ${name.toLowerCase()}.azurecr.io is already in use. You can check if the name is already claimed using following API: https://docs.microsoft.com/en-us/rest/api/containerregistry/registries/checknameavailability`,
    );
}

export function newRegistry(
  place: { id: string; name: string; subscriptionId: string; resourceGroup: string },
  location: string,
  sku: 'Basic' | 'Standard' | 'Premium' = 'Premium',
): ContainerRegistry {
  const { id, name, subscriptionId, resourceGroup } = place;
  return {
    ...{ id, name, subscriptionId, resourceGroup, sku },
    location: normaliseLocation(location),
    loginServer: `${name.toLowerCase()}.azurecr.io`,
    adminUserEnabled: false,
    roleAssignmentMode: 'LegacyRegistryPermissions',
    azureADAuthenticationAsArmPolicy: 'enabled',
    publicNetworkAccess: 'Enabled',
  };
}

function merge(registry: ContainerRegistry, body: BodyReader, arms: ArmAccess): ContainerRegistry {
  const properties = body.object('properties');
  const armPolicy = properties.object('policies').object('azureADAuthenticationAsArmPolicy');
  const said = {
    tags: body.tags(),
    sku: body.object('sku').oneOf('name', ['Basic', 'Standard', 'Premium']),
    adminUserEnabled: properties.flag('adminUserEnabled'),
    roleAssignmentMode: properties.oneOf('roleAssignmentMode', [
      'LegacyRegistryPermissions',
      'AbacRepositoryPermissions',
    ]),
    publicNetworkAccess: properties.oneOf('publicNetworkAccess', ['Enabled', 'Disabled']),
    networkRuleSet: readNetworkRules(properties, 'networkRuleSet', arms),
    networkRuleBypassOptions: properties.oneOf('networkRuleBypassOptions', ['AzureServices', 'None']),
    azureADAuthenticationAsArmPolicy: armPolicy.oneOf('status', ['enabled', 'disabled']),
  };
  return { ...registry, ...definedOf(said) };
}

/** Without the members that nothing was said of. */
export function definedOf<T extends object>(said: T): { [name in keyof T]?: Exclude<T[name], undefined> } {
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined)) as {
    [name in keyof T]?: Exclude<T[name], undefined>;
  };
}

function describeRegistry(registry: ContainerRegistry): object {
  const { id, name, location, loginServer, adminUserEnabled, roleAssignmentMode, publicNetworkAccess } =
    registry;
  const { tags = {}, sku = 'Premium', networkRuleSet, networkRuleBypassOptions = 'AzureServices' } = registry;
  return {
    id,
    name,
    type: registryType,
    location,
    tags,
    sku: { name: sku, tier: sku },
    properties: {
      loginServer,
      provisioningState: 'Succeeded',
      adminUserEnabled,
      roleAssignmentMode,
      publicNetworkAccess,
      ...(sku === 'Premium' ? { networkRuleSet: describeRules(networkRuleSet) } : {}),
      networkRuleBypassOptions,
      policies: { azureADAuthenticationAsArmPolicy: { status: registry.azureADAuthenticationAsArmPolicy } },
    },
  };
}

function describeRules({ defaultAction, ipRules }: ContainerRegistry['networkRuleSet'] = allowAll): object {
  return { defaultAction, ipRules: ipRules.map(({ value }) => ({ action: 'Allow', value })) };
}

const allowAll = {
  defaultAction: 'Allow',
  ipRules: [],
} as const satisfies ContainerRegistry['networkRuleSet'];

const gibibyte = 1024 ** 3;
const storage = { Basic: 10, Standard: 100, Premium: 500 };

function describeUsages(world: World, { loginServer, sku = 'Premium' }: ContainerRegistry): object[] {
  const repositories = Object.values(world.registries[loginServer]?.repositories ?? {});
  const blobs = new Map(repositories.flatMap(each => Object.entries(each.blobs)));
  // Blobs are kept in base64: four characters for three bytes.
  const size = [...blobs.values()].reduce((sum, { length }) => sum + Math.floor((length * 3) / 4), 0);
  return [
    { name: 'Size', limit: storage[sku] * gibibyte, currentValue: size, unit: 'Bytes' },
    {
      name: 'Webhooks',
      limit: { Basic: 2, Standard: 10, Premium: 500 }[sku],
      currentValue: 0,
      unit: 'Count',
    },
  ];
}
