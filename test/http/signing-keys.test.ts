import { generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { type AddressInfo, connect } from 'node:net';
import { mock } from 'node:test';
import Fastify from 'fastify';
import { exportJWK, type JWK, SignJWT } from 'jose';
import t from 'tap';
import { requireSignIn } from '../../src/http/access.ts';
import { createAuthenticator } from '../../src/http/auth.ts';
import { createLog } from '../../src/log.ts';
import { entraTenant } from '../../src/policy/issuers.ts';
import type { LoadedPolicy } from '../../src/policy/load.ts';
import { type Host, startHttpsHosts } from '../support/https-hosts.ts';

const tenant = '00000000-0000-0000-0000-00000000aaaa';
const entra = `https://login.microsoftonline.com/${tenant}/v2.0`;
const github = 'https://token.actions.githubusercontent.com';
const audience = '00000000-0000-0000-0000-00000000dddd';
const client = '00000000-0000-0000-0000-0000000d0001';

const workflow = `o/deploy/.github/workflows/deploy.yml@${'0'.repeat(40)}`;

const policy: LoadedPolicy = {
  digest: 'one',
  policy: {
    version: 1,
    issuers: [
      { name: 'entra', issuer: entra, audience },
      { name: 'github', issuer: github, audience: 'https://deploy.example' },
    ],
    teams: {
      demo: {
        principals: [
          { issuer: 'entra', client, permissions: ['deploy'] },
          { issuer: 'github', repositoryId: '456', ownerId: '123', permissions: ['deploy', 'read'] },
        ],
        targets: ['demo'],
      },
      pinned: {
        principals: [
          { issuer: 'github', repositoryId: '789', ownerId: '123', workflow, permissions: ['deploy'] },
        ],
        targets: ['demo'],
      },
    },
    targets: {},
  },
};

type Teardown = { teardown(done: () => unknown): unknown };

interface Pair {
  privateKey: KeyObject;
  jwk: JWK;
}

async function createPair(kid: string): Promise<Pair> {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { privateKey, jwk: { ...(await exportJWK(publicKey)), kid, use: 'sig', alg: 'RS256' } };
}
const [first, second] = [await createPair('k1'), await createPair('k2')];

const oneSecond = 1000;
const minute = 60 * oneSecond;
const hour = 60 * minute;

/** Both issuers under their own names, what they answer, and an authenticator whose time the test drives. */
async function start(t: Teardown, answers: Partial<Record<'keys' | 'discovery', Host>> = {}) {
  const state = { out: false, keys: [first.jwk], policy };
  const keys: Host = () => (state.out ? { status: 503 } : { body: { keys: state.keys } });
  const discovery: Host = () => ({ body: { issuer: github, jwks_uri: `${github}/.well-known/jwks` } });
  const hosts = await startHttpsHosts(t, {
    'login.microsoftonline.com': answers.keys ?? keys,
    'token.actions.githubusercontent.com': (asked, response) =>
      asked.path === '/.well-known/openid-configuration'
        ? (answers.discovery ?? discovery)(asked, response)
        : keys(asked, response),
    'attacker.example': () => ({ body: { keys: [second.jwk] } }),
  });
  const clock = { at: Date.now(), now: () => new Date(clock.at), wait: async () => {} };
  const authenticator = createAuthenticator({
    policy: () => state.policy,
    dispatcher: hosts.dispatcher,
    spentTokens: { spend: async () => true },
    log: createLog({ level: 'silent' }),
    clock,
  });
  t.teardown(() => authenticator.close());
  const asked = (host = 'login.microsoftonline.com') => hosts.asked.filter(one => one.host === host).length;
  return { state, clock, authenticator, asked, dispatcher: hosts.dispatcher };
}

type Clock = Awaited<ReturnType<typeof start>>['clock'];

function tokenOf(
  { privateKey, jwk }: Pair,
  { at }: Clock,
  { header = {}, claims = {} }: { header?: Record<string, unknown>; claims?: Record<string, unknown> } = {},
): Promise<string> {
  const now = Math.floor(at / 1000);
  const app = { tid: tenant, ver: '2.0', oid: 'o', azp: client, idtyp: 'app', roles: ['Deployments.Submit'] };
  const all = { iss: entra, aud: audience, sub: 's', iat: now, nbf: now, exp: now + 3600, ...app, ...claims };
  return new SignJWT(all)
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: String(jwk.kid), ...header })
    .sign(privateKey)
    .then(token => `Bearer ${token}`);
}

