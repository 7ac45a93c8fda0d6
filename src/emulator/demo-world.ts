import { randomBytes, randomUUID } from 'node:crypto';
import { createIdentity, identityId } from './arm/identities.ts';
import { newRegistry } from './arm/registries.ts';
import { assignRole } from './arm/role-assignments.ts';
import { roles } from './arm/role-definitions.ts';
import { groupId } from './arm/subscriptions.ts';
import { administrator, demo } from './demo-ids.ts';
import { addDemoRegistries, type Passwords, registryUsers } from './demo-registries.ts';
import { addDemoVaults } from './demo-vaults.ts';
import { exchangeAudience, federatedIssuer } from './entra/federated.ts';
import { emptyWorld, type Principal, type World } from './world.ts';

/** The demo world; every password in it is a random canary, new each time. */
export function createDemoWorld(): World {
  const world = emptyWorld(demo.tenantId);
  const passwords = createPasswords();
  addSubscription(world);
  addClients(world, passwords);
  addContainerRegistry(world);
  addIdentities(world);
  addDemoRegistries(world, passwords);
  addDemoVaults(world, passwords);
  addSlipway(world);
  // It was not set up a moment ago: its roles are known everywhere.
  const longAgo = new Date(Date.now() - 24 * 3_600_000).toISOString();
  for (const assignment of Object.values(world.roleAssignments)) assignment.createdOn = longAgo;
  return world;
}

function createPasswords(): Passwords {
  const names = [...registryUsers, 'wrong', 'unbound', 'gone', 'orders'] as const;
  const entries = names.map(name => [name, randomPassword()] as const);
  return Object.fromEntries(entries) as Passwords;
}

function randomPassword(): string {
  return randomBytes(24).toString('base64url');
}

function addSubscription(world: World): void {
  const { subscriptionId } = demo;
  world.subscriptions[subscriptionId] = { id: `/subscriptions/${subscriptionId}`, displayName: 'Demo' };
  for (const [name, location] of [
    [demo.resourceGroup, 'eastus'],
    [demo.otherResourceGroup, 'westeurope'],
  ] as const) {
    const id = groupId(subscriptionId, name);
    world.resourceGroups[id.toLowerCase()] = { id, name, subscriptionId, location, tags: {} };
  }
}

function addClients(world: World, passwords: Passwords): void {
  const admin = addApplication(world, administrator.clientId, 'administrator', administrator.secret);
  addApplication(world, demo.demoClientId, 'demo-client', randomPassword());
  addApplication(world, demo.otherClientId, 'other-client', randomPassword());
  const puller = addApplication(world, demo.pullerClientId, 'aci-image-puller', passwords.puller);
  assignRole(world, admin.principalId, roles.owner, '/');
  // No owner reads secrets by being owner.
  assignRole(world, admin.principalId, roles.vaultAdministrator, '/');
  assignRole(world, puller.principalId, roles.acrPull, registryId);
}

function addApplication(world: World, clientId: string, displayName: string, secret: string): Principal {
  const principal: Principal = {
    clientId,
    principalId: randomUUID(),
    displayName,
    kind: 'Application',
    secrets: [secret],
    federated: [],
  };
  world.principals[clientId] = principal;
  return principal;
}

const home = groupId(demo.subscriptionId, demo.resourceGroup);
const registryId = `${home}/providers/Microsoft.ContainerRegistry/registries/myregistry`;

function addContainerRegistry(world: World): void {
  const { subscriptionId, resourceGroup } = demo;
  world.containerRegistries[registryId.toLowerCase()] = {
    ...newRegistry({ id: registryId, name: 'myregistry', subscriptionId, resourceGroup }, 'eastus'),
    adminUserEnabled: true,
  };
}

const identityNames = ['aci-acr-identity', 'fresh-identity', 'orders-identity', 'other-identity'] as const;

function addIdentities(world: World): void {
  for (const name of identityNames) createIdentity(world, demoIdentity(name), 'eastus');
  const puller = world.identities[demoIdentity('aci-acr-identity').toLowerCase()];
  if (puller) assignRole(world, puller.principalId, roles.acrPull, registryId);
}

/** The ARM id of an identity in the demo resource group. */
export function demoIdentity(name: string): string {
  return identityId(demo.subscriptionId, demo.resourceGroup, name);
}

/** Slipway's own identity, with exactly the roles it needs. */
function addSlipway(world: World): void {
  const identity = createIdentity(world, demoIdentity('slipway'), 'eastus', {}, demo.slipwayClientId);
  const principal = world.principals[demo.slipwayClientId];
  principal?.federated.push({
    issuer: federatedIssuer,
    subject: demo.slipwaySubject,
    audience: exchangeAudience,
  });
  const grant = (role: string, scope: string) => assignRole(world, identity.principalId, role, scope);
  for (const group of Object.values(world.resourceGroups)) grant(roles.slipwayDeployer, group.id);
  for (const vault of Object.values(world.vaults)) grant(roles.secretsUser, vault.id);
  for (const name of identityNames) grant(roles.identityOperator, demoIdentity(name));
  // Reads the registry and who may pull from it; pulls itself, so that an identity's image can be pinned.
  grant(roles.reader, registryId);
  grant(roles.acrPull, registryId);
}
