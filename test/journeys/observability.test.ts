import { join } from 'node:path';
import t from 'tap';
import { findCanaries, readCanaries } from '../../src/commands/canaries.ts';
import { startCollector } from '../support/collector.ts';
import { testDatabaseUrl } from '../support/database.ts';
import { startDemoWorld } from '../support/demo-world.ts';
import { parseMetrics } from '../support/metrics.ts';
import { createCaller, requestFor, startProcess } from '../support/service.ts';

/** A service that tells all it can: what an operator sees of a good deployment, a refused one and an answer that repeats a login. */
const world = await startDemoWorld(t);
const collector = await startCollector(t);
const service = await startProcess(t, ['src/main.ts'], {
  ...world.env,
  ...(await testDatabaseUrl(t)),
  METRICS_PORT: '0',
  OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
  OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20collector-key',
  OTEL_SERVICE_NAME: 'slipway-under-test',
});
const token = await world.token();
const ask = createCaller(service.url, token);
const metricsUrl = /^metrics on (\S+)$/m.exec(service.said())?.[1] ?? '';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const traceparent = `00-${traceId}-00f067aa0ba902b7-01`;

await world.control('POST', 'faults', {
  host: 'ghcr.io',
  path: '/token',
  times: 1,
  echoRequest: { status: 400 },
});
const { json: running } = await ask('POST', '/deployments', {
  body: requestFor('watched-running'),
  headers: { prefer: 'wait=30', traceparent },
});
const ghcr = (name: string, secretName: string) => ({
  name,
  containers: [{ name: 'app', image: 'ghcr.io/myorg/log-forwarder:2.0.1' }],
  imageRegistryCredentials: [{ server: 'ghcr.io', secretName }],
});
await ask('POST', '/deployments', {
  body: ghcr('watched-echo', 'ghcr-pull'),
  headers: { prefer: 'wait=20' },
});
const { json: refused } = await ask('POST', '/deployments', { body: ghcr('watched-wrong', 'ghcr-wrong') });
await ask('GET', '/deployments?label=release%3Dquery-canary');
await ask('GET', '/no-such-address?key=query-canary', { headers: { 'x-odd': 'header-canary' } });
const { json: ready } = await ask('GET', '/readyz');