const unauthenticated = { code: 'Unauthenticated', statusCode: 401 };

t.test('a new signing key is found, and one that was withdrawn is gone', async t => {
  const { state, clock, authenticator, asked } = await start(t);
  t.ok(await authenticator.ready());
  state.keys = [first.jwk, second.jwk];
  await t.rejects(
    authenticator.authenticate(await tokenOf(second, clock)),
    unauthenticated,
    'asked a moment ago',
  );
  t.equal(asked(), 1, 'and not again');
  clock.at += 31 * oneSecond;
  t.match(await authenticator.authenticate(await tokenOf(second, clock)), { teams: { demo: ['deploy'] } });
  t.equal(asked(), 2, 'the key that was not known made it ask');
  const old = await tokenOf(first, clock);
  t.match(await authenticator.authenticate(old), { teams: { demo: ['deploy'] } }, 'the old key still counts');

  state.keys = [second.jwk];
  clock.at += 31 * oneSecond;
  await t.rejects(
    authenticator.authenticate(await tokenOf({ ...first, jwk: { kid: 'k3' } }, clock)),
    unauthenticated,
  );
  t.equal(asked(), 3);
  t.ok(await authenticator.authenticate(old), 'what was verified counts for a minute');
  clock.at += 30 * oneSecond;
  await t.rejects(authenticator.authenticate(old), unauthenticated, 'and no longer');
});

t.test('a flood of unknown keys asks once in 30 s', async t => {
  const { clock, authenticator, asked } = await start(t);
  await authenticator.ready();
  const stranger = await createPair('none');
  for (let round = 0; round < 4; round++) {
    clock.at += 31 * oneSecond;
    const tokens = Array.from({ length: 25 }, () =>
      tokenOf(stranger, clock, { header: { kid: randomUUID() } }),
    );
    const flood = await Promise.all(tokens);
    const outcomes = await Promise.allSettled(flood.map(token => authenticator.authenticate(token)));
    t.ok(outcomes.every(({ status }) => status === 'rejected'));
    t.equal(asked(), 2 + round, 'once for all of them');
  }
  t.ok(await authenticator.authenticate(await tokenOf(first, clock)), 'and who is known is let in meanwhile');
});

t.test('keys outlive their issuer for a day, and not longer', async t => {
  const { state, clock, authenticator, asked } = await start(t);
  t.ok(await authenticator.ready());
  state.out = true;
  clock.at += 24 * hour - oneSecond;
  t.ok(await authenticator.authenticate(await tokenOf(first, clock)), 'after 23:59:59');
  t.ok(await authenticator.ready());
  clock.at += 2 * oneSecond;
  await t.rejects(authenticator.authenticate(await tokenOf(first, clock)), unauthenticated, 'after a day');
  t.notOk(await authenticator.ready());
  const sofar = asked();
  for (let index = 0; index < 20; index++)
    await t.rejects(authenticator.authenticate(await tokenOf(first, clock)), unauthenticated);
  t.equal(asked(), sofar, 'the outage causes no flood either');
  state.out = false;
  clock.at += 31 * oneSecond;
  t.ok(await authenticator.authenticate(await tokenOf(first, clock)), 'it is back');
  t.ok(await authenticator.ready());
});

