import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Metrics } from '../telemetry/metrics.ts';
import { inside, parseTraceparent, type Span, type Tracer } from '../telemetry/trace.ts';

declare module 'fastify' {
  interface FastifyRequest {
    span: Span | null;
  }
}

// Whoever asks for these asks every few seconds: they are counted, and are no trace.
const probes = ['/livez', '/readyz'];

/** A span and figures for every request, by the template of its route: an address may name what is somebody's. */
export function registerTelemetry(app: FastifyInstance, tracer: Tracer, metrics: Metrics): void {
  app.decorateRequest('span', null);
  app.addHook('onRequest', (request, _reply, done) => {
    if (probes.includes(routeOf(request))) return done();
    const span = tracer.start(`${request.method} ${routeOf(request)}`, {
      kind: 'server',
      parent: parseTraceparent(request.headers.traceparent),
      attributes: {
        'http.request.method': request.method,
        'http.route': routeOf(request),
        'slipway.request': request.id,
      },
    });
    request.span = span;
    inside(span, done);
  });
  // The body arrives in events of the connection's, outside of the trace.
  app.addHook('preValidation', (request, _reply, done) => {
    if (request.span) inside(request.span, done);
    else done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    const { statusCode: status } = reply;
    const code = reply.getHeader('x-ms-error-code');
    metrics.answered({
      method: request.method,
      route: routeOf(request),
      status,
      code: typeof code === 'string' ? code : null,
      seconds: isStream(reply) ? null : reply.elapsedTime / 1000,
    });
    const deployment = deploymentOf(request, reply);
    request.span?.set({
      'http.response.status_code': status,
      ...(deployment ? { 'slipway.deployment': deployment } : {}),
    });
    if (status >= 500) request.span?.fail(String(code ?? status));
    request.span?.end();
    done();
  });
}

const routeOf = ({ routeOptions }: FastifyRequest) => routeOptions.url ?? 'none';

const isStream = (reply: FastifyReply) =>
  String(reply.raw.getHeader('content-type') ?? '').startsWith('text/event-stream');

/** The deployment that a request is about, where it is one: what was made, or what was named by its id. */
export function deploymentOf({ params, routeOptions }: FastifyRequest, reply: FastifyReply): string | null {
  const [, made] = /^\/deployments\/([0-9a-f-]{36})$/.exec(String(reply.getHeader('location') ?? '')) ?? [];
  if (made) return made;
  const isAbout =
    routeOptions.url?.startsWith('/deployments/:id') && typeof params === 'object' && params !== null;
  const named = isAbout && 'id' in params ? String(params.id) : '';
  return /^[0-9a-f-]{36}$/.test(named) ? named : null;
}
