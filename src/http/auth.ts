import { createHash } from 'node:crypto';
import { createRemoteJWKSet, customFetch, decodeJwt, type JWTPayload, jwtVerify } from 'jose';
import { type Dispatcher, request } from 'undici';
import type { Clock } from '../clock.ts';
import { createError, type RequestError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { LoadedPolicy } from '../policy/load.ts';
import { callerOf } from '../policy/principals.ts';
import type { Caller } from '../schemas/principal.ts';

export interface Authenticator {
  /** Who the header's token speaks for. Throws 401 with a coarse reason. */
  authenticate(authorization: string | undefined): Promise<Caller>;
  /** Whether the signing keys of every issuer have been read, and not too long ago. */
  ready(): Promise<boolean>;
  close(): void;
}

interface AuthenticatorParts {
  policy: () => LoadedPolicy;
  dispatcher: Dispatcher;
  log: Log;
  clock: Clock;
}

type Issuer = LoadedPolicy['policy']['issuers'][number];

const longestToken = 16_384;
const cachedMs = 60_000;
const cachedTokens = 10_000;
const skewSeconds = 60;
const longestLifeSeconds = 28 * 3600;

/**
 * Checks bearer tokens with jose, by exact issuer and audience. Whatever a token says of where its keys lie is not
 * followed; the issuer in it only chooses among those that policy names.
 */
export function createAuthenticator({ policy, dispatcher, log, clock }: AuthenticatorParts): Authenticator {
  const keys = new Map<string, SigningKeys>();
  const keysOf = (issuer: Issuer) => {
    const known = keys.get(issuer.issuer) ?? createSigningKeys(issuer.issuer, dispatcher, log);
    keys.set(issuer.issuer, known);
    return known;
  };
  for (const issuer of policy().policy.issuers) void keysOf(issuer).load();
  const cache = new Map<string, { caller: Caller; until: number; digest: string }>();

  return {
    async authenticate(authorization) {
      const token = readBearer(authorization);
      const loaded = policy();
      const key = createHash('sha256').update(token).digest('base64');
      const known = cache.get(key);
      const now = clock.now().getTime();
      if (known && known.digest === loaded.digest && now < known.until) return known.caller;
      const caller = await verify(token, loaded);
      if (cache.size >= cachedTokens) cache.clear();
      cache.set(key, {
        caller,
        until: Math.min(now + cachedMs, caller.expiresAt * 1000),
        digest: loaded.digest,
      });
      return caller;
    },
    async ready() {
      const states = policy().policy.issuers.map(issuer => keysOf(issuer));
      await Promise.all(states.filter(state => !state.fresh()).map(state => state.load()));
      return states.every(state => state.fresh());
    },
    close() {
      for (const state of keys.values()) state.close();
    },
  };

  async function verify(token: string, loaded: LoadedPolicy): Promise<Caller> {
    const issuer = issuerOf(token, loaded);
    const { resolve } = keysOf(issuer);
    try {
      const { payload, protectedHeader } = await jwtVerify(token, resolve, {
        issuer: issuer.issuer,
        audience: issuer.audience,
        algorithms: ['RS256'],
        requiredClaims: ['exp', 'iat', 'aud', 'sub'],
        clockTolerance: skewSeconds,
        currentDate: clock.now(),
      });
      if (protectedHeader.typ !== undefined && !/^(?:at\+)?jwt$/i.test(protectedHeader.typ))
        throw new Error('typ');
      checkClaims(payload, issuer, clock.now().getTime() / 1000);
      const caller = callerOf(loaded, issuer.name, payload);
      if (!caller) throw new Error('the token names nobody');
      return caller;
    } catch (error) {
      log.info({ issuer: issuer.name, reason: reasonOf(error) }, 'a token was refused');
      throw refused('The token is not valid.');
    }
  }
}

const reasonOf = (error: unknown) =>
  error instanceof Error && 'code' in error
    ? String(error.code)
    : String(error instanceof Error ? error.message : error).slice(0, 200);

function readBearer(authorization: string | undefined): string {
  if (!authorization) throw refused('Send a bearer token: Authorization: Bearer TOKEN.');
  const [, token] = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(authorization) ?? [];
  if (!token || token.length > longestToken)
    throw refused('The Authorization header must be one bearer token.');
  return token;
}

/** Chosen by exact text among the policy's, never built from it. */
function issuerOf(token: string, { policy }: LoadedPolicy): Issuer {
  let iss: unknown;
  try {
    iss = decodeJwt(token).iss;
  } catch {
    throw refused('The token is malformed.');
  }
  const issuer = policy.issuers.find(candidate => candidate.issuer === iss);
  if (!issuer) throw refused('The token is from no issuer that is known here.');
  return issuer;
}

/** A user's token is for us only if he let the client use this very API. */
const ourScope = /(?:^| )(?:user_impersonation|access_as_user|Deployments\.[A-Za-z.]+)(?: |$)/;

/** What jose leaves open. An audience must be one string: a list would let a token for others in. */
function checkClaims(
  { aud, exp, iat, nbf, tid, ver, idtyp, scp, roles, nonce }: JWTPayload,
  { issuer }: Issuer,
  now: number,
): void {
  if (typeof aud !== 'string') throw new Error('aud is not one string');
  if (!Number.isInteger(exp) || !Number.isInteger(iat) || (nbf !== undefined && !Number.isInteger(nbf)))
    throw new Error('times');
  if ((iat ?? 0) > now + skewSeconds || (exp ?? 0) - (iat ?? 0) > longestLifeSeconds)
    throw new Error('lifetime');
  const tenant = /^https:\/\/login\.microsoftonline\.com\/([^/]+)\/v2\.0$/.exec(issuer)?.[1];
  if (tenant === undefined) return;
  if (tid !== tenant) throw new Error('tid');
  if (ver !== '2.0') throw new Error('ver');
  // An access token is an app's, or a user's with a scope; anything else is an ID token.
  const isApp = idtyp === 'app' && scp === undefined && Array.isArray(roles) && roles.length > 0;
  const isUser = idtyp !== 'app' && typeof scp === 'string' && ourScope.test(scp);
  if (nonce !== undefined || !(isApp || isUser)) throw new Error('not an access token');
}

function refused(detail: string): RequestError {
  return createError('Unauthenticated', detail, {
    headers: { 'www-authenticate': 'Bearer error="invalid_token"' },
  });
}

interface SigningKeys {
  resolve: ReturnType<typeof createRemoteJWKSet>;
  load(): Promise<void>;
  fresh(): boolean;
  close(): void;
}

const reloadMs = 15 * 60_000;
const oldestKeysMs = 24 * 3_600_000;
const cooldownMs = 30_000;
const longestKeySet = 64 * 1024;

/** An issuer's keys: kept through its outages for a day, and asked for once in 30 s at most, whatever tokens say. */
function createSigningKeys(issuer: string, dispatcher: Dispatcher, log: Log): SigningKeys {
  let loadedAt = 0;
  let failedAt = 0;
  const fetchKeys = async (url: string): Promise<Response> => {
    if (Date.now() - failedAt < cooldownMs && loadedAt > 0)
      throw new Error('the issuer did not answer a moment ago');
    try {
      const answer = await getJson(url, dispatcher);
      loadedAt = Date.now();
      return new Response(answer, { headers: { 'content-type': 'application/json' } });
    } catch (error) {
      failedAt = Date.now();
      throw error;
    }
  };
  const resolve = createRemoteJWKSet(keysUrl(issuer), {
    cacheMaxAge: Number.POSITIVE_INFINITY,
    cooldownDuration: cooldownMs,
    timeoutDuration: 5_000,
    [customFetch]: fetchKeys,
  });
  const load = () =>
    resolve.reload().catch(err => log.warn({ issuer, err }, 'the signing keys could not be read'));
  const timer = setInterval(load, reloadMs);
  timer.unref();
  return {
    resolve,
    load,
    fresh: () => Date.now() - loadedAt < oldestKeysMs,
    close: () => clearInterval(timer),
  };
}

/** Entra ID and GitHub, as their discovery documents say; other issuers keep the common place. */
function keysUrl(issuer: string): URL {
  const entra = /^(https:\/\/login\.microsoftonline\.com\/[^/]+)\/v2\.0$/.exec(issuer)?.[1];
  return new URL(entra ? `${entra}/discovery/v2.0/keys` : `${issuer.replace(/\/$/, '')}/.well-known/jwks`);
}

async function getJson(url: string, dispatcher: Dispatcher): Promise<string> {
  const { statusCode, body } = await request(url, { dispatcher, signal: AbortSignal.timeout(5_000) });
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > longestKeySet) throw new Error('the key set is too long');
    chunks.push(chunk);
  }
  if (statusCode !== 200) throw new Error(`the issuer answered ${statusCode}`);
  return Buffer.concat(chunks).toString('utf8');
}