t.test('the metrics are where they are said to be, and nowhere else', async t => {
  t.match(metricsUrl, /^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
  t.equal((await createCaller(service.url, null)('GET', '/metrics')).status, 401);
  t.equal((await ask('GET', '/metrics')).status, 404);
});

t.test('they say what was asked, what became of it, and how the parts are', async t => {
  const text = await (await fetch(metricsUrl)).text();
  const { value, names } = parseMetrics(text);
  t.equal(running.status, 'Running');
  const posts = { method: 'POST', route: '/deployments' };
  t.ok(Number(value('slipway_requests_total', { ...posts, status: '2xx' })) >= 1);
  t.ok(Number(value('slipway_requests_total', { ...posts, status: '4xx' })) >= 1);
  t.equal(value('slipway_requests_total', { route: 'none', status: '4xx' }), 3, 'unknown addresses are one');
  t.equal(value('slipway_problems_total', { code: refused.code }), 1);
  t.ok(Number(value('slipway_deployments_total', { status: 'Running', code: 'none' })) >= 1);
  t.ok(Number(value('slipway_deployments_total', { status: 'Failed', code: refused.code })) >= 1);
  for (const phase of ['Accepted', 'Resolving', 'Submitting', 'Provisioning'])
    t.ok(Number(value('slipway_phase_duration_seconds_count', { phase })) >= 1, phase);
  t.ok(Number(value('slipway_stage_duration_seconds_count', { stage: 'Resolving', outcome: 'failed' })) >= 1);
  for (const service of ['arm', 'vault', 'identity', 'registry', 'issuer'])
    t.ok(Number(value('slipway_call_duration_seconds_count', { service })) >= 1, service);
  for (const cache of ['callerTokens', 'azureTokens'])
    for (const result of ['hit', 'miss'])
      t.ok(Number(value('slipway_cache_lookups_total', { cache, result })) >= 1, `${cache} ${result}`);
  for (const cache of ['secrets', 'registryTokens', 'registryDigests'])
    t.ok(Number(value('slipway_cache_lookups_total', { cache, result: 'miss' })) >= 1, cache);
  t.ok(Number(value('slipway_aci_places', { call: 'creates', state: 'used' })) >= 1);
  t.equal(value('slipway_circuits_open'), 0);
  t.equal(value('slipway_policy_info', { digest: ready.policyDigest }), 1);
  t.equal(value('slipway_policy_loads_total', { outcome: 'taken' }), 1);
  t.equal(value('slipway_policy_loads_total', { outcome: 'refused' }), 0);
  for (const state of ['due', 'waiting', 'active'])
    t.ok(Number(value('slipway_queue_jobs', { state })) >= 0, `jobs: ${state}`);
  for (const name of [
    'queue_oldest_seconds',
    'policy_age_seconds',
    'signing_keys_age_seconds',
    'azure_token_age_seconds',
  ])
    t.ok(Number(value(`slipway_${name}`)) >= 0, name);
  t.ok(Number(value('slipway_azure_token_remaining_seconds')) > 0);
  t.ok(Number(value('slipway_store_bytes')) > 1_000_000);
  t.ok(Number(value('slipway_deployments', { status: 'Running' })) >= 1);
  t.ok(
    names.has('nodejs_eventloop_lag_seconds') && names.has('process_resident_memory_bytes'),
    "Node's own too",
  );
  for (const word of ['watched-', running.id, 'canary', 'demo', 'ghcr', 'myregistry', token])
    t.notOk(text.includes(word), `nobody's '${word.slice(0, 20)}'`);
});

t.test('every line of the log is JSON, and names the deployment and the trace', async t => {
  const lines = service
    .said()
    .split('\n')
    .filter(line => line.startsWith('{'))
    .map(line => JSON.parse(line));
  const others = service
    .said()
    .split('\n')
    .filter(line => line !== '' && !line.startsWith('{'));
  t.ok(
    others.every(line => /^(?:metrics on|slipway listening on) http:/.test(line)),
    others.join('\n'),
  );
  const ofPost = lines.find(({ msg, deployment }) => msg === 'request' && deployment === running.id);
  t.match(ofPost, { trace: traceId, method: 'POST', route: '/deployments', request: /^[0-9a-f-]{36}$/ });
  const requests = lines.filter(({ msg, route }) => msg === 'request' && route !== '/readyz');
  t.ok(
    requests.every(({ trace }) => /^[0-9a-f]{32}$/.test(trace)),
    'who sends none has one too',
  );
});

t.test('a deployment is one trace, from the request over its stages to what was asked of Azure', async t => {
  await service.stop();
  t.same([...new Set(collector.received.map(({ path }) => path))], ['/v1/traces']);
  t.match(collector.received[0]?.headers, {
    authorization: 'Bearer collector-key',
    'content-type': 'application/json',
  });
  t.match(collector.resource(), { 'service.name': 'slipway-under-test' });
  const spans = collector.spans();
  const trace = spans.filter(span => span.traceId === traceId);
  const [post] = trace.filter(({ kind }) => kind === 2);
  t.match(post, {
    name: 'POST /deployments',
    parentSpanId: '00f067aa0ba902b7',
    attributes: { 'http.response.status_code': 200, 'slipway.deployment': running.id },
  });
  t.notOk(
    spans.some(({ name }) => /readyz/.test(name)),
    'probes are no traces',
  );
  const stages = trace.filter(({ name }) => name.startsWith('stage '));
  t.same(
    [...new Set(stages.map(({ name }) => name))].slice(0, 4),
    ['Accepted', 'Resolving', 'Submitting', 'Provisioning'].map(stage => `stage ${stage}`),
  );
  t.ok(
    stages.every(
      ({ parentSpanId, attributes }) =>
        parentSpanId === post?.spanId && attributes['slipway.deployment'] === running.id,
    ),
  );
  const calls = (stage: string) => {
    const ids = stages.filter(({ name }) => name === `stage ${stage}`).map(({ spanId }) => spanId);
    return trace.filter(({ parentSpanId }) => ids.includes(parentSpanId ?? ''));
  };
  const hosts = (stage: string) => calls(stage).map(({ attributes }) => attributes['server.address']);
  t.ok(hosts('Resolving').includes('demo-vault.vault.azure.net'));
  t.ok(hosts('Resolving').includes('myregistry.azurecr.io'));
  t.ok(calls('Submitting').some(({ name }) => name === 'PUT management.azure.com'));
  t.ok(calls('Provisioning').some(({ name }) => name === 'GET management.azure.com'));
  const underTrace = (await world.journal()).filter(
    ({ clientRequestId }) => clientRequestId?.replaceAll('-', '') === traceId,
  );
  t.ok(
    ['GET', 'PUT'].every(method =>
      underTrace.some(entry => entry.method === method && /watched-running/.test(entry.path)),
    ),
    'Azure has the id of the trace on record with what it was asked',
  );
  t.ok(
    spans.some(({ failed, attributes }) => failed && attributes['error.type'] === refused.code),
    'a refused one says why',
  );
});

t.test('nothing that a trace carries is a header, a body, a query or a secret', async t => {
  const allowed = [
    ...[
      'http.request.method',
      'http.route',
      'http.response.status_code',
      'server.address',
      'url.path',
      'error.type',
    ],
    ...['slipway.request', 'slipway.deployment', 'slipway.revision', 'slipway.stage', 'slipway.outcome'],
  ];
  const names = collector.spans().flatMap(({ attributes }) => Object.keys(attributes));
  t.same(
    [...new Set(names)].filter(name => !allowed.includes(name)),
    [],
  );
  const sent = collector.received.map(({ body }) => ({ place: 'a trace', content: body }));
  const canaries = readCanaries(join(world.data, 'azure'));
  t.ok(canaries.length >= 10, 'the demo world has canaries');
  t.same(findCanaries(sent, canaries), []);
  for (const word of ['query-canary', 'header-canary', 'collector-key', token.split('.')[2] ?? token])
    t.notOk(
      sent.some(({ content }) => content.includes(word)),
      word.slice(0, 20),
    );
});
