import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance } from 'fastify';
import type { PlanDeployment } from '../deployments/plan.ts';
import { DeploymentPlan } from '../schemas/plan.ts';
import { ref } from '../schemas/ref.ts';
import { DeploymentRequest } from '../schemas/request.ts';
import { callerOf } from './access.ts';
import { NoQuery } from './change-parameters.ts';
import { hangUpSignal } from './hang-up.ts';
import { answers } from './responses.ts';

export function registerPlan(untyped: FastifyInstance, plan: PlanDeployment): void {
  const app = untyped.withTypeProvider<TypeBoxTypeProvider>();

  app.post(
    '/deployments/plan',
    {
      config: { permission: 'deploy', action: 'plan' },
      schema: {
        operationId: 'planDeployment',
        tags: ['deployments'],
        summary: 'What a deployment would do: decisions, images, quota and the difference to what is live',
        querystring: NoQuery,
        body: ref(DeploymentRequest),
        response: answers({ 200: ref(DeploymentPlan) }),
      },
    },
    async (request, reply) => plan(callerOf(request), request.body, hangUpSignal(reply)),
  );
}
