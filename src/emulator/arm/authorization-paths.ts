import type { FastifyRequest } from 'fastify';

/**
 * `Microsoft.Authorization` hangs under any resource at any depth, which no router's pattern says: such URLs are
 * rewritten to these two, and the scope is read from the URL as it came.
 */
export const internal = {
  roleassignments: '/~authorization/assignments',
  roledefinitions: '/~authorization/definitions',
};
const authorizationPath =
  /^(\/.*?)?\/providers\/Microsoft\.Authorization\/(roleAssignments|roleDefinitions)(?:\/([^/?]+))?\/?(\?.*)?$/i;

export function rewriteAuthorizationUrl(asked: string): string {
  const url = withoutDoubleSlashes(asked);
  const [, , kind, name, query] = authorizationPath.exec(url) ?? [];
  if (!kind) return url.startsWith('/~') ? '/not-here' : url;
  const target =
    kind.toLowerCase() === 'roleassignments' ? internal.roleassignments : internal.roledefinitions;
  return target + (name ? `/${name}` : '') + (query ?? '');
}

export function scopeOf(request: FastifyRequest): string {
  const scope = authorizationPath.exec(withoutDoubleSlashes(request.originalUrl))?.[1];
  return scope ? decodeURIComponent(scope) : '/';
}

/** The SDK writes a scope, which begins with a slash, after a slash (measured). */
function withoutDoubleSlashes(url: string): string {
  const query = url.indexOf('?');
  const path = query < 0 ? url : url.slice(0, query);
  return path.replace(/\/{2,}/g, '/') + url.slice(path.length);
}