t.test('an issuer that is out at the start is asked with growing pauses', async t => {
  const { state, clock, authenticator, asked } = await start(t);
  state.out = true;
  t.notOk(await authenticator.ready());
  const tokens = await Promise.all(Array.from({ length: 50 }, () => tokenOf(first, clock)));
  const outcomes = await Promise.allSettled(tokens.map(token => authenticator.authenticate(token)));
  t.ok(outcomes.every(({ status }) => status === 'rejected'));
  t.ok(asked() <= 2, `${asked()} times for 50 tokens`);
  const pauses: number[] = [];
  for (let seconds = 0, last = asked(), since = 0; seconds < 180; seconds += 1) {
    clock.at += oneSecond;
    await authenticator.ready();
    if (asked() > last) pauses.push(seconds - since);
    if (asked() > last) since = seconds;
    last = asked();
  }
  t.ok(pauses.length >= 5 && pauses.length <= 12, `paused ${pauses.join(', ')} s`);
  t.ok((pauses.at(-1) ?? 0) >= 29, 'in the end 30 s');
  state.out = false;
  clock.at += 31 * oneSecond;
  t.ok(await authenticator.ready());
  t.ok(await authenticator.authenticate(await tokenOf(first, clock)));
});

t.test('keys are read anew in the background, until it is closed', async t => {
  mock.timers.enable({ apis: ['setInterval'] });
  t.teardown(() => mock.timers.reset());
  const { clock, authenticator, asked } = await start(t);
  await authenticator.ready();
  clock.at += 14 * minute;
  mock.timers.tick(minute);
  await authenticator.ready();
  t.equal(asked(), 1, 'not yet due');
  clock.at += minute;
  mock.timers.tick(minute);
  for (let patience = 0; asked() < 2 && patience < 200; patience++)
    await new Promise(done => setTimeout(done, 5));
  t.equal(asked(), 2, 'after 15 minutes');
  authenticator.close();
  clock.at += hour;
  mock.timers.tick(hour);
  await new Promise(done => setTimeout(done, 50));
  t.equal(asked(), 2, 'closed');
});

t.test('another issuer says in its discovery document where its keys are', async t => {
  const { clock, authenticator, asked } = await start(t);
  t.ok(await authenticator.ready());
  t.equal(asked('token.actions.githubusercontent.com'), 2, 'the document, and the keys');
  const run = {
    iss: github,
    aud: 'https://deploy.example',
    sub: 'repo:o/r:ref:refs/heads/main',
    repository: 'o/r',
    repository_id: '456',
    repository_owner_id: '123',
    event_name: 'push',
  };
  const ask = async (more: object = {}) =>
    authenticator.authenticate(await tokenOf(first, clock, { claims: { ...run, ...more } }));
  t.match(await ask(), {
    principal: { issuer: 'github', subject: run.sub },
    teams: { demo: ['deploy', 'read'] },
  });
  await t.rejects(ask({ aud: 'https://github.com/o' }), unauthenticated, 'github-default-audience');
  t.same((await ask({ event_name: 'pull_request_target' })).teams, {}, 'github-pull-request-target');
  t.same((await ask({ repository_id: '457' })).teams, {}, 'github-recycled-name');
  t.same((await ask({ repository_owner_id: '124' })).teams, {}, 'github-other-owner-id');
  t.same(
    (await ask({ repository_id: undefined, repository_owner_id: undefined })).teams,
    {},
    'github-sub-only',
  );
  const reusable = { repository_id: '789', job_workflow_ref: workflow };
  t.same((await ask(reusable)).teams, { pinned: ['deploy'] });
  t.same(
    (await ask({ ...reusable, job_workflow_ref: workflow.replace(/@.*/, '@refs/heads/main') })).teams,
    {},
    'github-job-workflow-unpinned',
  );
  const crossed = await tokenOf(first, clock, { claims: { iss: github, aud: 'https://deploy.example' } });
  t.same((await authenticator.authenticate(crossed)).teams, {}, 'azp and idtyp count at Entra ID only');
});

