import { createServer, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { createSecureContext } from 'node:tls';
import type { Agent } from 'undici';
import { openCertificates } from '../../src/emulator/door/certificates.ts';
import { createDispatcher } from '../../src/hosts.ts';

/** One request as it came, in the order of coming. */
export interface Asked {
  host: string;
  method: string;
  path: string;
  query: URLSearchParams;
  authorization: string | undefined;
  form: URLSearchParams;
  body: string;
}

export interface Reply {
  status?: number;
  headers?: Record<string, string | string[]>;
  body?: string | Buffer | object;
}

/** Says what a host answers; or takes the response into its own hands, and answers nothing. */
export type Host = (asked: Asked, response: ServerResponse) => Reply | undefined;

type Teardown = { teardown(done: () => unknown): unknown };

/**
 * Plays hosts by their real names on one port of this machine, https with certificates of one authority, and leads to
 * them; no other name exists. `asked` is what came, by whatever name.
 */
export async function startHttpsHosts(
  t: Teardown,
  hosts: Record<string, Host>,
): Promise<{ dispatcher: Agent; asked: Asked[]; port: number }> {
  const certificates = openCertificates(undefined);
  const asked: Asked[] = [];
  const server = createTlsServer(
    {
      ...certificates.fallback,
      SNICallback: (name, done) => done(null, certificates.contextFor(name)),
    },
    answerAs(hosts, asked),
  );
  const port = await listen(t, server);
  const entries = Object.keys(hosts).map(name => ({
    pattern: name.replace(/:\d+$/, ''),
    hostname: '127.0.0.1',
    port,
  }));
  const dispatcher = createDispatcher({ table: { entries, closed: true }, ca: certificates.ca });
  t.teardown(() => dispatcher.destroy());
  return { dispatcher, asked, port };
}

function answerAs(hosts: Record<string, Host>, asked: Asked[]): RequestListener {
  return async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const url = new URL(request.url ?? '/', `https://${request.headers.host}`);
    const one: Asked = {
      host: url.host,
      method: request.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      authorization: request.headers.authorization,
      form: new URLSearchParams(body),
      body,
    };
    asked.push(one);
    const reply = hosts[url.host]?.(one, response);
    if (reply) send(reply, response);
  };
}

export function send({ status = 200, headers = {}, body = '' }: Reply, response: ServerResponse): void {
  const isText = typeof body === 'string' || Buffer.isBuffer(body);
  response.writeHead(status, { ...(isText ? {} : { 'content-type': 'application/json' }), ...headers });
  response.end(isText ? body : JSON.stringify(body));
}

/** A server whose certificate clients that trust `ca` must refuse, or one without any. */
export async function startOddServer(t: Teardown, kind: 'unknown authority' | 'plain http'): Promise<number> {
  if (kind === 'plain http')
    return listen(
      t,
      createServer((_request, response) => response.end()),
    );
  const { fallback } = openCertificates(undefined);
  return listen(
    t,
    createTlsServer(fallback, (_request, response) => response.end()),
  );
}

export async function startServerAs(t: Teardown, key: string, cert: string): Promise<number> {
  const context = createSecureContext({ key, cert });
  const server = createTlsServer(
    { SNICallback: (_name, done) => done(null, context) },
    (_request, response) => response.end(),
  );
  return listen(t, server);
}

async function listen(t: Teardown, server: Server & { closeAllConnections(): void }): Promise<number> {
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done));
  t.teardown(() => {
    server.closeAllConnections();
    return new Promise(done => server.close(done));
  });
  return (server.address() as AddressInfo).port;
}
