import type { Dispatcher } from 'undici';
import { canonicalRegistry } from '../hosts.ts';
import { askTwice, type Conversation, defaultTimeoutMs, type RegistryAnswer, tooLong } from './asking.ts';
import { parseChallenges } from './challenge.ts';
import { type Authorization, basicAuthorization, ownCopy, type RegistryCredential } from './credential.ts';
import { digestIn, examine, hub, isLong, type Platform } from './manifest.ts';
import type { Issued, RegistryMemory } from './memory.ts';
import { PullProblem, problemOf, type RegistryProblem } from './problem.ts';
import type { ImageReference } from './reference.ts';
import { nearestTags } from './tags.ts';
import { requestToken } from './token.ts';

export type { RegistryCredential } from './credential.ts';
export type { Platform } from './manifest.ts';
export type { RegistryProblem } from './problem.ts';

export interface PullRequest {
  reference: ImageReference;
  credential: RegistryCredential | null;
  platform: Platform;
  signal?: AbortSignal;
  /** Nothing that was learned before counts. */
  fresh?: boolean;
}

export type Pull =
  | { ok: true; digest: string; mediaType: string; platformDigest: string | null }
  | { ok: false; problem: RegistryProblem };

export interface RegistryClient {
  /** Names the digest that a reference stands for, with exactly this credential. Does not throw for what registries do. */
  resolve(request: PullRequest): Promise<Pull>;
}

export const manifestTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
];

interface ClientOptions {
  /** Who gives it says which addresses may be reached. */
  dispatcher: Dispatcher;
  /** Bounds each request, body and all. */
  timeoutMs?: number;
  /** The host from which a registry's tokens may come beside itself and what everybody knows. */
  tokenHostOf?: (registry: string) => string | undefined;
  /** What is learned for those who do not ask for the fresh. */
  memory?: RegistryMemory;
}

export function createRegistryClient(options: ClientOptions): RegistryClient {
  return {
    async resolve(request) {
      const host = apiHost(request.reference.domain);
      const { memory } = options;
      if (!memory || request.fresh) return converse(host, request, options, null);
      // Who waits may go; what is under way is for all who ask the same.
      const { signal, ...shared } = request;
      const flight = memory.share(host, request, () => converse(host, shared, options, memory));
      return signal ? unless(signal, flight) : flight;
    },
  };
}

async function converse(
  host: string,
  request: PullRequest,
  { dispatcher, timeoutMs = defaultTimeoutMs, tokenHostOf }: ClientOptions,
  memory: RegistryMemory | null,
): Promise<Pull> {
  using kept = new DisposableStack();
  const credential = ownCopy(request.credential, kept);
  const own = { ...request, credential };
  try {
    return await pull(
      { host, tokenHost: tokenHostOf?.(host), request: own, dispatcher, timeoutMs, kept },
      memory,
    );
  } catch (error) {
    if (error instanceof PullProblem) return { ok: false, problem: error.problem };
    throw error;
  }
}

function unless<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  const { promise: given, reject } = Promise.withResolvers<never>();
  const give = () => reject(signal.reason);
  if (signal.aborted) give();
  signal.addEventListener('abort', give);
  return Promise.race([promise, given]).finally(() => signal.removeEventListener('abort', give));
}

/** Docker Hub's API answers under a name of its own. Otherwise the host as a URL spells it, so that realms compare. */
export function apiHost(domain: string): string {
  if (canonicalRegistry(domain) === 'docker.io') return 'registry-1.docker.io';
  return URL.parse(`https://${domain}`)?.host ?? domain.toLowerCase();
}

