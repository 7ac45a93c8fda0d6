import { randomUUID } from 'node:crypto';
import type { FastifyReply } from 'fastify';
import { lookUp } from '../world.ts';
import { blobUnknown, digestInvalid, RegistryError } from './errors.ts';
import { digestOf } from './images.ts';
import { bodyOf, findRepository, placeFor, queryOf, type Visit } from './visit.ts';

export function getBlob(visit: Visit, repository: string, digest: string): FastifyReply {
  const content = Buffer.from(blobOf(visit, repository, digest), 'base64');
  visit.reply
    .headers({ 'docker-content-digest': digest, 'content-length': content.length })
    .type('application/octet-stream');
  return visit.reply.send(visit.request.method === 'HEAD' ? '' : content);
}

export function deleteBlob(visit: Visit, repository: string, digest: string): FastifyReply {
  blobOf(visit, repository, digest);
  delete placeFor(visit, repository).blobs[digest];
  visit.changed();
  return visit.reply.code(202).send('');
}

function blobOf(visit: Visit, repository: string, digest: string): string {
  const place = findRepository(visit, repository);
  const blob = place && lookUp(place.blobs, digest);
  if (blob === undefined) throw blobUnknown(digest);
  return blob;
}

interface Upload {
  /** The registry and repository that it is for. */
  place: string;
  chunks: Buffer[];
  size: number;
  touchedAt: number;
}

/** Uploads under way: they do not outlive this process, as a registry forgets those that nobody ends. */
const uploads = new Map<string, Upload>();
const patienceMs = 3_600_000;

const placeOf = ({ registry }: Visit, repository: string) => `${registry.host}/${repository}`;

/** `POST`: begins an upload, or ends it at once: mounted from another repository, or whole in the body. */
export function startUpload(visit: Visit, repository: string): FastifyReply {
  const query = queryOf(visit);
  const mount = query.get('mount') ?? '';
  const from = query.get('from') ?? '';
  const source = visit.mayRead(from) ? findRepository(visit, from) : undefined;
  const mounted = source && lookUp(source.blobs, mount);
  if (mounted !== undefined) return keep(visit, repository, mount, mounted);
  const digest = query.get('digest');
  if (digest) return finish(visit, repository, bodyOf(visit), digest);
  for (const [id, { touchedAt }] of uploads) if (touchedAt < Date.now() - patienceMs) uploads.delete(id);
  const id = randomUUID();
  uploads.set(id, { place: placeOf(visit, repository), chunks: [], size: 0, touchedAt: Date.now() });
  return accepted(visit, repository, id, 0, 202);
}

/** `PATCH` brings a chunk, `PUT` the last one, `GET` asks how far it is, `DELETE` gives it up. */
export function goOnWithUpload(visit: Visit, repository: string, id: string): FastifyReply {
  const upload = uploads.get(id);
  if (upload?.place !== placeOf(visit, repository))
    throw new RegistryError(404, 'BLOB_UPLOAD_UNKNOWN', 'blob upload unknown to registry');
  const { method } = visit.request;
  if (method === 'GET') return accepted(visit, repository, id, upload.size, 204);
  if (method === 'PATCH') {
    append(visit, upload);
    return accepted(visit, repository, id, upload.size, 202);
  }
  uploads.delete(id);
  if (method === 'DELETE') return visit.reply.code(204).send();
  append(visit, upload);
  return finish(visit, repository, Buffer.concat(upload.chunks), queryOf(visit).get('digest') ?? '');
}

function append(visit: Visit, upload: Upload): void {
  const start = /^(\d+)-/.exec(visit.request.headers['content-range'] ?? '')?.[1];
  if (start !== undefined && Number(start) !== upload.size)
    throw new RegistryError(416, 'RANGE_INVALID', 'invalid content range', {
      headers: { range: rangeOf(upload.size) },
    });
  const chunk = bodyOf(visit);
  upload.chunks.push(chunk);
  upload.size += chunk.length;
  upload.touchedAt = Date.now();
}

function accepted(visit: Visit, repository: string, id: string, size: number, status: number): FastifyReply {
  // Without a host: the client goes on where it is.
  const location = `/v2/${repository}/blobs/uploads/${id}`;
  return visit.reply
    .code(status)
    .headers({ location, 'docker-upload-uuid': id, range: rangeOf(size) })
    .send(status === 204 ? undefined : '');
}

const rangeOf = (size: number) => `0-${Math.max(0, size - 1)}`;

function finish(visit: Visit, repository: string, content: Buffer, digest: string): FastifyReply {
  if (digestOf(content) !== digest) throw digestInvalid();
  return keep(visit, repository, digest, content.toString('base64'));
}

function keep(visit: Visit, repository: string, digest: string, base64: string): FastifyReply {
  placeFor(visit, repository).blobs[digest] = base64;
  visit.changed();
  return visit.reply
    .code(201)
    .headers({ location: `/v2/${repository}/blobs/${digest}`, 'docker-content-digest': digest })
    .send('');
}
