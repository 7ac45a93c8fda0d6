import type { AccessToken, GetTokenOptions, TokenCredential } from '@azure/core-auth';
import type { HttpClient } from '@azure/core-rest-pipeline';
import {
  ClientSecretCredential,
  ManagedIdentityCredential,
  WorkloadIdentityCredential,
} from '@azure/identity';
import type { AzureSettings } from '../config.ts';
import { toAzureError } from './failure.ts';

/**
 * Slipway's own identity: by a federated token file, else a client secret, else the platform's managed identity. Chosen
 * by what is set, not by trying one after another.
 */
export function createAzureCredential(
  settings: AzureSettings,
  httpClient: HttpClient,
  onLookup?: (hit: boolean) => void,
): SteadyCredential {
  // Made anew each time: theirs keep a token until five minutes before its end, also one that Azure refuses (measured).
  const source: TokenCredential = {
    getToken: (scopes, options) => chooseCredential(settings, httpClient).getToken(scopes, options),
  };
  return new SteadyCredential(source, tokenTimeoutMs, onLookup);
}

function chooseCredential(settings: AzureSettings, httpClient: HttpClient): TokenCredential {
  const { tenantId, clientId, clientSecret, federatedTokenFile: tokenFilePath } = settings;
  // Whoever needs the token comes again; the SDK would sleep for as long as Retry-After says.
  const options = { httpClient, retryOptions: { maxRetries: 0 } };
  if (tokenFilePath && tenantId && clientId)
    return new WorkloadIdentityCredential({ tenantId, clientId, tokenFilePath, ...options });
  if (clientSecret && tenantId && clientId)
    return new ClientSecretCredential(tenantId, clientId, clientSecret.reveal(), options);
  return new ManagedIdentityCredential({ ...(clientId ? { clientId } : {}), ...options });
}

/** The clients' transport: a token that Azure refused is not kept, so that the next call asks for a fresh one. */
export function forgetRefused(transport: HttpClient, credential: TokenCredential): HttpClient {
  return {
    async sendRequest(asked) {
      const answer = await transport.sendRequest(asked);
      const token = asked.headers.get('authorization')?.replace(/^Bearer /, '');
      if (answer.status === 401 && token && credential instanceof SteadyCredential) credential.forget(token);
      return answer;
    },
  };
}

interface Entry {
  token: string;
  obtainedAt: number;
  expiresAt: number;
  /** From when on a new one is asked for. */
  refreshAt: number;
}

const tokenTimeoutMs = 10_000;
// What is still valid is not held up for long by an identity endpoint that is not well.
const earlyTimeoutMs = 1_000;
const earlyPauseMs = 30_000;
const marginMs = 5_000;

/**
 * Keeps tokens, so that an identity endpoint that is out is noticed only when the last token ends. One request per scope
 * at a time, which is not the asker's to abort: others wait for the same token.
 */
export class SteadyCredential implements TokenCredential {
  readonly #source: TokenCredential;
  readonly #timeoutMs: number;
  readonly #onLookup: (hit: boolean) => void;
  readonly #entries = new Map<string, Entry>();
  readonly #asking = new Map<string, Promise<Entry>>();

  constructor(
    source: TokenCredential,
    timeoutMs = tokenTimeoutMs,
    onLookup: (hit: boolean) => void = () => {},
  ) {
    this.#source = source;
    this.#timeoutMs = timeoutMs;
    this.#onLookup = onLookup;
  }

  async getToken(scopes: string | string[], options?: GetTokenOptions): Promise<AccessToken> {
    const { token } = await this.#entry(scopes, options);
    // To the SDKs every token has ended: so they ask here each time and wait, and never refresh behind our back. That
    // refresh is not awaited, and ends the process when it fails for longer than a token lives (measured).
    return { token, expiresOnTimestamp: 0 };
  }

  /** Azure refused it. */
  forget(token: string): void {
    for (const [key, entry] of this.#entries) if (entry.token === token) this.#entries.delete(key);
  }

  /** The tokens that are kept, by what they are for; never the tokens. */
  tokens(): { scope: string; obtainedAt: Date; expiresAt: Date }[] {
    return [...this.#entries].map(([scope, { obtainedAt, expiresAt }]) => ({
      scope: scope.trim(),
      obtainedAt: new Date(obtainedAt),
      expiresAt: new Date(expiresAt),
    }));
  }

  async #entry(scopes: string | string[], options: GetTokenOptions | undefined): Promise<Entry> {
    const key = [...[scopes].flat(), options?.claims ?? '', options?.tenantId ?? ''].join(' ');
    const kept = this.#entries.get(key);
    const now = Date.now();
    const isKept = kept !== undefined && now < kept.refreshAt;
    this.#onLookup(isKept);
    if (isKept) return kept;
    const asked = this.#ask(key, scopes, options);
    if (!kept || now >= kept.expiresAt - marginMs) return asked;
    const early = asked.catch(() => {
      kept.refreshAt = now + earlyPauseMs;
      return kept;
    });
    return Promise.race([early, after(earlyTimeoutMs, kept)]);
  }

  #ask(key: string, scopes: string | string[], options: GetTokenOptions | undefined): Promise<Entry> {
    const asking =
      this.#asking.get(key) ?? this.#fetch(key, scopes, options).finally(() => this.#asking.delete(key));
    this.#asking.set(key, asking);
    return asking;
  }

  async #fetch(key: string, scopes: string | string[], options: GetTokenOptions = {}): Promise<Entry> {
    const { claims, tenantId } = options;
    try {
      const found = await inTime(this.#timeoutMs, abortSignal =>
        this.#source.getToken(scopes, {
          abortSignal,
          ...(claims ? { claims } : {}),
          ...(tenantId ? { tenantId } : {}),
        }),
      );
      if (!found) throw new Error('the identity endpoint gave no token');
      const { token, expiresOnTimestamp: expiresAt } = found;
      const now = Date.now();
      const entry = {
        token,
        obtainedAt: now,
        expiresAt,
        refreshAt: now + (expiresAt - now) * (0.45 + Math.random() * 0.1),
      };
      this.#entries.set(key, entry);
      return entry;
    } catch (error) {
      throw toAzureError('identity', 'getToken', error);
    }
  }
}

/** Not every credential heeds its signal: the platform's does not. */
function inTime<T>(ms: number, ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const signal = AbortSignal.timeout(ms);
  const late = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () =>
      reject(Object.assign(new Error('the identity endpoint gave no answer in time'), { code: 'ETIMEDOUT' })),
    );
  });
  return Promise.race([ask(signal), late]);
}

function after<T>(ms: number, value: T): Promise<T> {
  return new Promise(resolve => setTimeout(resolve, ms, value).unref());
}
