import { randomUUID } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Registry, Repository } from '../world.ts';
import { blobUnknown, manifestUnknown, nameUnknown, RegistryError, rateLimited } from './errors.ts';
import { digestOf } from './images.ts';
import { matches } from './sign-in.ts';

interface Visit {
  request: FastifyRequest;
  reply: FastifyReply;
  registry: Registry;
  /** Below `/v2/`, decoded. */
  path: string;
  changed(): void;
}

type Handler = (visit: Visit, repository: string, reference: string) => FastifyReply;

const name = '(.+)';
const routes: [methods: string[], pattern: RegExp, handler: Handler][] = [
  [['GET', 'HEAD'], new RegExp(`^${name}/manifests/([^/]+)$`), getManifest],
  [['PUT'], new RegExp(`^${name}/manifests/([^/]+)$`), putManifest],
  [['DELETE'], new RegExp(`^${name}/manifests/([^/]+)$`), deleteManifest],
  [['POST'], new RegExp(`^${name}/blobs/uploads/?()$`), startUpload],
  [['PATCH', 'PUT'], new RegExp(`^${name}/blobs/uploads/([0-9a-f-]+)$`), upload],
  [['GET', 'HEAD'], new RegExp(`^${name}/blobs/(sha256:[0-9a-f]{64})$`), getBlob],
  [['GET'], new RegExp(`^${name}/tags/list()$`), listTags],
];

/** The Docker Registry HTTP API V2 below `/v2/`. */
export function answerRepository(visit: Visit): FastifyReply {
  const { request, path, registry, reply } = visit;
  if (path === '_catalog') return reply.send({ repositories: Object.keys(registry.repositories).sort() });
  for (const [methods, pattern, handler] of routes) {
    const found = methods.includes(request.method) ? pattern.exec(path) : null;
    if (found) return handler(visit, found[1] ?? '', found[2] ?? '');
  }
  throw new RegistryError(404, 'UNSUPPORTED', 'the operation is unsupported');
}

const find = ({ repositories }: Registry, repository: string) =>
  Object.hasOwn(repositories, repository) ? repositories[repository] : undefined;

function getManifest(
  { request, reply, registry }: Visit,
  repository: string,
  reference: string,
): FastifyReply {
  if (matches(registry.limited, repository)) throw rateLimited();
  const place = find(registry, repository);
  const digest = reference.includes(':') ? reference : place?.tags[reference];
  const manifest = digest === undefined ? undefined : place?.manifests[digest];
  if (!manifest || digest === undefined) throw manifestUnknown(registry.host, reference);
  refuseUnacceptable(request.headers.accept, manifest.mediaType);
  const content = Buffer.from(manifest.content, 'base64');
  if (registry.kind === 'dockerhub')
    reply.headers({ 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '76;w=21600' });
  reply
    .headers({ 'docker-content-digest': digest, etag: `"${digest}"`, 'content-length': content.length })
    .type(manifest.mediaType);
  return reply.send(request.method === 'HEAD' ? '' : content);
}

/** A client that does not take OCI's types is told so, as registries do. */
function refuseUnacceptable(accept: string | undefined, mediaType: string): void {
  if (!mediaType.includes('.oci.') || !accept || accept.includes('*/*') || accept.includes(mediaType)) return;
  const what = mediaType.includes('index')
    ? 'OCI index found, but accept header does not support OCI indexes'
    : 'OCI manifest found, but accept header does not support OCI manifests';
  throw new RegistryError(404, 'MANIFEST_UNKNOWN', what);
}

function placeFor({ registry }: Visit, repository: string): Repository {
  const place = find(registry, repository) ?? { tags: {}, manifests: {}, blobs: {} };
  registry.repositories[repository] = place;
  return place;
}

const bodyOf = ({ body }: FastifyRequest) => (Buffer.isBuffer(body) ? body : Buffer.alloc(0));

function putManifest(visit: Visit, repository: string, reference: string): FastifyReply {
  const { request, reply, changed } = visit;
  const place = placeFor(visit, repository);
  const content = bodyOf(request);
  const digest = digestOf(content);
  if (reference.includes(':') && reference !== digest)
    throw new RegistryError(400, 'DIGEST_INVALID', 'provided digest did not match uploaded content');
  checkParts(content, place);
  place.manifests[digest] = {
    mediaType: request.headers['content-type'] ?? 'application/vnd.oci.image.manifest.v1+json',
    content: content.toString('base64'),
  };
  if (!reference.includes(':')) place.tags[reference] = digest;
  changed();
  return reply
    .code(201)
    .headers({ location: `/v2/${repository}/manifests/${digest}`, 'docker-content-digest': digest })
    .send('');
}

