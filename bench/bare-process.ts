import { randomUUIDv7 } from 'node:crypto';
import Fastify from 'fastify';
import { schemaController } from '../src/http/validation.ts';
import { createLog } from '../src/log.ts';
import { Deployment } from '../src/schemas/deployment.ts';
import { Failure } from '../src/schemas/failure.ts';
import { Principal } from '../src/schemas/principal.ts';
import { ref } from '../src/schemas/ref.ts';
import { DeploymentRequest } from '../src/schemas/request.ts';
import { openDatabase } from '../src/store/database.ts';
import { createDeploymentStore } from '../src/store/deployments.ts';
import { startJobs } from '../src/store/jobs.ts';
import { acceptance } from '../test/support/store.ts';

/**
 * The base that Slipway's API is compared with: Fastify, the same schemas, the same transaction with pg-boss's send. No
 * sign-in, no policy, no telemetry.
 */
// As roomy as the service's own.
const quota = { groups: 9e6, cpu: 9e6, memoryInGB: 9e6, deploysPerHour: 9e6 };
const [url, directory] = process.argv.slice(2);
const log = createLog({ level: 'silent' });
const database = await openDatabase({ ...(url ? { url } : { directory: directory ?? '' }), log });
const jobs = await startJobs(database, { log });
const store = createDeploymentStore(database, jobs);
const app = Fastify({ schemaController });
for (const schema of [Principal, Failure, DeploymentRequest, Deployment]) app.addSchema(schema);

app.post<{ Body: DeploymentRequest }>(
  '/deployments',
  { schema: { body: ref(DeploymentRequest), response: { 202: ref(Deployment) } } },
  async (request, reply) => {
    const asked = acceptance({
      id: randomUUIDv7(),
      name: request.body.name ?? '',
      spec: request.body,
      quota,
    });
    const accepted = await store.accept(asked);
    if (accepted.outcome !== 'accepted') throw new Error(accepted.outcome);
    return reply.code(202).send(accepted.deployment);
  },
);
app.get<{ Params: { id: string } }>(
  '/deployments/:id',
  { schema: { response: { 200: ref(Deployment) } } },
  async request => store.find(['demo'], { id: request.params.id }),
);
process.send?.(await app.listen({ port: 0, host: '127.0.0.1' }));
process.on('disconnect', () => process.exit(0));
