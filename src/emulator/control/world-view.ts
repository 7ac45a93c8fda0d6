import { createHash } from 'node:crypto';
import type { Registry, Repository, Vault, World } from '../world.ts';

/** The world as `GET /_emulator/world` shows it: every secret is `***`, its SHA-256 beside it as `<member>Sha256`. */
export function viewWorld(world: World): Record<string, unknown> {
  return {
    ...world,
    principals: mapValues(world.principals, each => maskMembers(each, ['secrets'])),
    identities: mapValues(world.identities, each => maskMembers(each, ['attachedTo'])),
    vaults: mapValues(world.vaults, viewVault),
    deletedVaults: mapValues(world.deletedVaults, each => ({ ...each, vault: viewVault(each.vault) })),
    registries: mapValues(world.registries, viewRegistry),
    containerGroups: mapValues(world.containerGroups, maskDeep),
  };
}

function viewVault(vault: Vault): object {
  return {
    ...vault,
    secrets: mapValues(vault.secrets, secret => ({
      ...secret,
      versions: secret.versions.map(version => maskMembers(version, ['value'])),
    })),
  };
}

function viewRegistry(registry: Registry): object {
  return {
    ...registry,
    users: mapValues(registry.users, user => maskMembers(user, ['password', 'password2'])),
    repositories: mapValues(registry.repositories, viewRepository),
  };
}

/** What is in blobs and manifests is the registry's to serve. */
function viewRepository({ tags, manifests, blobs }: Repository): object {
  return {
    tags,
    manifests: mapValues(manifests, ({ mediaType }) => ({ mediaType })),
    blobs: Object.keys(blobs),
  };
}

/** Members of a container group that Azure never answers, at whatever depth. */
const secretMembers = new Set([
  'password',
  'securevalue',
  'storageaccountkey',
  'workspacekey',
  'secret',
  'protectedsettings',
]);

function maskDeep(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(maskDeep);
  if (typeof value !== 'object' || value === null) return value;
  const secret = Object.keys(value).filter(name => secretMembers.has(name.toLowerCase()));
  const shown = Object.fromEntries(
    Object.entries(value).map(([name, each]) => [name, secret.includes(name) ? each : maskDeep(each)]),
  );
  return maskMembers(shown, secret);
}

function maskMembers(object: object, names: string[]): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(object).flatMap(([name, value]) =>
      names.includes(name) && value !== undefined && value !== null
        ? [
            [name, mask(value, () => '***')],
            [`${name}Sha256`, mask(value, sha256)],
          ]
        : [[name, value]],
    ),
  );
}

function mask(value: unknown, replace: (text: string) => string): unknown {
  if (Array.isArray(value)) return value.map(each => mask(each, replace));
  if (typeof value === 'object' && value !== null)
    return mapValues({ ...value }, each => mask(each, replace));
  return replace(String(value));
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function mapValues<T, U>(map: Record<string, T>, change: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, change(value)]));
}
