import { randomBytes } from 'node:crypto';
import type { DemoWorld } from '../support/demo-world.ts';

const subscription = '/subscriptions/00000000-0000-0000-0000-00000000bbbb';
const registries = ['ghcr.io', 'myregistry.azurecr.io', 'registry.mycompany.com', 'evil.example'];
const repositories = ['red/app', 'blue/app', 'base/app'];

/** Everything that the matrix names, so that a request which got through would meet no closed door behind it. */
export async function furnish(world: DemoWorld): Promise<void> {
  await world.control('POST', 'world', {
    resourceGroups: ['rg-red', 'rg-blue', 'rg-shared'].map(name => ({ name })),
    principals: ['red', 'blue', 'green', 'both'].map((team, index) => ({
      clientId: `00000000-0000-0000-0000-0000000e000${index + 1}`,
      displayName: `${team}-client`,
    })),
    vaults: ['red', 'blue'].map(team => ({ name: `kv-${team}`, resourceGroup: `rg-${team}` })),
    identities: identities.map(({ group, name }) => ({
      resourceGroup: group,
      name,
      principalId: idOf(name),
    })),
    ...registryWorld(),
    roleAssignments: await roleAssignments(world),
  });
}

const identities = [
  { group: 'rg-red', name: 'red-puller' },
  { group: 'rg-red', name: 'red-worker' },
  { group: 'rg-blue', name: 'blue-puller' },
];

const idOf = (name: string) =>
  `00000000-0000-0000-0000-0000000f000${identities.findIndex(identity => identity.name === name)}`;

export const identityId = (group: string, name: string) =>
  `${subscription}/resourceGroups/${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`;

function registryWorld() {
  const passwords = Object.fromEntries(
    ['red-bot', 'blue-bot', 'shared-bot', 'tagged-bot'].map(name => [name, randomBytes(18).toString('hex')]),
  );
  const users = Object.fromEntries(Object.entries(passwords).map(([name, password]) => [name, { password }]));
  const secret = (vault: string, name: string, user: string, tags = {}) => ({
    vault,
    name,
    value: passwords[user],
    tags,
  });
  return {
    registries: registries.map(host => ({ host, users: host === 'evil.example' ? {} : users })),
    images: registries.flatMap(host => repositories.map(repository => ({ host, repository, tag: '1.0' }))),
    secrets: [
      secret('kv-red', 'red-pull', 'red-bot'),
      secret('kv-red', 'shared-pull', 'tagged-bot', {
        'slipway-registry': 'ghcr.io',
        'slipway-username': 'tagged-bot',
      }),
      secret('kv-red', 'orders-db', 'tagged-bot'),
      secret('kv-blue', 'blue-pull', 'blue-bot'),
      secret('kv-blue', 'shared-pull', 'shared-bot'),
      secret('kv-blue', 'orders-db', 'blue-bot'),
    ],
  };
}

/** Slipway may do everything: only policy is between a caller and what is not his. */
async function roleAssignments(world: DemoWorld): Promise<object[]> {
  const { identities: known } = (await world.control('GET', 'world')) as {
    identities: Record<string, { name: string; principalId: string }>;
  };
  const principalId = Object.values(known).find(({ name }) => name === 'slipway')?.principalId;
  const group = (name: string) => `${subscription}/resourceGroups/${name}`;
  const registry = `${group('my-resource-group')}/providers/Microsoft.ContainerRegistry/registries/myregistry`;
  return [
    ...['rg-red', 'rg-blue', 'rg-shared'].map(name => ({
      role: 'Slipway Deployer',
      principalId,
      scope: group(name),
    })),
    ...['red', 'blue'].map(team => ({
      role: 'Key Vault Secrets User',
      principalId,
      scope: `${group(`rg-${team}`)}/providers/Microsoft.KeyVault/vaults/kv-${team}`,
    })),
    ...identities.map(({ group: place, name }) => ({
      role: 'Managed Identity Operator',
      principalId,
      scope: identityId(place, name),
    })),
    ...['red-puller', 'blue-puller'].map(name => ({
      role: 'AcrPull',
      principalId: idOf(name),
      scope: registry,
    })),
  ];
}
