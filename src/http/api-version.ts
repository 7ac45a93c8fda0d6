import type { FastifyInstance } from 'fastify';
import { invalid } from './problems.ts';

/** The newest first; changes are additive, so that a new one is rare. */
export const apiVersions = ['2026-11-01'] as const;

/** `api-version`, as a header or as Azure's query parameter: optional, the newest by default, and told by every answer. */
export function registerApiVersion(app: FastifyInstance): void {
  app.addHook('onSend', (_request, reply, _payload, done) => {
    reply.header('api-version', apiVersions[0]);
    done();
  });
  // Before the query is judged: routes do not know the parameter.
  app.addHook('preValidation', (request, _reply, done) => {
    const { query } = request;
    const header = request.headers['api-version'];
    if (header !== undefined) requireKnown(header, 'headers');
    if (typeof query === 'object' && query !== null && 'api-version' in query) {
      requireKnown(query['api-version'], 'querystring');
      delete query['api-version'];
    }
    done();
  });
}

function requireKnown(version: unknown, place: 'headers' | 'querystring'): void {
  if (apiVersions.some(known => known === version)) return;
  throw invalid([{ pointer: `${place}:/api-version`, detail: `must be one of ${apiVersions.join(', ')}` }]);
}