t.test('what an issuer answers is not believed beyond its own origin and size', async t => {
  const documents: Record<string, Host> = {
    'of another issuer': () => ({ body: { issuer: entra, jwks_uri: `${github}/.well-known/jwks` } }),
    'keys elsewhere': () => ({ body: { issuer: github, jwks_uri: 'https://attacker.example/jwks' } }),
    'keys without TLS': () => ({ body: { issuer: github, jwks_uri: github.replace('https', 'http') } }),
    'keys behind a user': () => ({ body: { issuer: github, jwks_uri: github.replace('//', '//u:p@') } }),
    'a redirect': () => ({ status: 302, headers: { location: 'https://attacker.example/' }, body: '' }),
    'no keys': () => ({ body: { issuer: github } }),
    'no document': () => ({ body: 'null' }),
    'no JSON': () => ({ body: '<html>' }),
    'too much': () => ({ body: { issuer: github, jwks_uri: `${github}/k`, padding: 'x'.repeat(70_000) } }),
  };
  for (const [name, discovery] of Object.entries(documents)) {
    const { clock, authenticator, asked } = await start(t, { discovery });
    t.notOk(await authenticator.ready(), name);
    const claims = {
      iss: github,
      aud: 'https://deploy.example',
      repository_id: '456',
      repository_owner_id: '123',
    };
    await t.rejects(
      authenticator.authenticate(await tokenOf(first, clock, { claims })),
      unauthenticated,
      name,
    );
    t.ok(await authenticator.authenticate(await tokenOf(first, clock)), `${name}: the other issuer goes on`);
    t.equal(asked('attacker.example'), 0, name);
  }
  const keySets: Record<string, Host> = {
    'a redirect': () => ({ status: 302, headers: { location: 'https://attacker.example/' }, body: '' }),
    'too much': () => ({ body: { keys: [first.jwk], padding: 'x'.repeat(70_000) } }),
    'no keys': () => ({ body: { keys: 'k1' } }),
  };
  for (const [name, keys] of Object.entries(keySets)) {
    const { clock, authenticator, asked } = await start(t, { keys });
    t.notOk(await authenticator.ready(), name);
    await t.rejects(authenticator.authenticate(await tokenOf(first, clock)), unauthenticated, name);
    t.equal(asked('attacker.example'), 0, name);
  }
});

t.test('a token must say its type and its key, even where the signature is right', async t => {
  const { clock, authenticator } = await start(t);
  await authenticator.ready();
  for (const header of [{ typ: undefined }, { typ: 'JWS' }, { kid: undefined }, { cty: 'JWT' }])
    await t.rejects(
      authenticator.authenticate(await tokenOf(first, clock, { header })),
      unauthenticated,
      JSON.stringify(header),
    );
  t.ok(await authenticator.authenticate(await tokenOf(first, clock, { header: { typ: 'at+jwt' } })));
  const kid = { kid: second.jwk.kid };
  await t.rejects(authenticator.authenticate(await tokenOf(first, clock, { header: kid })), unauthenticated);
  const never = { exp: null };
  await t.rejects(
    authenticator.authenticate(await tokenOf(first, clock, { claims: never })),
    unauthenticated,
    'exp-null',
  );
  const overage = { _claim_names: { groups: 'src1' }, groups: ['g'], azp: 'else' };
  t.same((await authenticator.authenticate(await tokenOf(first, clock, { claims: overage }))).teams, {});
});

t.test('another policy is another answer, at once', async t => {
  const { state, clock, authenticator } = await start(t);
  await authenticator.ready();
  const token = await tokenOf(first, clock);
  t.match(await authenticator.authenticate(token), { teams: { demo: ['deploy'] } });
  state.policy = { digest: 'two', policy: { ...policy.policy, teams: {} } };
  t.same((await authenticator.authenticate(token)).teams, {});
});

t.test('Entra ID is known in each of its clouds, and only with one tenant', async t => {
  for (const host of [
    'login.microsoftonline.com',
    'login.microsoftonline.us',
    'login.partner.microsoftonline.cn',
  ])
    t.equal(entraTenant(`https://${host}/${tenant}/v2.0`), tenant);
  for (const other of [`${entra}/`, entra.replace(tenant, 'common'), entra.replace('v2.0', ''), github])
    t.equal(entraTenant(other), null, other);
});

