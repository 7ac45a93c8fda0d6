import { createHmac, generateKeyPairSync, type KeyObject, randomUUID, sign as signBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { exportJWK, SignJWT } from 'jose';
import t from 'tap';
import { createAuthenticator } from '../../src/http/auth.ts';
import { createLog } from '../../src/log.ts';
import type { LoadedPolicy } from '../../src/policy/load.ts';
import { startHttpsHosts } from '../support/https-hosts.ts';

const tenant = '00000000-0000-0000-0000-00000000aaaa';
const issuer = `https://login.microsoftonline.com/${tenant}/v2.0`;
const audience = '00000000-0000-0000-0000-00000000dddd';
const client = '00000000-0000-0000-0000-0000000d0001';
const group = '00000000-0000-0000-0000-0000000e0001';

const vectors: { id: string }[] = JSON.parse(
  readFileSync(join(import.meta.dirname, '../vectors/tokens.json'), 'utf8'),
);
/** Recipes that need another issuer or a real request. */
const inSigningKeysTest = [
  'github-default-audience',
  'github-pull-request-target',
  'github-recycled-name',
  'github-other-owner-id',
  'github-sub-only',
  'two-authorization-headers',
  'token-in-cookie',
  'token-in-body',
];
const notBuilt: Record<string, string> = {
  'github-job-workflow-unpinned': 'policy cannot pin the revision of a workflow',
  'emulator-issuer-real-host': 'where keys are fetched is decided by the host table, not by the issuer',
  'replayed-jti': 'there is no replay check',
};

const policy: LoadedPolicy = {
  digest: 'digest',
  policy: {
    version: 1,
    issuers: [{ name: 'entra', issuer, audience }],
    teams: {
      demo: {
        principals: [
          { issuer: 'entra', client, permissions: ['deploy', 'read'] },
          { issuer: 'entra', subject: 'oid-bound', permissions: ['logs'] },
          { issuer: 'entra', group, permissions: ['logs'] },
        ],
        targets: ['demo'],
      },
    },
    targets: {},
  },
};

type Teardown = { teardown(done: () => unknown): unknown };

/** An issuer of our own under Entra's name, and the authenticator that trusts it. */
async function start(t: Teardown) {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', use: 'sig', alg: 'RS256' };
  const state = { out: false, keys: [jwk] };
  const hosts = await startHttpsHosts(t, {
    'login.microsoftonline.com': () => (state.out ? { status: 503 } : { body: { keys: state.keys } }),
    'attacker.example': () => ({ body: { keys: [] } }),
  });
  const clock = { at: Date.now(), now: () => new Date(clock.at), wait: async () => {} };
  const authenticator = createAuthenticator({
    policy: () => policy,
    dispatcher: hosts.dispatcher,
    log: createLog({ level: 'silent' }),
    clock,
  });
  t.teardown(() => authenticator.close());
  await authenticator.ready();
  return { ...hosts, state, clock, authenticator, privateKey, publicKey };
}

interface Change {
  header?: Record<string, unknown>;
  claims?: Record<string, unknown>;
  key?: KeyObject;
}

const now = () => Math.floor(Date.now() / 1000);
const good = () => ({
  iss: issuer,
  aud: audience,
  tid: tenant,
  ver: '2.0',
  sub: 'oid-1',
  oid: 'oid-1',
  azp: client,
  idtyp: 'app',
  roles: ['Deployments.Submit'],
  iat: now(),
  nbf: now(),
  exp: now() + 3600,
});

function token(key: KeyObject, { header = {}, claims = {} }: Change = {}): Promise<string> {
  const all = Object.fromEntries(
    Object.entries({ ...good(), ...claims }).filter(([, value]) => value !== undefined),
  );
  return new SignJWT(all).setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: 'k1', ...header }).sign(key);
}

const encode = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const byHand = (header: object, payload: unknown, key?: KeyObject) => {
  const text = `${encode(header)}.${encode(payload)}`;
  return `${text}.${key ? signBytes('sha256', Buffer.from(text), key).toString('base64url') : ''}`;
};

