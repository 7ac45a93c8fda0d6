import type { AddressInfo } from 'node:net';
import Fastify from 'fastify';
import t from 'tap';
import type { LogNews } from '../../src/deployments/log-feed.ts';
import { type Anchor, linesAfter } from '../../src/deployments/log-lines.ts';
import type { Logs } from '../../src/deployments/logs.ts';
import { createEventStreams } from '../../src/http/event-stream.ts';
import { registerLogs } from '../../src/http/logs.ts';
import { registerProblems } from '../../src/http/problems.ts';
import { schemaController } from '../../src/http/validation.ts';
import { Failure } from '../../src/schemas/failure.ts';
import type { Caller } from '../../src/schemas/principal.ts';
import { Problem } from '../../src/schemas/problem.ts';
import { Secret } from '../../src/secret.ts';

type Teardown = { teardown(done: () => unknown): unknown };

const caller: Caller = {
  principal: { issuer: 'test', subject: 'someone' },
  teams: { demo: ['logs'] },
  expiresAt: 4_000_000_000,
};
const at = '2026-11-24T08:00:00.000Z';
const hostile = [
  '\x1b[31mred\x1b[0m',
  'a\n\nid: 9\ndata: {}',
  '\x1b]0;title\x07plain',
  'the key is CANARY-of-a-log',
];
const lines = hostile.map(text => ({ at, text }));

/** The route on a socket, over a container that wrote these lines. */
async function start(t: Teardown, { ended = true, mostPerTeam = 9, savedAt = null as Date | null } = {}) {
  const after: (Anchor | null)[] = [];
  const logs: Logs = {
    read: async (_caller, _ref, _name, { tail }) => ({ lines: tail ? lines.slice(-tail) : lines, savedAt }),
    async follow(_caller, _ref, _name, options) {
      after.push(options.after);
      let told = false;
      return {
        team: 'demo',
        async next(_ms, signal): Promise<LogNews> {
          if (told) await new Promise(done => signal.addEventListener('abort', done));
          told = true;
          const { fresh, gap } = linesAfter({ lines, whole: true }, options.after);
          return { lines: fresh, gap: gap || options.after === null, over: ended ? 'it ended' : null };
        },
      };
    },
  };
  const app = Fastify({ schemaController });
  t.teardown(() => app.close());
  registerProblems(app.decorate('methodsOf', () => []));
  for (const schema of [Failure, Problem]) app.addSchema(schema);
  app.decorateRequest('caller', null);
  app.addHook('onRequest', async request => {
    request.caller = caller;
  });
  registerLogs(app, logs, createEventStreams(app, { mostPerTeam }));
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address() as AddressInfo;
  const get = (query = '', more: RequestInit = {}) =>
    fetch(`http://127.0.0.1:${port}/deployments/demo:web/containers/app/logs${query}`, more);
  return { get, after };
}

t.test('as text a log is as it was written, but for secrets', async t => {
  const { get } = await start(t);
  using secret = new Secret('CANARY-of-a-log');
  t.ok(secret);
  const text = await (await get()).text();
  t.equal(text, `${hostile.join('\n').replace('CANARY-of-a-log', '[secret]')}\n`);
  t.equal(await (await get('?tail=1&timestamps=true')).text(), `${at} the key is [secret]\n`);
});

t.test('as JSON lines it moves no terminal, and each line is one', async t => {
  const { get } = await start(t, { savedAt: new Date('2026-11-24T09:00:00Z') });
  const answer = await get('', { headers: { accept: 'application/x-ndjson' } });
  t.match(answer.headers.get('content-type'), /^application\/x-ndjson/);
  t.equal(answer.headers.get('last-modified'), 'Tue, 24 Nov 2026 09:00:00 GMT', 'when it was kept');
  const text = await answer.text();
  t.same(
    text
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line)),
    ['red', 'a\n\nid: 9\ndata: {}', 'plain', hostile[3]].map(line => ({ at, line })),
  );
});

t.test('followed, each line is a message, and who comes back goes on after his last', async t => {
  const { get, after } = await start(t);
  const text = await (await get('?follow=true')).text();
  const ids = [...text.matchAll(/^id: (\S+)$/gm)].map(([, id]) => id ?? '');
  t.equal(ids.length, hostile.length);
  t.match(text, /^event: gap\ndata: .*\n\nid: /m, 'what is lost is told before');
  t.match(text, /event: end\ndata: \{"reason":"it ended"\}\n\n$/);
  const back = (id = '') => get('?follow=true', { headers: { 'last-event-id': id } });
  t.match(await (await back(ids[1])).text(), /"line":"plain"/);
  t.match(after.at(-1), { at, ordinal: 2 });
  t.equal((await back(ids.at(-1))).status, 204);
  for (const id of ['1', 'x~1~abcdefgh', '~0~12345678', 'a'.repeat(101)])
    t.equal((await back(id)).status, 400, id);
});

t.test('what is asked for wrongly is refused, and so is one stream too many', async t => {
  const { get } = await start(t, { ended: false, mostPerTeam: 1 });
  for (const query of ['tail=-1', 'tail=x', 'tail=100001', 'follow=maybe', 'timestamps=2', 'since=1'])
    t.equal((await get(`?${query}`)).status, 400, query);
  const controller = new AbortController();
  t.teardown(() => controller.abort());
  const open = await get('?follow=true', { signal: controller.signal });
  t.equal(open.status, 200);
  t.equal((await get('?follow=true')).status, 429);
  t.equal((await get()).status, 200, 'reading is no stream');
  t.equal((await get('?follow=true', { method: 'HEAD' })).status, 200, 'and HEAD opens none');
});
