import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import type { Deployments } from '../deployments/deployments.ts';
import { Deployment, DeploymentPage, Status } from '../schemas/deployment.ts';
import { ref } from '../schemas/ref.ts';
import { DeploymentRequest } from '../schemas/request.ts';
import { callerOf } from './access.ts';
import { ChangeHeaders, CreateQuery, NoQuery } from './change-parameters.ts';
import { answerChange, answerDeployment, changeOf } from './changes.ts';
import { DeploymentId } from './deployment-id.ts';
import { hangUpSignal } from './hang-up.ts';
import { linkToNext, readCursor } from './pages.ts';
import { readPreference } from './prefer.ts';
import { answers } from './responses.ts';

const PageSize = Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100 }));
const Filter = Type.String({ minLength: 1, maxLength: 512 });

const ListQuery = Type.Object(
  {
    team: Type.Optional(Filter),
    name: Type.Optional(Filter),
    target: Type.Optional(Filter),
    status: Type.Optional(Status),
    image: Type.Optional(Filter),
    digest: Type.Optional(Filter),
    secretName: Type.Optional(Filter),
    identity: Type.Optional(Filter),
    createdBy: Type.Optional(Filter),
    onBehalfOf: Type.Optional(Filter),
    label: Type.Optional(Type.String({ pattern: '^[^=]{1,63}=.{0,256}$', description: '`name=value`' })),
    maxpagesize: PageSize,
    continuation: Type.Optional(Type.String({ maxLength: 200, description: 'From `nextLink`; opaque' })),
  },
  { additionalProperties: false },
);

export function registerDeployments(untyped: FastifyInstance, deployments: Deployments): void {
  const app = untyped.withTypeProvider<TypeBoxTypeProvider>();

  app.post(
    '/deployments',
    {
      config: { permission: 'deploy', action: 'create' },
      schema: {
        operationId: 'createDeployment',
        tags: ['deployments'],
        summary: 'Deploy a container group',
        headers: ChangeHeaders,
        querystring: CreateQuery,
        body: ref(DeploymentRequest),
        response: answers({ 200: ref(Deployment), 202: ref(Deployment) }),
      },
    },
    async (request, reply) => {
      const asking = { ...request.query, context: changeOf(request) };
      const change = await deployments.create(callerOf(request), request.body, asking);
      return answerChange(request, reply, change, deployments);
    },
  );

  app.get(
    '/deployments',
    {
      config: { permission: 'read' },
      schema: {
        operationId: 'listDeployments',
        tags: ['deployments'],
        summary: "The teams' deployments, newest first",
        querystring: ListQuery,
        response: answers({ 200: ref(DeploymentPage) }),
      },
    },
    async request => {
      const { maxpagesize = 100, continuation, ...filter } = request.query;
      const page = await deployments.list(callerOf(request), filter, {
        size: maxpagesize,
        before: readCursor(continuation),
      });
      return { value: page.value, ...linkToNext(request.url, page.next) };
    },
  );

  app.get(
    '/deployments/:id',
    {
      config: { permission: 'read' },
      schema: {
        operationId: 'getDeployment',
        tags: ['deployments'],
        summary: 'One deployment; with `Prefer: wait=N` once it is settled',
        params: DeploymentId,
        querystring: NoQuery,
        response: answers({
          200: ref(Deployment),
          304: Type.Null({ description: 'Unchanged since `If-None-Match`' }),
        }),
      },
    },
    async (request, reply) => {
      const { waitMs } = readPreference(request.headers.prefer);
      const deployment = await deployments.get(callerOf(request), request.params.id, {
        waitMs: waitMs ?? 0,
        signal: hangUpSignal(reply),
      });
      return answerDeployment(request, reply, deployment);
    },
  );
}
