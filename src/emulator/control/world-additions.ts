import { randomUUID } from 'node:crypto';
import { createIdentity, identityId } from '../arm/identities.ts';
import { newRegistry } from '../arm/registries.ts';
import { assignRole } from '../arm/role-assignments.ts';
import { allRoles, findRole } from '../arm/role-definitions.ts';
import { groupId, normaliseLocation } from '../arm/subscriptions.ts';
import { demo } from '../demo-ids.ts';
import { putImage } from '../registry/images.ts';
import { newVersion } from '../vault/secrets.ts';
import { lookUp, type Registry, registryKinds, type World } from '../world.ts';
import { createReader, type Reader } from './reader.ts';

/**
 * `POST /_emulator/world`: adds what the body lists, with defaults from the demo world. Nothing is changed where any of
 * it cannot be read; throws a sentence that names the place.
 */
export function addToWorld(world: World, body: unknown): void {
  const unknown = Object.keys(typeof body === 'object' && body !== null ? body : {}).find(
    name => !adders.has(name),
  );
  if (unknown) throw new Error(`there is no '${unknown}': it takes ${[...adders.keys()].join(', ')}`);
  const reader = createReader(body, '');
  // What lives on its own is not copied: somebody holds it.
  const { containerGroups, operations, ...rest } = world;
  const draft = { ...structuredClone(rest), containerGroups, operations };
  for (const [name, add] of adders) for (const each of reader.each(name)) add(draft, each);
  Object.assign(world, draft);
}

/** In the order in which one needs the other. */
const adders = new Map<string, (world: World, reader: Reader) => void>([
  ['subscriptions', addSubscription],
  ['resourceGroups', addResourceGroup],
  ['principals', addPrincipal],
  ['identities', addIdentity],
  ['vaults', addVault],
  ['secrets', addSecret],
  ['containerRegistries', addContainerRegistry],
  ['registries', addRegistry],
  ['images', addImage],
  ['roleAssignments', addRoleAssignment],
]);

function addSubscription(world: World, reader: Reader): void {
  const id = reader.text('id').split('/').at(-1) ?? '';
  world.subscriptions[id.toLowerCase()] = {
    id: `/subscriptions/${id}`,
    displayName: reader.text('displayName', id),
  };
}

function addResourceGroup(world: World, reader: Reader): void {
  const name = reader.text('name');
  const subscriptionId = reader.text('subscriptionId', demo.subscriptionId);
  const location = normaliseLocation(reader.text('location', 'eastus'));
  const id = groupId(subscriptionId, name);
  world.resourceGroups[id.toLowerCase()] = { id, name, subscriptionId, location, tags: reader.map('tags') };
}

function addPrincipal(world: World, reader: Reader): void {
  const clientId = reader.text('clientId', randomUUID()).toLowerCase();
  world.principals[clientId] = {
    clientId,
    principalId: reader.text('principalId', randomUUID()),
    displayName: reader.text('displayName', clientId),
    kind: reader.oneOf('kind', ['Application', 'ManagedIdentity'], 'Application'),
    secrets: reader.texts('secrets'),
    federated: reader.each('federated').map(each => ({
      issuer: each.text('issuer'),
      subject: each.text('subject'),
      audience: each.text('audience'),
    })),
  };
}

function addIdentity(world: World, reader: Reader): void {
  const { subscriptionId, resourceGroup, name } = readPlace(reader);
  const id = identityId(subscriptionId, resourceGroup, name);
  const identity = createIdentity(
    world,
    id,
    normaliseLocation(reader.text('location', 'eastus')),
    reader.map('tags'),
    reader.text('clientId', randomUUID()),
    reader.text('principalId', randomUUID()),
  );
  identity.attachedTo.push(...reader.texts('attachedTo'));
}

function addVault(world: World, reader: Reader): void {
  const { subscriptionId, resourceGroup, name } = readPlace(reader);
  const id = `${groupId(subscriptionId, resourceGroup)}/providers/Microsoft.KeyVault/vaults/${name}`;
  const location = normaliseLocation(reader.text('location', 'eastus'));
  world.vaults[name.toLowerCase()] = { id, name, resourceGroup, subscriptionId, location, secrets: {} };
}

