import type { FastifyInstance } from 'fastify';
import { createError } from '../errors.ts';
import type { Caller, Permission } from '../schemas/principal.ts';
import type { Authenticator } from './auth.ts';
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
    const caller = await authenticator.authenticate(request.headers.authorization);
    request.caller = caller;
    // A token that was refused has cost nobody's budget.
    limits.spend(request, reply, caller);
    if (permission !== 'signedIn') requirePermission(caller, permission);
  });
}

function requirePermission(caller: Caller, permission: Permission): void {
  if (Object.values(caller.teams).some(granted => granted.includes(permission))) return;
  throw createError('PermissionDenied', `The policy grants '${permission}' to this caller in no team.`);
}

/** The caller that `requireSignIn` found. */
export function callerOf(request: { caller: Caller | null }): Caller {
  if (!request.caller) throw createError('Unauthenticated', 'Sign in first.');
  return request.caller;
}
