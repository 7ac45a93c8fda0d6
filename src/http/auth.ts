import { hash } from 'node:crypto';
import { decodeJwt, type JWTPayload, jwtVerify } from 'jose';
import type { Dispatcher } from 'undici';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import { entraTenant } from '../policy/issuers.ts';
import type { LoadedPolicy } from '../policy/load.ts';
import { callerOf } from '../policy/principals.ts';
import type { Caller } from '../schemas/principal.ts';
import { createSigningKeys, type SigningKeys } from './signing-keys.ts';
import { checkForm, readBearer, refused } from './token-form.ts';

export interface Authenticator {
  /**
   * Who the header's token speaks for. Throws 401 with a coarse reason; so also for a second change with a token whose
   * issuer policy lets make one.
   */
  authenticate(authorization: string | undefined, asked?: { change: boolean }): Promise<Caller>;
  /** Whether the signing keys of every issuer that was there at the start have been read, and not too long ago. */
  ready(): Promise<boolean>;
  /** When the keys of each issuer were read last. */
  keyAges(): { issuer: string; loadedAt: Date | null }[];
  close(): void;
}

interface AuthenticatorParts {
  policy: () => LoadedPolicy;
  dispatcher: Dispatcher;
  spentTokens: SpentTokens;
  log: Log;
  clock: Clock;
  /** Told of every look for a token that was verified a moment ago. */
  onLookup?: (hit: boolean) => void;
}

/** Remembers, for all replicas, which tokens have made their one change. */
interface SpentTokens {
  /** Whether it was not spent before. */
  spend(tokenHash: string, expiresAt: Date, now: Date): Promise<boolean>;
}

/** A token that was verified. */
interface Verified {
  caller: Caller;
  /** Of a token that is good for one change: what tells it apart; null where nothing does. */
  once?: string | null;
}

type Issuer = LoadedPolicy['policy']['issuers'][number];

const cachedMs = 60_000;
const cachedTokens = 10_000;
const skewSeconds = 60;
const longestLifeSeconds = 28 * 3600;

/**
 * Checks bearer tokens with jose, by exact issuer and audience. Whatever a token says of where its keys lie is not
 * followed; the issuer in it only chooses among those that policy names.
 */
export function createAuthenticator(parts: AuthenticatorParts): Authenticator {
  const { policy, dispatcher, spentTokens, log, clock } = parts;
  const keys = new Map<string, SigningKeys>();
  const keysOf = ({ issuer }: Issuer) => {
    const known = keys.get(issuer) ?? createSigningKeys(issuer, { dispatcher, log, clock });
    keys.set(issuer, known);
    return known;
  };
  let followed: string | null = null;
  /** The issuers of the policy of now: new ones are asked before a token comes, those that are gone no more. */
  const follow = ({ policy: { issuers }, digest }: LoadedPolicy) => {
    if (digest === followed) return;
    followed = digest;
    for (const [address, state] of keys)
      if (!issuers.some(({ issuer }) => issuer === address)) {
        state.close();
        keys.delete(address);
      }
    for (const issuer of issuers) void keysOf(issuer).load();
  };
  follow(policy());
  // One that a policy brings later must not take every replica out of service when it cannot be reached.
  const ofStart = new Set(keys.keys());
  const cache = new Map<string, Verified & { until: number; digest: string }>();

  return {
    async authenticate(authorization, { change } = { change: false }) {
      const token = readBearer(authorization);
      const verified = await lookUp(token, policy());
      if (change && verified.once !== undefined) await spend(verified);
      return verified.caller;
    },
    async ready() {
      const loaded = policy();
      follow(loaded);
      const states = loaded.policy.issuers
        .filter(({ issuer }) => ofStart.has(issuer))
        .map(issuer => keysOf(issuer));
      await Promise.all(states.filter(state => !state.fresh()).map(state => state.load()));
      return states.every(state => state.fresh());
    },
    keyAges: () => [...keys].map(([issuer, state]) => ({ issuer, loadedAt: state.loadedAt() })),
    close() {
      for (const state of keys.values()) state.close();
    },
  };

  async function lookUp(token: string, loaded: LoadedPolicy): Promise<Verified> {
    follow(loaded);
    const key = digestOf(token);
    const known = cache.get(key);
    const now = clock.now().getTime();
    const isKept = known?.digest === loaded.digest && now < known.until;
    parts.onLookup?.(isKept);
    if (isKept) return known;
    const verified = await verify(token, loaded);
    if (cache.size >= cachedTokens) cache.clear();
    const until = Math.min(now + cachedMs, verified.caller.expiresAt * 1000);
    cache.set(key, { ...verified, until, digest: loaded.digest });
    return verified;
  }

  async function verify(token: string, loaded: LoadedPolicy): Promise<Verified> {
    const issuer = issuerOf(token, loaded);
    try {
      checkForm(token);
      const { payload } = await jwtVerify(token, keysOf(issuer).resolve, {
        issuer: issuer.issuer,
        audience: issuer.audience,
        algorithms: ['RS256'],
        requiredClaims: ['exp', 'iat', 'aud', 'sub'],
        clockTolerance: skewSeconds,
        currentDate: clock.now(),
      });
      checkTimes(payload, clock.now().getTime() / 1000);
      checkClaims(payload, issuer);
      const caller = callerOf(loaded, issuer.name, payload);
      if (!caller) throw new Error('the token names nobody');
      return issuer.singleUse ? { caller, once: onceOf(payload) } : { caller };
    } catch (error) {
      log.info({ issuer: issuer.name, reason: reasonOf(error) }, 'a token was refused');
      throw refused('The token is not valid.');
    }
  }

  async function spend({ caller, once }: Verified): Promise<void> {
    if (!once) throw refused("The token has no `jti` or `uti`, and this issuer's are good for one change.");
    const expiresAt = new Date((caller.expiresAt + 2 * skewSeconds) * 1000);
    if (await spentTokens.spend(once, expiresAt, clock.now())) return;
    log.info({ issuer: caller.principal.issuer, reason: 'spent' }, 'a token was refused');
    throw refused('The token has made its one change; get another for the next.');
  }
}

const digestOf = (text: string) => hash('sha256', text, 'base64');

/** Entra ID's `uti` is what others call `jti`. */
function onceOf({ iss, jti, uti }: JWTPayload): string | null {
  const id = [jti, uti].find(value => typeof value === 'string' && value !== '');
  return id === undefined ? null : digestOf(JSON.stringify([iss, id]));
}

const reasonOf = (error: unknown) =>
  error instanceof Error && 'code' in error
    ? String(error.code)
    : String(error instanceof Error ? error.message : error).slice(0, 200);

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

function checkTimes({ exp, iat, nbf }: JWTPayload, now: number): void {
  const whole = [exp, iat, nbf ?? 0].every(time => Number.isSafeInteger(time));
  if (!whole || exp === undefined || iat === undefined) throw new Error('times');
  if (iat > now + skewSeconds || exp <= iat || exp - iat > longestLifeSeconds) throw new Error('lifetime');
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
  const isUser = (idtyp === undefined || idtyp === 'user') && typeof scp === 'string' && ourScope.test(scp);
  if (nonce !== undefined || !(isApp || isUser)) throw new Error('not an access token');
}
