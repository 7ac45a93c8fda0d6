import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import type { ListCredentials } from '../deployments/credential-list.ts';
import type { TestCredential } from '../deployments/credential-test.ts';
import { CredentialList } from '../schemas/credential.ts';
import { CredentialTest, CredentialTestRequest } from '../schemas/credential-test.ts';
import { ref } from '../schemas/ref.ts';
import { callerOf } from './access.ts';
import { hangUpSignal } from './hang-up.ts';
import { answers } from './responses.ts';

const CredentialQuery = Type.Object(
  {
    team: Type.Optional(
      Type.String({ minLength: 1, maxLength: 63, description: 'One of his teams; else all' }),
    ),
  },
  { additionalProperties: false },
);

const NoQuery = Type.Object({}, { additionalProperties: false });

export function registerCredentials(
  untyped: FastifyInstance,
  listCredentials: ListCredentials,
  testCredential: TestCredential,
): void {
  const app = untyped.withTypeProvider<TypeBoxTypeProvider>();

  app.get(
    '/credentials',
    {
      config: { permission: 'read' },
      schema: {
        operationId: 'listCredentials',
        tags: ['credentials'],
        summary:
          'The secrets and identities that the caller may use: registry, expiry, health, never a value',
        querystring: CredentialQuery,
        response: answers({ 200: ref(CredentialList) }),
      },
    },
    async request => ({ value: await listCredentials(callerOf(request), request.query.team) }),
  );

  app.post(
    '/credentials/test',
    {
      config: { permission: 'deploy', action: 'testCredential' },
      schema: {
        operationId: 'testCredential',
        tags: ['credentials'],
        querystring: NoQuery,
        summary: 'Whether a credential can pull an image now: asked anew each time, and always 200',
        body: ref(CredentialTestRequest),
        response: answers({ 200: ref(CredentialTest) }),
      },
    },
    async (request, reply) => testCredential(callerOf(request), request.body, hangUpSignal(reply)),
  );
}
