import { createHash } from 'node:crypto';
import type { Dispatcher } from 'undici';
import { canonicalRegistry } from '../hosts.ts';
import { ask, type RegistryAnswer } from './asking.ts';
import { parseChallenges } from './challenge.ts';
import { basicHeader, type RegistryCredential } from './credential.ts';
import { PullProblem, problemOf, type RegistryProblem, readJson } from './problem.ts';
import type { ImageReference } from './reference.ts';
import { requestToken } from './token.ts';

export type { RegistryCredential } from './credential.ts';
export type { RegistryProblem } from './problem.ts';

export interface Platform {
  os: 'linux' | 'windows';
  architecture: 'amd64';
}

export interface PullRequest {
  reference: ImageReference;
  credential: RegistryCredential | null;
  platform: Platform;
  signal?: AbortSignal;
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

export function createRegistryClient({ dispatcher }: { dispatcher: Dispatcher }): RegistryClient {
  return {
    async resolve(request) {
      try {
        return await pull(request, dispatcher);
      } catch (error) {
        if (error instanceof PullProblem) return { ok: false, problem: error.problem };
        throw error;
      }
    },
  };
}

/** Docker Hub's API answers under a name of its own. */
export const apiHost = (domain: string) =>
  canonicalRegistry(domain) === 'docker.io' ? 'registry-1.docker.io' : domain.toLowerCase();

async function pull(request: PullRequest, dispatcher: Dispatcher): Promise<Pull> {
  const { reference, credential } = request;
  const host = apiHost(reference.domain);
  const url = `https://${host}/v2/${reference.path}/manifests/${reference.digest ?? reference.tag ?? 'latest'}`;
  const get = (method: 'HEAD' | 'GET', authorization: string | null) =>
    ask({
      method,
      url,
      host,
      step: 'manifest',
      signedIn: authorization !== null,
      authorization,
      accept: manifestTypes.join(', '),
      dispatcher,
      ...(request.signal ? { signal: request.signal } : {}),
    });

  let authorization: string | null = null;
  let answer = await get('HEAD', null);
  if (answer.status === 401) {
    authorization = await signIn(answer, host, request, dispatcher);
    if (authorization === null) throw problemOf(await get('GET', null), host, false);
    answer = await get('HEAD', authorization);
  }
  // The error's code is in a body, which HEAD has none of.
  const signedIn = authorization !== null && credential !== null;
  if (answer.status !== 200) throw problemOf(await get('GET', authorization), host, signedIn);
  return examine(answer, () => get('GET', authorization), host, request);
}

/** The header for the second try, by the challenge: Bearer before Basic; null where there is no way. */
async function signIn(
  answer: RegistryAnswer,
  host: string,
  request: PullRequest,
  dispatcher: Dispatcher,
): Promise<string | null> {
  const challenges = parseChallenges(answer.headers['www-authenticate']);
  const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
  if (bearer) return `Bearer ${await requestToken(bearer.parameters, host, request, dispatcher)}`;
  const { credential } = request;
  const basic = challenges.some(({ scheme }) => scheme === 'basic');
  if (!basic || !credential || !('username' in credential)) return null;
  return basicHeader(credential);
}

interface Index {
  manifests?: { digest?: string; platform?: { os?: string; architecture?: string } }[];
  config?: { digest?: string };
}

async function examine(
  head: RegistryAnswer,
  getBody: () => Promise<RegistryAnswer>,
  host: string,
  { platform, credential }: PullRequest,
): Promise<Pull> {
  const mediaType =
    String(head.headers['content-type'] ?? '')
      .split(';')[0]
      ?.trim() ?? '';
  const announced = head.headers['docker-content-digest'];
  const isIndex = /index|manifest\.list/.test(mediaType);
  if (typeof announced === 'string' && !isIndex && manifestTypes.includes(mediaType))
    return { ok: true, digest: announced, mediaType, platformDigest: null };

  const answer = await getBody();
  const signedIn = credential !== null;
  if (answer.status !== 200) throw problemOf(answer, host, signedIn);
  const manifest = readJson<Index>(answer);
  if (!manifest || !(manifest.manifests || manifest.config))
    throw new PullProblem({ step: 'manifest', host, status: 200, notARegistry: true, signedIn });
  const digest =
    typeof announced === 'string'
      ? announced
      : `sha256:${createHash('sha256').update(answer.body).digest('hex')}`;
  if (!manifest.manifests) return { ok: true, digest, mediaType, platformDigest: null };
  const child = manifest.manifests.find(
    entry => entry.platform?.os === platform.os && entry.platform.architecture === platform.architecture,
  );
  if (child?.digest) return { ok: true, digest, mediaType, platformDigest: child.digest };
  const platforms = manifest.manifests.map(entry => `${entry.platform?.os}/${entry.platform?.architecture}`);
  throw new PullProblem({ step: 'platform', host, platforms, signedIn });
}
