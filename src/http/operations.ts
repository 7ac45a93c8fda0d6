import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import type { Deployments } from '../deployments/deployments.ts';
import { createError } from '../errors.ts';
import { Operation } from '../schemas/deployment.ts';
import { Me } from '../schemas/principal.ts';
import { ref } from '../schemas/ref.ts';
import { callerOf } from './access.ts';
import { hangUpSignal } from './hang-up.ts';
import { answers } from './responses.ts';

const OperationId = Type.Object(
  { id: Type.String({ pattern: '^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$' }) },
  { additionalProperties: false },
);
const NoQuery = Type.Object({}, { additionalProperties: false });
const WaitQuery = Type.Object(
  { timeout: Type.Optional(Type.Integer({ minimum: 0, maximum: 50, default: 48, description: 'Seconds' })) },
  { additionalProperties: false },
);

/** The longest that `/wait` holds a request, so that the whole of it stays under 50 s. */
const longestMs = 49_000;

export function registerOperations(
  untyped: FastifyInstance,
  deployments: Deployments,
  policyDigest: () => string,
): void {
  const app = untyped.withTypeProvider<TypeBoxTypeProvider>();

  app.get(
    '/operations/:id',
    {
      config: { permission: 'read' },
      schema: {
        operationId: 'getOperation',
        tags: ['operations'],
        summary: 'How an accepted change is doing; any Azure poller can follow it',
        params: OperationId,
        querystring: NoQuery,
        response: answers({ 200: ref(Operation) }),
      },
    },
    async (request, reply) => {
      const operation = await deployments.operation(callerOf(request), request.params.id, {
        waitMs: 0,
        signal: hangUpSignal(reply),
      });
      if (operation.endedAt === null) reply.header('retry-after', '1');
      return operation;
    },
  );

  app.get(
    '/operations/:id/wait',
    {
      config: { permission: 'read' },
      schema: {
        operationId: 'waitForOperation',
        tags: ['operations'],
        summary: 'For scripts: 200 succeeded, 422 failed, 408 not yet',
        params: OperationId,
        querystring: WaitQuery,
        response: answers({ 200: ref(Operation) }),
      },
    },
    async (request, reply) => {
      const { timeout = 48 } = request.query;
      const wait = { waitMs: Math.min(timeout * 1000, longestMs), signal: hangUpSignal(reply) };
      const operation = await deployments.operation(callerOf(request), request.params.id, wait);
      if (operation.status === 'Succeeded') return operation;
      throw operation.endedAt === null ? notYet(operation) : failed(operation);
    },
  );

  app.get(
    '/me',
    {
      config: { permission: 'signedIn' },
      schema: {
        operationId: 'getMe',
        tags: ['me'],
        summary: 'Who the token speaks for and what policy grants',
        querystring: NoQuery,
        response: answers({ 200: ref(Me) }),
      },
    },
    async request => {
      const { principal, teams, operator = false, ...portal } = callerOf(request);
      const { actsForUsersIn = [], onBehalfOf = null } = portal;
      const granted = Object.entries(teams).map(([team, permissions]) => ({ team, permissions }));
      const roles = { teams: granted, operator, actsForUsersIn };
      return { principal, ...roles, onBehalfOf, policyDigest: policyDigest() };
    },
  );
}

function notYet(operation: Operation) {
  return createError('NotYet', `The operation is ${operation.status}; ask again.`, {
    headers: { 'retry-after': '1' },
    members: { operation: `/operations/${operation.id}`, deployment: `/deployments/${operation.deployment}` },
  });
}

function failed(operation: Operation) {
  return createError(
    'OperationFailed',
    operation.failure?.detail ?? `The operation ended ${operation.status}.`,
    {
      ...(operation.failure ? { failure: operation.failure } : {}),
      members: {
        operation: `/operations/${operation.id}`,
        deployment: `/deployments/${operation.deployment}`,
      },
    },
  );
}
