import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { Agent, request } from 'undici';
import { ConfigError, readConfig } from '../src/config.ts';
import { createLog } from '../src/log.ts';
import { Secret } from '../src/secret.ts';
import { azureServiceOf, type Call, watchCalls } from '../src/telemetry/calls.ts';
import { listenForMetrics } from '../src/telemetry/listener.ts';
import { createMetrics } from '../src/telemetry/metrics.ts';
import { startExporter } from '../src/telemetry/otlp.ts';
import {
  createTracer,
  currentPlace,
  currentTraceparent,
  type EndedSpan,
  formatTraceparent,
  inside,
  parseTraceparent,
} from '../src/telemetry/trace.ts';
import { readTracing } from '../src/telemetry/tracing-settings.ts';
import { startCollector } from './support/collector.ts';
import { parseMetrics } from './support/metrics.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const spanId = '00f067aa0ba902b7';

t.test('a traceparent is taken as the standard has it, and nothing else', async t => {
  t.same(parseTraceparent(`00-${traceId}-${spanId}-01`), { traceId, spanId, sampled: true });
  t.same(parseTraceparent(`00-${traceId}-${spanId}-02`), { traceId, spanId, sampled: false });
  t.equal(
    formatTraceparent({ traceId, spanId, sampled: false }),
    `00-${traceId}-${spanId}-00`,
    'and written so',
  );
  for (const wrong of [
    undefined,
    '',
    ['00', traceId],
    `01-${traceId}-${spanId}-01`,
    `00-${'0'.repeat(32)}-${spanId}-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `00-${traceId.toUpperCase()}-${spanId}-01`,
    `00-${traceId}-${spanId}-01-more`,
    `00-${traceId}-${spanId}-01, 00-${traceId}-${spanId}-01`,
    ` 00-${traceId}-${spanId}-01`,
    `00-${traceId}-${spanId}-01\n`,
  ])
    t.equal(parseTraceparent(wrong), null, String(wrong));
});

t.test('a span belongs to what goes on around it, across everything that is awaited', async t => {
  const ended: EndedSpan[] = [];
  const tracer = createTracer({ onEnd: span => ended.push(span) });
  t.equal(currentTraceparent(), null, 'outside there is no trace');
  const outer = tracer.start('outer', {
    kind: 'server',
    parent: parseTraceparent(`00-${traceId}-${spanId}-00`),
  });
  await inside(
    outer,
    async () => {
      await tracer.trace('inner', { attributes: { stage: 'Resolving' } }, async span => {
        await new Promise(setImmediate);
        t.equal(currentTraceparent(), formatTraceparent(span));
        t.equal(currentPlace()?.deployment, 'one', 'and knows the deployment');
      });
      await t.rejects(tracer.trace('failing', {}, () => Promise.reject(new RangeError('far'))));
    },
    { deployment: 'one' },
  );
  outer.end();
  outer.end();
  t.match(ended, [
    { name: 'inner', traceId, parentSpanId: outer.spanId, attributes: { stage: 'Resolving' }, error: null },
    { name: 'failing', traceId, parentSpanId: outer.spanId, error: 'RangeError' },
    { name: 'outer', traceId, parentSpanId: spanId, kind: 'server' },
  ]);
  t.equal(ended.length, 3, 'each ends once');
  t.notOk(JSON.stringify(ended).includes('far'), 'what an error says is not kept');
});

t.test('what is not sampled keeps its names and is not handed out', async t => {
  const ended: EndedSpan[] = [];
  const tracer = createTracer({ onEnd: span => ended.push(span), sample: () => false });
  const parent = parseTraceparent(`00-${traceId}-${spanId}-01`);
  const span = tracer.start('asked for', { parent });
  span.end();
  t.equal(span.traceId, traceId);
  t.equal(span.sampled, false, "a caller's flag does not bring it in");
  t.same(ended, []);
});

t.test('traces are set by the variables that OpenTelemetry has for it', async t => {
  t.equal(readTracing({}), null, 'nothing is set');
  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318/base/' };
  t.equal(readTracing(endpoint)?.url, 'http://collector:4318/base/v1/traces');
  const own = { ...endpoint, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://traces.example/in' };
  t.equal(readTracing(own)?.url, 'https://traces.example/in', 'the one of traces is taken as it is');
  t.equal(readTracing({ OTEL_TRACES_EXPORTER: 'otlp' })?.url, 'http://localhost:4318/v1/traces');
  t.equal(readTracing({ ...endpoint, OTEL_TRACES_EXPORTER: 'none' }), null);
  t.equal(readTracing({ ...endpoint, OTEL_SDK_DISABLED: 'TRUE' }), null);
  const settings = readTracing({
    ...endpoint,
    OTEL_EXPORTER_OTLP_HEADERS: 'Authorization=Bearer%20collector-key, x-scope=a=b',
    OTEL_EXPORTER_OTLP_TIMEOUT: '1500',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment=prod,service.name=other',
    OTEL_SERVICE_NAME: 'slipway-west',
  });
  t.equal(settings?.headers.authorization?.reveal(), 'Bearer collector-key');
  t.equal(settings?.headers['x-scope']?.reveal(), 'a=b');
  t.match(settings, {
    timeoutMs: 1500,
    resource: { 'deployment.environment': 'prod', 'service.name': 'slipway-west' },
  });
  for (const [name, value] of [
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4318'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'http://user:secret-word@collector'],
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'secret-word'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'authorization=%zzsecret-word'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'a b=secret-word'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'authorization=secret-word%0d%0aHost: evil'],
    ['OTEL_EXPORTER_OTLP_TIMEOUT', 'soon'],
    ['OTEL_RESOURCE_ATTRIBUTES', 'secret-word'],
    ['OTEL_TRACES_EXPORTER', 'zipkin'],
    ['OTEL_TRACES_SAMPLER', 'jaeger_remote'],
  ] as const) {
    const env = { SLIPWAY_POLICY: 'policy.yaml', ...endpoint, [name]: value };
    const why = reasonFor(() => readConfig(env));
    t.ok(why.includes(name), why);
    t.notOk(why.includes('secret-word'), `what may be secret in ${name} is not repeated`);
  }
});

/** Why a setting is refused. */
function reasonFor(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return 'nothing was refused';
}

t.test('sampling goes by the id of the trace; a caller can leave his out and not force it in', async t => {
  const sampler = (name: string, argument = '') =>
    readTracing({
      OTEL_TRACES_EXPORTER: 'otlp',
      OTEL_TRACES_SAMPLER: name,
      OTEL_TRACES_SAMPLER_ARG: argument,
    })?.sample;
  const low = `${'a'.repeat(19)}${'0'.repeat(13)}`;
  const high = `${'a'.repeat(19)}${'f'.repeat(13)}`;
  const yes = { traceId: low, spanId, sampled: true };
  t.equal(sampler('traceidratio', '0.5')?.(low, null), true);
  t.equal(sampler('traceidratio', '0.5')?.(high, yes), false);
  t.equal(sampler('always_off')?.(low, yes), false);
  t.equal(sampler('always_on')?.(high, { ...yes, sampled: false }), true);
  t.equal(sampler('parentbased_always_on')?.(high, { ...yes, sampled: false }), false);
  t.equal(sampler('parentbased_always_on')?.(high, null), true);
  t.equal(sampler('parentbased_always_off')?.(high, yes), false, 'a flag from outside brings nothing in');
  t.throws(() => sampler('traceidratio', '2'), /OTEL_TRACES_SAMPLER_ARG/);
});

const span: EndedSpan = {
  traceId,
  spanId,
  sampled: true,
  parentSpanId: null,
  name: 'stage Resolving',
  kind: 'internal',
  startedAt: 1_790_000_000_000.25,
  endedAt: 1_790_000_000_001,
  attributes: { n: 3, half: 0.5, yes: true, text: 'so' },
  error: null,
};
const log = createLog({ level: 'silent' });
const settingsFor = (url: string, timeoutMs = 60_000) => ({
  url,
  headers: { authorization: new Secret('Bearer collector-key') },
  timeoutMs,
  resource: { 'service.name': 'slipway' },
  sample: () => true,
});

t.test('what a collector cannot take now it gets later, in whole batches and without a secret', async t => {
  const collector = await startCollector(t, n => (n === 1 ? 503 : 200));
  const exporter = startExporter(settingsFor(`${collector.url}/v1/traces`), { log, version: '1.2.3' });
  using secret = new Secret('hunter2-and-more');
  exporter.add({ ...span, name: `said ${secret.reveal()}`, error: 'ETIMEDOUT' });
  for (let n = 1; n < 600; n += 1) exporter.add(span);
  await collector.requests(1);
  await exporter.close();
  t.same(exporter.counts(), { exported: 600, dropped: 0 });
  t.same(
    collector.received.map(({ path }) => path),
    Array(3).fill('/v1/traces'),
  );
  t.equal(collector.received[0]?.headers.authorization, 'Bearer collector-key');
  t.match(collector.resource(), { 'service.name': 'slipway' });
  t.match(collector.spans()[0], {
    name: 'said [secret]',
    failed: true,
    attributes: { 'error.type': 'ETIMEDOUT' },
  });
  t.same(collector.spans().at(-1), {
    ...{ traceId, spanId, name: span.name, kind: 1, attributes: span.attributes, failed: false },
  });
});

t.test('a collector that never answers holds nothing up and costs a bounded memory', async t => {
  const collector = await startCollector(t, () => null);
  const exporter = startExporter(settingsFor(collector.url, 50), { log, version: '1.2.3' });
  for (let n = 0; n < 10_000; n += 1) exporter.add(span);
  t.ok(exporter.counts().dropped >= 10_000 - 2_048 - 512, 'the oldest are let go');
  await exporter.close();
  t.equal(exporter.counts().exported, 0);
  t.ok(collector.received.length <= 3, 'and it is not asked over and over');
});

t.test('calls are counted, and have a span where they are part of a trace', async t => {
  const heard: Record<string, unknown>[] = [];
  const server = createServer((asked, response) => {
    heard.push(asked.headers);
    const status = asked.url?.startsWith('/busy') ? 429 : 200;
    response
      .writeHead(status, { 'x-ms-ratelimit-remaining-subscription-writes': '1199', 'x-other': '1' })
      .end('ok');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const agent = new Agent();
  t.teardown(() => agent.destroy());
  const ended: EndedSpan[] = [];
  const calls: Call[] = [];
  const tracer = createTracer({ onEnd: one => ended.push(one) });
  const onCall = (call: Call) => calls.push(call);
  const watched = (service: Call['service']) =>
    watchCalls(agent, { tracer, onCall, serviceOf: () => service });
  const ask = async (service: Call['service'], path: string, at = port) => {
    const headers = { authorization: 'Bearer canary-token', 'X-Ms-Client-Request-Id': 'of-the-sdk' };
    const answer = await request(`http://127.0.0.1:${at}${path}`, { dispatcher: watched(service), headers });
    return answer.body.text();
  };

  t.equal(await ask('arm', '/groups?sig=canary'), 'ok', 'what is answered arrives');
  t.same(ended, [], 'outside of a trace there is no span');
  t.equal(heard[0]?.traceparent, undefined);
  await tracer.trace('stage', {}, async stage => {
    await ask('arm', '/groups?sig=canary');
    t.match(heard[1]?.traceparent, new RegExp(`^00-${stage.traceId}-[0-9a-f]{16}-01$`), 'ARM is told');
    t.equal(
      String(heard[1]?.['x-ms-client-request-id']).replaceAll('-', ''),
      stage.traceId,
      'and by the id that its activity log keeps',
    );
    t.match(heard[1]?.['x-ms-client-request-id'], /^\w{8}(?:-\w{4}){3}-\w{12}$/);
    await ask('registry', '/busy');
    t.equal(heard[2]?.traceparent, undefined, 'a registry is not');
    t.equal(heard[2]?.['x-ms-client-request-id'], 'of-the-sdk');
    await t.rejects(ask('vault', '/', 1));
  });
  t.match(ended, [
    {
      name: 'GET 127.0.0.1',
      kind: 'client',
      attributes: { 'url.path': '/groups', 'http.response.status_code': 200 },
    },
    { attributes: { 'url.path': '/busy', 'http.response.status_code': 429 }, error: '429' },
    { error: 'ECONNREFUSED' },
    { name: 'stage' },
  ]);
  t.notMatch(JSON.stringify(ended), /canary/, 'no query and no header');
  t.match(calls, [
    { service: 'arm', status: 200, remaining: { 'subscription-writes': 1199 } },
    { service: 'arm', status: 200 },
    { service: 'registry', status: 429 },
    { service: 'vault', status: null },
  ]);
  t.same(
    [
      'management.azure.com',
      'demo-vault.vault.azure.net',
      'policies.blob.core.windows.net',
      '169.254.169.254',
    ].map(azureServiceOf),
    ['arm', 'vault', 'storage', 'identity'],
  );
});

t.test('metrics are what Prometheus reads, and what cannot be read is left out', async t => {
  const metrics = createMetrics();
  metrics.answered({ method: 'GET', route: '/a"b\\c', status: 404, code: 'NotFound', seconds: 0.02 });
  metrics.answered({ method: 'GET', route: '/events', status: 200, code: null, seconds: null });
  metrics.called({ service: 'arm', status: 429, seconds: 1, remaining: { 'subscription-writes': 3 } });
  let readable = true;
  metrics.read({ name: 'test_bytes', help: 'of a test' }, async () => {
    if (!readable) throw new Error('out');
    return [{ value: 7 }];
  });
  metrics.read({ name: 'test_total', help: 'of a test', labels: ['kind'], kind: 'counter' }, () => [
    { labels: { kind: 'x' }, value: 2 },
  ]);
  const listener = await listenForMetrics(metrics, { host: '127.0.0.1', port: 0 });
  t.teardown(() => listener.close());
  const look = async () => parseMetrics(await (await fetch(listener.url)).text());

  const first = await look();
  t.equal(first.value('slipway_requests_total', { route: '/a"b\\c', status: '4xx' }), 1);
  t.equal(first.value('slipway_problems_total', { code: 'NotFound' }), 1);
  t.equal(
    first.value('slipway_request_duration_seconds_count', { route: '/events' }),
    undefined,
    'a stream has no end',
  );
  t.equal(first.value('slipway_throttled_total', { service: 'arm' }), 1);
  t.equal(first.value('slipway_arm_remaining', { limit: 'subscription-writes' }), 3);
  t.equal(first.value('slipway_test_bytes'), 7);
  t.equal(first.value('slipway_test_total', { kind: 'x' }), 2);
  readable = false;
  const second = await look();
  t.equal(second.value('slipway_test_bytes'), undefined);
  t.equal(second.value('slipway_test_total', { kind: 'x' }), 2, 'a counter that is read does not add up');

  t.equal((await fetch(listener.url, { method: 'POST' })).status, 404);
  t.equal((await fetch(new URL('/', listener.url))).status, 404);
  const head = await fetch(listener.url, { method: 'HEAD' });
  t.match(head.headers.get('content-type'), /^text\/plain; version=0\.0\.4/);
});
