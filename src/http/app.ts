import { randomUUID } from 'node:crypto';
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import type { Adoption } from '../deployments/adopt.ts';
import type { ListCredentials } from '../deployments/credential-list.ts';
import type { TestCredential } from '../deployments/credential-test.ts';
import type { Deployments } from '../deployments/deployments.ts';
import type { Events } from '../deployments/events.ts';
import type { Logs } from '../deployments/logs.ts';
import type { OptionsOf } from '../deployments/options.ts';
import type { PlanDeployment } from '../deployments/plan.ts';
import type { Revising } from '../deployments/revising.ts';
import type { Rotations } from '../deployments/rotation.ts';
import type { Verbs } from '../deployments/verbs.ts';
import type { Log } from '../log.ts';
import { AdoptionRequest } from '../schemas/adoption.ts';
import { AuditPage, AuditRecord } from '../schemas/audit.ts';
import { Credential, CredentialList } from '../schemas/credential.ts';
import { CredentialTest, CredentialTestRequest } from '../schemas/credential-test.ts';
import {
  Deployment,
  DeploymentPage,
  Event,
  EventPage,
  Operation,
  TeamEvent,
  TeamEventPage,
} from '../schemas/deployment.ts';
import { Failure } from '../schemas/failure.ts';
import { Options } from '../schemas/options.ts';
import { DeploymentPlan } from '../schemas/plan.ts';
import { Me, Principal } from '../schemas/principal.ts';
import { Problem } from '../schemas/problem.ts';
import { DeploymentRequest } from '../schemas/request.ts';
import { Revision, RevisionPage } from '../schemas/revision.ts';
import { CredentialUsages } from '../schemas/rotation.ts';
import type { AuditStore } from '../store/audit.ts';
import { createMetrics, type Metrics } from '../telemetry/metrics.ts';
import { createTracer, type Tracer } from '../telemetry/trace.ts';
import { requireSignIn } from './access.ts';
import { registerAdoption } from './adoption.ts';
import { registerApiVersion } from './api-version.ts';
import { registerAudit } from './audit.ts';
import type { Authenticator } from './auth.ts';
import { registerConsole } from './console.ts';
import { registerCredentials } from './credentials.ts';
import { registerDeployments } from './deployments.ts';
import { openDocs, registerDocs } from './docs.ts';
import { createEventStreams } from './event-stream.ts';
import { registerEvents } from './events.ts';
import { type Readiness, registerHealth } from './health.ts';
import { mostFollowedLogs, registerLogs } from './logs.ts';
import { registerMethods } from './methods.ts';
import { registerOperations } from './operations.ts';
import { registerOptions } from './options.ts';
import { type Line, shedChanges } from './overload.ts';
import { registerPlan } from './plan.ts';
import { meetError, rawProblem, registerProblems } from './problems.ts';
import { leaveQuietly } from './quiet.ts';
import type { RateLimits } from './rate-limit.ts';
import { auditRefusals, type Refusals } from './refusals.ts';
import { refuseSecrets } from './refuse-secrets.ts';
import { registerRevisions } from './revisions.ts';
import { registerRotation } from './rotation.ts';
import { deploymentOf, registerTelemetry } from './telemetry.ts';
import { formatSchemaErrors, schemaController } from './validation.ts';
import { registerVerbs } from './verbs.ts';

export interface AppParts {
  log: Log;
  authenticator: Pick<Authenticator, 'authenticate'>;
  rateLimits: RateLimits;
  deployments: Deployments;
  revising: Revising;
  verbs: Verbs;
  plan: PlanDeployment;
  rotations: Rotations;
  events: Events;
  logs: Logs;
  adoption: Adoption;
  optionsOf: OptionsOf;
  listCredentials: ListCredentials;
  testCredential: TestCredential;
  audit: Pick<AuditStore, 'list'>;
  refusals: Refusals;
  readiness: Readiness;
  /** Where changes wait to be recorded. */
  line?: Pick<Line, 'isTooLong'>;
  policyDigest(): string;
  publicUrl: string | null;
  tracer?: Tracer;
  metrics?: Metrics;
}

