import type { FastifyInstance } from 'fastify';
import { lookUp } from '../world.ts';
import { operationVersion } from './api-versions.ts';
import { type GroupParts, type OfGroup, provider, showTo } from './group-requests.ts';
import { isTransitioning, viewAt } from './life.ts';

type OfOperation = OfGroup & { Params: { location: string; operation: string } };

/** What an operation made: 202 while it goes on, then its group, and 204 where that is gone or does something else. */
export function registerOperationResults(arm: FastifyInstance, all: GroupParts): void {
  const { parts, access } = all;
  arm.get<OfOperation>(
    '/subscriptions/:subscription/providers/Microsoft.ContainerInstance/locations/:location/operationResults/:operation',
    async (request, reply) => {
      const { operation: id } = request.params;
      const operation = lookUp(parts.world.operations, id.toLowerCase());
      if (!operation) throw access.error(404, 'OperationNotFound', `The operation '${id}' was not found.`);
      access.allow(request, `${provider}/read`, operation.resourceId);
      const group = lookUp(parts.world.containerGroups, operation.resourceId.toLowerCase());
      if (!group || group.life.operation !== operation.id) return reply.code(204).send();
      if (isTransitioning(viewAt(group, parts.clock.now())))
        return reply.code(202).header('location', access.url(request, request.url)).send();
      const asked = access.apiVersion(request);
      return showTo(group, all, asked === operationVersion ? '2018-10-01' : asked);
    },
  );
}
