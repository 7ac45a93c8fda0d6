import { createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey } from 'jose';
import { type Dispatcher, request } from 'undici';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import { entraTenant } from '../policy/issuers.ts';

export interface SigningKeys {
  /** The key that a token names. Asks the issuer where none is known, or for an unknown one, within the cooldown. */
  resolve: JWTVerifyGetKey;
  /** Asks the issuer unless it was asked a moment ago. Never rejects. */
  load(): Promise<void>;
  /** Whether they have been read, and not too long ago. */
  fresh(): boolean;
  /** When they were read last; null: never. */
  loadedAt(): Date | null;
  close(): void;
}

const reloadMs = 15 * 60_000;
const lookMs = 60_000;
const oldestKeysMs = 24 * 3_600_000;
const cooldownMs = 30_000;
const longestDocument = 64 * 1024;

/** An issuer's keys: kept through its outages for a day, and asked for once in 30 s at most, whatever tokens say. */
export function createSigningKeys(
  issuer: string,
  { dispatcher, log, clock }: { dispatcher: Dispatcher; log: Log; clock: Clock },
): SigningKeys {
  let loadedAt: number | null = null;
  let askedAt: number | null = null;
  let failures = 0;
  let asking: Promise<void> | null = null;
  // jose asks at moments of its own, without end while the issuer is out (measured): here it asks only in `ask`.
  const keySet = createRemoteJWKSet(new URL(keysUrl(issuer) ?? issuer), {
    cacheMaxAge: Number.POSITIVE_INFINITY,
    cooldownDuration: Number.POSITIVE_INFINITY,
    timeoutDuration: 5_000,
    [customFetch]: async (_url, { signal }) => new Response(await readKeySet(issuer, { dispatcher, signal })),
  });

  const now = () => clock.now().getTime();
  const within = (since: number | null, ms: number) =>
    since !== null && now() - since >= 0 && now() - since < ms;
  const fresh = () => within(loadedAt, oldestKeysMs);
  // Before the first success, as at a start side by side with the issuer, it is asked again sooner.
  const pause = () => (loadedAt === null ? Math.min(cooldownMs, 500 * 2 ** failures) : cooldownMs);

  const load = (): Promise<void> => {
    if (asking) return asking;
    if (within(askedAt, pause())) return Promise.resolve();
    askedAt = now();
    asking = ask().finally(() => {
      asking = null;
    });
    return asking;
  };
  const ask = async () => {
    try {
      await keySet.reload();
      loadedAt = now();
      failures = 0;
    } catch (err) {
      failures += 1;
      log.warn({ issuer, err }, 'the signing keys could not be read');
    }
  };
  const resolve: JWTVerifyGetKey = async (header, token) => {
    if (!fresh()) await load();
    if (!fresh()) throw new Error('the signing keys of the issuer are not known');
    try {
      return await keySet(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      await load();
      return keySet(header, token);
    }
  };

  const timer = setInterval(() => {
    if (!within(loadedAt, reloadMs)) void load();
  }, lookMs);
  timer.unref();
  const lastLoad = () => (loadedAt === null ? null : new Date(loadedAt));
  return { resolve, load, fresh, loadedAt: lastLoad, close: () => clearInterval(timer) };
}

/** Entra ID has its keys in one place; any other issuer says where, in its discovery document. */
function keysUrl(issuer: string): string | null {
  return entraTenant(issuer) ? issuer.replace(/\/v2\.0$/, '/discovery/v2.0/keys') : null;
}

interface Way {
  dispatcher: Dispatcher;
  signal: AbortSignal | undefined;
}

async function readKeySet(issuer: string, way: Way): Promise<string> {
  return getText(keysUrl(issuer) ?? (await discover(issuer, way)), way);
}

async function discover(issuer: string, way: Way): Promise<string> {
  const said: unknown = JSON.parse(
    await getText(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, way),
  );
  if (typeof said !== 'object' || said === null || !('issuer' in said) || said.issuer !== issuer)
    throw new Error('the discovery document is of another issuer');
  const place = 'jwks_uri' in said && typeof said.jwks_uri === 'string' ? URL.parse(said.jwks_uri) : null;
  if (!place || place.origin !== new URL(issuer).origin || place.username || place.password)
    throw new Error('the discovery document names no keys on its own origin');
  return place.href;
}

/** Redirects are not followed. */
async function getText(url: string, { dispatcher, signal }: Way): Promise<string> {
  const { statusCode, body } = await request(url, {
    dispatcher,
    headers: { accept: 'application/json' },
    ...(signal ? { signal } : {}),
  });
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > longestDocument) throw new Error('the issuer sent more than 64 KB');
    chunks.push(chunk);
  }
  if (statusCode !== 200) throw new Error(`the issuer answered ${statusCode}`);
  return Buffer.concat(chunks).toString('utf8');
}
