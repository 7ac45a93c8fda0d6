import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance } from 'fastify';
import { type TSchema, Type } from 'typebox';
import type { Deployments } from '../deployments/deployments.ts';
import type { Verbs } from '../deployments/verbs.ts';
import { Deployment } from '../schemas/deployment.ts';
import type { Permission } from '../schemas/principal.ts';
import { ref } from '../schemas/ref.ts';
import { callerOf } from './access.ts';
import { ChangeHeaders, ChangeQuery, RestartQuery } from './change-parameters.ts';
import { answerChange, askingOf } from './changes.ts';
import { DeploymentId } from './deployment-id.ts';
import { answers } from './responses.ts';

export function registerVerbs(untyped: FastifyInstance, verbs: Verbs, deployments: Deployments): void {
  const app = untyped.withTypeProvider<TypeBoxTypeProvider>();

  app.post(
    '/deployments/:id/restart',
    asked(
      'restart',
      'Restart the containers in place; their images are pulled again',
      'deploy',
      RestartQuery,
    ),
    async (request, reply) => {
      const asking = askingOf(request, request.query);
      const change = await verbs.restart(callerOf(request), request.params.id, asking);
      return answerChange(request, reply, change, deployments);
    },
  );

  app.post(
    '/deployments/:id/stop',
    asked('stop', 'Stop the containers: their state is lost, and nothing is billed', 'deploy', ChangeQuery),
    async (request, reply) => {
      const asking = askingOf(request, request.query);
      const change = await verbs.stop(callerOf(request), request.params.id, asking);
      return answerChange(request, reply, change, deployments);
    },
  );

  app.post(
    '/deployments/:id/start',
    asked('start', 'Start what was stopped or has ended', 'deploy', RestartQuery),
    async (request, reply) => {
      const asking = askingOf(request, request.query);
      const change = await verbs.start(callerOf(request), request.params.id, asking);
      return answerChange(request, reply, change, deployments);
    },
  );

  app.post(
    '/deployments/:id/cancel',
    asked('cancel', 'End what is under way; what was live stays', 'cancel', NoParameters),
    async (request, reply) => {
      const change = await verbs.cancel(callerOf(request), request.params.id, askingOf(request, {}));
      return answerChange(request, reply, change, deployments);
    },
  );

  const removing = asked('delete', 'Delete the container group; the record stays', 'delete', ChangeQuery);
  app.delete(
    '/deployments/:id',
    {
      ...removing,
      schema: {
        ...removing.schema,
        operationId: 'deleteDeployment',
        response: answers({
          200: ref(Deployment),
          202: ref(Deployment),
          204: Type.Null({ description: 'Already gone' }),
        }),
      },
    },
    async (request, reply) => {
      const asking = askingOf(request, request.query);
      const change = await verbs.remove(callerOf(request), request.params.id, asking);
      return change ? answerChange(request, reply, change, deployments) : reply.code(204).send(null);
    },
  );
}

const NoParameters = Type.Object({}, { additionalProperties: false });

/** What all verbs have in common. */
function asked<const Query extends TSchema>(
  action: string,
  summary: string,
  permission: Permission,
  querystring: Query,
) {
  return {
    config: { permission, action },
    schema: {
      operationId: `${action}Deployment`,
      tags: ['deployments'],
      summary,
      params: DeploymentId,
      querystring,
      headers: ChangeHeaders,
      response: answers({ 200: ref(Deployment), 202: ref(Deployment) }),
    },
  };
}
