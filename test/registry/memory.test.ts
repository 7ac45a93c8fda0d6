import { createHash } from 'node:crypto';
import t from 'tap';
import type { Clock } from '../../src/clock.ts';
import { createRegistryClient, type Pull, type PullRequest } from '../../src/registry/client.ts';
import { createRegistryMemory } from '../../src/registry/memory.ts';
import { parseReference } from '../../src/registry/reference.ts';
import { Secret, scrub } from '../../src/secret.ts';
import { type Asked, type Reply, startHttpsHosts } from '../support/https-hosts.ts';

/* What the registry client remembers, for whom, and for how long. */

const index = 'application/vnd.oci.image.index.v1+json';
const manifestOf = (of: string) =>
  JSON.stringify({
    schemaVersion: 2,
    manifests: [
      {
        digest: `sha256:${createHash('sha256').update(of).digest('hex')}`,
        platform: { os: 'linux', architecture: 'amd64' },
      },
    ],
  });
const digestOf = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;

/** A registry whose tags can be moved and whose users can be withdrawn; `issued` is its newest token. */
async function startRegistry(t: { teardown(done: () => unknown): unknown }) {
  const state = {
    tags: new Map([
      ['1', manifestOf('one')],
      ['2', manifestOf('two')],
    ]),
    password: 'right-password',
    issued: 0,
    expiresIn: 300 as number | undefined,
    revoked: false,
  };
  const answer = ({ path, method, authorization }: Asked): Reply => {
    if (path === '/token') {
      const pair = Buffer.from(`me:${state.password}`).toString('base64');
      if (authorization !== `Basic ${pair}`) return { status: 401, body: '' };
      state.issued += 1;
      return { body: { token: `the-token-number-${state.issued}`, expires_in: state.expiresIn } };
    }
    const known = /^Bearer the-token-number-\d+$/.test(authorization ?? '') && !state.revoked;
    if (!known)
      return {
        status: 401,
        headers: { 'www-authenticate': 'Bearer realm="https://r.example/token",service="r"' },
      };
    const tag = path.split('/').at(-1) ?? '';
    const content = state.tags.get(tag) ?? [...state.tags.values()].find(one => digestOf(one) === tag);
    if (content === undefined) return { status: 404, body: '' };
    return {
      headers: { 'content-type': index, 'docker-content-digest': digestOf(content) },
      body: method === 'HEAD' ? '' : content,
    };
  };
  const hosts = await startHttpsHosts(t, { 'r.example': answer, 'other.example': answer });
  const time = { now: Date.parse('2026-01-01T00:00:00Z') };
  const clock: Clock = { now: () => new Date(time.now), wait: async () => {} };
  const memory = createRegistryMemory(clock);
  t.teardown(() => memory.close());
  const client = createRegistryClient({ dispatcher: hosts.dispatcher, memory });
  const pull = async (more: Partial<PullRequest> & { image?: string; password?: string } = {}) => {
    const { image = 'r.example/team/app:1', password = 'right-password', ...rest } = more;
    const parsed = parseReference(image);
    if (!parsed.ok) throw new Error(parsed.hint);
    using secret = new Secret(password);
    hosts.asked.length = 0;
    const found = await client.resolve({
      reference: parsed.reference,
      credential: { username: 'me', password: secret },
      platform: { os: 'linux', architecture: 'amd64' },
      ...rest,
    });
    return { found, asked: hosts.asked.map(told) };
  };
  return { state, time, pull, client, asked: hosts.asked };
}

const told = ({ method, path, authorization = '' }: Asked) =>
  `${method} ${path} ${authorization.split(' ')[0]}`.trim();

const cold = ['HEAD /v2/team/app/manifests/1', 'GET /token Basic', 'GET /v2/team/app/manifests/1 Bearer'];
const warm = ['HEAD /v2/team/app/manifests/1 Bearer'];

t.test('the second time is one request, which the registry still answers itself', async t => {
  const { state, pull } = await startRegistry(t);
  const first = await pull();
  t.match(first, { found: { ok: true, digest: digestOf(manifestOf('one')) }, asked: cold });
  t.same(await pull(), { found: first.found, asked: warm }, 'token and digest are known');
  state.tags.set('1', manifestOf('moved'));
  t.match(
    await pull(),
    {
      found: { ok: true, digest: digestOf(manifestOf('moved')) },
      asked: [...warm, 'GET /v2/team/app/manifests/1 Bearer'],
    },
    'a tag that was moved is seen at once',
  );
  t.match(await pull({ image: 'r.example/team/app:2' }), {
    found: { digest: digestOf(manifestOf('two')) },
  });
});

t.test('who asks for the fresh is answered from nothing known, and leaves nothing', async t => {
  const { pull } = await startRegistry(t);
  t.same((await pull({ fresh: true })).asked, cold);
  t.same((await pull()).asked, cold, 'nothing was left');
  t.same((await pull({ fresh: true })).asked, cold, 'and nothing is taken');
});

