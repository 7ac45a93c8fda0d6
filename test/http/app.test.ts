import { randomUUIDv7 } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { Writable } from 'node:stream';
import Fastify from 'fastify';
import t from 'tap';
import type { Deployments } from '../../src/deployments/deployments.ts';
import type { ChangeContext } from '../../src/deployments/idempotency.ts';
import { createError } from '../../src/errors.ts';
import { requireSignIn } from '../../src/http/access.ts';
import { createApp } from '../../src/http/app.ts';
import { readPreference } from '../../src/http/prefer.ts';
import { createLog } from '../../src/log.ts';
import type { Deployment, Operation } from '../../src/schemas/deployment.ts';
import type { Caller } from '../../src/schemas/principal.ts';
import { Secret } from '../../src/secret.ts';

const caller: Caller = {
  principal: { issuer: 'test', subject: 'someone', client: 'tests' },
  teams: { demo: ['deploy', 'read', 'delete'] },
  expiresAt: 4_000_000_000,
};
const id = randomUUIDv7();
const operationId = randomUUIDv7();

const deployment: Deployment = {
  id,
  team: 'demo',
  name: 'web',
  target: 'demo',
  status: 'Provisioning',
  settled: false,
  revision: 1,
  liveRevision: null,
  operation: operationId,
  health: 'Unknown',
  observedAt: null,
  waitingFor: null,
  createdAt: '2026-11-24T08:00:00.000Z',
  updatedAt: '2026-11-24T08:00:00.000Z',
  createdBy: caller.principal,
  onBehalfOf: null,
  spec: { name: 'web', containers: [{ name: 'web', image: 'nginx:1.27' }] },
  images: [],
  credentials: [],
  workloadSecrets: [],
  containerGroup: null,
  failure: null,
  conditions: [],
  timeline: [],
};
const operation: Operation = {
  id: operationId,
  kind: 'Create',
  deployment: id,
  revision: 1,
  status: 'Running',
  createdAt: '2026-11-24T08:00:00.000Z',
  endedAt: null,
  steps: [],
};
const failed: Operation = {
  ...operation,
  status: 'Failed',
  endedAt: '2026-11-24T08:00:01.000Z',
  failure: {
    code: 'ImageNotFound',
    title: 'The registry has no such image',
    detail: 'There is no such tag.',
    stage: 'Resolving',
    owner: 'caller',
    retryable: false,
    confidence: 'high',
    evidence: [{ step: 'manifest', host: 'ghcr.io', status: 404 }],
    fixes: [{ who: 'caller', action: 'List the tags', command: 'az acr repository show-tags' }],
  },
};

const notAsked = () => Promise.reject(new Error('not asked'));
const noPage = async () => ({ value: [] });