function addSecret(world: World, reader: Reader): void {
  const vault = lookUp(world.vaults, reader.text('vault', 'demo-vault').toLowerCase());
  if (!vault) throw new Error(`there is no vault '${reader.text('vault')}'`);
  const name = reader.text('name');
  const contentType = reader.text('contentType', undefined);
  const expires = reader.number('expires');
  const notBefore = reader.number('notBefore');
  const version = newVersion(
    reader.text('value'),
    {
      tags: reader.map('tags'),
      ...(contentType === undefined ? {} : { contentType }),
      attributes: {
        enabled: reader.flag('enabled', true),
        ...(expires === undefined ? {} : { exp: expires }),
        ...(notBefore === undefined ? {} : { nbf: notBefore }),
      },
    },
    Date.now(),
  );
  const known = lookUp(vault.secrets, name.toLowerCase());
  if (known) known.versions.push(version);
  else vault.secrets[name.toLowerCase()] = { name, versions: [version] };
}

function addContainerRegistry(world: World, reader: Reader): void {
  const place = readPlace(reader);
  const id = `${groupId(place.subscriptionId, place.resourceGroup)}/providers/Microsoft.ContainerRegistry/registries/${place.name}`;
  const fresh = newRegistry({ id, ...place }, reader.text('location', 'eastus'));
  world.containerRegistries[id.toLowerCase()] = {
    ...fresh,
    loginServer: reader.text('loginServer', fresh.loginServer),
    adminUserEnabled: reader.flag('adminUserEnabled', false),
    roleAssignmentMode: reader.oneOf(
      'roleAssignmentMode',
      ['LegacyRegistryPermissions', 'AbacRepositoryPermissions'],
      'LegacyRegistryPermissions',
    ),
    azureADAuthenticationAsArmPolicy: reader.oneOf(
      'azureADAuthenticationAsArmPolicy',
      ['enabled', 'disabled'],
      'enabled',
    ),
    publicNetworkAccess: reader.oneOf('publicNetworkAccess', ['Enabled', 'Disabled'], 'Enabled'),
  };
}

function addRegistry(world: World, reader: Reader): void {
  const host = reader.text('host').toLowerCase();
  const known = lookUp(world.registries, host);
  world.registries[host] = {
    host,
    kind: reader.oneOf('kind', registryKinds, known?.kind ?? 'basic'),
    users: { ...known?.users, ...readUsers(reader) },
    anonymous: [...(known?.anonymous ?? []), ...reader.texts('anonymous')],
    limited: [...(known?.limited ?? []), ...reader.texts('limited')],
    repositories: known?.repositories ?? {},
  };
}

function readUsers(reader: Reader): Registry['users'] {
  return Object.fromEntries(
    reader.entries('users').map(([name, user]) => {
      const repositories = user.texts('repositories');
      const kind = user.oneOf('kind', ['admin', 'servicePrincipal', 'token', 'user'], 'user');
      const some = {
        ...(repositories.length > 0 ? { repositories } : {}),
        ...(user.flag('expired', false) ? { expired: true } : {}),
      };
      return [name, { password: user.text('password'), kind, ...some }];
    }),
  );
}

function addImage(world: World, reader: Reader): void {
  const host = reader.text('host').toLowerCase();
  if (!lookUp(world.registries, host)) throw new Error(`there is no registry '${host}'`);
  const exitCode = reader.number('exitCode');
  putImage(world, host, reader.text('repository'), reader.text('tag', 'latest'), {
    platform: reader.oneOf('platform', ['linux/amd64', 'linux/arm64'], 'linux/amd64'),
    ...(exitCode === undefined ? {} : { exitCode }),
  });
}

/** `role` is a role's name or id. */
function addRoleAssignment(world: World, reader: Reader): void {
  const wanted = reader.text('role', undefined) ?? reader.text('roleDefinitionId');
  const role =
    findRole(world, wanted) ??
    allRoles(world).find(each => each.roleName.toLowerCase() === wanted.toLowerCase());
  if (!role) throw new Error(`there is no role '${wanted}'`);
  const createdOn = reader.text('createdOn', new Date().toISOString());
  assignRole(world, reader.text('principalId'), role.name, reader.text('scope'), createdOn);
}

function readPlace(reader: Reader): { subscriptionId: string; resourceGroup: string; name: string } {
  return {
    subscriptionId: reader.text('subscriptionId', demo.subscriptionId),
    resourceGroup: reader.text('resourceGroup', demo.resourceGroup),
    name: reader.text('name'),
  };
}
