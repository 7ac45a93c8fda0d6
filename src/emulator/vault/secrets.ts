import { randomBytes } from 'node:crypto';
import { lookUp, type Vault, type VaultSecret, type VaultSecretVersion } from '../world.ts';
import { badParameter, secretDisabled, secretNotFound } from './errors.ts';

/** What a client may say of a secret; `value` only when it sets one. */
export interface SecretInput {
  value?: unknown;
  contentType?: string;
  tags?: Record<string, string>;
  attributes?: { enabled?: boolean; nbf?: number; exp?: number };
}

/** The secret's version that is meant: the latest without one. Its name as it was given. */
export function findVersion(
  vault: Vault,
  name: string,
  version?: string,
): { secret: VaultSecret; version: VaultSecretVersion } {
  const secret = lookUp(vault.secrets, name.toLowerCase());
  const wanted = version ? secret?.versions.find(each => each.version === version) : secret?.versions.at(-1);
  if (!secret || !wanted) throw secretNotFound(version ? `${name}/${version}` : name);
  return { secret, version: wanted };
}

/** Only a disabled version is kept back: one that is expired or not yet valid is served, as Azure does. */
export function readVersion(vault: Vault, name: string, version?: string): ReturnType<typeof findVersion> {
  const found = findVersion(vault, name, version);
  if (!found.version.enabled) throw secretDisabled();
  return found;
}

/** Adds a version: it has the tags given with it, no others. */
export function setSecret(vault: Vault, name: string, input: SecretInput, nowMs: number): VaultSecretVersion {
  if (!/^[0-9a-zA-Z-]{1,127}$/.test(name))
    throw badParameter(`The request URI contains an invalid name: ${name}`);
  if (typeof input.value !== 'string') throw badParameter('Property  has invalid value\r\n');
  const version = newVersion(input.value, input, nowMs);
  const known = lookUp(vault.secrets, name.toLowerCase());
  if (known) known.versions.push(version);
  else vault.secrets[name.toLowerCase()] = { name, versions: [version] };
  return version;
}

export function newVersion(value: string, input: SecretInput, nowMs: number): VaultSecretVersion {
  const { contentType, tags = {}, attributes = {} } = input;
  return {
    version: randomBytes(16).toString('hex'),
    value,
    ...(contentType === undefined ? {} : { contentType }),
    tags: { ...tags },
    enabled: attributes.enabled ?? true,
    ...(attributes.nbf === undefined ? {} : { notBefore: attributes.nbf }),
    ...(attributes.exp === undefined ? {} : { expires: attributes.exp }),
    created: Math.floor(nowMs / 1000),
  };
}

/** Changes what is given and leaves the rest; `tags` replace all tags. */
export function updateVersion(version: VaultSecretVersion, input: SecretInput): void {
  const { contentType, tags, attributes = {} } = input;
  if (contentType !== undefined) version.contentType = contentType;
  if (tags !== undefined) version.tags = { ...tags };
  if (attributes.enabled !== undefined) version.enabled = attributes.enabled;
  if (attributes.nbf !== undefined) version.notBefore = attributes.nbf;
  if (attributes.exp !== undefined) version.expires = attributes.exp;
}

/** A secret's properties; `id` is exactly `{origin}/secrets/{name}[/{version}]`. */
export function describeVersion(id: string, version: VaultSecretVersion): Record<string, unknown> {
  return {
    ...(version.contentType === undefined ? {} : { contentType: version.contentType }),
    id,
    attributes: {
      enabled: version.enabled,
      ...(version.notBefore === undefined ? {} : { nbf: version.notBefore }),
      ...(version.expires === undefined ? {} : { exp: version.expires }),
      created: version.created,
      updated: version.created,
      recoveryLevel: 'Purgeable',
      recoverableDays: 0,
    },
    tags: version.tags,
  };
}