/** The HTTP layer over a heart that says what the test has it say. */
async function start(t: Teardown, heart: Partial<Deployments> = {}) {
  const lines: string[] = [];
  const to = new Writable({
    write(line, _encoding, done) {
      lines.push(String(line));
      done();
    },
  });
  const asked: ChangeContext[] = [];
  const change = { deployment, operation, teams: ['demo'], replayed: false };
  const app = await createApp({
    log: createLog({ level: 'info', to }),
    authenticator: {
      async authenticate(header) {
        if (header !== 'Bearer good')
          throw createError('Unauthenticated', 'The token is not valid.', {
            headers: { 'www-authenticate': 'Bearer error="invalid_token"' },
          });
        return caller;
      },
    },
    deployments: {
      async create(_caller, _request, { context }) {
        asked.push(context);
        return change;
      },
      adopt: async () => change,
      get: async () => deployment,
      list: async () => ({ value: [deployment], next: id }),
      operation: async () => operation,
      waitForFirstStage: async () => change,
      waitForEnd: async () => change,
      ...heart,
    },
    revising: {
      put: async () => change,
      patch: async () => change,
      images: async () => change,
      redeploy: async () => change,
      rollback: async () => change,
      replace: async () => null,
      revisions: noPage,
      revision: notAsked,
    },
    plan: notAsked,
    rotations: { usages: notAsked, rotate: notAsked },
    verbs: {
      restart: async () => change,
      start: async () => change,
      stop: async () => change,
      cancel: async () => change,
      remove: async () => null,
    },
    events: { page: noPage, feed: notAsked, teamPage: noPage, teamFeed: notAsked, everyTeamFeed: notAsked },
    logs: { read: notAsked, follow: notAsked },
    optionsOf: () => Promise.reject(new Error('not asked')),
    listCredentials: () => Promise.reject(new Error('not asked')),
    testCredential: async () => ({ usable: true }),
    rateLimits: { spend() {} },
    adoption: { read: async () => deployment.spec },
    audit: { list: async () => ({ value: [] }) },
    refusals: { record: async () => {}, flush: async () => {}, close: async () => {} },
    readiness: {
      checks: async () => ({ store: true, policy: true, signingKeys: false }),
      policy: () => ({ digest: 'digest', reason: null }),
    },
    policyDigest: () => 'digest',
    publicUrl: null,
  });
  t.teardown(() => app.close());
  const ask = async (
    method: 'GET' | 'POST' | 'DELETE' | 'PUT' | 'HEAD',
    url: string,
    more: { body?: unknown; headers?: object; token?: string | null } = {},
  ) => {
    const { token = 'good', body } = more;
    const answer = await app.inject({
      method,
      url,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...more.headers,
      },
      ...(body === undefined ? {} : { payload: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const json =
      answer.body && answer.headers['content-type']?.toString().includes('json') ? answer.json() : null;
    return { status: answer.statusCode, headers: answer.headers, text: answer.body, json };
  };
  return { app, ask, lines, asked };
}

type Teardown = { teardown(done: () => unknown): unknown };

const smallest = { name: 'web', containers: [{ image: 'nginx:1.27' }] };

t.test('a POST is answered 202 with the places of its record and its operation', async t => {
  const { ask } = await start(t);
  const answer = await ask('POST', '/deployments', { body: smallest });
  t.equal(answer.status, 202);
  t.match(answer.headers, {
    location: `/deployments/${id}`,
    'operation-location': `/operations/${operationId}`,
    'retry-after': '1',
    'cache-control': 'no-store',
    'x-request-id': /^[0-9a-f-]{36}$/,
    'x-content-type-options': 'nosniff',
  });
  t.match(answer.json, { id, status: 'Provisioning', operation: operationId });
});

t.test(
  'what the first stage refused is a problem that carries the failure, and 200 to who waited for the end',
  async t => {
    const change = {
      deployment: { ...deployment, status: 'Failed' as const, settled: true },
      operation: failed,
      teams: ['demo'],
      replayed: false,
    };
    const { ask } = await start(t, { waitForFirstStage: async () => change, waitForEnd: async () => change });
    const refused = await ask('POST', '/deployments', { body: smallest });
    t.equal(refused.status, 422);
    t.match(refused.headers, {
      'content-type': /^application\/problem\+json/,
      'x-ms-error-code': 'ImageNotFound',
      location: `/deployments/${id}`,
    });
    t.match(refused.json, {
      type: '/docs/errors/ImageNotFound',
      status: 422,
      code: 'ImageNotFound',
      failure: {
        code: 'ImageNotFound',
        owner: 'caller',
        evidence: [{ status: 404 }],
        fixes: [{ command: 'az acr repository show-tags' }],
      },
      deployment: `/deployments/${id}`,
    });
    const waited = await ask('POST', '/deployments', { body: smallest, headers: { prefer: 'wait=10' } });
    t.match(waited, {
      status: 200,
      headers: { 'preference-applied': 'wait=10' },
      json: { status: 'Failed' },
    });
  },
);

t.test('requests that are not as they must be name the place', async t => {
  const { ask } = await start(t);
  const post = (body: unknown) => ask('POST', '/deployments', { body });
  const cases: [string, unknown, string][] = [
    ['an unknown property', { ...smallest, replicas: 3 }, '/replicas'],
    [
      'an unknown property deep inside',
      { name: 'web', containers: [{ image: 'nginx', gpu: 1 }] },
      '/containers/0/gpu',
    ],
    ['a wrong type', { ...smallest, timeoutSeconds: '60' }, '/timeoutSeconds'],
    ['a missing name', { containers: [{ image: 'nginx' }] }, '/name'],
    ['no container', { name: 'web', containers: [] }, '/containers'],
    ['a name that Azure refuses', { ...smallest, name: 'Web--1' }, '/name'],
    [
      'a secret name that is a path',
      { ...smallest, imageRegistryCredentials: [{ server: 'ghcr.io', secretName: '..' }] },
      '/imageRegistryCredentials/0/secretName',
    ],
    [
      'a server with a user in it',
      { ...smallest, imageRegistryCredentials: [{ server: 'ghcr.io@evil.example', secretName: 'x' }] },
      '/imageRegistryCredentials/0/server',
    ],
    ['a word out of a closed list', { ...smallest, restartPolicy: 'always' }, '/restartPolicy'],
  ];
  for (const [name, body, pointer] of cases) {
    const { status, json } = await post(body);
    t.equal(status, 400, name);
    t.equal(json.code, 'InvalidRequest', name);
    t.equal(json.errors[0].pointer, pointer, name);
    t.match(json.detail, pointer, `${name}: the detail names the place`);
  }
  t.match(await post({ ...smallest, restartPolicy: 'always' }), {
    json: { errors: [{ detail: 'must be one of Always, OnFailure, Never' }] },
  });
  const named = await post({ ...smallest, name: 'Web--1' });
  t.equal(
    named.json.errors[0].detail,
    'does not fit: Lower-case letters, digits and single hyphens',
    'what is allowed is said in words',
  );
});

t.test('a password anywhere is refused as such, and neither repeated nor logged', async t => {
  const { ask, lines } = await start(t);
  const bodies = [
    { ...smallest, password: 'hunter2-canary' },
    {
      ...smallest,
      imageRegistryCredentials: [{ server: 'ghcr.io', username: 'me', password: 'hunter2-canary' }],
    },
    { ...smallest, labels: { Password: 'hunter2-canary' } },
    { deeply: [{ nested: { registryPassword: 'hunter2-canary' } }] },
  ];
  for (const body of bodies) {
    const { status, json, text } = await ask('POST', '/deployments', { body });
    t.match({ status, code: json.code }, { status: 400, code: 'PasswordNotAccepted' });
    t.match(json.errors[0].pointer, /assword$/);
    t.notMatch(text, 'hunter2-canary');
  }
  t.notMatch(lines.join(''), 'hunter2-canary');
});

t.test('every error status is a problem document', async t => {
  const { ask } = await start(t);
  const cases: [number, string, Awaited<ReturnType<typeof ask>>][] = [
    [401, 'Unauthenticated', await ask('GET', '/deployments', { token: null })],
    [401, 'Unauthenticated', await ask('GET', '/nowhere', { token: null })],
    [
      403,
      'PermissionDenied',
      await (
        await start(t, {
          create: async () => {
            throw createError('PermissionDenied', 'no');
          },
        })
      ).ask('POST', '/deployments', { body: smallest }),
    ],
    [404, 'NotFound', await ask('GET', '/nowhere')],
    [405, 'MethodNotAllowed', await ask('PUT', '/deployments')],
    [408, 'NotYet', await ask('GET', `/operations/${operationId}/wait?timeout=0`)],
    [400, 'InvalidRequest', await ask('GET', '/deployments?colour=red')],
    [400, 'InvalidRequest', await ask('GET', '/deployments?maxpagesize=0')],
    [400, 'InvalidRequest', await ask('GET', '/deployments?continuation=bm9wZQ')],
    [400, 'InvalidRequest', await ask('GET', '/deployments/not%20an%20id')],
    [400, 'InvalidRequest', await ask('POST', '/deployments', { body: '{"name":' })],
    [
      400,
      'InvalidRequest',
      await ask('POST', '/deployments', { body: '{"__proto__":{"x":1},"name":"web"}' }),
    ],
    [
      400,
      'InvalidRequest',
      await ask('POST', '/deployments', { body: smallest, headers: { 'idempotency-key': 'a b' } }),
    ],
    [
      413,
      'PayloadTooLarge',
      await ask('POST', '/deployments', { body: JSON.stringify({ name: 'x'.repeat(2_000_000) }) }),
    ],
    [
      415,
      'UnsupportedMediaType',
      await ask('POST', '/deployments', { body: 'name: web', headers: { 'content-type': 'text/plain' } }),
    ],
    [
      415,
      'UnsupportedMediaType',
      await ask('POST', '/deployments', {
        body: 'name: web',
        headers: { 'content-type': 'application/yaml' },
      }),
    ],
    [
      500,
      'InternalError',
      await (
        await start(t, {
          list: async () => {
            throw new Error('the cause is nobody’s business');
          },
        })
      ).ask('GET', '/deployments'),
    ],
  ];
  for (const [status, code, answer] of cases) {
    t.equal(answer.status, status, code);
    t.match(answer.headers, { 'content-type': /^application\/problem\+json/, 'x-ms-error-code': code }, code);
    t.match(answer.json, {
      status,
      code,
      type: `/docs/errors/${code}`,
      title: String,
      detail: String,
      instance: /^urn:uuid:/,
    });
    t.notMatch(answer.text, 'nobody');
  }
  t.equal((await ask('PUT', '/deployments')).headers.allow, 'GET, HEAD, POST');
});

t.test('a problem tells no live secret, whoever put it there', async t => {
  using _secret = new Secret('hunter2-canary');
  const { ask } = await start(t, {
    create: async () => {
      throw createError('InvalidRequest', 'it said hunter2-canary', {
        errors: [{ pointer: '/name', detail: 'is hunter2-canary' }],
        members: { deployment: '/deployments/hunter2-canary' },
      });
    },
  });
  const { status, text, json } = await ask('POST', '/deployments', { body: smallest });
  t.equal(status, 400);
  t.notMatch(text, 'hunter2-canary');
  t.match(json, { detail: 'it said [secret]', errors: [{ pointer: '/name', detail: 'is [secret]' }] });
});

t.test('what is broken before Fastify sees it is a problem document too', async t => {
  const { app } = await start(t);
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const send = (text: string) =>
    new Promise<string>((resolve, reject) => {
      let answer = '';
      const socket = connect(port, '127.0.0.1', () => socket.end(text));
      socket.on('data', chunk => {
        answer += chunk;
      });
      socket.on('close', () => resolve(answer));
      socket.on('error', reject);
    });
  t.match(
    await send('NONSENSE\r\n\r\n'),
    /^HTTP\/1\.1 400[\s\S]*application\/problem\+json[\s\S]*"code":"InvalidRequest"/,
  );
  t.match(
    await send(`GET /livez HTTP/1.1\r\nhost: x\r\nx-long: ${'a'.repeat(20_000)}\r\n\r\n`),
    /^HTTP\/1\.1 431[\s\S]*"code":"HeadersTooLarge"/,
  );
});

t.test('pages link to the next one, opaquely and with the same filter', async t => {
  const { ask } = await start(t);
  const { json } = await ask('GET', '/deployments?team=demo&maxpagesize=1');
  t.equal(json.value.length, 1);
  const link = new URL(json.nextLink, 'http://x');
  t.match(Object.fromEntries(link.searchParams), { team: 'demo', maxpagesize: '1', continuation: String });
  t.equal((await ask('GET', json.nextLink)).status, 200);
});

t.test('a read says whether anything changed', async t => {
  const { ask } = await start(t);
  const first = await ask('GET', `/deployments/${id}`);
  t.equal(first.status, 200);
  const second = await ask('GET', `/deployments/${id}`, { headers: { 'if-none-match': first.headers.etag } });
  t.match(second, { status: 304, text: '' });
  const byName = await ask('GET', '/deployments/demo:web');
  t.equal(byName.headers['content-location'], `/deployments/${id}`);
  t.equal((await ask('HEAD', `/deployments/${id}`)).status, 200);
});

t.test('an operation that is over lets /wait end: 200 or the failure as 422', async t => {
  const done = await start(t, {
    operation: async () => ({ ...operation, status: 'Succeeded', endedAt: '2026-11-24T08:00:01.000Z' }),
  });
  t.equal((await done.ask('GET', `/operations/${operationId}/wait`)).status, 200);
  const { ask } = await start(t, { operation: async () => failed });
  const answer = await ask('GET', `/operations/${operationId}/wait`);
  t.match(answer, { status: 422, json: { code: 'ImageNotFound', failure: { fixes: [{}] } } });
  t.match(await ask('GET', `/operations/${operationId}`), {
    status: 200,
    json: { status: 'Failed', failure: { code: 'ImageNotFound' } },
  });
});

t.test('deleting what is gone is 204', async t => {
  const { ask } = await start(t);
  t.match(await ask('DELETE', `/deployments/${id}`), { status: 204, text: '' });
});

t.test('health, docs and the pages of error codes need no token', async t => {
  const { ask } = await start(t);
  const open = (url: string) => ask('GET', url, { token: null });
  t.match(await open('/livez'), { status: 200, json: { status: 'ok' } });
  t.match(await open('/readyz'), {
    status: 503,
    json: { status: 'unavailable', store: true, signingKeys: false },
  });
  t.match((await open('/docs/openapi.json')).json, { openapi: '3.1.0' });
  t.match((await open('/docs/openapi.yaml')).text, /^openapi: 3\.1\.0/);
  t.equal((await open('/docs/errors/ImageNotFound')).json.owner, 'caller');
  t.equal((await open('/docs/errors/InvalidRequest')).json.status, 400);
  t.equal((await open('/docs/errors/NoSuchCode')).status, 404);
  const page = await open('/docs');
  t.equal(page.status, 200);
  t.notMatch(page.text, /(?:src|href)="https?:/, 'the page names no file from outside');
});

t.test('who asks is told who he is', async t => {
  const { ask } = await start(t);
  t.match(await ask('GET', '/me'), {
    status: 200,
    json: {
      principal: { subject: 'someone' },
      teams: [{ team: 'demo', permissions: ['deploy', 'read', 'delete'] }],
      policyDigest: 'digest',
    },
  });
});

t.test('a route that does not declare its permission keeps the service from starting', async t => {
  const app = Fastify();
  t.teardown(() => app.close());
  requireSignIn(app, { authenticate: async () => caller }, { spend() {} });
  t.throws(() => app.get('/open', async () => 'all'), /does not declare its permission/);
});

t.test('Prefer is read as RFC 7240 has it', async t => {
  const cases: [string | undefined, number | null, boolean, string | null][] = [
    [undefined, null, false, null],
    ['wait=10', 10_000, false, 'wait=10'],
    ['WAIT="10"', 10_000, false, 'wait=10'],
    ['wait=999', 48_000, false, 'wait=48'],
    ['wait=0', 0, false, 'wait=0'],
    ['wait=abc', null, false, null],
    ['wait=5, wait=9', 5_000, false, 'wait=5'],
    ['respond-async', null, true, 'respond-async'],
    ['respond-async, wait=3', 3_000, true, 'wait=3'],
    ['return=minimal', null, false, null],
  ];
  for (const [header, waitMs, respondAsync, applied] of cases)
    t.same(readPreference(header), { waitMs, respondAsync, applied }, String(header));
});