/** The whole HTTP layer: public scope (health, docs), then what needs a token. Nothing here knows Azure or SQL. */
export async function createApp(parts: AppParts): Promise<FastifyInstance> {
  const logger: FastifyBaseLogger = parts.log;
  const app = Fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => randomUUID(),
    requestIdHeader: false,
    schemaController,
    schemaErrorFormatter: formatSchemaErrors,
    bodyLimit: 64 * 1024,
    requestTimeout: 15_000,
    // Above the longest wait that a caller may ask for, and above requestTimeout: it counts the body's arrival too (measured).
    handlerTimeout: 60_000,
    keepAliveTimeout: 5_000,
    http: { maxHeaderSize: 16_384, headersTimeout: 10_000, connectionsCheckingInterval: 5_000 },
    routerOptions: { maxParamLength: 200, caseSensitive: true },
    return503OnClosing: false,
    exposeHeadRoutes: true,
    clientErrorHandler(error, socket) {
      if (socket.writable) socket.end(rawProblem(error.code));
    },
    frameworkErrors: meetError,
  });

  registerTelemetry(app, parts.tracer ?? createTracer(), parts.metrics ?? createMetrics());
  registerManners(app, parts.log);
  registerApiVersion(app);
  registerMethods(app);
  registerProblems(app);
  auditRefusals(app, parts.refusals, parts.policyDigest);
  acceptJsonOnly(app);
  for (const schema of [
    Principal,
    Failure,
    DeploymentRequest,
    Revision,
    RevisionPage,
    DeploymentPlan,
    CredentialUsages,
    Deployment,
    DeploymentPage,
    Operation,
    Event,
    EventPage,
    TeamEvent,
    TeamEventPage,
    Problem,
    Me,
    AdoptionRequest,
    AuditRecord,
    AuditPage,
    Options,
    Credential,
    CredentialList,
    CredentialTestRequest,
    CredentialTest,
  ])
    app.addSchema(schema);
  openDocs(app);
  requireSignIn(app, parts.authenticator, parts.rateLimits);
  if (parts.line) shedChanges(app, parts.line);

  await registerDocs(app, parts.publicUrl);
  app.after(() => {
    registerConsole(app);
    registerHealth(app, parts.readiness);
    registerDeployments(app, parts.deployments);
    registerRevisions(app, parts.revising, parts.deployments);
    registerVerbs(app, parts.verbs, parts.deployments);
    registerPlan(app, parts.plan);
    registerRotation(app, parts.rotations, parts.deployments);
    registerOperations(app, parts.deployments, parts.policyDigest);
    registerEvents(app, parts.events, createEventStreams(app));
    registerLogs(app, parts.logs, createEventStreams(app, { mostPerTeam: mostFollowedLogs }));
    registerOptions(app, parts.optionsOf);
    registerCredentials(app, parts.listCredentials, parts.testCredential);
    registerAdoption(app, parts.adoption, parts.deployments);
    registerAudit(app, parts.audit);
  });
  await app.ready();
  return app;
}

/** Headers that every answer has, and one log line for each. */
function registerManners(app: FastifyInstance, log: Log): void {
  app.addHook('preClose', leaveQuietly(app));
  app.addHook('onSend', (request, reply, _payload, done) => {
    reply.header('x-request-id', request.id);
    reply.header('x-content-type-options', 'nosniff');
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store');
    done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    const { method, routeOptions, caller } = request;
    log.info(
      {
        request: request.id,
        trace: request.span?.traceId,
        deployment: deploymentOf(request, reply) ?? undefined,
        method,
        route: routeOptions.url ?? null,
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime),
        by: caller?.principal.client ?? caller?.principal.subject,
      },
      'request',
    );
    done();
  });
}

/** Any other content type is 415: text/plain, which Fastify takes by default, included. */
function acceptJsonOnly(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  const taken = ['application/json', 'application/merge-patch+json'];
  app.addContentTypeParser<string>(taken, { parseAs: 'string' }, (request, body, done) => {
    parse(request, body, (error, value) => {
      if (error) return done(error);
      try {
        refuseSecrets(value);
        done(null, value);
      } catch (refusal) {
        done(refusal as Error);
      }
    });
  });
}
