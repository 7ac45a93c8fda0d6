import Fastify from 'fastify';
import t from 'tap';
import { createError } from '../../src/errors.ts';
import { requireSignIn } from '../../src/http/access.ts';
import { registerMethods } from '../../src/http/methods.ts';
import { registerProblems } from '../../src/http/problems.ts';
import { createRateLimits } from '../../src/http/rate-limit.ts';
import type { Team } from '../../src/policy/policy.ts';
import type { Permission } from '../../src/schemas/principal.ts';

type Teardown = { teardown(done: () => unknown): unknown };
type Teams = Record<string, Permission[]>;

const all: Permission[] = ['read', 'deploy'];
const callers: Record<string, Teams> = {
  'Bearer demo': { demo: all },
  'Bearer other': { other: all },
  'Bearer both': { demo: all, other: all },
  'Bearer reader': { demo: ['read'] },
  'Bearer mixed': { demo: ['read'], other: all },
};

/** Routes behind a limit, on a clock that the test moves. */
function start(t: Teardown, rates: Record<string, Team['rate']>) {
  let now = Date.parse('2026-11-24T10:00:00.250Z');
  const app = Fastify();
  t.teardown(() => app.close());
  registerMethods(app);
  registerProblems(app);
  const limits = createRateLimits({ rateOf: team => rates[team], clock: { now: () => new Date(now) } });
  const authenticate = async (header: string | undefined) => {
    const teams = callers[header ?? ''];
    if (!teams) throw createError('Unauthenticated', 'The token is not valid.');
    return { principal: { issuer: 'test', subject: 'ann' }, teams, expiresAt: 4_000_000_000 };
  };
  requireSignIn(app, { authenticate }, limits);
  app.get('/things', { config: { permission: 'read' } }, async () => ({}));
  app.post('/things', { config: { permission: 'deploy' } }, async () => ({}));
  app.get('/public', { config: { permission: 'public' } }, async () => ({}));
  const ask = async (method: 'GET' | 'HEAD' | 'POST', url = '/things', token = 'demo', payload?: object) => {
    const { statusCode, headers, body } = await app.inject({
      method,
      url,
      headers: { authorization: `Bearer ${token}` },
      ...(payload ? { payload } : {}),
    });
    const told = { policy: headers['ratelimit-policy'], limit: headers.ratelimit };
    return { status: statusCode, headers, body, ...told, budgets: parse(told.limit) };
  };
  const pass = (seconds: number) => {
    now += seconds * 1000;
  };
  return { ask, pass };
}

/** A list of structured fields: quoted names, integers as parameters. */
function parse(header: unknown): { name: string; r: number; t: number }[] {
  if (header === undefined) return [];
  return String(header)
    .split(', ')
    .map(item => {
      const [, name = '', r, seconds] = /^"([a-z-]+)";r=(\d+);t=(\d+)$/.exec(item) ?? [];
      if (!name) throw new Error(`not a list of structured fields: ${header}`);
      return { name, r: Number(r), t: Number(seconds) };
    });
}

t.test('every answer tells the budget and what is left of it', async t => {
  const { ask, pass } = start(t, { demo: { requestsPerMinute: 5, changesPerMinute: 2 } });
  const read = await ask('GET');
  t.match(read, { status: 200, policy: '"team-requests";q=5;w=60', limit: '"team-requests";r=4;t=60' });
  pass(12.5);
  const change = await ask('POST');
  t.equal(change.policy, '"team-requests";q=5;w=60, "team-changes";q=2;w=60');
  t.equal(change.limit, '"team-requests";r=3;t=48, "team-changes";r=1;t=60');
  t.match(await ask('GET', '/nothing'), { status: 404, limit: '"team-requests";r=2;t=48' });
  t.match(await ask('HEAD'), { status: 200, limit: '"team-requests";r=1;t=48' });
  const open = await ask('GET', '/public');
  t.match(open, { status: 200, limit: undefined }, 'what is public costs nothing');
  pass(48);
  t.match(await ask('GET'), { limit: '"team-requests";r=4;t=60' }, 'the whole budget is there again');
});

