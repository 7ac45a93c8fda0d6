import type { Dispatcher } from 'undici';
import { canonicalRegistry } from '../hosts.ts';
import { ask, type Conversation, defaultTimeoutMs, type RegistryAnswer } from './asking.ts';
import { parseChallenges } from './challenge.ts';
import { type Authorization, basicAuthorization, type RegistryCredential } from './credential.ts';
import { examine, type Platform } from './manifest.ts';
import { PullProblem, problemOf, type RegistryProblem } from './problem.ts';
import type { ImageReference } from './reference.ts';
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

/** `timeoutMs` bounds each request, body and all. Who gives the dispatcher says which addresses may be reached. */
export function createRegistryClient({
  dispatcher,
  timeoutMs = defaultTimeoutMs,
  tokenHostOf = () => undefined,
}: {
  dispatcher: Dispatcher;
  timeoutMs?: number;
  /** The host from which a registry's tokens may come beside itself and what everybody knows. */
  tokenHostOf?: (registry: string) => string | undefined;
}): RegistryClient {
  return {
    async resolve(request) {
      using kept = new DisposableStack();
      try {
        const host = apiHost(request.reference.domain);
        const tokenHost = tokenHostOf(host);
        return await pull({ host, tokenHost, request, dispatcher, timeoutMs, kept });
      } catch (error) {
        if (error instanceof PullProblem) return { ok: false, problem: error.problem };
        throw error;
      }
    },
  };
}

/** Docker Hub's API answers under a name of its own. Otherwise the host as a URL spells it, so that realms compare. */
export function apiHost(domain: string): string {
  if (canonicalRegistry(domain) === 'docker.io') return 'registry-1.docker.io';
  const url = `https://${domain}`;
  return URL.canParse(url) ? new URL(url).host : domain.toLowerCase();
}

async function pull(conversation: Conversation): Promise<Pull> {
  const first = await askManifest('HEAD', conversation, null);
  const authorization = first.status === 401 ? await signIn(first, conversation) : null;
  const head = authorization ? await askManifest('HEAD', conversation, authorization) : first;
  // The error's code is in a body, which HEAD has none of; and not every server knows HEAD.
  const answer = head.status === 200 ? head : await askManifest('GET', conversation, authorization);
  const signedIn = authorization !== null && conversation.request.credential !== null;
  if (answer.status !== 200) throw problemOf(answer, conversation.host, signedIn, 'manifest');
  const read = async () =>
    answer.body.length > 0 ? answer : await askManifest('GET', conversation, authorization);
  return examine({ answer, read, signedIn, authorization }, conversation);
}

function askManifest(
  method: 'HEAD' | 'GET',
  conversation: Conversation,
  authorization: Authorization | null,
): Promise<RegistryAnswer> {
  const { path, tag, digest } = conversation.request.reference;
  const url = `https://${conversation.host}/v2/${path}/manifests/${digest ?? tag ?? 'latest'}`;
  return ask(conversation, {
    method,
    url,
    step: 'manifest',
    authorization,
    accept: manifestTypes.join(', '),
  });
}

/** The header for the second try, by the challenge: Bearer before Basic; null where there is no way. */
async function signIn(answer: RegistryAnswer, conversation: Conversation): Promise<Authorization | null> {
  const challenges = parseChallenges(answer.headers['www-authenticate']);
  const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
  if (bearer) return requestToken(bearer.parameters, conversation);
  const { credential } = conversation.request;
  const basic = challenges.some(({ scheme }) => scheme === 'basic');
  if (!basic || !credential || !('username' in credential)) return null;
  return basicAuthorization(credential, conversation.kept);
}
