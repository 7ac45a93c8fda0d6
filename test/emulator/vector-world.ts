import { putImage } from '../../src/emulator/registry/images.ts';
import type { TestEmulator } from '../support/emulator.ts';

/** A container group's body, as far as a test reads it. */
export interface GroupBody {
  location?: string;
  identity?: { userAssignedIdentities?: Record<string, unknown> };
  properties?: {
    containers?: { name: string; properties: { image?: string } }[];
    imageRegistryCredentials?: { server: string; username?: string; password?: string }[];
    [member: string]: unknown;
  };
  [member: string]: unknown;
}

export type Ask = (
  method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE',
  url: string,
  body?: object,
) => ReturnType<TestEmulator['ask']>;

const arm = 'https://management.azure.com';

/** Makes what a body refers to: the resource group, identities, and the images in registries that take its credentials. */
export async function prepare(
  emulator: TestEmulator,
  ask: Ask,
  path: string,
  body: GroupBody,
): Promise<void> {
  const group = /^\/subscriptions\/[^/]+\/resourceGroups\/[^/]+/i.exec(path)?.[0];
  if (group) await ask('PUT', `${arm}${group}?api-version=2021-04-01`, { location: 'westus' });
  for (const id of Object.keys(body.identity?.userAssignedIdentities ?? {})) {
    const [home = ''] = id.split(/\/providers\//i);
    await ask('PUT', `${arm}${home}?api-version=2021-04-01`, { location: 'westus' });
    await ask('PUT', `${arm}${id}?api-version=2023-01-31`, { location: 'westus' });
  }
  const { containers = [], imageRegistryCredentials = [] } = body.properties ?? {};
  for (const { server, username = '', password = '' } of imageRegistryCredentials)
    addRegistry(emulator, server, { [username]: { password, kind: 'user' as const } });
  for (const { properties } of containers) if (properties.image) addImage(emulator, properties.image);
}

type Users = TestEmulator['world']['registries'][string]['users'];

function addRegistry({ world }: TestEmulator, host: string, users: Users): void {
  world.registries[host] ??= { host, kind: 'acr', users: {}, anonymous: [], limited: [], repositories: {} };
  Object.assign(world.registries[host].users, users);
}

function addImage(emulator: TestEmulator, image: string): void {
  const [name = '', tag = 'latest'] = image.split(':');
  const [first = '', ...rest] = name.split('/');
  const host = first.includes('.') ? first : 'docker.io';
  const repository = first.includes('.') ? rest.join('/') : `library/${name}`;
  addRegistry(emulator, host, {});
  // What nobody brings a credential for is public.
  const registry = emulator.world.registries[host];
  if (registry && Object.keys(registry.users).length === 0) registry.anonymous.push('**');
  putImage(emulator.world, host, repository, tag, {});
}
