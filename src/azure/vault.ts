import type { TokenCredential } from '@azure/core-auth';
import type { HttpClient } from '@azure/core-rest-pipeline';
import { SecretClient, type SecretProperties } from '@azure/keyvault-secrets';
import { Secret } from '../secret.ts';
import { AzureError, toAzureError } from './failure.ts';

/** One version of a secret, without its value. */
export interface SecretVersion {
  version: string;
  tags: Record<string, string>;
  enabled: boolean;
  createdOn: Date;
  expiresOn?: Date;
  notBefore?: Date;
}

export interface Vault {
  /** The versions of a secret, newest first; no value is read. Throws `AzureError`, 404 `SecretNotFound` where there is none. */
  properties(vaultUrl: string, name: string, signal?: AbortSignal): Promise<SecretVersion[]>;
  /** The value of one version. Who gets it disposes of it. */
  value(vaultUrl: string, name: string, version: string, signal?: AbortSignal): Promise<Secret>;
}

const timeoutMs = 5_000;

export function createVault({
  credential,
  transport,
}: {
  credential: TokenCredential;
  transport: HttpClient;
}): Vault {
  const clients = new Map<string, SecretClient>();
  // Kept: a client asks for the vault's challenge once.
  const clientOf = (url: string) => {
    const client =
      clients.get(url) ??
      new SecretClient(url, credential, { httpClient: transport, retryOptions: { maxRetries: 0 } });
    clients.set(url, client);
    return client;
  };
  return {
    async properties(vaultUrl, name, signal) {
      try {
        const versions: SecretVersion[] = [];
        for await (const properties of clientOf(vaultUrl).listPropertiesOfSecretVersions(
          name,
          options(signal),
        ))
          versions.push(versionOf(properties));
        if (versions.length === 0) throw notFound(name);
        return versions.sort((a, b) => b.createdOn.getTime() - a.createdOn.getTime());
      } catch (error) {
        throw toAzureError('vault', 'list versions', error);
      }
    },
    async value(vaultUrl, name, version, signal) {
      try {
        const { value } = await clientOf(vaultUrl).getSecret(name, { version, ...options(signal) });
        return new Secret(value ?? '');
      } catch (error) {
        throw toAzureError('vault', 'get secret', error);
      }
    },
  };
}

const options = (signal: AbortSignal | undefined) => ({
  requestOptions: { timeout: timeoutMs },
  ...(signal ? { abortSignal: signal } : {}),
});

function versionOf({
  version,
  tags,
  enabled,
  createdOn,
  expiresOn,
  notBefore,
}: SecretProperties): SecretVersion {
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
