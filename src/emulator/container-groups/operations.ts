import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type ContainerGroup, lookUp, type Operation } from '../world.ts';
import { begin, type GroupParts, operationUrl, transitioning } from './container-groups.ts';
import { isTransitioning, viewAt } from './life.ts';

interface OfGroup {
  Params: { subscription: string; group: string; name: string };
}

const provider = 'Microsoft.ContainerInstance/containerGroups';

/** The status of operations, and the verbs that begin one. */
export function registerOperations(
  arm: FastifyInstance,
  all: GroupParts,
  find: (request: FastifyRequest<OfGroup>) => ContainerGroup,
): void {
  const { parts, access, lives } = all;
  const path = `/subscriptions/:subscription/resourceGroups/:group/providers/${provider}/:name`;

  arm.get<{ Params: { subscription: string; location: string; operation: string } }>(
    '/subscriptions/:subscription/providers/Microsoft.ContainerInstance/locations/:location/operations/:operation',
    async request => {
      const operation = lookUp(parts.world.operations, request.params.operation.toLowerCase());
      if (!operation)
        throw access.error(
          404,
          'OperationNotFound',
          `The operation '${request.params.operation}' was not found.`,
        );
      // Who may read the group may follow what becomes of it, though the address is the subscription's.
      access.allow(request, `${provider}/read`, operation.resourceId);
      return describeOperation(operation, all);
    },
  );
  arm.post<OfGroup>(`${path}/stop`, async (request, reply) => {
    const group = steady(find(request), all);
    group.life.stoppedAt = parts.clock.now();
    parts.changed();
    return reply.code(204).send();
  });
  for (const verb of ['start', 'restart'] as const)
    arm.post<OfGroup>(`${path}/${verb}`, async (request, reply) => {
      const group = steady(find(request), all);
      const operation = begin(group, all);
      lives.begin(group);
      parts.changed();
      return reply
        .code(verb === 'start' ? 202 : 204)
        .header('azure-asyncoperation', operationUrl(request, group, operation, access))
        .send();
    });
}

function steady(group: ContainerGroup, { parts, access }: GroupParts): ContainerGroup {
  if (isTransitioning(viewAt(group, parts.clock.now()))) throw transitioning(access, group.name);
  return group;
}

/** An operation is what its group is; of a group that is gone or was put again, what it was last. */
function describeOperation(operation: Operation, { parts }: GroupParts): object {
  const { world, clock } = parts;
  const group = lookUp(world.containerGroups, operation.resourceId.toLowerCase());
  const base = { id: operation.resourceId, startTime: operation.startTime };
  if (group?.life.operation !== operation.id)
    return { ...base, status: 'Succeeded', properties: { events: [] } };
  const view = viewAt(group, clock.now());
  const events = [...view.events, ...Object.values(view.containers).flatMap(({ events: each }) => each)];
  const error =
    view.error ??
    (view.provisioningState === 'Failed' ? { code: 'Failed', message: lastMessage(events) } : undefined);
  return { ...base, status: view.provisioningState, properties: { events }, ...(error ? { error } : {}) };
}

function lastMessage(events: readonly object[]): string {
  const last = events.at(-1);
  return last && 'message' in last ? String(last.message) : 'The container group failed.';
}
