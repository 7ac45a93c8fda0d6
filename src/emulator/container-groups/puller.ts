import type { Answer, Parts } from '../parts.ts';
import { exitCodeLabel } from '../registry/images.ts';
import type { ContainerGroup, Principal, Pulled, World } from '../world.ts';
import type { StoredCredential, StoredProperties } from './stored.ts';

/** What asking the registry for an image came to. */
export type Look =
  | { ok: true; digest: string; exitCode: number | null }
  /** `text` is how a container engine says it. */
  | { ok: false; why: 'inaccessible' | 'registryError' | 'platform'; host: string; text: string };

export interface Puller {
  look(image: string, group: Pick<ContainerGroup, 'identity' | 'properties'>): Promise<Look>;
}

interface PullerParts extends Pick<Parts, 'fetch' | 'world' | 'tier'> {
  /** A token for a managed identity, for Azure Container Registry. */
  identityToken(principal: Principal): Promise<string>;
}

/** Pulls as ACI does: with exactly the credential stored for the registry in the image's name, none where none fits. */
export function createPuller(parts: PullerParts): Puller {
  return {
    async look(image, group) {
      const reference = parse(image);
      if (!reference) return { ok: false, why: 'inaccessible', host: '', text: 'invalid reference format' };
      if (parts.tier === 'simulated') return { ok: true, digest: `sha256:${'0'.repeat(64)}`, exitCode: null };
      const { imageRegistryCredentials = [], osType = 'Linux' } = group.properties as StoredProperties;
      const credential = imageRegistryCredentials.find(({ server = '' }) =>
        sameRegistry(server, reference.host),
      );
      return converse(reference, credential, osType.toLowerCase(), parts);
    },
  };
}

interface Reference {
  host: string;
  repository: string;
  reference: string;
}

function parse(image: string): Reference | null {
  const [, host, rest] = /^([^/]*[.:][^/]*|localhost)\/(.+)$/.exec(image) ?? [null, 'docker.io', image];
  const [, repository, tag, digest] =
    /^([a-z0-9._/-]+?)(?::([\w.-]{1,128}))?(?:@(sha256:[0-9a-f]{64}))?$/.exec(rest ?? '') ?? [];
  if (!host || !repository) return null;
  const isHub = sameRegistry(host, 'docker.io');
  const full = isHub && !repository.includes('/') ? `library/${repository}` : repository;
  return {
    host: isHub ? 'registry-1.docker.io' : host.toLowerCase(),
    repository: full,
    reference: digest ?? tag ?? 'latest',
  };
}

const hub = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io']);
const fold = (server: string) => (hub.has(server.toLowerCase()) ? 'docker.io' : server.toLowerCase());
const sameRegistry = (left: string, right: string) => fold(left) === fold(right);

const accept = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');

async function converse(
  { host, repository, reference }: Reference,
  credential: StoredCredential | undefined,
  os: string,
  parts: PullerParts,
): Promise<Look> {
  const base = `https://${host}/v2/${repository}`;
  try {
    let headers: Record<string, string> = { accept };
    let answer = await parts.fetch(`${base}/manifests/${reference}`, { headers });
    if (answer.status === 401) {
      const authorization = await authorize(answer, host, repository, credential, parts);
      if (authorization !== null) {
        headers = { ...headers, authorization };
        answer = await parts.fetch(`${base}/manifests/${reference}`, { headers });
      }
    }
    if (answer.status !== 200) return failed(answer, host);
    return await examine(answer, host, os, path => parts.fetch(`${base}/${path}`, { headers }));
  } catch (error) {
    return unreachable(error, host);
  }
}

interface Manifest {
  manifests?: { digest: string; platform?: { os?: string; architecture?: string } }[];
  config?: { digest: string };
}

async function examine(
  answer: Answer,
  host: string,
  os: string,
  get: (path: string) => Promise<Answer>,
): Promise<Look> {
  const digest = String(answer.headers['docker-content-digest'] ?? '');
  let manifest = json<Manifest>(answer);
  if (manifest.manifests) {
    const child = manifest.manifests.find(
      ({ platform }) => platform?.os === os && platform.architecture === 'amd64',
    );
    if (!child)
      return {
        ok: false,
        why: 'platform',
        host,
        text: `no matching manifest for ${os}/amd64 in the manifest list entries`,
      };
    manifest = json<Manifest>(await get(`manifests/${child.digest}`));
  }
  const config = manifest.config ? await get(`blobs/${manifest.config.digest}`) : null;
  const labels =
    config?.status === 200
      ? json<{ config?: { Labels?: Record<string, string> } }>(config).config?.Labels
      : undefined;
  const exitCode = labels?.[exitCodeLabel];
  return { ok: true, digest, exitCode: exitCode === undefined ? null : Number(exitCode) };
}

