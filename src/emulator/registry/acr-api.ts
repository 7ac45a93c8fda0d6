import type { FastifyReply } from 'fastify';
import { lookUp, type Repository } from '../world.ts';
import { manifestUnknown, nameUnknown, RegistryError } from './errors.ts';
import { listRepositories, page } from './listings.ts';
import { deleteManifest } from './manifests.ts';
import { findRepository, queryOf, type Visit } from './visit.ts';

/**
 * Azure Container Registry's own API below `/acr/v1/`: tells what there is, as far as it is kept (no times), and takes
 * repositories and tags away.
 */
export function answerAcrApi(visit: Visit): FastifyReply {
  const { registry, path, reply } = visit;
  if (registry.kind !== 'acr') throw unsupported();
  if (path === '_catalog') return listRepositories(visit);
  const repository = repositoryIn(path);
  if (repository === null) throw unsupported();
  const place = findRepository(visit, repository);
  if (!place) throw nameUnknown(repository);
  const [list, reference] = path.slice(repository.length + 1).split('/');
  if (visit.request.method === 'DELETE') {
    if (!list) return deleteRepository(visit, repository, place);
    if (list === '_tags' && reference) return deleteManifest(visit, repository, reference);
    throw unsupported();
  }
  return reply.send({
    registry: registry.host,
    imageName: repository,
    ...read({ visit, place, list, reference }),
  });
}

function deleteRepository(visit: Visit, repository: string, { manifests, tags }: Repository): FastifyReply {
  delete visit.registry.repositories[repository];
  visit.changed();
  return visit.reply
    .code(202)
    .send({ manifestsDeleted: Object.keys(manifests), tagsDeleted: Object.keys(tags) });
}

interface Question {
  visit: Visit;
  place: Repository;
  /** `_tags`, `_manifests`, or nothing. */
  list: string | undefined;
  /** Of one in the list. */
  reference: string | undefined;
}

function read({ visit, place, list, reference }: Question): object {
  if (!list) return describe(place);
  const isTag = list === '_tags';
  const all = isTag ? place.tags : place.manifests;
  const show: (name: string) => object = isTag ? tagIn(place) : manifestIn(place);
  if (reference === undefined) {
    const digest = isTag ? queryOf(visit).get('digest') : null;
    const names = Object.keys(all).filter(each => digest === null || place.tags[each] === digest);
    return { [isTag ? 'tags' : 'manifests']: page(visit, names).map(show) };
  }
  if (lookUp<unknown>(all, reference) === undefined) throw manifestUnknown(visit.registry.host, reference);
  return { [isTag ? 'tag' : 'manifest']: show(reference) };
}

/** Of which repository a path below `/acr/v1/` is. */
export const repositoryIn = (path: string): string | null =>
  path.startsWith('_') ? null : path.replace(/\/_(?:tags|manifests)(?:\/.*)?$/, '');

const unsupported = () => new RegistryError(404, 'UNSUPPORTED', 'the operation is unsupported');

const changeableAttributes = {
  deleteEnabled: true,
  writeEnabled: true,
  readEnabled: true,
  listEnabled: true,
};

function describe({ tags, manifests }: Repository): object {
  return {
    manifestCount: Object.keys(manifests).length,
    tagCount: Object.keys(tags).length,
    changeableAttributes,
  };
}

const tagIn = (place: Repository) => (tag: string) => ({
  name: tag,
  digest: place.tags[tag],
  signed: false,
  changeableAttributes,
});

interface Manifest {
  config?: { digest: string; mediaType?: string; size?: number };
  layers?: { size?: number }[];
}

const manifestIn = (place: Repository) => (digest: string) => {
  const { mediaType, content = '' } = place.manifests[digest] ?? {};
  const { config, layers = [] }: Manifest = fromBase64(content);
  const { architecture, os }: { architecture?: string; os?: string } = config
    ? fromBase64(place.blobs[config.digest] ?? '')
    : {};
  return {
    digest,
    imageSize: [config, ...layers].reduce((sum, part) => sum + (part?.size ?? 0), 0),
    architecture,
    os,
    mediaType,
    configMediaType: config?.mediaType,
    tags: Object.keys(place.tags)
      .filter(tag => place.tags[tag] === digest)
      .sort(),
    changeableAttributes,
  };
};

/** Empty where it is none: who pushes may push anything. */
function fromBase64(content: string): object {
  try {
    return JSON.parse(Buffer.from(content, 'base64').toString('utf8')) ?? {};
  } catch {
    return {};
  }
}
