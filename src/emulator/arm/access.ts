import type { FastifyRequest } from 'fastify';
import { nameCaller } from '../door/callers.ts';
import type { EntraTokens } from '../entra/tokens.ts';
import { lookUp, type World } from '../world.ts';
import { can } from './authorization.ts';
import { ArmError } from './errors.ts';

/** Who asks, as the token says. */
export interface Caller {
  clientId: string;
  /** The object id that role assignments name. */
  principalId: string;
}

/** What every resource provider needs to know of a request to Azure Resource Manager. */
export interface ArmAccess {
  caller(request: FastifyRequest): Caller;
  /** Throws 403 `AuthorizationFailed` unless the caller may do `action` on the ARM id `scope`. */
  allow(request: FastifyRequest, action: string, scope: string): void;
  /** Throws 403 `LinkedAuthorizationFailed` for a resource that the one asked for refers to. */
  link(request: FastifyRequest, action: string, scope: string): void;
  /** An Error that the ARM instance renders as `{error: {code, message}}` with its headers. */
  error(status: number, code: string, message: string, target?: string, details?: unknown[]): Error;
  /** The absolute https URL of `path` on the host that was asked. */
  url(request: FastifyRequest, path: string): string;
  /** The `api-version` of the request; it is there, else the request was refused before. */
  apiVersion(request: FastifyRequest): string;
  /** Throws 404 `SubscriptionNotFound` or `ResourceGroupNotFound`. */
  requireGroup(subscriptionId: string, resourceGroup: string): void;
}

/** `authenticate` is for the ARM instance alone: it runs before every route. */
export function createArmAccess(
  world: World,
  tokens: EntraTokens,
): ArmAccess & { authenticate(request: FastifyRequest): Promise<void> } {
  const callers = new WeakMap<FastifyRequest, Caller>();
  const allowed = new WeakMap<FastifyRequest, { action: string; scope: string }>();

  function caller(request: FastifyRequest): Caller {
    const known = callers.get(request);
    if (!known) throw new Error(`${request.method} ${request.url} was answered without asking who asks`);
    return known;
  }

  return {
    caller,
    async authenticate(request) {
      const found = await authenticate(world, tokens, request.headers.authorization);
      nameCaller(request.raw, found.clientId);
      callers.set(request, found);
    },
    allow(request, action, scope) {
      const { clientId, principalId } = caller(request);
      allowed.set(request, { action, scope });
      if (!can(world, principalId, action, scope))
        throw authorizationFailed(clientId, principalId, action, scope);
    },
    link(request, action, scope) {
      const { clientId, principalId } = caller(request);
      if (can(world, principalId, action, scope)) return;
      throw linkedAuthorizationFailed({ clientId, principalId, action, scope, first: allowed.get(request) });
    },
    error: (status, code, message, target, details) =>
      new ArmError(status, code, message, { target, details }),
    url: (request, path) => `https://${request.headers.host}${path}`,
    apiVersion: request => readApiVersion(request) ?? '',
    requireGroup: (subscriptionId, resourceGroup) => requireGroup(world, subscriptionId, resourceGroup),
  };
}

export function readApiVersion(request: FastifyRequest): string | undefined {
  const query = request.query;
  if (typeof query !== 'object' || query === null) return undefined;
  const found = Object.entries(query).find(([name]) => name.toLowerCase() === 'api-version');
  return typeof found?.[1] === 'string' && found[1] ? found[1] : undefined;
}

const audiences = ['https://management.azure.com', 'https://management.core.windows.net'];

async function authenticate(world: World, tokens: EntraTokens, header: string | undefined): Promise<Caller> {
  const token = /^bearer (\S+)$/i.exec(header ?? '')?.[1];
  if (!token)
    throw unauthenticated(
      world,
      'AuthenticationFailed',
      "Authentication failed. The 'Authorization' header is missing.",
    );
  const verdict = await tokens.inspect(token, audiences);
  if (verdict.valid) return verdict.holder;
  switch (verdict.reason) {
    case 'expired':
      throw unauthenticated(
        world,
        'ExpiredAuthenticationToken',
        'The access token expiry UTC time is earlier than current UTC time.',
      );
    case 'audience':
      throw unauthenticated(world, 'InvalidAuthenticationTokenAudience', wrongAudience(verdict.audience));
    case 'malformed':
      throw unauthenticated(world, 'InvalidAuthenticationToken', 'The access token is invalid.');
  }
}

function wrongAudience(audience: string): string {
  const allowed = audiences.flatMap(name => [`'${name}/'`, `'${name}'`]).join(',');
  return `The access token has been obtained for wrong audience or resource '${audience}'. It should exactly match with one of the allowed audiences ${allowed}.`;
}

function unauthenticated(world: World, code: string, message: string): ArmError {
  const authority = `https://login.microsoftonline.com/${world.tenantId}`;
  const challenge = `Bearer authorization_uri="${authority}", error="invalid_token", error_description="${message}"`;
  return new ArmError(401, code, message, { headers: { 'www-authenticate': challenge } });
}

function authorizationFailed(clientId: string, principalId: string, action: string, scope: string): ArmError {
  return new ArmError(
    403,
    'AuthorizationFailed',
    `The client '${clientId}' with object id '${principalId}' does not have authorization to perform action '${action}' over scope '${scope}' or the scope is invalid. If access was recently granted, please refresh your credentials.`,
  );
}

function linkedAuthorizationFailed(refused: {
  clientId: string;
  principalId: string;
  action: string;
  scope: string;
  first: { action: string; scope: string } | undefined;
}): ArmError {
  const { clientId, principalId, action, scope, first } = refused;
  return new ArmError(
    403,
    'LinkedAuthorizationFailed',
    `The client '${clientId}' with object id '${principalId}' has permission to perform action '${first?.action ?? ''}' on scope '${first?.scope ?? ''}'; however, it does not have permission to perform action '${action}' on the linked scope(s) '${scope}' or the linked scope(s) are invalid.`,
  );
}

function requireGroup(world: World, subscriptionId: string, resourceGroup: string): void {
  if (!lookUp(world.subscriptions, subscriptionId.toLowerCase()))
    throw new ArmError(
      404,
      'SubscriptionNotFound',
      `The subscription '${subscriptionId}' could not be found.`,
    );
  const id = `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}`.toLowerCase();
  if (!world.resourceGroups[id])
    throw new ArmError(404, 'ResourceGroupNotFound', `Resource group '${resourceGroup}' could not be found.`);
}
