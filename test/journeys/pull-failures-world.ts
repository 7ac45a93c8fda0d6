import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { parseReference } from '../../src/registry/reference.ts';
import type { DemoWorld } from '../support/demo-world.ts';

/** A recorded failure, and what is to be said of it. */
export interface Vector {
  id: string;
  where: 'arm-error' | 'aci-event' | 'registry-response' | 'node-error';
  text?: string;
  status?: number;
  code?: string | null;
  message?: string;
  headers?: Record<string, string>;
  eventName?: string;
  state?: Record<string, unknown>;
  image: string;
  credential: 'none' | 'password' | 'identity';
  expected: string;
  alternatives?: string[];
  ambiguous: boolean;
  owner: string;
  retryable: boolean;
}

export const vectors: Vector[] = JSON.parse(
  readFileSync(join(import.meta.dirname, '../vectors/pull-failures.json'), 'utf8'),
);

const identity =
  '/subscriptions/00000000-0000-0000-0000-00000000bbbb/resourceGroups/my-resource-group/providers/Microsoft.ManagedIdentity/userAssignedIdentities/aci-acr-identity';

/** What is deployed for a vector: its image, or a well-formed one of the same registry, as a tag. */
export function imageOf({ image }: Pick<Vector, 'image'>): {
  host: string;
  repository: string;
  image: string;
} {
  const parsed = parseReference(image);
  if (!parsed.ok)
    return { host: 'contoso.azurecr.io', repository: 'app', image: 'contoso.azurecr.io/app:v1' };
  const { domain, path, tag } = parsed.reference;
  // The emulator's registries answer at one port.
  const host = domain.toLowerCase().replace(/:\d+$/, '');
  return { host, repository: path, image: `${host}/${path}:${tag ?? 'latest'}` };
}

/** Azure makes a hundred groups in five minutes in each region: the test goes round. */
export const locations = [
  'eastus',
  'eastus2',
  'westus',
  'westus2',
  'centralus',
  'northeurope',
  'westeurope',
  'uksouth',
];
/** What is throttled holds up all others of its place. */
export const throttledLocation = 'japaneast';

const secretOf = (host: string) => `pull-${host.replaceAll(/[^a-z0-9]/g, '-')}`;

export function credentialsOf({ credential, image }: Pick<Vector, 'credential' | 'image'>) {
  const { host } = imageOf({ image });
  if (credential === 'none') return [];
  return [{ server: host, ...(credential === 'identity' ? { identity } : { secretName: secretOf(host) }) }];
}

/** Registries of all names that the vectors use, with their images, and secrets bound to them. */
export async function furnish(
  world: DemoWorld,
  all: readonly Vector[],
): Promise<{ policyFile: string; hosts: string[] }> {
  const images = all.map(imageOf);
  const hosts = [...new Set(images.map(({ host }) => host))];
  await world.control('POST', 'world', {
    registries: hosts.map(host => ({
      host,
      users: { me: { password: 'a-harmless-word' } },
      anonymous: images.filter(each => each.host === host).map(({ repository }) => repository),
    })),
    images: images.map(({ host, repository, image }) => ({ host, repository, tag: image.split(':').at(-1) })),
    secrets: hosts.map(host => ({
      name: secretOf(host),
      value: 'a-harmless-word',
      tags: { 'slipway-registry': host, 'slipway-username': 'me' },
    })),
  });
  return { policyFile: writePolicy(world, hosts), hosts };
}

/** The demo world's policy, and the registries: open, or with a secret or identity that the request names. */
function writePolicy({ data, env }: DemoWorld, hosts: string[]): string {
  const policy = parse(readFileSync(env.SLIPWAY_POLICY ?? '', 'utf8'));
  const { demo } = policy.teams;
  demo.registries = hosts.map(server => ({ server, anonymous: true }));
  demo.registrySecrets = hosts.map(secretOf);
  demo.identities = [{ id: identity, use: 'pull', registries: hosts }];
  policy.targets.demo.locations = [...locations, throttledLocation];
  const file = join(data, 'policy.yaml');
  writeFileSync(file, stringify({ ...policy, registries: {}, expect: [] }));
  return file;
}
