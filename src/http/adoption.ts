import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance } from 'fastify';
import type { Adoption } from '../deployments/adopt.ts';
import type { Deployments } from '../deployments/deployments.ts';
import { AdoptionRequest } from '../schemas/adoption.ts';
import { Deployment } from '../schemas/deployment.ts';
import { ref } from '../schemas/ref.ts';
import { callerOf } from './access.ts';
import { ChangeHeaders, NoQuery } from './change-parameters.ts';
import { answerChange, changeOf } from './changes.ts';
import { refuseSecrets } from './refuse-secrets.ts';
import { answers } from './responses.ts';

export function registerAdoption(
  untyped: FastifyInstance,
  adoption: Adoption,
  deployments: Deployments,
): void {
  const app = untyped.withTypeProvider<TypeBoxTypeProvider>();

  app.post(
    '/deployments/adopt',
    {
      config: { permission: 'deploy', action: 'adopt' },
      schema: {
        operationId: 'adoptDeployment',
        tags: ['deployments'],
        summary: 'Take over a container group that is there and that Slipway did not make, as it is',
        headers: ChangeHeaders,
        querystring: NoQuery,
        body: ref(AdoptionRequest),
        response: answers({ 200: ref(Deployment), 202: ref(Deployment) }),
      },
    },
    async (request, reply) => {
      const caller = callerOf(request);
      const spec = await adoption.read(caller, request.body);
      // What lies in a group is judged as what comes in a request: it comes to rest in the record.
      refuseSecrets(spec);
      const change = await deployments.adopt(caller, spec, request.body, changeOf(request));
      return answerChange(request, reply, change, deployments);
    },
  );
}
