import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import type { ListCredentials } from '../deployments/credential-list.ts';
import { CredentialList } from '../schemas/credential.ts';
import { ref } from '../schemas/ref.ts';
import { callerOf } from './access.ts';
import { answers } from './responses.ts';

const CredentialQuery = Type.Object(
  {
    team: Type.Optional(
      Type.String({ minLength: 1, maxLength: 63, description: 'One of his teams; else all' }),
    ),
  },
  { additionalProperties: false },
);

export function registerCredentials(untyped: FastifyInstance, listCredentials: ListCredentials): void {
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
}
