import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Metrics } from './metrics.ts';

export interface MetricsListener {
  /** `http://HOST:PORT/metrics` */
  url: string;
  close(): Promise<void>;
}

/** Serves the figures on a listener of their own, which asks for no token: it is for the inside of a network. */
export async function listenForMetrics(
  metrics: Metrics,
  { host, port }: { host: string; port: number },
): Promise<MetricsListener> {
  const server = createServer({ requestTimeout: 10_000, keepAliveTimeout: 5_000 }, (request, response) => {
    const isAsked = ['GET', 'HEAD'].includes(request.method ?? '') && request.url === '/metrics';
    if (!isAsked) return response.writeHead(404, { 'content-type': 'text/plain' }).end('GET /metrics\n');
    metrics.expose().then(
      ({ contentType, text }) =>
        response.writeHead(200, { 'content-type': contentType }).end(request.method === 'HEAD' ? '' : text),
      () => response.writeHead(500).end(),
    );
  });
  server.listen(port, host);
  await once(server, 'listening');
  const { port: taken } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${taken}/metrics`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
