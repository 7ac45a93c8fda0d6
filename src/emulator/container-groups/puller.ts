import { askerHeader, pullers } from '../arm/network-rules.ts';
import type { Answer, Parts } from '../parts.ts';
import { digestOf, exitCodeLabel } from '../registry/images.ts';
import type { ContainerGroup, Principal } from '../world.ts';
import { type ImageReference, isServerOf, parseImage } from './image-reference.ts';
import { noPlatform, type PullProblem, refusedBy, unreachable } from './pull-problem.ts';
import { signIn } from './pull-sign-in.ts';
import { UnresolvedReference, withPassword } from './secret-references.ts';
import type { StoredCredential, StoredProperties } from './stored.ts';

/** What asking the registry for an image came to. */
export type Look = Found | PullProblem;

export interface Found {
  ok: true;
  digest: string;
  /** How its containers end, where its label says so. */
  exitCode: number | null;
  /** What it runs where the container does not say. */
  command: string[];
}

export interface Puller {
  look(image: string, group: Pick<ContainerGroup, 'identity' | 'properties'>): Promise<Look>;
}

export interface PullerParts extends Pick<Parts, 'fetch' | 'world' | 'tier'> {
  /** A token for a managed identity. */
  identityToken(principal: Principal, audience: string): Promise<string>;
}

/** Pulls as ACI does: with exactly the credential stored for the registry in the image's name, none where none fits. */
export function createPuller(parts: PullerParts): Puller {
  return {
    async look(image, group) {
      const reference = parseImage(parts.tier === 'simulated' ? image.toLowerCase() : image);
      if (!reference) return { ok: false, why: 'inaccessible', host: '', text: 'invalid reference format' };
      if (parts.tier === 'simulated') return simulated(reference);
      const properties: StoredProperties = group.properties;
      const { imageRegistryCredentials = [], osType = 'Linux' } = properties;
      const credential = imageRegistryCredentials.find(({ server = '' }) =>
        isServerOf(server, reference.host),
      );
      try {
        const whole = await withPassword(credential, properties, parts);
        const asker = credential?.identity ? pullers.trusted : pullers.plain;
        return await converse(reference, whole, osType.toLowerCase(), asking(parts, asker));
      } catch (error) {
        if (error instanceof UnresolvedReference)
          return { ok: false, why: 'inaccessible', host: reference.host, text: error.message };
        return unreachable(error, reference.host);
      }
    },
  };
}

/** As container instances ask: with an identity a registry's network rules let them by. */
function asking(parts: PullerParts, asker: string): PullerParts {
  const named = (headers = {}) => ({ ...headers, [askerHeader]: asker });
  return { ...parts, fetch: (url, init) => parts.fetch(url, { ...init, headers: named(init?.headers) }) };
}

/** Every image exists; what runs in those that everybody knows is known too. */
function simulated({ host, repository, reference }: ImageReference): Found {
  const digest = digestOf(Buffer.from(`${host}/${repository}:${reference}`));
  return {
    ok: true,
    digest,
    exitCode: null,
    command: knownCommands[repository.split('/').at(-1) ?? ''] ?? [],
  };
}

const knownCommands: Record<string, string[]> = {
  alpine: ['/bin/sh'],
  bash: ['bash'],
  busybox: ['sh'],
  debian: ['bash'],
  ubuntu: ['/bin/bash'],
};

const accept = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');

async function converse(
  { host, repository, reference }: ImageReference,
  credential: StoredCredential | undefined,
  os: string,
  parts: PullerParts,
): Promise<Look> {
  const base = `https://${host}/v2/${repository}`;
  let headers: Record<string, string> = { accept };
  const get = (path: string) => parts.fetch(`${base}/${path}`, { headers });
  let answer = await get(`manifests/${reference}`);
  if (answer.status === 401) {
    const signedIn = await signIn(answer, { host, repository }, credential, parts);
    if (signedIn.refused) return refusedBy(signedIn.refused, host);
    if (signedIn.authorization !== undefined) {
      headers = { ...headers, authorization: signedIn.authorization };
      answer = await get(`manifests/${reference}`);
    }
  }
  if (answer.status !== 200) return refusedBy(answer, host);
  return examine(answer, host, os, get);
}

interface Manifest {
  manifests?: { digest: string; platform?: { os?: string; architecture?: string } }[];
  config?: { digest: string };
}

interface Config {
  os?: string;
  architecture?: string;
  config?: { Labels?: Record<string, string>; Entrypoint?: string[] | null; Cmd?: string[] | null };
}

async function examine(
  answer: Answer,
  host: string,
  os: string,
  get: (path: string) => Promise<Answer>,
): Promise<Look> {
  const digest = String(answer.headers['docker-content-digest'] ?? digestOf(answer.body));
  let manifest = json<Manifest>(answer);
  if (manifest.manifests) {
    const child = manifest.manifests.find(
      ({ platform }) => platform?.os === os && platform.architecture === 'amd64',
    );
    if (!child) return noPlatform(os, host);
    const found = await get(`manifests/${child.digest}`);
    if (found.status !== 200) return refusedBy(found, host);
    manifest = json<Manifest>(found);
  }
  const config = await readConfig(manifest, get);
  if ((config.os ?? os) !== os || (config.architecture ?? 'amd64') !== 'amd64') return noPlatform(os, host);
  const exitCode = config.config?.Labels?.[exitCodeLabel];
  const command = [...(config.config?.Entrypoint ?? []), ...(config.config?.Cmd ?? [])];
  return { ok: true, digest, exitCode: exitCode === undefined ? null : Number(exitCode), command };
}

/** Some registries keep blobs on another host, which is not followed: then the config says nothing. */
async function readConfig({ config }: Manifest, get: (path: string) => Promise<Answer>): Promise<Config> {
  const answer = config ? await get(`blobs/${config.digest}`) : undefined;
  return answer?.status === 200 ? json<Config>(answer) : {};
}

const json = <T>({ body }: Answer): T => JSON.parse(body.toString('utf8'));

/** As ACI's events say it: with `code Unknown desc`, not `code = Unknown desc =` as others (recorded traffic). */
export function failedPullText(image: string, { text }: PullProblem): string {
  const { host, repository, reference } = parseImage(image) ?? { host: '', repository: '', reference: '' };
  return `Failed to pull image "${image}": rpc error: code Unknown desc Error response from daemon: Get https://${host}/v2/${repository}/manifests/${reference}: ${text}`;
}
