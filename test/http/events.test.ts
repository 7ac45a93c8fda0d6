import { randomUUIDv7 } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, type Socket } from 'node:net';
import Fastify from 'fastify';
import t from 'tap';
import { preferred } from '../../src/http/accept.ts';
import { createEventStreams } from '../../src/http/event-stream.ts';
import { registerEvents } from '../../src/http/events.ts';
import { registerProblems } from '../../src/http/problems.ts';
import { schemaController } from '../../src/http/validation.ts';
import { Event, EventPage, TeamEvent, TeamEventPage } from '../../src/schemas/deployment.ts';
import { Failure } from '../../src/schemas/failure.ts';
import type { Caller } from '../../src/schemas/principal.ts';
import { Problem } from '../../src/schemas/problem.ts';
import { createEventSource } from '../support/events.ts';

type Teardown = { teardown(done: () => unknown): unknown };

const id = randomUUIDv7();

/** The routes on a socket, for a caller who may read in team demo, over events in memory. */
async function start(t: Teardown, more: Partial<Caller> & { mostPerTeam?: number } = {}) {
  const { mostPerTeam, ...changed } = more;
  const caller: Caller = {
    principal: { issuer: 'test', subject: 'someone' },
    teams: { demo: ['read'] },
    expiresAt: 4_000_000_000,
    ...changed,
  };
  const source = createEventSource({ id, team: 'demo', name: 'web' });
  const app = Fastify({ schemaController });
  t.teardown(() => app.close());
  registerProblems(app.decorate('methodsOf', () => []));
  for (const schema of [Event, EventPage, TeamEvent, TeamEventPage, Failure, Problem]) app.addSchema(schema);
  app.decorateRequest('caller', null);
  app.addHook('onRequest', async request => {
    request.caller = caller;
  });
  const limits = mostPerTeam === undefined ? {} : { mostPerTeam };
  registerEvents(app, source.events, createEventStreams(app, limits));
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address() as AddressInfo;
  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(`http://127.0.0.1:${port}${path}`, { headers });
  return { app, source, port, get };
}

const ofDeployment = `/deployments/${id}/events`;
const asStream = { accept: 'text/event-stream' };

