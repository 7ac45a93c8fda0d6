import type { Clock } from '../clock.ts';
import { Secret } from '../secret.ts';
import { AzureError } from './failure.ts';
import type { SecretVersion, Vault, VaultListing } from './vault.ts';

const keptMs = 5 * 60_000;
const staleMs = 30 * 60_000;
const mostKept = 256;

interface Kept<T> {
  value: T;
  readAt: number;
}

export interface CachedVault extends Vault, VaultListing {
  /** No value is kept any longer. */
  close(): void;
}

/**
 * One read at a time of one secret, however many ask. A version's value never changes and is kept for five minutes; which
 * versions there are is asked each time, so that a rotation is seen at once. Where the vault does not answer, what it
 * said up to half an hour ago is good; what it refuses is not.
 */
export function cacheVault(
  vault: Vault & VaultListing,
  { clock, onLookup = () => {} }: { clock: Clock; onLookup?: (hit: boolean) => void },
): CachedVault {
  const now = () => clock.now().getTime();
  const lists = createCache<SecretVersion[]>(now, () => {});
  const values = createCache<Secret>(now, secret => secret[Symbol.dispose]());
  const keyOf = (...parts: string[]) => parts.join(' ').toLowerCase();
  return {
    names: (vaultUrl, signal) => vault.names(vaultUrl, signal),
    properties: (vaultUrl, name, signal) =>
      waiting(
        signal,
        lists.read(keyOf(vaultUrl, name), 0, () => vault.properties(vaultUrl, name)),
      ),
    async value(vaultUrl, name, version, signal) {
      const key = keyOf(vaultUrl, name, version);
      onLookup(values.has(key, keptMs));
      const kept = await waiting(
        signal,
        values.read(key, keptMs, () => vault.value(vaultUrl, name, version)),
      );
      // Whoever gets it disposes of his own.
      return new Secret(kept.reveal());
    },
    close: () => values.clear(),
  };
}

function createCache<T>(now: () => number, dispose: (value: T) => void) {
  const kept = new Map<string, Kept<T>>();
  const reading = new Map<string, Promise<T>>();
  const drop = (key: string) => {
    const found = kept.get(key);
    kept.delete(key);
    if (found) dispose(found.value);
  };
  const isFresh = (key: string, ms: number) => {
    const age = now() - (kept.get(key)?.readAt ?? Number.NEGATIVE_INFINITY);
    return age >= 0 && age < ms;
  };

  async function readNow(key: string, read: () => Promise<T>): Promise<T> {
    try {
      const value = await read();
      drop(key);
      kept.set(key, { value, readAt: now() });
      const [oldest] = kept.keys();
      if (kept.size > mostKept && oldest !== undefined) drop(oldest);
      return value;
    } catch (error) {
      const known = kept.get(key);
      if (known && isFresh(key, staleMs) && isOutage(error)) return known.value;
      drop(key);
      throw error;
    }
  }

  return {
    has: isFresh,
    read(key: string, freshMs: number, read: () => Promise<T>): Promise<T> {
      const known = kept.get(key);
      if (known && isFresh(key, freshMs)) return Promise.resolve(known.value);
      const present = reading.get(key) ?? readNow(key, read).finally(() => reading.delete(key));
      reading.set(key, present);
      return present;
    },
    clear() {
      for (const key of [...kept.keys()]) drop(key);
    },
  };
}

/** No word about the secret: throttled, out, or not reached. */
const isOutage = (error: unknown) =>
  error instanceof AzureError &&
  (error.status === null ? error.code !== 'CallRefused' : error.status === 429 || error.status >= 500);

/** Others wait for the same read: whoever gives up does not end it. */
async function waiting<T>(signal: AbortSignal | undefined, read: Promise<T>): Promise<T> {
  if (!signal) return read;
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort);
  try {
    return await Promise.race([read, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