t.test('a token counts in one Authorization header and nowhere else', async t => {
  const { clock, authenticator } = await start(t);
  await authenticator.ready();
  const app = Fastify();
  requireSignIn(app, authenticator, { spend() {} });
  app.post('/', { config: { permission: 'deploy' } }, async () => ({ ok: true }));
  t.teardown(() => app.close());
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const good = await tokenOf(first, clock);
  const post = (lines: string[], body = '{}') =>
    new Promise<string>((done, fail) => {
      const socket = connect(port, '127.0.0.1');
      const head = [
        'POST / HTTP/1.1',
        'host: x',
        'connection: close',
        `content-length: ${body.length}`,
        ...lines,
      ];
      let answer = '';
      socket.on('data', data => {
        answer += data;
      });
      socket.on('end', () => done(answer.split('\r\n')[0] ?? '')).on('error', fail);
      socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
    });
  const json = 'content-type: application/json';
  const token = good.slice('Bearer '.length);
  t.match(await post([json, `authorization: ${good}`]), /^HTTP\/1\.1 200/);
  for (const [name, lines, body] of [
    ['two-authorization-headers', ['authorization: Bearer a.b.c', `authorization: ${good}`], '{}'],
    ['token-in-cookie', [`cookie: access_token=${token}`], '{}'],
    ['token-in-body', [], JSON.stringify({ access_token: token })],
    ['scheme-basic', [`authorization: Basic ${token}`], '{}'],
    ['scheme-missing', [`authorization: ${token}`], '{}'],
  ] as const)
    t.match(await post([json, ...lines], body), /^HTTP\/1\.1 401/, name);
});

t.test(
  "the policy's issuers are followed: a new one is asked before a token comes, one that is gone no more",
  async t => {
    const { state, clock, authenticator, asked } = await start(t);
    t.ok(await authenticator.ready());
    const both = state.policy;
    const only = both.policy.issuers.filter(({ name }) => name === 'entra');
    state.policy = { digest: 'entra only', policy: { ...both.policy, issuers: only } };
    t.ok(await authenticator.ready());
    const before = asked(new URL(github).host);
    const token = await tokenOf(first, clock, { claims: { iss: github, aud: 'https://deploy.example' } });
    await t.rejects(authenticator.authenticate(token), unauthenticated);
    clock.at += 31 * oneSecond;
    t.ok(await authenticator.ready());
    t.equal(asked(new URL(github).host), before, 'nobody asks it any more');

    state.policy = { ...both, digest: 'both again' };
    t.ok(await authenticator.ready());
    t.equal(asked(new URL(github).host), before + 2, 'its document and its keys');
    clock.at += oneSecond;
    await authenticator.authenticate(token).catch(() => {});
    t.equal(asked(new URL(github).host), before + 2, 'which the first token finds there');
  },
);

t.test(
  'an issuer that a policy brings later and that cannot be reached takes nothing out of service',
  async t => {
    const { state, clock, authenticator, dispatcher } = await start(t);
    t.ok(await authenticator.ready());
    const { issuers } = state.policy.policy;
    const far = { name: 'far', issuer: 'https://far.example', audience };
    state.policy = { digest: 'far', policy: { ...state.policy.policy, issuers: [...issuers, far] } };
    t.ok(await authenticator.ready());
    t.match(await authenticator.authenticate(await tokenOf(first, clock)), { teams: { demo: ['deploy'] } });
    const other = createAuthenticator({
      policy: () => state.policy,
      dispatcher,
      spentTokens: { spend: async () => true },
      log: createLog({ level: 'silent' }),
      clock,
    });
    t.teardown(() => other.close());
    t.notOk(await other.ready(), 'but who starts with it is not ready');
  },
);
