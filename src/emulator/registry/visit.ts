import type { FastifyReply, FastifyRequest } from 'fastify';
import { lookUp, type Registry, type Repository } from '../world.ts';

/** A request to a registry by who may make it. */
export interface Visit {
  request: FastifyRequest;
  reply: FastifyReply;
  registry: Registry;
  /** Below `/v2/`, decoded. */
  path: string;
  /** Whether who asks may also read another repository there. */
  mayRead(repository: string): boolean;
  changed(): void;
}

export type Handler = (visit: Visit, repository: string, reference: string) => FastifyReply;

export function findRepository({ registry }: Visit, repository: string): Repository | undefined {
  return lookUp(registry.repositories, repository);
}

/** The repository, made where it is not there yet. */
export function placeFor(visit: Visit, repository: string): Repository {
  const place = findRepository(visit, repository) ?? { tags: {}, manifests: {}, blobs: {} };
  visit.registry.repositories[repository] = place;
  return place;
}

export function bodyOf({ request: { body } }: Visit): Buffer {
  return Buffer.isBuffer(body) ? body : Buffer.alloc(0);
}

export function queryOf({ request }: Visit): URLSearchParams {
  return new URL(request.originalUrl, 'https://registry').searchParams;
}
