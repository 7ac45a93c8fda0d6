import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { createClient, NoAnswer, RefusedCall } from '../../src/client/client.ts';
import { clientTypes } from '../../src/commands/client-types.ts';

type Teardown = { teardown(done: () => unknown): unknown };

interface Heard {
  method: string | undefined;
  url: string | undefined;
  headers: IncomingMessage['headers'];
  body: string;
}

/** A server that answers the n-th request with the n-th of these, and keeps what it was asked. */
async function startServer(t: Teardown, ...answers: ((answer: ServerResponse) => void)[]) {
  const heard: Heard[] = [];
  const server = createServer(async (asked, answer) => {
    heard.push({ method: asked.method, url: asked.url, headers: asked.headers, body: await text(asked) });
    const write = answers[heard.length - 1];
    if (write) write(answer);
    else answer.writeHead(500).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, heard };
}

const json =
  (status: number, body: object, headers: Record<string, string> = {}) =>
  (answer: ServerResponse) => {
    answer.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
  };
const problem = (status: number, code: string, headers: Record<string, string> = {}) =>
  json(status, { code, detail: `It is ${code}.` }, headers);
const hangUp = (answer: ServerResponse) => answer.destroy();

const body = { name: 'app', containers: [{ image: 'myregistry.azurecr.io/my-app:v1.0' }] };

t.test('the types and routes are those of the document', async t => {
  const root = join(import.meta.dirname, '../..');
  const document = JSON.parse(readFileSync(join(root, 'openapi/openapi.json'), 'utf8'));
  t.equal(
    readFileSync(join(root, 'src/client/api.ts'), 'utf8'),
    clientTypes(document),
    'stale: run `npm run -s openapi`',
  );
});

t.test('what passes is asked again with the same key and a fresh token, and does nothing twice', async t => {
  const { url, heard } = await startServer(
    t,
    hangUp,
    problem(503, 'StoreUnavailable', { 'retry-after': '0' }),
    problem(429, 'RateLimited', { 'retry-after': new Date(0).toUTCString() }),
    problem(409, 'IdempotentRequestInProgress', { 'retry-after': '0' }),
    json(202, { id: 'one' }, { location: '/deployments/one' }),
  );
  let tokens = 0;
  const client = createClient({ url, token: async () => `token-${++tokens}` });
  const answer = await client.createDeployment({ body }, { prefer: 'wait=30' });
  t.match({ status: answer.status, body: answer.body }, { status: 202, body: { id: 'one' } });
  t.equal(answer.headers.get('location'), '/deployments/one');
  t.equal(heard.length, 5);
  t.same(
    heard.map(({ headers }) => headers.authorization),
    [1, 2, 3, 4, 5].map(n => `Bearer token-${n}`),
  );
  t.equal(new Set(heard.map(({ headers }) => headers['idempotency-key'])).size, 1);
  t.match(heard[4], { method: 'POST', url: '/deployments', headers: { prefer: 'wait=30' } });
  t.same(
    heard.map(each => each.body),
    Array(5).fill(JSON.stringify(body)),
  );
});

t.test('what does not pass is thrown at once, with its code and its whole problem', async t => {
  for (const [status, code] of [
    [400, 'InvalidRequest'],
    [403, 'CredentialNotAvailable'],
    [408, 'NotYet'],
    [409, 'DeploymentBusy'],
    [422, 'ImageNotFound'],
    [500, 'InternalError'],
  ] as const) {
    const { url, heard } = await startServer(t, problem(status, code, { 'x-request-id': 'r1' }));
    const error = await createClient({ url, token: 'x' })
      .createDeployment({ body })
      .catch(thrown => thrown);
    t.match(error, { name: 'RefusedCall', status, code, message: `It is ${code}.`, requestId: 'r1' });
    t.equal(heard.length, 1);
  }
});

t.test('what is no answer of Slipway is told as what it is', async t => {
  const gateway = await startServer(t, answer => answer.writeHead(404).end('<h1>not here</h1>'));
  const asked = (url: string) => createClient({ url, token: 'x', retryForMs: 0 }).getMe();
  await t.rejects(asked(gateway.url), { name: 'RefusedCall', status: 404, code: 'Http404' });
  const closed = await startServer(t, hangUp);
  await t.rejects(asked(closed.url), NoAnswer);
  const elsewhere = await startServer(t, json(200, {}));
  const page = await startServer(t, answer => answer.writeHead(200).end('<h1>Sign in</h1>'));
  await t.rejects(asked(page.url), { name: 'NoAnswer', message: /answers, but not as Slipway does/ });
  const moved = await startServer(t, answer => answer.writeHead(307, { location: elsewhere.url }).end());
  await t.rejects(asked(moved.url), RefusedCall);
  t.equal(elsewhere.heard.length, 0, 'nobody else gets the token');
});

t.test('an address that would have the token in the clear, or is none, is refused', async t => {
  for (const url of [
    'http://slipway.example.com',
    'ftp://slipway',
    'slipway.example.com',
    'https://user:pass@slipway.example.com',
    'https://slipway.example.com/?x=1',
    'http://10.0.0.1.example.com',
  ])
    t.throws(() => createClient({ url, token: 'x' }), { name: 'TypeError' }, url);
  for (const url of ['https://slipway.example.com/base/', 'http://slipway:8080', 'http://[::1]:80'])
    t.doesNotThrow(() => createClient({ url, token: 'x' }), url);
});

t.test('parameters go where the document has them, and pages are followed to their end', async t => {
  const { url, heard } = await startServer(
    t,
    json(200, { value: [{ id: 'a' }], nextLink: '/deployments?team=demo&continuation=x%3D' }),
    json(200, { value: [{ id: 'b' }] }),
    json(200, {}),
  );
  const client = createClient({ url: `${url}/base`, token: 'x' });
  const found = await Array.fromAsync(client.each('listDeployments', { team: 'demo' }), ({ id }) => id);
  t.same(found, ['a', 'b']);
  await client.getDeployment({ id: 'demo:web' });
  t.same(
    heard.map(each => each.url),
    [
      '/base/deployments?team=demo',
      '/base/deployments?team=demo&continuation=x%3D',
      '/base/deployments/demo%3Aweb',
    ],
  );
  t.equal(heard[0]?.headers['idempotency-key'], undefined, 'reading needs no key');
});

t.test('a stream goes on after its last event over as many connections as it takes', async t => {
  const events =
    (...parts: string[]) =>
    (answer: ServerResponse) => {
      answer.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const part of parts) answer.write(part);
    };
  const { url, heard } = await startServer(
    t,
    answer => {
      events(
        ': heartbeat\n\n',
        'id: 1\ndata: {"seq":1}\n\nid: 2\nda',
        'ta: a\ndata: b\n\ndata: lost',
      )(answer);
      setImmediate(() => answer.destroy());
    },
    answer => {
      events('id: 3\r\nevent: gap\r\ndata:x\r\n\r\nevent: end\ndata: {}\n\n')(answer);
      answer.end();
    },
  );
  const client = createClient({ url, token: 'x' });
  const seen = await Array.fromAsync(client.stream('listEvents', { id: 'one' }));
  t.same(seen, [
    { event: 'message', data: '{"seq":1}', id: '1' },
    { event: 'message', data: 'a\nb', id: '2' },
    { event: 'gap', data: 'x', id: '3' },
  ]);
  t.match(heard, [
    { url: '/deployments/one/events', headers: { accept: 'text/event-stream', 'last-event-id': undefined } },
    { headers: { 'last-event-id': '2' } },
  ]);
});
