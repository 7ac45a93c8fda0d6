import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import type { Deployments } from '../deployments/deployments.ts';
import type { Rotations } from '../deployments/rotation.ts';
import { Operation } from '../schemas/deployment.ts';
import { PolicyName, SecretName } from '../schemas/names.ts';
import { ref } from '../schemas/ref.ts';
import { CredentialUsages } from '../schemas/rotation.ts';
import { callerOf } from './access.ts';
import { ChangeHeaders } from './change-parameters.ts';
import { changeOf } from './changes.ts';
import { hangUpSignal } from './hang-up.ts';
import { readPreference } from './prefer.ts';
import { answers } from './responses.ts';

const closed = { additionalProperties: false };
const SecretPath = Type.Object({ secretName: SecretName }, closed);
const SecretQuery = Type.Object(
  {
    team: Type.Optional(PolicyName),
    vault: Type.Optional(PolicyName),
  },
  closed,
);

export function registerRotation(
  untyped: FastifyInstance,
  rotations: Rotations,
  deployments: Pick<Deployments, 'operation'>,
): void {
  const app = untyped.withTypeProvider<TypeBoxTypeProvider>();

  app.get(
    '/credentials/:secretName/usages',
    {
      config: { permission: 'read' },
      schema: {
        operationId: 'getCredentialUsages',
        tags: ['credentials'],
        summary: 'Which live deployments use which version of a secret, and which may be revoked',
        params: SecretPath,
        querystring: SecretQuery,
        response: answers({ 200: ref(CredentialUsages) }),
      },
    },
    async request => rotations.usages(callerOf(request), { ...request.params, ...request.query }),
  );

  app.post(
    '/credentials/:secretName/rotate',
    {
      config: { permission: 'deploy', action: 'rotate' },
      schema: {
        operationId: 'rotateCredential',
        tags: ['credentials'],
        summary: 'Redeploy what uses an older version: proven on every image first, then one after another',
        params: SecretPath,
        querystring: SecretQuery,
        headers: ChangeHeaders,
        response: answers({ 200: ref(Operation), 202: ref(Operation) }),
      },
    },
    async (request, reply) => {
      const caller = callerOf(request);
      const asked = { ...request.params, ...request.query };
      const { operation: id, replayed } = await rotations.rotate(caller, asked, changeOf(request));
      const { waitMs, applied } = readPreference(request.headers.prefer);
      const wait = { waitMs: waitMs ?? 0, signal: hangUpSignal(reply) };
      const operation = await deployments.operation(caller, id, wait);
      const ended = waitMs !== null && operation.endedAt !== null;
      reply.code(ended ? 200 : 202).headers({
        'operation-location': `/operations/${id}`,
        location: `/operations/${id}`,
        ...(replayed ? { 'idempotency-replayed': 'true' } : {}),
        ...(applied ? { 'preference-applied': applied } : {}),
        ...(ended ? {} : { 'retry-after': '1' }),
      });
      return operation;
    },
  );
}