async function pull(conversation: Conversation, memory: RegistryMemory | null): Promise<Pull> {
  const { host, request } = conversation;
  const known = memory?.authorizationFor(host, request, conversation.kept) ?? null;
  const first = await askFirst(conversation, known);
  if (first.status === 401 && known) {
    memory?.forgetAuthorization(host, request);
    return pull(conversation, memory);
  }
  const issued = first.status === 401 ? await signIn(first, conversation) : null;
  const authorization = known ?? issued?.authorization ?? null;
  const signedIn = authorization !== null && request.credential !== null;
  const answer = await settle(first, issued !== null, conversation, authorization);
  if (answer.status !== 200) throw await refusal(answer, signedIn, conversation, authorization);
  if (issued) memory?.keepAuthorization(host, request, issued);

  const announced = digestIn(answer);
  const before = announced === undefined ? null : memory?.found(host, request, announced);
  if (before && (request.reference.digest ?? announced) === announced) return before;
  const read = async () =>
    answer.body.length > 0 ? answer : await askManifest('GET', conversation, authorization);
  const found = await examine({ answer, read, signedIn, authorization }, conversation);
  if (found.ok) memory?.keepFound(host, request, found);
  return found;
}

/**
 * HEAD, and GET where that tells no manifest and asks for no sign-in: an error's code is in a body, which HEAD has none of,
 * not every server knows HEAD, and what a proxy said for once may have passed.
 */
async function askFirst(
  conversation: Conversation,
  authorization: Authorization | null,
): Promise<RegistryAnswer> {
  const head = await askManifest('HEAD', conversation, authorization);
  return isManifest(head) || head.status === 401 ? head : askManifest('GET', conversation, authorization);
}

/** As far as its head tells. */
const isManifest = (head: RegistryAnswer) =>
  head.status === 200 &&
  (/^application\/vnd\./i.test(String(head.headers['content-type'] ?? '')) || digestIn(head) !== undefined);

/** The answer that counts: the first one, or what comes to who has signed in. */
async function settle(
  first: RegistryAnswer,
  signedInNow: boolean,
  conversation: Conversation,
  authorization: Authorization | null,
): Promise<RegistryAnswer> {
  const ask = (method: 'HEAD' | 'GET') => askManifest(method, conversation, authorization);
  if (!signedInNow) return first.status === 401 ? ask('GET') : first;
  if (conversation.host === hub) {
    const head = await ask('HEAD');
    return head.status === 200 ? head : ask('GET');
  }
  try {
    return await ask('GET');
  } catch (error) {
    if (!(error instanceof PullProblem) || error.problem.networkCode !== tooLong) throw error;
    const head = await ask('HEAD');
    if (head.status === 200 && isLong(head)) return head;
    throw error;
  }
}

async function refusal(
  answer: RegistryAnswer,
  signedIn: boolean,
  conversation: Conversation,
  authorization: Authorization | null,
): Promise<PullProblem> {
  const found = problemOf(answer, conversation.host, signedIn, 'manifest');
  const { digest } = conversation.request.reference;
  if (answer.status !== 404 || digest !== null || found.problem.notARegistry) return found;
  const nearest = await nearestTags(conversation, authorization);
  return nearest.length > 0 ? new PullProblem({ ...found.problem, nearestTags: nearest }) : found;
}

function askManifest(
  method: 'HEAD' | 'GET',
  conversation: Conversation,
  authorization: Authorization | null,
): Promise<RegistryAnswer> {
  const { path, tag, digest } = conversation.request.reference;
  const url = `https://${conversation.host}/v2/${path}/manifests/${digest ?? tag ?? 'latest'}`;
  return askTwice(conversation, {
    method,
    url,
    step: 'manifest',
    authorization,
    accept: manifestTypes.join(', '),
  });
}

/** The header for the second try, by the challenge: Bearer before Basic; null where there is no way. */
async function signIn(answer: RegistryAnswer, conversation: Conversation): Promise<Issued | null> {
  const challenges = parseChallenges(answer.headers['www-authenticate']);
  const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
  if (bearer) return requestToken(bearer.parameters, conversation);
  const { credential } = conversation.request;
  const basic = challenges.some(({ scheme }) => scheme === 'basic');
  if (!basic || !credential || !('username' in credential)) return null;
  return { authorization: basicAuthorization(credential, conversation.kept), lifeMs: null };
}
