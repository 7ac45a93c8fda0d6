import { hash, randomBytes } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { Secret } from '../secret.ts';
import type { Pull, PullRequest } from './client.ts';
import type { Authorization, RegistryCredential } from './credential.ts';

type Found = Pull & { ok: true };

/** What a registry's token service said: the header, and for how long it said that it holds. */
export interface Issued {
  authorization: Authorization;
  lifeMs: number | null;
}

/**
 * What was learned of registries: how a credential signs in, and what stands behind a digest, which never changes. What a
 * tag stands for and whether a credential may still pull is asked anew each time. No secret is a key.
 */
export interface RegistryMemory {
  /** The header for a conversation that was had before; its secret is the caller's own copy, kept in `kept`. */
  authorizationFor(host: string, request: PullRequest, kept: DisposableStack): Authorization | null;
  keepAuthorization(host: string, request: PullRequest, issued: Issued): void;
  forgetAuthorization(host: string, request: PullRequest): void;
  found(host: string, request: PullRequest, digest: string): Found | null;
  keepFound(host: string, request: PullRequest, found: Found): void;
  /** The same question at the same time is asked once. */
  share(host: string, request: PullRequest, ask: () => Promise<Pull>): Promise<Pull>;
  close(): void;
}

/** A right that was withdrawn at the registry is noticed within this time at the latest. */
const longestTokenMs = 60_000;
const digestMs = 3_600_000;
const mostTokens = 200;
const mostDigests = 2_000;

export function createRegistryMemory(
  clock: Clock,
  onLookup: (of: 'registryTokens' | 'registryDigests', hit: boolean) => void = () => {},
): RegistryMemory {
  const fingerprint = createFingerprint();
  const tokens = createShelf<Authorization>(clock, mostTokens, ({ value }) => value[Symbol.dispose]());
  const digests = createShelf<Found>(clock, mostDigests);
  const flights = new Map<string, Promise<Pull>>();

  const login = (host: string, { credential, reference }: PullRequest) =>
    `${fingerprint(credential)} ${host}/${reference.path}`;
  const content = (host: string, request: PullRequest, sum: string) =>
    `${login(host, request)} ${request.platform.os} ${sum}`;

  return {
    authorizationFor(host, request, kept) {
      const known = tokens.get(login(host, request));
      onLookup('registryTokens', known !== null);
      return known && { scheme: known.scheme, value: kept.use(new Secret(known.value.reveal())) };
    },
    keepAuthorization(host, request, { authorization: { scheme, value }, lifeMs }) {
      // A token that ends while it is used would be taken for a refusal.
      const life = Math.min(lifeMs === null ? longestTokenMs : lifeMs - 10_000, longestTokenMs);
      if (life > 0) tokens.put(login(host, request), { scheme, value: new Secret(value.reveal()) }, life);
    },
    forgetAuthorization: (host, request) => tokens.drop(login(host, request)),
    found(host, request, sum) {
      const known = digests.get(content(host, request, sum));
      onLookup('registryDigests', known !== null);
      return known;
    },
    keepFound: (host, request, found) => digests.put(content(host, request, found.digest), found, digestMs),
    share(host, request, ask) {
      const { tag, digest: sum } = request.reference;
      const key = content(host, request, sum ?? `:${tag}`);
      const flight = flights.get(key) ?? ask().finally(() => flights.delete(key));
      flights.set(key, flight);
      return flight;
    },
    close: () => tokens.clear(),
  };
}

/** Tells credentials apart and nothing of them: another in each process, and made once for each credential at hand. */
function createFingerprint(): (credential: RegistryCredential | null) => string {
  const salt = randomBytes(32).toString('hex');
  const made = new WeakMap<Secret, string>();
  return credential => {
    if (!credential) return 'nobody';
    const isUser = 'username' in credential;
    const secret = isUser ? credential.password : credential.entraToken;
    const who = isUser ? ['user', credential.username] : ['entra', credential.tenantId];
    const sum = made.get(secret) ?? hash('sha256', `${salt}${secret.reveal()}`, 'base64');
    made.set(secret, sum);
    return JSON.stringify([...who, sum]);
  };
}

/** A bounded map whose entries end: the one that was put first gives way. */
function createShelf<T>(clock: Clock, most: number, onDrop: (value: T) => void = () => {}) {
  const entries = new Map<string, { value: T; until: number }>();
  const drop = (key: string) => {
    const entry = entries.get(key);
    if (entry && entries.delete(key)) onDrop(entry.value);
  };
  return {
    get(key: string): T | null {
      const entry = entries.get(key);
      if (!entry) return null;
      if (entry.until > clock.now().getTime()) return entry.value;
      drop(key);
      return null;
    },
    put(key: string, value: T, lifeMs: number): void {
      drop(key);
      const [first] = entries.keys();
      if (entries.size >= most && first !== undefined) drop(first);
      entries.set(key, { value, until: clock.now().getTime() + lifeMs });
    },
    drop,
    clear: () => [...entries.keys()].forEach(drop),
  };
}
