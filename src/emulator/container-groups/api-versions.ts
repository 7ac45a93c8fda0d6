import type { FastifyRequest } from 'fastify';
import type { ArmAccess } from '../arm/access.ts';
import { regionNames } from './regions.ts';

/** Every published version that is answered, oldest first. */
export const apiVersions = [
  '2018-10-01',
  '2019-12-01',
  '2020-11-01',
  '2021-03-01',
  '2021-07-01',
  '2021-09-01',
  '2021-10-01',
  '2022-09-01',
  '2022-10-01-preview',
  '2023-02-01-preview',
  '2023-05-01',
  '2024-05-01-preview',
  '2024-09-01-preview',
  '2024-10-01-preview',
  '2024-11-01-preview',
  '2025-09-01',
];

/** The version in the addresses of operations, as Azure makes them (recorded traffic). */
export const operationVersion = '2018-06-01';

/** No two published versions are of one day, so the day decides. */
export const isSince = (version: string, since: string) => version.slice(0, 10) >= since;

/** Refuses a version that is not published, as ARM does: a PUT by its location, all else by the resource's type. */
export function requirePublished(request: FastifyRequest, resourceType: string, access: ArmAccess): void {
  const version = access.apiVersion(request);
  const published = /^locations\/operation/.test(resourceType)
    ? [operationVersion, ...apiVersions]
    : apiVersions;
  if (published.includes(version.toLowerCase())) return;
  const supported = `The supported api-versions are '${apiVersions.join(', ')}'.`;
  if (request.method === 'PUT')
    throw access.error(
      400,
      'NoRegisteredProviderFound',
      `No registered resource provider found for location '${locationOf(request.body)}' and API version '${version}' for type '${resourceType}'. ${supported} The supported locations are '${regionNames.join(', ')}'.`,
    );
  throw access.error(
    404,
    'InvalidResourceType',
    `The resource type '${resourceType}' could not be found in the namespace 'Microsoft.ContainerInstance' for api version '${version}'. ${supported}`,
  );
}

function locationOf(body: unknown): string {
  return typeof body === 'object' && body !== null && 'location' in body ? String(body.location) : '';
}
