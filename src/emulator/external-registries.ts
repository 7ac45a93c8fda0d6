import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Agent, request } from 'undici';
import { createServiceApp } from './door/service-app.ts';
import type { Service } from './parts.ts';

/**
 * Registries that are not ours, by host name: a request for one is passed on to where it really is, so that it is seen
 * in the journal and met by faults like any other.
 */
export function createExternalRegistries(places: Record<string, string>): Service {
  const agent = new Agent();
  const app = createServiceApp({ bodyLimit: 1024 ** 3 });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
  app.all('/*', (request, reply) => forward(agent, places, request, reply));
  app.addHook('onClose', () => agent.destroy());
  return { name: 'external registries', answersFor: host => Object.hasOwn(places, host), app };
}

const hopByHop = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'te', 'trailer']);

async function forward(
  agent: Agent,
  places: Record<string, string>,
  asked: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const host = (asked.headers.host ?? '').toLowerCase().replace(/:\d+$/, '');
  const { body } = asked;
  try {
    const answer = await request(`${places[host]}${asked.raw.url}`, {
      dispatcher: agent,
      method: asked.method as 'GET',
      // The name that was asked goes along: registries build their links from it.
      headers: { ...endToEnd(asked.headers), host, 'x-forwarded-proto': 'https' },
      body: body instanceof Readable ? body : null,
    });
    return await reply.code(answer.statusCode).headers(endToEnd(answer.headers)).send(answer.body);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return reply.code(502).send({ errors: [{ code: 'UNAVAILABLE', message: `${places[host]}: ${reason}` }] });
  }
}

function endToEnd(headers: Record<string, string | string[] | undefined>): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined || hopByHop.has(name) ? [] : [[name, value] as const],
    ),
  );
}
