import type { FastifyReply } from 'fastify';
import { deleteBlob, getBlob, goOnWithUpload, startUpload } from './blobs.ts';
import { RegistryError } from './errors.ts';
import { listRepositories, listTags } from './listings.ts';
import { deleteManifest, getManifest, putManifest } from './manifests.ts';
import type { Handler, Visit } from './visit.ts';

const name = '(.+)';
const blob = '(sha256:[0-9a-f]{64})';
const routes: [methods: string[], pattern: RegExp, handler: Handler][] = [
  [['GET', 'HEAD'], new RegExp(`^${name}/manifests/([^/]+)$`), getManifest],
  [['PUT'], new RegExp(`^${name}/manifests/([^/]+)$`), putManifest],
  [['DELETE'], new RegExp(`^${name}/manifests/([^/]+)$`), deleteManifest],
  [['POST'], new RegExp(`^${name}/blobs/uploads/?()$`), startUpload],
  [['GET', 'PATCH', 'PUT', 'DELETE'], new RegExp(`^${name}/blobs/uploads/([0-9a-f-]+)$`), goOnWithUpload],
  [['GET', 'HEAD'], new RegExp(`^${name}/blobs/${blob}$`), getBlob],
  [['DELETE'], new RegExp(`^${name}/blobs/${blob}$`), deleteBlob],
  [['GET'], new RegExp(`^${name}/tags/list()$`), listTags],
];

const part = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const nameGrammar = new RegExp(`^(?=.{1,255}$)${part}(?:/${part})*$`);

/** The Docker Registry HTTP API V2 below `/v2/`. */
export function answerRepository(visit: Visit): FastifyReply {
  const { request, path } = visit;
  if (path === '_catalog') return listRepositories(visit);
  for (const [methods, pattern, handler] of routes) {
    const found = methods.includes(request.method) ? pattern.exec(path) : null;
    if (!found) continue;
    const [, repository = '', reference = ''] = found;
    if (!nameGrammar.test(repository))
      throw new RegistryError(400, 'NAME_INVALID', 'invalid repository name', {
        detail: { name: repository },
      });
    return handler(visit, repository, reference);
  }
  throw new RegistryError(404, 'UNSUPPORTED', 'the operation is unsupported');
}