/** A reader on a socket of its own, who asks for a stream. */
function follow(t: Teardown, port: number, path: string, lastId?: number): Socket {
  const socket = connect(port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  socket.on('error', () => {});
  const resumed = lastId ? `last-event-id: ${lastId}\r\n` : '';
  socket.write(
    `GET ${path} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n${resumed}connection: close\r\n\r\n`,
  );
  return socket;
}

interface Read {
  id: number | null;
  event: string;
  data: string;
}

/** As the HTML standard reads a stream: what is not ended by an empty line is no message. */
function messagesIn(text: string): Read[] {
  return text
    .split('\n\n')
    .slice(0, -1)
    .flatMap(block => {
      const fields = block
        .split(/\r\n|\r|\n/)
        .map(line => /^([^:]*)(?:: ?(.*))?$/s.exec(line))
        .filter(field => field !== null && field[1] !== '');
      const fieldsOf = (name: string) => fields.filter(field => field?.[1] === name).map(field => field?.[2]);
      const [number] = fieldsOf('id');
      if (fieldsOf('data').length === 0) return [];
      const data = fieldsOf('data').join('\n');
      return [{ id: number === undefined ? null : Number(number), event: fieldsOf('event')[0] ?? '', data }];
    });
}

/** The body of an answer without its head and the sizes of its chunks. */
function bodyOf(raw: string): string {
  const parts: string[] = [];
  let begin = raw.indexOf('\r\n\r\n') + 4;
  for (;;) {
    const [line] = /^[0-9a-f]+\r\n/.exec(raw.slice(begin, begin + 12)) ?? [];
    if (line === undefined) return parts.join('');
    const end = begin + line.length + Number.parseInt(line, 16);
    parts.push(raw.slice(begin + line.length, end));
    begin = end + 2;
  }
}

/** Reads so many bytes and hangs up; while there are fewer, more happens. */
async function readBytes(socket: Socket, bytes: number, happen: () => void): Promise<string> {
  let raw = '';
  for await (const chunk of socket) {
    raw += String(chunk).slice(0, bytes - raw.length);
    if (raw.length >= bytes) break;
    happen();
  }
  socket.destroy();
  return bodyOf(raw);
}

/** Reads on until something is said. */
async function readUntil(socket: Socket, said: string): Promise<string> {
  const chunks: string[] = [];
  for await (const chunk of socket) {
    const before = chunks.at(-1) ?? '';
    chunks.push(String(chunk));
    if (`${before.slice(-said.length)}${chunk}`.includes(said)) break;
  }
  return bodyOf(chunks.join(''));
}

const random = (most: number) => Math.floor(Math.random() * most);

t.test('a thousand disconnects at random bytes: the ids are exactly 1 to n', async t => {
  for (const path of [`${ofDeployment}?follow=true`, '/events?team=demo']) {
    const { source, port } = await start(t);
    const seen: number[] = [];
    const happen = () =>
      source.append(...Array.from({ length: 1 + random(4) }, () => 'x'.repeat(random(200))));
    for (let n = 0; n < 1_000; n += 1) {
      const socket = follow(t, port, path, seen.at(-1));
      for (const message of messagesIn(await readBytes(socket, 1 + random(1_500), happen)))
        seen.push(message.id ?? Number.NaN);
    }
    const last = follow(t, port, path, seen.at(-1));
    source.append('the last');
    const rest = messagesIn(await readUntil(last, 'the last'));
    last.destroy();
    seen.push(...rest.map(message => message.id ?? Number.NaN));
    t.same(
      seen,
      seen.map((_, index) => index + 1),
      path,
    );
    t.ok(seen.length > 1_000, `${seen.length} were read`);
  }
});

t.test('a reader who stalls on a busy stream holds back its source, not the memory', async t => {
  const { source, port } = await start(t);
  const each = 'x'.repeat(10_000);
  const produced = 6_000;
  source.append(...Array.from({ length: produced }, () => each));
  const socket = follow(t, port, '/events');
  await once(socket, 'readable');
  let [read, quiet] = [-1, 0];
  // A slow machine reads less: it can only err in our favour.
  while (quiet < 20) {
    quiet = source.read === read ? quiet + 1 : 0;
    read = source.read;
    await new Promise(done => setTimeout(done, 10));
  }
  t.ok(read < produced / 2, `${read} of ${produced} were read ahead`);
  source.append('more');
  await new Promise(done => setImmediate(done));
  t.equal(source.read, read, 'what comes meanwhile is not read for it');
  const ids = messagesIn(await readUntil(socket, '"more"')).map(({ id }) => id);
  t.same(
    ids,
    ids.map((_, index) => index + 1),
    'and it misses nothing',
  );
  t.equal(ids.length, produced + 1);
});

t.test('a thousand idle streams are held, told, and ended by the stop', async t => {
  const { app, source, port } = await start(t);
  const readers = Array.from({ length: 1_000 }, (_, n) => {
    const socket = follow(t, port, n % 2 ? '/events' : `${ofDeployment}?follow=true`);
    return readUntil(socket, 'event: shutdown');
  });
  while (source.following() < 1_000) await new Promise(done => setTimeout(done, 20));
  t.equal(source.read, 0, 'nobody asks again and again');
  source.append('news');
  while (source.read < 1_000) await new Promise(done => setTimeout(done, 20));
  await app.close();
  const texts = await Promise.all(readers);
  t.equal(texts.filter(text => messagesIn(text)[0]?.id === 1).length, 1_000, 'each heard it');
  t.equal(source.following(), 0, 'and nobody is left');
});

t.test('the stop does not wait for a reader who stalls', async t => {
  const { app, source, port } = await start(t);
  source.append(...Array.from({ length: 5_000 }, () => 'x'.repeat(10_000)));
  const socket = follow(t, port, '/events');
  await once(socket, 'readable');
  let read = -1;
  while (source.read !== read) {
    read = source.read;
    await new Promise(done => setTimeout(done, 50));
  }
  await app.close();
  t.ok(read < 5_000);
});

t.test('nothing in an event makes a message of its own', async t => {
  const { source, get } = await start(t);
  const hostile = [
    'a\n\nid: 99\ndata: {}\n\n',
    'b\r\revent: end\rdata: 1\r\r',
    'c\r\n\r\nretry: 1\r\n',
    'd\u2028\u0085:e\0',
  ];
  source.append(...hostile);
  source.settled = true;
  const answer = await get(ofDeployment, asStream);
  t.equal(answer.headers.get('content-type')?.split(';')[0], 'text/event-stream');
  const messages = messagesIn(await answer.text());
  t.same(
    messages.map(message => [message.id, message.event]),
    [...hostile.map((_, index) => [index + 1, '']), [null, 'end']],
  );
  t.same(
    messages.slice(0, -1).map(({ data }) => JSON.parse(data).message),
    hostile,
  );
});

t.test(
  'a stream ends once the deployment has settled, and who comes back is told that it is over',
  async t => {
    const { source, get } = await start(t);
    source.append('one', 'two');
    const answer = await get(ofDeployment, asStream);
    source.settled = true;
    source.append('three');
    const messages = messagesIn(await answer.text());
    t.same(
      messages.map(message => message.id),
      [1, 2, 3, null],
    );
    t.match(messages.at(-1), { event: 'end' });
    t.same(JSON.parse(messages.at(-1)?.data ?? ''), {
      status: 'Running',
      health: 'Healthy',
      operation: 'operation',
    });
    const back = (last: string) => get(ofDeployment, { ...asStream, 'last-event-id': last });
    t.equal((await back('3')).status, 204, 'EventSource stops at this');
    const late = await back('1');
    t.same(
      messagesIn(await late.text()).map(message => message.id),
      [2, 3, null],
      'what he has missed comes first',
    );
    t.equal((await get(ofDeployment, asStream)).status, 200, 'who begins gets all of it');
    await (await get(`${ofDeployment}?after=3`, asStream)).text();
  },
);

t.test('a stream goes on from where it is asked to', async t => {
  const { source, get, port } = await start(t);
  source.append(...'abcdef');
  source.settled = true;
  const idsOf = async (path: string, headers = {}) =>
    messagesIn(await (await get(path, { ...asStream, ...headers })).text()).map(message => message.id);
  t.same(await idsOf(`${ofDeployment}?after=4`), [5, 6, null]);
  t.same(await idsOf(`${ofDeployment}?after=1`, { 'last-event-id': '5' }), [6, null], 'the header counts');
  for (const last of ['-1', 'x', '1e3', '99999999999', '1; drop']) {
    const { status } = await get(ofDeployment, { ...asStream, 'last-event-id': last });
    t.equal(status, 400, last);
  }
  for (const query of ['after=-1', 'after=x', 'maxpagesize=0', 'follow=maybe', 'unknown=1', 'tail=3'])
    t.equal((await get(`${ofDeployment}?${query}`, asStream)).status, 400, query);
  const tail = follow(t, port, '/events?tail=2');
  const text = await readUntil(tail, '"f"');
  tail.destroy();
  t.same(
    messagesIn(text).map(message => message.id),
    [5, 6],
    "a dashboard begins with a team's last",
  );
});

t.test('a page has the link to the next, and HEAD opens no stream', async t => {
  const { source, get, port } = await start(t);
  source.append(...'abc');
  const read = async (path: string) =>
    (await (await get(path)).json()) as { value: Read[]; nextLink: string };
  const page = await read(`${ofDeployment}?maxpagesize=2`);
  t.same(
    page.value.map(event => 'seq' in event && event.seq),
    [1, 2],
  );
  const next = await read(page.nextLink);
  t.match(next, { value: [{ seq: 3 }] });
  t.notOk(next.nextLink);
  const team = await read('/events?maxpagesize=2');
  t.match(team, { value: [{ position: 1, deployment: id }, { position: 2 }] });
  t.match(await read(team.nextLink), { value: [{ position: 3, seq: 3 }] });
  const head = await fetch(`http://127.0.0.1:${port}${ofDeployment}`, { method: 'HEAD', headers: asStream });
  t.match(head.headers.get('content-type'), 'application/json');
  t.equal(source.following(), 0);
});

t.test('what is not yours does not exist, and of several teams one is named', async t => {
  const { get } = await start(t);
  t.equal((await get(`/deployments/${randomUUIDv7()}/events`, asStream)).status, 404);
  t.equal((await get('/events?team=other', asStream)).status, 403);
  const stranger = await start(t, { teams: { other: ['read'], third: ['deploy'] } });
  t.equal((await stranger.get(ofDeployment, asStream)).status, 404);
  t.match(await (await stranger.get('/events?team=other')).json(), { value: [] });
  t.equal((await stranger.get('/events?team=third')).status, 403, 'the right to deploy is none to read');
  const both = await start(t, { teams: { demo: ['read'], other: ['read'] } });
  t.equal((await both.get('/events')).status, 400);
  const operator = await start(t, { teams: {}, operator: true });
  operator.source.append('seen');
  t.match(await (await operator.get('/events?team=demo')).json(), { value: [{ message: 'seen' }] });
  t.equal((await operator.get('/events')).status, 400, 'a page is of one team');
  t.equal((await operator.get(ofDeployment)).status, 200);
});

t.test('one stream has all the teams that one may read, and goes on in each where it was', async t => {
  const { source, get } = await start(t, { teams: { demo: ['read'], other: ['read'] } });
  source.append(...Array.from({ length: 60 }, (_, n) => `news ${n + 1}`));
  const read = async (path: string, headers: Record<string, string>, said: string) => {
    const answer = await get(path, { ...asStream, ...headers });
    let text = '';
    for await (const chunk of answer.body ?? []) {
      text += new TextDecoder().decode(chunk as Uint8Array);
      if (text.includes(said)) break;
    }
    return messagesIn(text.replaceAll(/^id: demo=(\d+)$/gm, 'id: $1'));
  };
  const all = await read('/events', {}, '"news 60"');
  t.same(
    all.map(message => message.id),
    Array.from({ length: 60 }, (_, n) => n + 1),
  );
  t.match(JSON.parse(all[0]?.data ?? ''), { team: 'demo', position: 1, message: 'news 1' });
  const back = await read('/events', { 'last-event-id': 'other=7,demo=58' }, '"news 60"');
  t.equal(back.length, 2, 'whoever comes back has missed none');
  t.same((await read('/events?tail=1', {}, '"news 60"')).length, 1);
  for (const id of ['58', 'demo', 'demo=x', 'demo=1,', 'demo=1\tother=1', '=1'])
    t.equal((await get('/events', { ...asStream, 'last-event-id': id })).status, 400, id);
  t.equal((await get('/events?after=3', asStream)).status, 400, 'a place is one of a team');
  const operator = await start(t, { teams: {}, operator: true });
  operator.source.append('seen');
  const socket = follow(t, operator.port, '/events');
  t.match(await readUntil(socket, '"seen"'), /^id: demo=1$/m);
  socket.destroy();
});

t.test('a stream ends with its token', async t => {
  const { source, get } = await start(t, { expiresAt: Date.now() / 1000 + 1 });
  source.append('before');
  const messages = messagesIn(await (await get('/events', asStream)).text());
  t.match(messages, [{ id: 1 }, { event: 'expired' }]);
  t.equal(source.following(), 0);
});

t.test('a team has so many streams and no more; one that ends makes room', async t => {
  const { source, get, port } = await start(t, { mostPerTeam: 2 });
  const sockets = [follow(t, port, '/events'), follow(t, port, ofDeployment)];
  for (const socket of sockets) await once(socket, 'readable');
  const refused = await get('/events', asStream);
  t.equal(refused.status, 429);
  t.equal(refused.headers.get('retry-after'), '30');
  await refused.text();
  sockets[0]?.destroy();
  while (source.following() > 1) await new Promise(done => setTimeout(done, 10));
  const allowed = follow(t, port, '/events');
  await once(allowed, 'readable');
  t.match(String(allowed.read()), /^HTTP\/1.1 200/);
});

t.test('what the caller likes best is answered', async t => {
  const offered = ['application/json', 'text/event-stream'] as const;
  for (const [header, expected] of [
    [undefined, 'application/json'],
    ['*/*', 'application/json'],
    ['text/event-stream', 'text/event-stream'],
    ['Text/Event-Stream; charset=utf-8', 'text/event-stream'],
    ['application/json;q=0.5, text/event-stream;q=0.9', 'text/event-stream'],
    ['text/*, application/json;q=0.2', 'text/event-stream'],
    ['text/event-stream;q=0, */*', 'application/json'],
    ['text/event-stream;q=2', 'application/json'],
    ['image/png', 'application/json'],
    ['', 'application/json'],
    [',,;;q=', 'application/json'],
  ] as const)
    t.equal(preferred(header, offered), expected, String(header));
});
