import type { FastifyReply } from 'fastify';
import { nameUnknown, RegistryError } from './errors.ts';
import { findRepository, queryOf, type Visit } from './visit.ts';

/** `tags/list`, in pages of `n` after `last`. */
export function listTags(visit: Visit, repository: string): FastifyReply {
  const place = findRepository(visit, repository);
  if (!place) throw nameUnknown(repository);
  const tags = page(visit, Object.keys(place.tags));
  return visit.reply.send({ name: repository, tags });
}

/** `_catalog`, likewise. */
export function listRepositories(visit: Visit): FastifyReply {
  const all = Object.keys(visit.registry.repositories);
  const names = visit.mayRead('*') ? all : all.filter(visit.mayRead);
  return visit.reply.send({ repositories: page(visit, names) });
}

/** As far as the query asks for it, in the order of names; the `link` header leads to the rest. */
export function page(visit: Visit, all: string[]): string[] {
  const query = queryOf(visit);
  const last = query.get('last') ?? '';
  const rest = all.sort().filter(name => name > last);
  const size = Number(query.get('n') ?? rest.length);
  if (!Number.isInteger(size) || size < 0)
    throw new RegistryError(400, 'PAGINATION_NUMBER_INVALID', 'invalid number of results requested');
  const shown = rest.slice(0, size);
  const end = shown.at(-1);
  const path = visit.request.originalUrl.split('?')[0];
  if (end !== undefined && shown.length < rest.length)
    visit.reply.header('link', `<${path}?n=${size}&last=${encodeURIComponent(end)}>; rel="next"`);
  return shown;
}
