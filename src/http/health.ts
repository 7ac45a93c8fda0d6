import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';

const PolicyReason = Type.Enum(['unreadable', 'invalid', 'superseded', 'notAdopted'], {
  description:
    'Why another policy is in use than the one that was given: that cannot be read, or not be used, or another came after it; or the one of the other replicas cannot be used here. The log says more',
});

/** What must work for this process to be of use. Azure is not among it: its outage delays work, no more. */
export interface Readiness {
  checks(): Promise<Record<'store' | 'policy' | 'signingKeys', boolean>>;
  policy(): { digest: string; reason: Static<typeof PolicyReason> | null };
}

const Live = Type.Object({ status: Type.Enum(['ok']) }, { additionalProperties: false });
const Ready = Type.Object(
  {
    status: Type.Enum(['ok', 'unavailable']),
    store: Type.Boolean(),
    policy: Type.Boolean(),
    signingKeys: Type.Boolean(),
    policyDigest: Type.String(),
    policyReason: Type.Optional(PolicyReason),
  },
  { additionalProperties: false },
);

const NoQuery = Type.Object({}, { additionalProperties: false });

export function registerHealth(app: FastifyInstance, readiness: Readiness): void {
  app.get(
    '/livez',
    {
      config: { permission: 'public' },
      schema: {
        operationId: 'getLiveness',
        tags: ['health'],
        security: [],
        querystring: NoQuery,
        summary: 'The process answers',
        response: { 200: Live },
      },
    },
    async () => ({ status: 'ok' }),
  );
  app.get(
    '/readyz',
    {
      config: { permission: 'public' },
      schema: {
        operationId: 'getReadiness',
        tags: ['health'],
        security: [],
        querystring: NoQuery,
        summary: 'Store, policy and signing keys are there',
        response: { 200: Ready, 503: Ready },
      },
    },
    async (_request, reply) => {
      const checks = await readiness.checks();
      const ready = Object.values(checks).every(Boolean);
      reply.code(ready ? 200 : 503);
      const { digest, reason } = readiness.policy();
      const policy = { policyDigest: digest, ...(reason ? { policyReason: reason } : {}) };
      return { status: ready ? 'ok' : 'unavailable', ...checks, ...policy };
    },
  );
}