t.test('what is known is known of one credential at one registry', async t => {
  const { state, pull } = await startRegistry(t);
  await pull();
  const wrong = await pull({ password: 'wrong-password' });
  t.match(wrong, { found: { ok: false, problem: { step: 'token', status: 401 } } });
  t.same(wrong.asked, cold.slice(0, 2), 'another password is another credential');
  t.match(await pull({ credential: null }), { found: { ok: false, problem: { status: 401 } } });
  const elsewhere = await pull({ image: 'other.example/team/app:1' });
  t.equal(elsewhere.asked[0], 'HEAD /v2/team/app/manifests/1', 'another registry is shown no token');
  const other = await pull({ image: 'r.example/team/web:1' });
  t.equal(other.asked[0], 'HEAD /v2/team/web/manifests/1', 'nor is another repository');
  t.same((await pull()).asked, warm);
  state.password = 'new-password';
  t.same((await pull({ password: 'new-password' })).asked, cold, 'a new version of a secret signs in anew');
});

t.test('a token is used no longer than it holds, and a minute at most', async t => {
  const { state, time, pull } = await startRegistry(t);
  await pull();
  time.now += 59_000;
  t.same((await pull()).asked, warm);
  time.now += 2_000;
  // The manifest is still known: it is what its digest says.
  t.same((await pull()).asked.slice(0, 2), cold.slice(0, 2));
  time.now += 61_000;
  state.expiresIn = 40;
  await pull();
  time.now += 31_000;
  t.same((await pull()).asked.slice(0, 2), cold.slice(0, 2));
  for (const expiresIn of [5, -1, 0]) {
    time.now += 61_000;
    state.expiresIn = expiresIn;
    await pull();
    t.same((await pull()).asked.slice(0, 2), cold.slice(0, 2), `${expiresIn} s are too few to keep it`);
  }
});

t.test('a token that was withdrawn is forgotten, and what is wrong is told as to a stranger', async t => {
  const { state, pull } = await startRegistry(t);
  await pull();
  state.revoked = true;
  const { found, asked } = await pull();
  t.match(found, { ok: false, problem: { status: 401, step: 'manifest' } });
  t.same(asked.slice(0, 3), [...warm, ...cold.slice(0, 2)]);
  state.revoked = false;
  t.same((await pull()).asked.slice(0, 2), cold.slice(0, 2));
});

t.test('the same question at the same time is asked once, and who goes takes nobody along', async t => {
  const { pull, asked, client } = await startRegistry(t);
  const away = new AbortController();
  const left = pull({ signal: away.signal });
  const rest = Array.from({ length: 20 }, () => pull());
  away.abort(new Error('gone'));
  await t.rejects(left, { message: 'gone' });
  const found = await Promise.all(rest);
  t.ok(found.every(one => one.found.ok));
  t.equal(asked.length, 3);
  const parsed = parseReference('r.example/team/app:1');
  if (!parsed.ok) throw new Error(parsed.hint);
  using secret = new Secret('right-password');
  const request: PullRequest = {
    reference: parsed.reference,
    credential: { username: 'me', password: secret },
    platform: { os: 'linux', architecture: 'amd64' },
    signal: AbortSignal.abort(new Error('never began')),
  };
  await t.rejects(client.resolve(request), { message: 'never began' });
});

t.test('at most so much is known, and no value of it outlives its end', async t => {
  let now = 0;
  const memory = createRegistryMemory({ now: () => new Date(now), wait: async () => {} });
  const request = (n: number): PullRequest => ({
    reference: { domain: 'r.example', path: `team/app-${n}`, tag: '1', digest: null },
    credential: null,
    platform: { os: 'linux', architecture: 'amd64' },
  });
  const tokenOf = (n: number) => `the-token-number-${String(n).padStart(4, '0')}`;
  for (let n = 0; n < 201; n += 1) {
    using value = new Secret(tokenOf(n));
    const authorization = { scheme: 'Bearer', value } as const;
    memory.keepAuthorization('r.example', request(n), { authorization, lifeMs: null });
  }
  const revealed = (n: number) => {
    using kept = new DisposableStack();
    return memory.authorizationFor('r.example', request(n), kept)?.value.reveal();
  };
  t.equal(revealed(0), undefined, 'the first gave way');
  t.equal(scrub(tokenOf(0)), tokenOf(0));
  t.equal(revealed(1), tokenOf(1));
  t.equal(revealed(200), tokenOf(200));
  t.equal(scrub(tokenOf(200)), '[secret]', 'while it is known it is scrubbed');
  now += 60_000;
  t.equal(revealed(200), undefined);
  t.equal(scrub(tokenOf(200)), tokenOf(200), 'its time is over');
  memory.close();
  t.equal(scrub(tokenOf(1)), tokenOf(1));
});

t.test('secrets are no keys', async t => {
  const { pull } = await startRegistry(t);
  const found: Pull = (await pull()).found;
  t.notMatch(JSON.stringify(found), /password|token-number/);
});
