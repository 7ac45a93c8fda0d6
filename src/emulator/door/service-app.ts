import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify';

/**
 * The Fastify of one service. Azure compares paths without case and ARM ids are long; a path that nothing answers is
 * 501 by name, so that a test run can tell "not built" from "not there".
 */
export function createServiceApp(
  options: Pick<FastifyServerOptions, 'bodyLimit' | 'rewriteUrl'> = {},
): FastifyInstance {
  const app = Fastify({
    bodyLimit: 4 * 1024 * 1024,
    ...options,
    exposeHeadRoutes: false,
    routerOptions: { caseSensitive: false, ignoreTrailingSlash: true, maxParamLength: 4096 },
  });
  app.setNotFoundHandler((request, reply) => {
    const what = `${request.method} https://${request.headers.host}${request.originalUrl.split('?')[0]}`;
    return reply.code(501).send(notImplemented(what));
  });
  return app;
}

export function notImplemented(what: string): { error: { code: string; message: string } } {
  return { error: { code: 'NotImplemented', message: `The embedded Azure does not answer ${what}.` } };
}
