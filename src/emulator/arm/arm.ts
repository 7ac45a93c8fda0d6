import { randomUUID } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { armHost } from '../door/hosts.ts';
import { createServiceApp } from '../door/service-app.ts';
import type { EntraTokens } from '../entra/tokens.ts';
import type { Parts, Service } from '../parts.ts';
import { type ArmAccess, createArmAccess, readApiVersion } from './access.ts';
import { rewriteAuthorizationUrl } from './authorization-paths.ts';
import { registerDefinitions } from './definitions.ts';
import { ArmError } from './errors.ts';
import { registerIdentities } from './identities.ts';
import { describeEndpoints } from './metadata.ts';
import { registerProviders } from './providers.ts';
import { registerRegistryResources } from './registries.ts';
import { registerRegistryCredentials } from './registry-credentials.ts';
import { refuseInDeleted, registerResourceGroups } from './resource-groups.ts';
import { registerResources } from './resources.ts';
import { registerRoleAssignments } from './role-assignments.ts';
import { createNamedSubscription, registerSubscriptions } from './subscriptions.ts';
import { throttle } from './throttling.ts';
import { registerVaultResources } from './vaults.ts';

/** Azure Resource Manager: who asks, whether he may, and the resources that are not containers. */
export function createArm(
  parts: Parts & { tokens: EntraTokens },
  administrator: { clientId: string },
): { service: Service; arms: ArmAccess } {
  const arms = createArmAccess(parts.world, parts.tokens);
  const app = createServiceApp({ rewriteUrl: request => rewriteAuthorizationUrl(request.url ?? '/') });
  acceptJson(app);
  renderErrors(app);
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(commonHeaders(request.headers));
    if (request.is404 || isPublic(request.url)) return;
    await arms.authenticate(request);
    throttle(request, reply, parts.limits, arms.caller(request).principalId);
    requireApiVersion(readApiVersion(request));
    refuseInDeleted(request, parts, arms);
    if (
      arms.caller(request).clientId === administrator.clientId &&
      createNamedSubscription(parts.world, request)
    )
      parts.changed();
  });
  app.get('/metadata/endpoints', async request =>
    describeEndpoints(
      request.headers.host ?? armHost,
      parts.world.tenantId,
      readApiVersion(request) ?? '2015-01-01',
    ),
  );
  registerSubscriptions(app, parts, arms);
  registerResourceGroups(app, parts, arms);
  registerIdentities(app, parts, arms);
  registerRoleAssignments(app, parts, arms);
  registerDefinitions(app, parts, arms);
  registerRegistryResources(app, parts, arms);
  registerVaultResources(app, parts, arms);
  registerRegistryCredentials(app, parts, arms);
  registerResources(app, parts, arms);
  registerProviders(app, arms);
  return { service: { name: 'resource manager', answersFor: isArm, app }, arms };
}

/** Each region has an endpoint of its own as well (recorded traffic). */
const isArm = (host: string) => host === armHost || host.endsWith(`.${armHost}`);

function isPublic(url: string): boolean {
  return /^\/metadata\/endpoints\/?(\?|$)/i.test(url);
}

function requireApiVersion(version: string | undefined): void {
  if (version === undefined)
    throw new ArmError(
      400,
      'MissingApiVersionParameter',
      'The api-version query parameter (?api-version=) is required for all requests.',
    );
  if (!/^\d{4}-\d{2}-\d{2}(-preview)?$/i.test(version))
    throw new ArmError(
      400,
      'InvalidApiVersionParameter',
      `The api-version '${version}' is invalid. The supported versions are of the form '2023-05-01'.`,
    );
}

function commonHeaders(asked: Record<string, unknown>): Record<string, string> {
  const id = randomUUID();
  const clientId = asked['x-ms-client-request-id'];
  const correlationId = asked['x-ms-correlation-request-id'];
  return {
    'cache-control': 'no-cache',
    pragma: 'no-cache',
    expires: '-1',
    'strict-transport-security': 'max-age=31536000; includeSubDomains',
    'x-content-type-options': 'nosniff',
    'x-ms-request-id': id,
    'x-ms-correlation-request-id': typeof correlationId === 'string' ? correlationId : id,
    'x-ms-routing-request-id': `EMBEDDED:${new Date().toISOString().slice(0, 19).replace(/[-:]/g, '')}Z:${id}`,
    ...(typeof clientId === 'string' ? { 'x-ms-client-request-id': clientId } : {}),
  };
}

function acceptJson(app: FastifyInstance): void {
  app.removeContentTypeParser(['application/json', 'text/plain']);
  app.addContentTypeParser(
    ['application/json', 'text/json'],
    { parseAs: 'string' },
    (_request, body, done) => {
      const text = String(body);
      if (text.trim() === '') return done(null, undefined);
      try {
        done(null, JSON.parse(text));
      } catch (error) {
        done(invalidContent(error));
      }
    },
  );
}

function invalidContent(error: unknown): ArmError {
  const reason = error instanceof Error ? error.message : String(error);
  return new ArmError(
    400,
    'InvalidRequestContent',
    `The request content was invalid and could not be deserialized: '${reason}'.`,
  );
}

function renderErrors(app: FastifyInstance): void {
  app.setErrorHandler<Error & { statusCode?: number }>((error, request, reply) => {
    const refusal = error instanceof ArmError ? error : translate(error);
    if (refusal.statusCode >= 500 && refusal !== error)
      console.error(`azure emulator: ${request.method} ${request.url.split('?')[0]}:`, error);
    return reply
      .code(refusal.statusCode)
      .headers({ 'x-ms-error-code': refusal.code, 'x-ms-failure-cause': 'gateway', ...refusal.headers })
      .send(refusal.body());
  });
}

function translate(error: Error & { statusCode?: number }): ArmError {
  switch (error.statusCode) {
    case 413:
      return new ArmError(
        413,
        'RequestContentTooLarge',
        'The request content size exceeds the maximum size of 4 MB.',
      );
    case 415:
      return new ArmError(
        415,
        'UnsupportedMediaType',
        'The content media type is not supported. Only application/json is supported.',
      );
    case 400:
      return new ArmError(400, 'InvalidRequestContent', 'The request could not be read.');
    default:
      return new ArmError(
        500,
        'InternalServerError',
        'Encountered internal server error. Diagnostic information: the console of the embedded Azure.',
      );
  }
}