const json = <T>({ body }: Answer): T => JSON.parse(body.toString('utf8'));

/** The header of the second try. A refused sign-in is told by the second try's own 401. */
async function authorize(
  answer: Answer,
  host: string,
  repository: string,
  credential: StoredCredential | undefined,
  parts: PullerParts,
): Promise<string | null> {
  const challenge = [answer.headers['www-authenticate'] ?? ''].flat().join(', ');
  const basic =
    credential?.username !== undefined
      ? `Basic ${Buffer.from(`${credential.username}:${credential.password ?? ''}`).toString('base64')}`
      : null;
  if (/^basic/i.test(challenge)) return basic;
  const realm = /realm="([^"]+)"/i.exec(challenge)?.[1];
  if (!realm) return null;
  const url = new URL(realm);
  const service = /service="([^"]+)"/i.exec(challenge)?.[1] ?? url.host;
  const scope = `repository:${repository}:pull`;
  if (credential?.identity) return identityHeader({ host, service, scope }, credential.identity, parts);
  url.searchParams.set('service', service);
  url.searchParams.set('scope', scope);
  const token = await parts.fetch(url.href, basic ? { headers: { authorization: basic } } : {});
  return tokenHeader(token);
}

function tokenHeader(answer: Answer): string | null {
  if (answer.status !== 200) return null;
  const { token, access_token } = json<{ token?: string; access_token?: string }>(answer);
  return token || access_token ? `Bearer ${token ?? access_token}` : null;
}

async function identityHeader(
  place: { host: string; service: string; scope: string },
  identity: string,
  parts: PullerParts,
): Promise<string | null> {
  const principal = principalOf(parts.world, identity);
  if (!principal) return null;
  const post = (path: string, fields: Record<string, string>) =>
    parts.fetch(`https://${place.host}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(fields).toString(),
    });
  const { service, scope } = place;
  const access_token = await parts.identityToken(principal);
  const exchanged = await post('/oauth2/exchange', {
    grant_type: 'access_token',
    service,
    tenant: parts.world.tenantId,
    access_token,
  });
  if (exchanged.status !== 200) return null;
  const { refresh_token } = json<{ refresh_token: string }>(exchanged);
  return tokenHeader(
    await post('/oauth2/token', { grant_type: 'refresh_token', service, scope, refresh_token }),
  );
}

function principalOf({ identities, principals }: World, id: string): Principal | undefined {
  const identity = identities[id.toLowerCase()];
  return identity ? principals[identity.clientId.toLowerCase()] : undefined;
}

function failed(answer: Answer, host: string): Look {
  const { status } = answer;
  const said = firstError(answer);
  if (status === 429)
    return { ok: false, why: 'registryError', host, text: `toomanyrequests: ${said ?? 'Too Many Requests'}` };
  if (status >= 500)
    return { ok: false, why: 'registryError', host, text: `received unexpected HTTP status: ${status}` };
  if (status === 404)
    return { ok: false, why: 'inaccessible', host, text: 'manifest unknown: manifest unknown' };
  if (status === 403) return { ok: false, why: 'inaccessible', host, text: `denied: ${said ?? 'denied'}` };
  return { ok: false, why: 'inaccessible', host, text: 'unauthorized: authentication required' };
}

function firstError(answer: Answer): string | undefined {
  try {
    return json<{ errors?: { message?: string }[] }>(answer).errors?.[0]?.message;
  } catch {
    return undefined;
  }
}

function unreachable(error: unknown, host: string): Look {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const text =
    code === 'ENOTFOUND'
      ? `dial tcp: lookup ${host}: no such host`
      : `dial tcp: ${host}: connect: connection refused`;
  return { ok: false, why: 'inaccessible', host, text };
}

/** What the group keeps of a pull. */
export function pulledOf(look: Look, { image }: { image: string }): Pulled {
  if (look.ok) return { digest: look.digest, exitCode: look.exitCode };
  const { host, repository, reference } = parse(image) ?? { host: '', repository: '', reference: '' };
  return {
    error: `Failed to pull image "${image}": rpc error: code Unknown desc Error response from daemon: Get https://${host}/v2/${repository}/manifests/${reference}: ${look.text}`,
  };
}
