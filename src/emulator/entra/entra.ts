import type { FastifyInstance } from 'fastify';
import { nameCaller } from '../door/callers.ts';
import { createServiceApp } from '../door/service-app.ts';
import type { Service } from '../parts.ts';
import type { World } from '../world.ts';
import { type Form, grantClientCredentials } from './client-credentials.ts';
import {
  describeFederatedIssuer,
  describeInstance,
  describeManyTenants,
  describeTenant,
} from './discovery.ts';
import { EntraError, unknownTenant } from './errors.ts';
import { federatedIssuer } from './federated.ts';
import type { IssuerKeys } from './keys.ts';
import type { EntraTokens } from './tokens.ts';

export const loginHost = 'login.microsoftonline.com';
const loginAliases = new Set([loginHost, 'login.windows.net', 'login.microsoft.com', 'sts.windows.net']);

/** Entra ID: discovery, signing keys, and tokens for who can prove what he is. */
export function createEntra(parts: { world: World; tokens: EntraTokens; keys: IssuerKeys }): Service {
  const { world, tokens, keys } = parts;
  const app = createServiceApp();
  acceptForms(app);
  renderErrors(app);

  app.get('/common/discovery/instance', async () => describeInstance(world.tenantId));
  app.get<Tenant>('/:tenant/v2.0/.well-known/openid-configuration', async request => {
    const origin = `https://${request.headers.host}`;
    const { tenant } = request.params;
    return describeManyTenants(origin, tenant) ?? describeTenant(origin, known(world, tenant));
  });
  app.get<Tenant>('/:tenant/discovery/v2.0/keys', async request => {
    known(world, request.params.tenant);
    return keys.entra.published();
  });
  app.post<Tenant & { Body: Form | undefined }>('/:tenant/oauth2/v2.0/token', async (request, reply) => {
    known(world, request.params.tenant);
    const form = request.body ?? {};
    nameCaller(request.raw, form.client_id ?? 'unknown');
    reply.header('cache-control', 'no-store, no-cache').header('pragma', 'no-cache');
    return grantClientCredentials({ world, tokens, federatedKeys: keys.federated }, form);
  });
  return { name: 'entra', answersFor: host => loginAliases.has(host), app };
}

/** The OIDC issuer of a build service; assertions of its are accepted instead of client secrets. */
export function createFederatedIssuer(keys: IssuerKeys): Service {
  const app = createServiceApp();
  app.get('/.well-known/openid-configuration', async () => describeFederatedIssuer(federatedIssuer));
  app.get('/.well-known/jwks', async () => keys.federated.published());
  return { name: 'federated issuer', answersFor: host => host === new URL(federatedIssuer).host, app };
}

type Tenant = { Params: { tenant: string } };

function known(world: World, tenant: string): string {
  if (tenant.toLowerCase() !== world.tenantId.toLowerCase()) throw unknownTenant(tenant);
  return world.tenantId;
}

function acceptForms(app: FastifyInstance): void {
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    (_request, body, done) => done(null, Object.fromEntries(new URLSearchParams(String(body)))),
  );
}

function renderErrors(app: FastifyInstance): void {
  app.setErrorHandler<Error & { statusCode?: number }>((error, request, reply) => {
    if (error instanceof EntraError) return reply.code(error.statusCode).send(error.body());
    const status = error.statusCode ?? 500;
    if (status >= 500)
      console.error(`azure emulator: ${request.method} ${request.url.split('?')[0]}:`, error);
    const refused = new EntraError(
      status,
      'invalid_request',
      900561,
      'The endpoint cannot read this request.',
    );
    return reply.code(status).send(refused.body());
  });
}
