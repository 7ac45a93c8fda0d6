import { createSecureContext, getCACertificates } from 'node:tls';
import { Agent, buildConnector, type Dispatcher, request } from 'undici';
import type { Answer, Parts } from './parts.ts';

export interface Network {
  fetch: Parts['fetch'];
  close(): Promise<void>;
}

const timeoutMs = 20_000;

/**
 * How one part of the embedded Azure asks another: by its name, through the door, as any client. A name that no service
 * answers for does not exist: DNS is never asked.
 */
export function createNetwork(door: {
  exists(host: string): boolean;
  address(): { hostname: string; port: number };
  ca: string;
}): Network {
  // Read once: every connection would keep all authorities for itself (measured: 100 MB for a thousand groups).
  const secureContext = createSecureContext({ ca: [...getCACertificates('default'), door.ca] });
  const connect = buildConnector({ secureContext, timeout: timeoutMs });
  const agent = new Agent({
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    connect: (target, done) => {
      if (!door.exists(target.hostname)) return done(noSuchHost(target.hostname), null);
      const { hostname, port } = door.address();
      connect({ ...target, hostname, port: String(port), servername: target.hostname }, done);
    },
  });
  return {
    // A connection that is kept open outlives its host's name: the name is looked up each time.
    fetch: async (url, init = {}) => {
      const { hostname } = new URL(url);
      if (!door.exists(hostname)) throw noSuchHost(hostname);
      return ask(agent, url, init);
    },
    close: () => agent.destroy(),
  };
}

async function ask(
  dispatcher: Dispatcher,
  url: string,
  init: { method?: string; headers?: Record<string, string>; body?: string },
): Promise<Answer> {
  const answer = await request(url, {
    dispatcher,
    method: toMethod(init.method),
    ...(init.headers ? { headers: init.headers } : {}),
    ...(init.body === undefined ? {} : { body: init.body }),
  });
  const body = Buffer.from(await answer.body.arrayBuffer());
  return { status: answer.statusCode, headers: answer.headers, body };
}

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

function toMethod(name = 'GET'): (typeof methods)[number] {
  const method = methods.find(each => each === name.toUpperCase());
  if (!method) throw new Error(`'${name}' is no method that services use among themselves`);
  return method;
}

function noSuchHost(hostname: string): Error {
  const message = `getaddrinfo ENOTFOUND ${hostname}`;
  return Object.assign(new Error(message), { code: 'ENOTFOUND', syscall: 'getaddrinfo', hostname });
}
