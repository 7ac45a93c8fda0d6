import type { TokenCredential } from '@azure/core-auth';
import type { HttpClient } from '@azure/core-rest-pipeline';
import { SecretClient, type SecretProperties } from '@azure/keyvault-secrets';
import { Secret } from '../secret.ts';
import { forgetRefused } from './credential.ts';
import { AzureError, refuseCall, toAzureError } from './failure.ts';

/** One version of a secret, without its value. */
export interface SecretVersion {
  version: string;
  tags: Record<string, string>;
  enabled: boolean;
  createdOn: Date;
  expiresOn?: Date;
  notBefore?: Date;
}

/** What a vault holds, for who checks it as a whole. */
export interface VaultListing {
  /** The names of all its secrets; no value is read. Throws `AzureError`. */
  names(vaultUrl: string, signal?: AbortSignal): Promise<string[]>;
}

export interface Vault {
  /** The versions of a secret, newest first; no value is read. Throws `AzureError`, 404 `SecretNotFound` where there is none. */
  properties(vaultUrl: string, name: string, signal?: AbortSignal): Promise<SecretVersion[]>;
  /** The value of one version. Who gets it disposes of it. */
  value(vaultUrl: string, name: string, version: string, signal?: AbortSignal): Promise<Secret>;
}

const timeoutMs = 5_000;
// Of 25 versions each, as Key Vault answers; what has more pages goes in circles.
const mostPages = 200;

export function createVault(options: {
  credential: TokenCredential;
  transport: HttpClient;
}): Vault & VaultListing {
  const { credential } = options;
  const httpClient = forgetRefused(options.transport, credential);
  const clients = new Map<string, SecretClient>();

  // Kept: a client asks for the vault's challenge once.
  function clientOf(url: string): SecretClient {
    const client =
      clients.get(url) ?? new SecretClient(url, credential, { httpClient, retryOptions: { maxRetries: 0 } });
    clients.set(url, client);
    return client;
  }

  return {
    async names(vaultUrl, signal) {
      return list('list secrets', signal, async options => {
        const secrets = await readPages(clientOf(vaultUrl).listPropertiesOfSecrets(options), signal);
        return secrets.map(({ name }) => name);
      });
    },

    async properties(vaultUrl, name, signal) {
      return list('list versions', signal, async options => {
        requireName(name);
        const pages = clientOf(vaultUrl).listPropertiesOfSecretVersions(name, options);
        const versions = (await readPages(pages, signal)).map(versionOf);
        if (versions.length === 0) throw notFound(name);
        const [newest, ...older] = versions.sort((a, b) => b.createdOn.getTime() - a.createdOn.getTime());
        const tied = older.some(({ createdOn }) => createdOn.getTime() === newest?.createdOn.getTime());
        return tied ? currentFirst(versions, clientOf(vaultUrl), name, signal) : versions;
      });
    },

    async value(vaultUrl, name, version, signal) {
      try {
        requireName(name);
        if (!/^[0-9a-f]{32}$/.test(version)) throw refuseCall('a secret is read by the id of its version');
        const { value } = await clientOf(vaultUrl).getSecret(name, { version, ...timed(signal) });
        return new Secret(value ?? '');
      } catch (error) {
        throw toAzureError('vault', 'get secret', error);
      }
    },
  };
}

/** Times are whole seconds and the list has no order: of two that came within one, only the vault knows the newer. */
async function currentFirst(
  versions: SecretVersion[],
  client: SecretClient,
  name: string,
  signal: AbortSignal | undefined,
): Promise<SecretVersion[]> {
  const isCurrent = await client.getSecret(name, timed(signal)).then(
    ({ properties }) =>
      (each: SecretVersion) =>
        each.version === properties.version,
    // The value of a disabled version is refused: then that is the current one.
    error => {
      if (toAzureError('vault', 'get secret', error).status !== 403) throw error;
      return (each: SecretVersion) => !each.enabled;
    },
  );
  return [...versions.filter(isCurrent), ...versions.filter(each => !isCurrent(each))];
}

type ListOptions = ReturnType<typeof timed> & { onResponse(raw: { parsedBody?: unknown }): void };

/** The SDK's pages lose the reason of a refusal (measured). */
async function list<T>(
  operation: string,
  signal: AbortSignal | undefined,
  read: (options: ListOptions) => Promise<T>,
): Promise<T> {
  let body: unknown;
  const onResponse = (raw: { parsedBody?: unknown }) => {
    body = raw.parsedBody;
  };
  try {
    return await read({ ...timed(signal), onResponse });
  } catch (error) {
    throw toAzureError('vault', operation, error, body);
  }
}

const timed = (signal: AbortSignal | undefined) => ({
  requestOptions: { timeout: timeoutMs },
  ...(signal ? { abortSignal: signal } : {}),
});

function requireName(name: string): void {
  if (!/^[0-9A-Za-z-]{1,127}$/.test(name)) throw refuseCall('the name of the secret is none of Key Vault');
}

type Pages = ReturnType<SecretClient['listPropertiesOfSecretVersions']>;

/** The SDK's further pages know neither the deadline nor the signal (measured). */
async function readPages(pages: Pages, signal: AbortSignal | undefined): Promise<SecretProperties[]> {
  const found: SecretProperties[] = [];
  let count = 0;
  for await (const page of pages.byPage()) {
    signal?.throwIfAborted();
    if (++count > mostPages) throw new Error('the list does not end');
    found.push(...page);
  }
  return found;
}

function versionOf(properties: SecretProperties): SecretVersion {
  const { version, tags, enabled, createdOn, expiresOn, notBefore } = properties;
  return {
    version: version ?? '',
    tags: tags ?? {},
    enabled: enabled ?? true,
    createdOn: createdOn ?? new Date(0),
    ...(expiresOn ? { expiresOn } : {}),
    ...(notBefore ? { notBefore } : {}),
  };
}

function notFound(name: string): AzureError {
  const message = `A secret with the name ${name} was not found in this key vault.`;
  return new AzureError({
    kind: 'vault',
    operation: 'list versions',
    status: 404,
    code: 'SecretNotFound',
    message,
    retryAfterMs: null,
    requestId: null,
  });
}
