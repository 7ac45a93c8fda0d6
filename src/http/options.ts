import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import type { OptionsOf } from '../deployments/options.ts';
import { Options } from '../schemas/options.ts';
import { ref } from '../schemas/ref.ts';
import { callerOf } from './access.ts';
import { answers } from './responses.ts';

const TeamQuery = Type.Object(
  {
    team: Type.Optional(
      Type.String({ minLength: 1, maxLength: 63, description: "May be left out for the caller's only one" }),
    ),
  },
  { additionalProperties: false },
);

export function registerOptions(untyped: FastifyInstance, optionsOf: OptionsOf): void {
  const app = untyped.withTypeProvider<TypeBoxTypeProvider>();

  app.get(
    '/options',
    {
      config: { permission: 'read' },
      schema: {
        operationId: 'getOptions',
        tags: ['options'],
        summary: 'What a form needs: all that may be chosen for a deployment of a team',
        querystring: TeamQuery,
        response: answers({ 200: ref(Options) }),
      },
    },
    request => optionsOf(callerOf(request), request.query.team),
  );
}
