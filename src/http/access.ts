import type { FastifyInstance } from 'fastify';
import { createError } from '../errors.ts';
import type { Caller, Permission } from '../schemas/principal.ts';
import type { Authenticator } from './auth.ts';
import { askingAs } from './on-behalf-of.ts';
import type { RateLimits } from './rate-limit.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the caller must be allowed to do, in at least one team; `signedIn`: nothing; `public`: no token is asked for. */
    permission?: Permission | 'signedIn' | 'public';
  }
  interface FastifyRequest {
    caller: Caller | null;
  }
}

/**
 * Deny by default, at the root and before the body is read: a route that does not say who may use it keeps the service
 * from starting, and an unknown address needs a token too.
 */
export function requireSignIn(
  app: FastifyInstance,
  authenticator: Pick<Authenticator, 'authenticate'>,
  limits: RateLimits,
): void {
  app.decorateRequest('caller', null);
  app.addHook('onRoute', route => {
    if (!route.config?.permission)
      throw new Error(`${route.method} ${route.url} does not declare its permission`);
  });
  app.addHook('onRequest', async (request, reply) => {
    const permission = request.routeOptions.config.permission ?? 'signedIn';
    if (permission === 'public') return;
    const change = !['GET', 'HEAD', 'OPTIONS'].includes(request.method);
    const caller = await authenticator.authenticate(request.headers.authorization, { change });
    request.caller = caller;
    requireGrant(caller);
    request.caller = askingAs(caller, request.headers);
    // A token that was refused has cost nobody's budget.
    limits.spend(request, reply, request.caller, 'head');
    if (permission !== 'signedIn') requirePermission(request.caller, permission);
  });
  app.addHook('preValidation', (request, reply, done) => {
    if (request.caller) limits.spend(request, reply, request.caller, 'body');
    done();
  });
}

/** Whom policy grants nothing learns nothing, not even from `/me`. */
function requireGrant({ principal, teams, operator, groupsLeftOut }: Caller): void {
  if (Object.keys(teams).length > 0 || operator) return;
  const { issuer, subject, client } = principal;
  const who = `subject '${subject}'${client ? ` (client '${client}')` : ''} of issuer '${issuer}'`;
  const hint = groupsLeftOut
    ? ' The token leaves his groups out, because they are more than fit: none counts. Let the policy name the subject.'
    : '';
  throw createError('PermissionDenied', `The policy grants nothing to ${who}.${hint}`);
}

const operatorPermissions: readonly Permission[] = ['read', 'audit'];

function requirePermission(caller: Caller, permission: Permission): void {
  if (caller.operator && operatorPermissions.includes(permission)) return;
  if (Object.values(caller.teams).some(granted => granted.includes(permission))) return;
  throw createError('PermissionDenied', `The policy grants '${permission}' to this caller in no team.`);
}

/** The caller that `requireSignIn` found. */
export function callerOf(request: { caller: Caller | null }): Caller {
  if (!request.caller) throw createError('Unauthenticated', 'Sign in first.');
  return request.caller;
}