interface Manifest {
  config?: { digest: string };
  layers?: { digest: string }[];
  manifests?: { digest: string }[];
}

function checkParts(content: Buffer, place: Repository): void {
  let manifest: Manifest;
  try {
    manifest = JSON.parse(content.toString('utf8'));
  } catch {
    throw new RegistryError(400, 'MANIFEST_INVALID', 'manifest invalid');
  }
  const blobs = [manifest.config, ...(manifest.layers ?? [])].filter(part => part !== undefined);
  const missing =
    blobs.find(({ digest }) => !place.blobs[digest]) ??
    manifest.manifests?.find(({ digest }) => !place.manifests[digest]);
  if (missing)
    throw new RegistryError(404, 'MANIFEST_BLOB_UNKNOWN', 'blob unknown to registry', {
      detail: { digest: missing.digest },
    });
}

function deleteManifest(
  { reply, registry, changed }: Visit,
  repository: string,
  reference: string,
): FastifyReply {
  const place = find(registry, repository);
  if (!place?.manifests[reference]) throw manifestUnknown(registry.host, reference);
  delete place.manifests[reference];
  for (const [tag, digest] of Object.entries(place.tags)) if (digest === reference) delete place.tags[tag];
  changed();
  return reply.code(202).send('');
}

function getBlob({ request, reply, registry }: Visit, repository: string, digest: string): FastifyReply {
  const blob = find(registry, repository)?.blobs[digest];
  if (blob === undefined) throw blobUnknown(digest);
  const content = Buffer.from(blob, 'base64');
  reply
    .headers({ 'docker-content-digest': digest, 'content-length': content.length })
    .type('application/octet-stream');
  return reply.send(request.method === 'HEAD' ? '' : content);
}

/** Uploads under way: they do not outlive this process, as a registry forgets those that nobody ends. */
const uploads = new Map<string, Buffer[]>();

function startUpload(visit: Visit, repository: string): FastifyReply {
  const { request, reply } = visit;
  const digest = new URL(request.originalUrl, 'https://registry').searchParams.get('digest');
  if (digest) return finish(visit, repository, [bodyOf(request)], digest);
  const id = randomUUID();
  uploads.set(id, []);
  return reply
    .code(202)
    .headers({ location: `/v2/${repository}/blobs/uploads/${id}`, 'docker-upload-uuid': id, range: '0-0' })
    .send('');
}

function upload(visit: Visit, repository: string, id: string): FastifyReply {
  const { request, reply } = visit;
  const chunks = uploads.get(id);
  if (!chunks) throw new RegistryError(404, 'BLOB_UPLOAD_UNKNOWN', 'blob upload unknown to registry');
  chunks.push(bodyOf(request));
  const digest = new URL(request.originalUrl, 'https://registry').searchParams.get('digest');
  if (request.method === 'PUT') {
    uploads.delete(id);
    return finish(visit, repository, chunks, digest ?? '');
  }
  const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  return reply
    .code(202)
    .headers({
      location: `/v2/${repository}/blobs/uploads/${id}`,
      'docker-upload-uuid': id,
      range: `0-${Math.max(0, size - 1)}`,
    })
    .send('');
}

function finish(visit: Visit, repository: string, chunks: Buffer[], digest: string): FastifyReply {
  const content = Buffer.concat(chunks);
  if (digestOf(content) !== digest)
    throw new RegistryError(400, 'DIGEST_INVALID', 'provided digest did not match uploaded content');
  placeFor(visit, repository).blobs[digest] = content.toString('base64');
  visit.changed();
  return visit.reply
    .code(201)
    .headers({ location: `/v2/${repository}/blobs/${digest}`, 'docker-content-digest': digest })
    .send('');
}

function listTags({ request, reply, registry }: Visit, repository: string): FastifyReply {
  const place = find(registry, repository);
  if (!place) throw nameUnknown(repository);
  const query = new URL(request.originalUrl, 'https://registry').searchParams;
  const last = query.get('last') ?? '';
  const size = Number(query.get('n') ?? Number.POSITIVE_INFINITY);
  const tags = Object.keys(place.tags)
    .sort()
    .filter(tag => tag > last);
  const page = tags.slice(0, size);
  if (page.length < tags.length)
    reply.header(
      'link',
      `</v2/${repository}/tags/list?n=${size}&last=${encodeURIComponent(page.at(-1) ?? '')}>; rel="next"`,
    );
  return reply.send({ name: repository, tags: page });
}