t.test('a good token speaks for its principal, once verified for a minute', async t => {
  const { authenticator, privateKey, asked, clock } = await start(t);
  const bearer = `Bearer ${await token(privateKey)}`;
  t.match(await authenticator.authenticate(bearer), {
    principal: { issuer: 'entra', subject: 'oid-1', client },
    teams: { demo: ['deploy', 'read'] },
  });
  t.match(
    await authenticator.authenticate(bearer.replace('Bearer', 'bearer')),
    { principal: { subject: 'oid-1' } },
    'the scheme has no case',
  );
  clock.at += 3_700_000;
  await t.rejects(authenticator.authenticate(bearer), { code: 'Unauthenticated' }, 'no cache outlives exp');
  t.equal(asked.length, 1, 'the keys were read once');
  const user = await token(privateKey, {
    claims: {
      idtyp: undefined,
      roles: undefined,
      scp: 'Deployments.Submit',
      iat: now() + 3_700,
      nbf: now() + 3_700,
      exp: now() + 7_200,
    },
  });
  t.match(
    await authenticator.authenticate(`Bearer ${user}`),
    { teams: {} },
    'a user is accepted, and granted nothing',
  );
});

t.test('tokens that are not for us are refused, and nothing that they name is fetched', async t => {
  const { authenticator, privateKey, publicKey, asked } = await start(t);
  const other = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const sign = (change: Change) => token(change.key ?? privateKey, change);
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const hmac = (secret: string) => {
    const text = `${encode({ alg: 'HS256', typ: 'JWT', kid: 'k1' })}.${encode(good())}`;
    return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
  };
  const whole = await sign({});
  const [header = '', payload = '', signature = ''] = whole.split('.');
  const claims = (more: Record<string, unknown>) => sign({ claims: more });
  const attacker = 'https://attacker.example/keys';
  const usual = { alg: 'RS256', typ: 'JWT', kid: 'k1' };
  t.ok(
    await authenticator.authenticate(`Bearer ${byHand(usual, good(), privateKey)}`),
    'made by hand, and good',
  );
  const cases: Record<string, string | Promise<string>> = {
    'alg-none': byHand({ alg: 'none', typ: 'JWT' }, good()),
    'alg-none-mixed-case': byHand({ alg: 'nOnE', typ: 'JWT' }, good()),
    'hs256-with-public-pem': hmac(pem),
    'hs256-with-public-jwk': hmac(JSON.stringify(publicKey.export({ format: 'jwk' }))),
    'hs256-with-bom-pem': hmac(`\ufeff${pem}`),
    'hs256-with-whitespace-pem': hmac(` \n${pem}`),
    rs384: sign({ header: { alg: 'RS384' } }),
    ps256: sign({ header: { alg: 'PS256' } }),
    'kid-missing': sign({ header: { kid: undefined }, key: other.privateKey }),
    'kid-unknown': sign({ header: { kid: randomUUID() }, key: other.privateKey }),
    'kid-path-traversal': sign({ header: { kid: '../../../../dev/null' }, key: other.privateKey }),
    'kid-sql': sign({ header: { kid: "x' OR '1'='1" }, key: other.privateKey }),
    'jku-injected': sign({ header: { jku: attacker }, key: other.privateKey }),
    'x5u-injected': sign({ header: { x5u: attacker }, key: other.privateKey }),
    'jwk-injected': sign({
      header: { jwk: other.publicKey.export({ format: 'jwk' }) },
      key: other.privateKey,
    }),
    'crit-unknown': byHand({ ...usual, crit: ['exp2'], exp2: 1 }, good(), privateKey),
    'crit-empty': byHand({ ...usual, crit: [] }, good(), privateKey),
    'typ-id-token': sign({ header: { typ: 'id_token+jwt' } }),
    'nested-jwt': byHand({ ...usual, cty: 'JWT' }, whole, privateKey),
    'graph-audience': claims({ aud: '00000003-0000-0000-c000-000000000000' }),
    'arm-audience': claims({ aud: 'https://management.azure.com/' }),
    'v1-issuer-on-v2': claims({ iss: `https://sts.windows.net/${tenant}/` }),
    'iss-trailing-slash': claims({ iss: `${issuer}/` }),
    'iss-other-tenant': claims({ iss: issuer.replace(tenant, randomUUID()) }),
    'iss-common': claims({ iss: issuer.replace(tenant, 'common') }),
    'iss-userinfo': claims({ iss: issuer.replace('.com/', '.com@evil.example/') }),
    'iss-missing': claims({ iss: undefined }),
    'tid-mismatch': claims({ tid: randomUUID() }),
    'aud-array': claims({ aud: [audience] }),
    'aud-array-two': claims({ aud: [audience, 'other'] }),
    'aud-upper-case': claims({ aud: audience.toUpperCase() }),
    'aud-missing': claims({ aud: undefined }),
    'nbf-future': claims({ nbf: now() + 600 }),
    'exp-past': claims({ exp: now() - 120 }),
    'exp-missing': claims({ exp: undefined }),
    'exp-float': claims({ exp: 1.5 }),
    'exp-string': byHand(usual, { ...good(), exp: String(now() + 600) }, privateKey),
    'exp-null': claims({ exp: null }),
    'exp-negative': claims({ exp: -1 }),
    'exp-far': claims({ exp: now() + 40 * 3600 }),
    'iat-future': claims({ iat: now() + 600 }),
    'app-without-roles': claims({ roles: undefined }),
    'delegated-without-scope': claims({ idtyp: 'user', roles: undefined }),
    'delegated-foreign-scope': claims({ idtyp: 'user', scp: 'User.Read' }),
    'idtyp-missing': claims({ idtyp: undefined }),
    'ver-1': claims({ ver: '1.0' }),
    'an ID token': claims({ nonce: 'n' }),
    'signature-flipped': `${header}.${payload}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`,
    'signature-empty': `${header}.${payload}.`,
    'payload-swapped': claims({ oid: 'other' }).then(
      swapped => `${header}.${swapped.split('.')[1]}.${signature}`,
    ),
    'base64-garbage': `${header}.${payload}.${signature.slice(0, 20)} \n${signature.slice(20)}`,
    'two-segments': `${header}.${payload}`,
    'payload-not-json': byHand(usual, 'not json', privateKey),
    'payload-array': byHand(usual, [good()], privateKey),
    'three-tokens': `${whole}, ${whole}, ${whole}`,
    'a token of 17 kB': claims({ padding: 'x'.repeat(17_000) }),
  };
  for (const [name, made] of Object.entries(cases))
    await t.rejects(
      authenticator.authenticate(`Bearer ${await made}`),
      { code: 'Unauthenticated', statusCode: 401 },
      name,
    );
  const headers: Record<string, string | undefined> = {
    'no header': undefined,
    empty: '',
    'scheme-basic': `Basic ${whole}`,
    'scheme-missing': whole,
  };
  for (const [name, value] of Object.entries(headers))
    await t.rejects(authenticator.authenticate(value), { code: 'Unauthenticated' }, name);
  const powerless: Record<string, Record<string, unknown>> = {
    'azp-mismatch': { azp: randomUUID(), sub: 'oid-bound' },
    'groups-overage': {
      azp: randomUUID(),
      groups: [group],
      _claim_names: { groups: 'src1' },
      _claim_sources: { src1: { endpoint: attacker } },
    },
  };
  for (const [name, more] of Object.entries(powerless))
    t.same((await authenticator.authenticate(`Bearer ${await claims(more)}`)).teams, {}, name);
  const built = new Set([cases, headers, powerless].flatMap(Object.keys));
  const left = vectors.filter(({ id }) => !built.has(id) && !inSigningKeysTest.includes(id));
  t.same(
    left.map(({ id }) => id).sort(),
    Object.keys(notBuilt).sort(),
    'every recipe is built, but for these',
  );
  const here = vectors.filter(({ id }) => built.has(id)).length;
  t.comment(`tokens ${here}/${vectors.length} here, ${inSigningKeysTest.length} in signing-keys.test.ts`);
  t.same([...new Set(asked.map(({ host }) => host))], ['login.microsoftonline.com']);
  t.ok(asked.length <= 2, `${asked.length} fetches for all of them`);
});

t.test('keys outlive an outage of the issuer, and unknown ones cause no flood', async t => {
  const { authenticator, privateKey, state, asked } = await start(t);
  const other = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const stranger = await token(other.privateKey, { header: { kid: 'first' } });
  await t.rejects(authenticator.authenticate(`Bearer ${stranger}`), { code: 'Unauthenticated' });
  t.ok(
    await authenticator.authenticate(`Bearer ${await token(privateKey, { claims: { uti: '1' } })}`),
    'a stranger right after the first load locks nobody out',
  );
  state.out = true;
  for (let index = 0; index < 50; index++)
    await t.rejects(
      authenticator.authenticate(
        `Bearer ${await token(other.privateKey, { header: { kid: `unknown-${index}` } })}`,
      ),
      { code: 'Unauthenticated' },
    );
  t.match(
    await authenticator.authenticate(`Bearer ${await token(privateKey)}`),
    { principal: { subject: 'oid-1' } },
    'a good token is still good',
  );
  t.ok(await authenticator.ready());
  t.ok(asked.length <= 2, `${asked.length} fetches`);
});
