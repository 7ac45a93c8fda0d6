import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { vaultSuffix } from '../door/hosts.ts';
import type { Parts } from '../parts.ts';
import { type DeletedVault, lookUp, type Vault, type VaultSettings, type World } from '../world.ts';
import type { ArmAccess } from './access.ts';
import { type BodyReader, readBody } from './body-reader.ts';
import { readNetworkRules } from './network-rules.ts';
import { definedOf } from './registries.ts';
import { listPath, type OfResource, registerReads, resourceId, resourceNotFound } from './resource-reads.ts';
import { normaliseLocation } from './subscriptions.ts';

export const vaultType = 'Microsoft.KeyVault/vaults';
type Changing = Pick<Parts, 'world' | 'clock' | 'changed'>;

/** `Microsoft.KeyVault/vaults`; a deleted one keeps its name until it is purged or recovered. */
export function registerVaultResources(arm: FastifyInstance, parts: Changing, arms: ArmAccess): void {
  const { world } = parts;
  const path = `${listPath(vaultType)}/:name`;
  registerReads(arm, world, arms, {
    type: vaultType,
    all: () => Object.values(world.vaults),
    describe: vault => describeVault(world, vault),
  });
  arm.put<OfResource>(path, async (request, reply) => writeVault(request, reply, parts, arms));
  arm.patch<OfResource>(path, async (request, reply) => writeVault(request, reply, parts, arms));
  arm.delete<OfResource>(path, async (request, reply) => {
    const id = resourceId(request.params, vaultType);
    arms.allow(request, `${vaultType}/delete`, id);
    const found = findVault(world, id);
    if (!found) return reply.code(204).send();
    removeVault(parts, found);
    return reply.code(200).send();
  });
  registerDeleted(arm, parts, arms);
  registerNameCheck(arm, parts, arms);
  // `az keyvault list` asks for these as well: there are none.
  for (const none of [
    listPath('Microsoft.KeyVault/managedHSMs'),
    `${ofSubscription}/managedHSMs`,
    `${ofSubscription}/deletedManagedHSMs`,
  ])
    arm.get(none, async () => ({ value: [] }));
}

const ofSubscription = '/subscriptions/:subscription/providers/Microsoft.KeyVault';

const findVault = (world: World, id: string) =>
  Object.values(world.vaults).find(each => each.id.toLowerCase() === id.toLowerCase());

const dayMs = 86_400_000;

/** From now on it is only a name, until it is recovered. */
export function removeVault({ world, clock, changed }: Changing, vault: Vault): void {
  const name = vault.name.toLowerCase();
  const deletedAt = clock.now();
  const purgedAt = deletedAt + (vault.settings?.softDeleteRetentionInDays ?? 90) * dayMs;
  delete world.vaults[name];
  world.deletedVaults[name] = { vault, deletedAt, purgedAt };
  changed('vaults', name);
  changed('deletedVaults', name);
}

/** One that can still be recovered. */
function findDeleted({ world, clock }: Changing, name: string): DeletedVault | undefined {
  const found = lookUp(world.deletedVaults, name.toLowerCase());
  return found && found.purgedAt > clock.now() ? found : undefined;
}

async function writeVault(
  request: FastifyRequest<OfResource>,
  reply: FastifyReply,
  parts: Changing,
  arms: ArmAccess,
): Promise<FastifyReply> {
  const { subscription, group, name } = request.params;
  const { world, changed } = parts;
  const id = resourceId(request.params, vaultType);
  arms.allow(request, `${vaultType}/write`, id);
  arms.requireGroup(subscription, group);
  const known = findVault(world, id);
  if (!known && request.method === 'PATCH') throw resourceNotFound(arms, vaultType, name, group);
  const body = readBody(request.body, arms);
  const properties = body.object('properties');
  const recovers = properties.oneOf('createMode', ['default', 'recover']) === 'recover';
  const vault =
    known ?? (recovers ? recover(parts, id, name, arms) : create(parts, request.params, body, arms));
  const isWhole = request.method === 'PUT' && !recovers;
  vault.settings = { ...(isWhole ? {} : vault.settings), ...readSettings(properties, arms) };
  const tags = body.tags();
  if (tags || isWhole) vault.tags = tags ?? {};
  world.vaults[name.toLowerCase()] = vault;
  changed('vaults', name.toLowerCase());
  return reply.code(known ? 200 : 201).send(describeVault(world, vault));
}

