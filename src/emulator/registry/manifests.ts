import type { FastifyReply } from 'fastify';
import { lookUp, type Repository } from '../world.ts';
import { digestInvalid, manifestUnknown, RegistryError, rateLimited } from './errors.ts';
import { digestOf } from './images.ts';
import { matches } from './sign-in.ts';
import { bodyOf, findRepository, placeFor, type Visit } from './visit.ts';

interface Found {
  digest: string;
  mediaType: string;
  content: Buffer;
}

export function getManifest(visit: Visit, repository: string, reference: string): FastifyReply {
  const { request, reply, registry } = visit;
  if (matches(registry.limited, repository)) throw rateLimited();
  const place = findRepository(visit, repository);
  const stored = place && find(place, reference);
  const found = stored && acceptable(place, stored, request.headers.accept, isDigest(reference));
  if (!found) throw manifestUnknown(registry.host, reference);
  const { digest, mediaType, content } = found;
  if (registry.kind === 'dockerhub')
    reply.headers({ 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '76;w=21600' });
  reply
    .headers({ 'docker-content-digest': digest, etag: `"${digest}"`, 'content-length': content.length })
    .type(mediaType);
  return reply.send(request.method === 'HEAD' ? '' : content);
}

const isDigest = (reference: string) => reference.includes(':');

function find(place: Repository, reference: string): Found | undefined {
  const digest = isDigest(reference) ? reference : lookUp(place.tags, reference);
  const stored = digest === undefined ? undefined : lookUp(place.manifests, digest);
  if (digest === undefined || !stored) return undefined;
  return { digest, mediaType: stored.mediaType, content: Buffer.from(stored.content, 'base64') };
}

const dockerList = 'application/vnd.docker.distribution.manifest.list.v2+json';
const dockerManifest = 'application/vnd.docker.distribution.manifest.v2+json';

/** A client that does not take OCI's types is told so; one that knows no lists gets the manifest for linux/amd64 (measured). */
function acceptable(
  place: Repository,
  found: Found,
  accept: string | undefined,
  byDigest: boolean,
): Found | undefined {
  const { mediaType } = found;
  if (!accept || accept.includes('*/*') || accept.includes(mediaType)) return found;
  if (mediaType === dockerList && !byDigest && accept.includes(dockerManifest))
    return find(place, childOf(found));
  if (!mediaType.includes('.oci.')) return found;
  const what = mediaType.includes('index')
    ? 'OCI index found, but accept header does not support OCI indexes'
    : 'OCI manifest found, but accept header does not support OCI manifests';
  throw new RegistryError(404, 'MANIFEST_UNKNOWN', what);
}

interface Descriptor {
  digest: string;
  urls?: string[];
  platform?: { os?: string; architecture?: string };
}

interface Manifest {
  mediaType?: string;
  config?: Descriptor;
  layers?: Descriptor[];
  manifests?: Descriptor[];
}

function childOf({ content }: Found): string {
  const { manifests = [] }: Manifest = JSON.parse(content.toString('utf8'));
  const child = manifests.find(
    ({ platform }) => platform?.os === 'linux' && platform.architecture === 'amd64',
  );
  return child?.digest ?? '';
}

export function putManifest(visit: Visit, repository: string, reference: string): FastifyReply {
  const { request, reply } = visit;
  const content = bodyOf(visit);
  const digest = digestOf(content);
  if (isDigest(reference) && reference !== digest) throw digestInvalid();
  const manifest = readManifest(content);
  checkParts(manifest, findRepository(visit, repository));
  const place = placeFor(visit, repository);
  const mediaType = request.headers['content-type'] ?? manifest.mediaType;
  place.manifests[digest] = {
    mediaType: mediaType ?? 'application/vnd.oci.image.manifest.v1+json',
    content: content.toString('base64'),
  };
  if (!isDigest(reference)) place.tags[reference] = digest;
  visit.changed();
  return reply
    .code(201)
    .headers({ location: `/v2/${repository}/manifests/${digest}`, 'docker-content-digest': digest })
    .send('');
}

function readManifest(content: Buffer): Manifest {
  try {
    const manifest: Manifest | null = JSON.parse(content.toString('utf8'));
    if (typeof manifest === 'object' && manifest !== null) return manifest;
  } catch {}
  throw new RegistryError(400, 'MANIFEST_INVALID', 'manifest invalid');
}

/** What a manifest refers to must be there before it; foreign layers lie elsewhere. */
function checkParts({ config, layers = [], manifests = [] }: Manifest, place: Repository | undefined): void {
  const blobs = [...(config ? [config] : []), ...layers].filter(({ urls }) => !urls?.length);
  const missing =
    blobs.find(({ digest }) => lookUp(place?.blobs ?? {}, digest) === undefined) ??
    manifests.find(({ digest }) => !lookUp(place?.manifests ?? {}, digest));
  if (missing)
    throw new RegistryError(404, 'MANIFEST_BLOB_UNKNOWN', 'blob unknown to registry', {
      detail: { digest: missing.digest },
    });
}

/** By tag it takes that tag away, by digest the manifest and every tag of it. */
export function deleteManifest(visit: Visit, repository: string, reference: string): FastifyReply {
  const place = findRepository(visit, repository);
  if (!place || !find(place, reference)) throw manifestUnknown(visit.registry.host, reference);
  if (isDigest(reference)) delete place.manifests[reference];
  for (const [tag, digest] of Object.entries(place.tags))
    if ((isDigest(reference) ? digest : tag) === reference) delete place.tags[tag];
  visit.changed();
  return visit.reply.code(202).send('');
}
