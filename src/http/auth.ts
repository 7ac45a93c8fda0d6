import { createHash } from 'node:crypto';
import { decodeJwt, type JWTHeaderParameters, type JWTPayload, jwtVerify } from 'jose';
import type { Dispatcher } from 'undici';
import type { Clock } from '../clock.ts';
import { createError, type RequestError } from '../errors.ts';
import type { Log } from '../log.ts';
import { entraTenant } from '../policy/issuers.ts';
import type { LoadedPolicy } from '../policy/load.ts';
import { callerOf } from '../policy/principals.ts';
import type { Caller } from '../schemas/principal.ts';
import { createSigningKeys, type SigningKeys } from './signing-keys.ts';

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

const longestHeader = 16_384;
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
  const keysOf = ({ issuer }: Issuer) => {
    const known = keys.get(issuer) ?? createSigningKeys(issuer, { dispatcher, log, clock });
    keys.set(issuer, known);
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
    try {
      const { payload, protectedHeader } = await jwtVerify(token, keysOf(issuer).resolve, {
        issuer: issuer.issuer,
        audience: issuer.audience,
        algorithms: ['RS256'],
        requiredClaims: ['exp', 'iat', 'aud', 'sub'],
        clockTolerance: skewSeconds,
        currentDate: clock.now(),
      });
      checkHeader(protectedHeader);
      checkTimes(payload, clock.now().getTime() / 1000);
      checkClaims(payload, issuer);
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
  const form = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/i;
  const [, token] = authorization.length <= longestHeader ? (form.exec(authorization) ?? []) : [];
  if (!token) throw refused('The Authorization header must be one bearer token.');
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

/** jose takes a token without `kid` or `typ`, and one that stands around another. */
function checkHeader({ typ, kid, cty }: Partial<JWTHeaderParameters>): void {
  if (typ === undefined || !/^(?:at\+)?jwt$/i.test(typ)) throw new Error('typ');
  if (typeof kid !== 'string' || cty !== undefined) throw new Error('kid or cty');
}

function checkTimes({ exp, iat, nbf }: JWTPayload, now: number): void {
  const whole = [exp, iat, nbf ?? 0].every(time => Number.isSafeInteger(time));
  if (!whole || exp === undefined || iat === undefined) throw new Error('times');
  if (iat > now + skewSeconds || exp - iat > longestLifeSeconds) throw new Error('lifetime');
}

/** A user's token is for us only if he let the client use this very API. */
const ourScope = /(?:^| )(?:user_impersonation|access_as_user|Deployments\.[A-Za-z.]+)(?: |$)/;

/** What jose leaves open. An audience must be one string: a list would let a token for others in. */
function checkClaims(payload: JWTPayload, { issuer, audience }: Issuer): void {
  if (payload.aud !== audience) throw new Error('aud is not one string');
  const tenant = entraTenant(issuer);
  if (tenant === null) return;
  const { tid, ver, idtyp, scp, roles, nonce } = payload;
  if (tid !== tenant) throw new Error('tid');
  if (ver !== '2.0') throw new Error('ver');
  // An access token is an app's with a role, which it was given, or a user's with a scope; else it is an ID token.
  const isApp = idtyp === 'app' && scp === undefined && Array.isArray(roles) && roles.length > 0;
  const isUser = idtyp !== 'app' && typeof scp === 'string' && ourScope.test(scp);
  if (nonce !== undefined || !(isApp || isUser)) throw new Error('not an access token');
}

function refused(detail: string): RequestError {
  return createError('Unauthenticated', detail, {
    headers: { 'www-authenticate': 'Bearer error="invalid_token"' },
  });
}
