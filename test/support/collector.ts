import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

type Teardown = { teardown(done: () => unknown): unknown };
type Value = string | number | boolean;

export interface CollectedSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  attributes: Record<string, Value>;
  failed: boolean;
}

export interface Collector {
  url: string;
  /** Every request as it came: headers and body. */
  received: { path: string; headers: Record<string, unknown>; body: string }[];
  spans(): CollectedSpan[];
  resource(): Record<string, Value>;
  /** Resolves once so many requests have come. */
  requests(count: number): Promise<void>;
}

/** An OpenTelemetry collector's OTLP/HTTP receiver. `answer` says the status of each request; null: none is ever given. */
export async function startCollector(
  t: Teardown,
  answer: (n: number) => number | null = () => 200,
): Promise<Collector> {
  const received: Collector['received'] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString('utf8');
    received.push({ path: request.url ?? '', headers: request.headers, body });
    const status = answer(received.length);
    server.emit('received');
    if (status === null) return;
    response.writeHead(status, { 'content-type': 'application/json' }).end('{}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  const parsed = () => received.flatMap(({ body }) => JSON.parse(body).resourceSpans as ResourceSpans[]);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    spans: () => parsed().flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans.map(decode))),
    resource: () => valuesOf(parsed()[0]?.resource.attributes ?? []),
    async requests(count) {
      while (received.length < count) await once(server, 'received');
    },
  };
}

interface Attribute {
  key: string;
  value: { stringValue?: string; intValue?: string; doubleValue?: number; boolValue?: boolean };
}
interface EncodedSpan extends Omit<CollectedSpan, 'attributes' | 'failed'> {
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: Attribute[];
  status: { code?: number };
}
interface ResourceSpans {
  resource: { attributes: Attribute[] };
  scopeSpans: { spans: EncodedSpan[] }[];
}

/** Throws for what the protocol's JSON does not allow. */
function decode({
  attributes,
  status,
  startTimeUnixNano,
  endTimeUnixNano,
  ...span
}: EncodedSpan): CollectedSpan {
  if (!/^[0-9a-f]{32}$/.test(span.traceId) || !/^[0-9a-f]{16}$/.test(span.spanId)) throw new Error('ids');
  if (BigInt(endTimeUnixNano) < BigInt(startTimeUnixNano)) throw new Error('times');
  return { ...span, attributes: valuesOf(attributes), failed: status.code === 2 };
}

function valuesOf(attributes: Attribute[]): Record<string, Value> {
  return Object.fromEntries(
    attributes.map(({ key, value: { stringValue, intValue, doubleValue, boolValue } }) => [
      key,
      stringValue ?? doubleValue ?? boolValue ?? Number(intValue),
    ]),
  );
}