function create(
  parts: Changing,
  { subscription, group, name }: OfResource['Params'],
  body: BodyReader,
  arms: ArmAccess,
): Vault {
  const refusal = refuseName(parts, name);
  if (refusal) throw arms.error(refusal.status, refusal.code, refusal.message);
  const location = body.text('location');
  if (!location)
    throw arms.error(400, 'LocationRequired', 'The location property is required for this definition.');
  const id = resourceId({ subscription, group, name }, vaultType);
  return {
    ...{ id, name, resourceGroup: group, subscriptionId: subscription },
    location: normaliseLocation(location),
    secrets: {},
  };
}

function recover(parts: Changing, id: string, name: string, arms: ArmAccess): Vault {
  const found = findDeleted(parts, name);
  if (!found || found.vault.id.toLowerCase() !== id.toLowerCase())
    throw arms.error(404, 'DeletedVaultNotFound', `The specified deleted vault '${name}' does not exist.`);
  delete parts.world.deletedVaults[name.toLowerCase()];
  parts.changed('deletedVaults', name.toLowerCase());
  return found.vault;
}

/** Why nobody can make a vault of that name; names are everybody's: they become host names. */
function refuseName(
  parts: Changing,
  name: string,
): { status: number; code: string; reason: string; message: string } | undefined {
  if (!/^[a-z][a-z0-9-]{1,22}[a-z0-9]$/i.test(name) || name.includes('--'))
    return {
      status: 400,
      code: 'VaultNameNotValid',
      reason: 'AccountNameInvalid',
      message: `The vault name '${name}' is invalid. A vault's name must be between 3-24 alphanumeric characters. The name must begin with a letter, end with a letter or digit, and not contain consecutive hyphens. Follow this link for more information: https://go.microsoft.com/fwlink/?linkid=2147742`,
    };
  if (lookUp(parts.world.vaults, name.toLowerCase()))
    return {
      status: 409,
      code: 'VaultAlreadyExists',
      reason: 'AlreadyExists',
      message: `The vault name '${name}' is already in use. Vault names are globally unique so it is possible that the name is already taken. If you are sure that the vault name was not taken then it is possible that a vault with the same name was recently deleted but not purged after being placed in a recoverable state. If the vault is in a recoverable state then the vault will need to be purged before reusing the name. For more information about VaultAlreadyExists, see https://aka.ms/KeyVaultAlreadyExists.`,
    };
  if (findDeleted(parts, name))
    return {
      status: 409,
      code: 'ConflictError',
      reason: 'AlreadyExists',
      message:
        'A vault with the same name already exists in deleted state. You need to either recover or purge existing key vault. Follow this link https://go.microsoft.com/fwlink/?linkid=2149745 for more information on soft delete.',
    };
  return undefined;
}

function registerNameCheck(arm: FastifyInstance, parts: Changing, arms: ArmAccess): void {
  arm.post<{ Params: { subscription: string } }>(`${ofSubscription}/checkNameAvailability`, async request => {
    const scope = `/subscriptions/${request.params.subscription}`;
    arms.allow(request, 'Microsoft.KeyVault/checkNameAvailability/read', scope);
    const refusal = refuseName(parts, readBody(request.body, arms).text('name') ?? '');
    if (!refusal) return { nameAvailable: true };
    return { nameAvailable: false, reason: refusal.reason, message: refusal.message };
  });
}

type OfDeleted = { Params: { subscription: string; location: string; name: string } };

