import type { AccessToken, GetTokenOptions, TokenCredential } from '@azure/core-auth';
import type { HttpClient } from '@azure/core-rest-pipeline';
import {
  ClientSecretCredential,
  ManagedIdentityCredential,
  WorkloadIdentityCredential,
} from '@azure/identity';
import type { AzureSettings } from '../config.ts';
import { toAzureError } from './failure.ts';

const tokenTimeoutMs = 10_000;
// The SDK's own would sleep for as long as Retry-After says, and no signal wakes them (measured).
const retryOptions = { maxRetries: 0 };

/**
 * Slipway's own identity: by a federated token file, else a client secret, else the platform's managed identity. Chosen
 * by what is set, not by trying one after another.
 */
export function createAzureCredential(settings: AzureSettings, httpClient: HttpClient): TokenCredential {
  return new SteadyCredential(chooseCredential(settings, httpClient));
}

function chooseCredential(
  { tenantId, clientId, clientSecret, federatedTokenFile }: AzureSettings,
  httpClient: HttpClient,
): TokenCredential {
  if (federatedTokenFile && tenantId && clientId)
    return new WorkloadIdentityCredential({
      tenantId,
      clientId,
      tokenFilePath: federatedTokenFile,
      httpClient,
      retryOptions,
    });
  if (clientSecret && tenantId && clientId)
    return new ClientSecretCredential(tenantId, clientId, clientSecret.reveal(), {
      httpClient,
      retryOptions,
    });
  return clientId ? new ManagedIdentityCredential({ clientId }) : new ManagedIdentityCredential();
}

interface Entry {
  token: AccessToken;
  /** Unix milliseconds from which a new one is asked for. */
  refreshAt: number;
}

/**
 * Keeps tokens so that the SDKs' own refresh never fails in the background: theirs is not awaited and ends the process
 * when the identity endpoint is out for longer than a token lives (measured). One request per scope at a time.
 */
export class SteadyCredential implements TokenCredential {
  readonly #source: TokenCredential;
  readonly #timeoutMs: number;
  readonly #entries = new Map<string, Entry>();
  readonly #asking = new Map<string, Promise<AccessToken>>();

  constructor(source: TokenCredential, timeoutMs = tokenTimeoutMs) {
    this.#source = source;
    this.#timeoutMs = timeoutMs;
  }

  async getToken(scopes: string | string[], options?: GetTokenOptions): Promise<AccessToken> {
    const key = [...[scopes].flat(), options?.claims ?? '', options?.tenantId ?? ''].join(' ');
    const entry = this.#entries.get(key);
    const now = Date.now();
    if (entry && now < entry.refreshAt) return entry.token;
    try {
      return await this.#ask(key, scopes, options);
    } catch (error) {
      if (entry && now < entry.token.expiresOnTimestamp) return entry.token;
      throw toAzureError('identity', 'getToken', error);
    }
  }

  #ask(key: string, scopes: string | string[], options?: GetTokenOptions): Promise<AccessToken> {
    const asking =
      this.#asking.get(key) ?? this.#fetch(key, scopes, options).finally(() => this.#asking.delete(key));
    this.#asking.set(key, asking);
    return asking;
  }

  async #fetch(key: string, scopes: string | string[], options?: GetTokenOptions): Promise<AccessToken> {
    // Not the asker's signal: others wait for the same token.
    const { claims, tenantId } = options ?? {};
    const signal = AbortSignal.timeout(this.#timeoutMs);
    const asked = this.#source.getToken(scopes, {
      abortSignal: signal,
      ...(claims ? { claims } : {}),
      ...(tenantId ? { tenantId } : {}),
    });
    const found = await Promise.race([asked, expiry(signal)]);
    if (!found) throw new Error('the identity endpoint gave no token');
    const { token, expiresOnTimestamp } = found;
    const life = expiresOnTimestamp - Date.now();
    // What the SDKs see never nears its end, so their refresh has nothing to do; ours is at half of its life.
    const kept = { token, expiresOnTimestamp };
    this.#entries.set(key, { token: kept, refreshAt: Date.now() + life * (0.45 + Math.random() * 0.1) });
    return kept;
  }
}

/** Not every source minds its signal. */
function expiry(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error('the identity endpoint gave no answer in time')));
  });
}
