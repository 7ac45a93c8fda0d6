import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance } from 'fastify';
import { type TSchema, Type } from 'typebox';
import type { Deployments } from '../deployments/deployments.ts';
import type { Revising } from '../deployments/revising.ts';
import { Deployment } from '../schemas/deployment.ts';
import { ref } from '../schemas/ref.ts';
import { DeploymentRequest } from '../schemas/request.ts';
import { Revision, RevisionPage } from '../schemas/revision.ts';
import { callerOf } from './access.ts';
import { ChangeHeaders, NoQuery, RevisingQuery } from './change-parameters.ts';
import { answerChange, askingOf, requireIfMatch } from './changes.ts';
import { DeploymentId } from './deployment-id.ts';
import { linkToNext, readNumber } from './pages.ts';
import { answers } from './responses.ts';

const closed = { additionalProperties: false };

const Images = Type.Record(
  Type.String({ pattern: '^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$' }),
  Type.String({ minLength: 1, maxLength: 512 }),
  { ...closed, minProperties: 1, maxProperties: 60, description: 'References by the names of containers' },
);

const Nothing = Type.Optional(Type.Union([Type.Null(), Type.Object({}, closed)]));

const RollbackTo = Type.Optional(
  Type.Union([
    Type.Null(),
    Type.Object(
      {
        revision: Type.Optional(
          Type.Integer({ minimum: 1, description: 'Else the last one before this that succeeded' }),
        ),
      },
      closed,
    ),
  ]),
);

/** A document of RFC 7396; what it makes of the spec is judged as a whole. */
const MergePatch = Type.Object(
  {},
  {
    description:
      'RFC 7396: null takes a member away, arrays are replaced whole. What asks only for another `expiresAt`, `labels`, `source`, `timeoutSeconds`, `steadySeconds`, `keepFailed` or `onFailure` of what runs restarts nothing',
  },
);

const RevisionPath = Type.Object(
  { ...DeploymentId.properties, number: Type.Integer({ minimum: 1, maximum: 2_147_483_647 }) },
  closed,
);

const RevisionQuery = Type.Object(
  {
    maxpagesize: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100 })),
    continuation: Type.Optional(Type.String({ maxLength: 200, description: 'From `nextLink`; opaque' })),
  },
  closed,
);

export function registerRevisions(
  untyped: FastifyInstance,
  revising: Revising,
  deployments: Deployments,
): void {
  const app = untyped.withTypeProvider<TypeBoxTypeProvider>();

  app.put(
    '/deployments/:id',
    changing('putDeployment', 'update', 'A new revision from a whole spec', ref(DeploymentRequest)),
    async (request, reply) => {
      requireIfMatch(request);
      const asking = askingOf(request, request.query);
      const change = await revising.put(callerOf(request), request.params.id, request.body, asking);
      return answerChange(request, reply, change, deployments);
    },
  );

  app.patch(
    '/deployments/:id',
    changing('patchDeployment', 'update', 'A new revision by JSON merge patch', MergePatch),
    async (request, reply) => {
      requireIfMatch(request);
      const asking = askingOf(request, request.query);
      const change = await revising.patch(callerOf(request), request.params.id, request.body, asking);
      return answerChange(request, reply, change, deployments);
    },
  );

  app.post(
    '/deployments/:id/images',
    changing('putImages', 'update', 'A new revision with these images, all else kept', Images),
    async (request, reply) => {
      const asking = askingOf(request, request.query);
      const change = await revising.images(callerOf(request), request.params.id, request.body, asking);
      return answerChange(request, reply, change, deployments);
    },
  );

  app.post(
    '/deployments/:id/redeploy',
    changing('redeploy', 'redeploy', 'The same spec; credentials and digests are resolved again', Nothing),
    async (request, reply) => {
      const asking = askingOf(request, request.query);
      const change = await revising.redeploy(callerOf(request), request.params.id, asking);
      return answerChange(request, reply, change, deployments);
    },
  );

  app.post(
    '/deployments/:id/rollback',
    changing(
      'rollBack',
      'rollback',
      'A new revision with the spec and the digests of an earlier',
      RollbackTo,
    ),
    async (request, reply) => {
      const asking = askingOf(request, request.query);
      const to = request.body?.revision;
      const change = await revising.rollback(callerOf(request), request.params.id, to, asking);
      return answerChange(request, reply, change, deployments);
    },
  );

  app.get(
    '/deployments/:id/revisions',
    {
      config: { permission: 'read' },
      schema: {
        operationId: 'listRevisions',
        tags: ['revisions'],
        summary: 'Who, when, what, digests, secret versions, outcome; newest first',
        params: DeploymentId,
        querystring: RevisionQuery,
        response: answers({ 200: ref(RevisionPage) }),
      },
    },
    async request => {
      const { maxpagesize = 100, continuation } = request.query;
      const page = await revising.revisions(callerOf(request), request.params.id, {
        size: maxpagesize,
        before: readNumber(continuation),
      });
      return { value: page.value, ...linkToNext(request.url, page.next) };
    },
  );

  app.get(
    '/deployments/:id/revisions/:number',
    {
      config: { permission: 'read' },
      schema: {
        operationId: 'getRevision',
        tags: ['revisions'],
        summary: 'One revision',
        params: RevisionPath,
        querystring: NoQuery,
        response: answers({ 200: ref(Revision) }),
      },
    },
    async request => revising.revision(callerOf(request), request.params.id, request.params.number),
  );
}

/** What all routes have in common that make a revision. */
function changing<const Body extends TSchema>(
  operationId: string,
  action: string,
  summary: string,
  body: Body,
) {
  return {
    config: { permission: 'deploy' as const, action },
    schema: {
      operationId,
      tags: ['revisions'],
      summary,
      params: DeploymentId,
      querystring: RevisingQuery,
      headers: ChangeHeaders,
      body,
      response: answers({ 200: ref(Deployment), 202: ref(Deployment) }),
    },
  };
}