function registerDeleted(arm: FastifyInstance, parts: Changing, arms: ArmAccess): void {
  const { world, changed } = parts;
  const allow = (request: FastifyRequest<{ Params: { subscription: string } }>, action: string) =>
    arms.allow(request, `Microsoft.KeyVault/${action}`, `/subscriptions/${request.params.subscription}`);
  arm.get<{ Params: { subscription: string } }>(`${ofSubscription}/deletedVaults`, async request => {
    allow(request, 'deletedVaults/read');
    const mine = Object.values(world.deletedVaults).filter(
      ({ vault, purgedAt }) =>
        vault.subscriptionId.toLowerCase() === request.params.subscription.toLowerCase() &&
        purgedAt > parts.clock.now(),
    );
    return { value: mine.map(describeDeleted) };
  });
  const one = `${ofSubscription}/locations/:location/deletedVaults/:name`;
  arm.get<OfDeleted>(one, async request => {
    allow(request, 'locations/deletedVaults/read');
    return describeDeleted(requireDeleted(request.params));
  });
  arm.post<OfDeleted>(`${one}/purge`, async (request, reply) => {
    allow(request, 'locations/deletedVaults/purge/action');
    const { vault } = requireDeleted(request.params);
    if (vault.settings?.enablePurgeProtection)
      throw arms.error(
        400,
        'BadRequest',
        `The vault '${vault.name}' has purge protection: it cannot be purged before its scheduled date.`,
      );
    delete world.deletedVaults[vault.name.toLowerCase()];
    changed('deletedVaults', vault.name.toLowerCase());
    return reply.code(200).send();
  });

  function requireDeleted({ subscription, location, name }: OfDeleted['Params']): DeletedVault {
    const found = findDeleted(parts, name);
    if (
      found?.vault.subscriptionId.toLowerCase() === subscription.toLowerCase() &&
      found.vault.location === normaliseLocation(location)
    )
      return found;
    throw arms.error(404, 'DeletedVaultNotFound', `The specified deleted vault '${name}' does not exist.`);
  }
}

function readSettings(properties: BodyReader, arms: ArmAccess): VaultSettings {
  const rules = readNetworkRules(properties, 'networkAcls', arms);
  const bypass = properties.object('networkAcls').oneOf('bypass', ['AzureServices', 'None']);
  const policies = properties.list('accessPolicies')?.map(each => {
    const secrets = each.object('permissions').texts('secrets');
    return {
      tenantId: each.text('tenantId') ?? '',
      objectId: each.text('objectId') ?? '',
      permissions: secrets ? { secrets } : {},
    };
  });
  return definedOf({
    enableRbacAuthorization: properties.flag('enableRbacAuthorization'),
    accessPolicies: policies,
    enabledForDeployment: properties.flag('enabledForDeployment'),
    enabledForTemplateDeployment: properties.flag('enabledForTemplateDeployment'),
    enabledForDiskEncryption: properties.flag('enabledForDiskEncryption'),
    softDeleteRetentionInDays: properties.count('softDeleteRetentionInDays'),
    enablePurgeProtection: properties.flag('enablePurgeProtection'),
    publicNetworkAccess: properties.oneOf('publicNetworkAccess', ['Enabled', 'Disabled']),
    networkAcls: rules ? { ...rules, bypass: bypass ?? ('AzureServices' as const) } : undefined,
  });
}

function describeVault(world: World, { id, name, location, tags = {}, settings = {} }: Vault): object {
  const { accessPolicies = [], enableRbacAuthorization = true, publicNetworkAccess = 'Enabled' } = settings;
  return {
    id,
    name,
    type: vaultType,
    location,
    tags,
    properties: {
      sku: { family: 'A', name: 'standard' },
      tenantId: world.tenantId,
      enabledForDeployment: false,
      enableSoftDelete: true,
      softDeleteRetentionInDays: 90,
      ...settings,
      accessPolicies,
      enableRbacAuthorization,
      vaultUri: `https://${name.toLowerCase()}${vaultSuffix}/`,
      provisioningState: 'Succeeded',
      publicNetworkAccess,
    },
  };
}

function describeDeleted({ vault, deletedAt, purgedAt }: DeletedVault): object {
  const { id, name, location, subscriptionId, tags = {} } = vault;
  return {
    id: `/subscriptions/${subscriptionId}/providers/Microsoft.KeyVault/locations/${location}/deletedVaults/${name}`,
    name,
    type: 'Microsoft.KeyVault/deletedVaults',
    properties: {
      vaultId: id,
      location,
      tags,
      deletionDate: new Date(deletedAt).toISOString(),
      scheduledPurgeDate: new Date(purgedAt).toISOString(),
    },
  };
}
