import type { FastifyReply } from 'fastify';
import { nameUnknown, RegistryError } from './errors.ts';
import { findRepository, type Visit } from './visit.ts';

/** Azure Container Registry's own API below `/acr/v1/`, as far as `az acr repository show-tags` asks for it. */
export function answerAcrApi(visit: Visit): FastifyReply {
  const repository = /^(.+)\/_tags$/.exec(visit.path)?.[1];
  if (!repository || visit.registry.kind !== 'acr')
    throw new RegistryError(404, 'UNSUPPORTED', 'the operation is unsupported');
  const place = findRepository(visit, repository);
  if (!place) throw nameUnknown(repository);
  const tags = Object.entries(place.tags)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, digest]) => ({
      name,
      digest,
      signed: false,
      changeableAttributes: { deleteEnabled: true, writeEnabled: true, readEnabled: true, listEnabled: true },
    }));
  return visit.reply.send({ registry: visit.registry.host, imageName: repository, tags });
}