t.test('what is above it is refused with the time to wait, and costs nothing', async t => {
  const { ask, pass } = start(t, { demo: { requestsPerMinute: 100, changesPerMinute: 2 } });
  for (const status of [200, 200, 429, 429]) t.equal((await ask('POST')).status, status);
  pass(20);
  const refused = await ask('POST');
  t.match(refused.headers, {
    'content-type': /^application\/problem\+json/,
    'x-ms-error-code': 'RateLimited',
    'retry-after': '40',
    'ratelimit-policy': '"team-requests";q=100;w=60, "team-changes";q=2;w=60',
    ratelimit: '"team-requests";r=98;t=40, "team-changes";r=0;t=40',
  });
  t.match(JSON.parse(refused.body), {
    status: 429,
    code: 'RateLimited',
    detail: "Team 'demo' has used up its 2 changes a minute; ask again in 40 s.",
    'violated-policies': ['team-changes'],
  });
  t.equal((await ask('GET')).status, 200, 'reading goes on');
  pass(40);
  t.equal((await ask('POST')).status, 200);
});

t.test('a client that obeys is never refused, and gets all that there is', async t => {
  const { ask, pass } = start(t, { demo: { requestsPerMinute: 30, changesPerMinute: 7 } });
  let waited = 0;
  const wait = (seconds: number) => {
    waited += seconds;
    pass(seconds);
  };
  const tally = new Map<number, number>();
  for (let n = 0; n < 2_000; n += 1) {
    const { status, budgets } = await ask(n % 3 === 0 ? 'POST' : 'GET');
    tally.set(status, (tally.get(status) ?? 0) + 1);
    wait((n * 37) % 11 === 0 ? 0.4 : 0);
    const spent = budgets.filter(({ r }) => r === 0);
    if (spent.length > 0) wait(Math.max(...spent.map(({ t }) => t)));
  }
  t.same([...tally], [[200, 2_000]]);
  const changes = 2_000 / 3;
  t.ok(waited <= (changes / 7 + 1) * 61, `no longer than the budget for ${changes} changes: ${waited} s`);
});

t.test('a token that is refused costs no budget; a request that is refused does', async t => {
  const { ask } = start(t, { demo: { requestsPerMinute: 3 } });
  for (let n = 0; n < 20; n += 1) {
    const refused = await ask('POST', '/things', 'forged');
    t.match(refused, { status: 401, limit: undefined, policy: undefined });
  }
  t.match(await ask('POST', '/things', 'reader'), { status: 403, limit: /r=2/ });
  t.match(await ask('GET'), { status: 200, limit: /r=1/ });
});

t.test('each team has its own budget', async t => {
  const { ask } = start(t, { demo: { requestsPerMinute: 1 }, other: { requestsPerMinute: 3 } });
  t.equal((await ask('GET')).status, 200);
  t.equal((await ask('GET')).status, 429);
  t.match(await ask('GET', '/things', 'other'), { status: 200, limit: /r=2/ });

  await t.test('who is in several pays from the one that has the most left', async t => {
    t.match(await ask('GET', '/things', 'both'), { status: 200, limit: /r=1/ });
    t.match(await ask('GET', '/things?team=demo', 'both'), { status: 429 }, 'or the one that he names');
    t.match(await ask('GET', '/things?team=elsewhere', 'both'), { status: 200, limit: /r=0/ });
    t.equal((await ask('GET', '/things', 'both')).status, 429);
    const { ask: post } = start(t, { demo: { changesPerMinute: 1 }, other: { changesPerMinute: 9 } });
    t.match(
      await post('POST', '/things', 'both', { team: 'demo' }),
      { status: 200, limit: /r=0/ },
      'in the body',
    );
    t.match(await post('POST', '/things', 'both', { team: 'demo' }), { status: 429 });
    for (const body of [{ team: 'other' }, { team: 'elsewhere' }, { team: ['demo'] }, {}, undefined])
      t.match(await post('POST', '/things', 'both', body), {
        status: 200,
        policy: '"team-changes";q=9;w=60',
      });
    t.match(await post('POST', '/things', 'both', {}), { limit: /r=3/ }, 'each was counted once');
  });
  await t.test('and only from those for which he may do it', async t => {
    const { ask } = start(t, { demo: { requestsPerMinute: 50 }, other: { requestsPerMinute: 1 } });
    t.match(await ask('POST', '/things', 'mixed'), { status: 200, limit: /r=0/ });
    t.match(await ask('POST', '/things', 'mixed'), { status: 429 });
    t.match(await ask('GET', '/things', 'mixed'), { status: 200, limit: /r=49/ });
  });
});

t.test('a team without limits has no headers', async t => {
  const { ask } = start(t, { other: { requestsPerMinute: 1 } });
  for (let n = 0; n < 5; n += 1)
    t.match(await ask('POST'), { status: 200, policy: undefined, limit: undefined });
});
