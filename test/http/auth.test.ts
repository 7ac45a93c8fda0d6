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
/** Recipes that need another issuer or a real request: signing-keys.test.ts; or a host table: interlock.test.ts. */
const elsewhere = [
  'github-job-workflow-unpinned',
  'emulator-issuer-real-host',
  'github-default-audience',
  'github-pull-request-target',
  'github-recycled-name',
  'github-other-owner-id',
  'github-sub-only',
  'two-authorization-headers',
  'token-in-cookie',
  'token-in-body',
];
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
  const spent = new Set<string>();
  const used = { policy };
  const authenticator = createAuthenticator({
    policy: () => used.policy,
    dispatcher: hosts.dispatcher,
    spentTokens: {
      spend: async token => {
        if (spent.has(token)) return false;
        spent.add(token);
        return true;
      },
    },
    log: createLog({ level: 'silent' }),
    clock,
  });
  t.teardown(() => authenticator.close());
  await authenticator.ready();
  return { ...hosts, state, used, clock, authenticator, privateKey, publicKey };
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
const byHand = (header: object | string, payload: unknown, key?: KeyObject) => {
  const text = `${encode(header)}.${encode(payload)}`;
  return `${text}.${key ? signBytes('sha256', Buffer.from(text), key).toString('base64url') : ''}`;
};

/** The next character of base64url. */
function nextOf(character: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return alphabet[alphabet.indexOf(character) + 1] ?? '';
}

/** An object as JSON with one more member, which may stand there already. */
const twice = (value: object, member: string) => JSON.stringify(value).replace(/}$/, `,${member}}`);

t.test('a good token speaks for its principal, once verified for a minute', async t => {
  const { authenticator, privateKey, asked, clock } = await start(t);
  const bearer = `Bearer ${await token(privateKey)}`;
  t.match(await authenticator.authenticate(bearer), {
    principal: { issuer: 'entra', subject: 'oid-1', client },
    teams: { demo: ['deploy', 'read'] },
  });
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
    'another spelling of the signature': `${whole.slice(0, -1)}${nextOf(whole.slice(-1))}`,
    'another spelling of the header': byHand(usual, good(), privateKey).replace(/^e/, '=e'),
    'kid twice': byHand(twice(usual, '"kid":"k1"'), good(), privateKey),
    'kid twice, once in escapes': byHand(twice(usual, '"k\\u0069d":"k1"'), good(), privateKey),
    'aud twice': byHand(usual, twice(good(), `"aud":"${audience}"`), privateKey),
    'b64-false': byHand({ ...usual, b64: false, crit: ['b64'] }, good(), privateKey),
    'crit of what is known': byHand({ ...usual, b64: true, crit: ['b64'] }, good(), privateKey),
    'a jku beside a good signature': sign({ header: { jku: attacker } }),
    'a jwk beside a good signature': sign({ header: { jwk: publicKey.export({ format: 'jwk' }) } }),
    'an x5c beside a good signature': sign({ header: { x5c: ['MIIB'] } }),
    'kid of another type': byHand({ ...usual, kid: ['k1'] }, good(), privateKey),
    'typ of another type': byHand({ ...usual, typ: ['JWT'] }, good(), privateKey),
    zip: byHand({ ...usual, zip: 'DEF' }, good(), privateKey),
    'an encrypted token': `${whole}.${payload}.${signature}`,
    'HS256 with the DER of the key': hmac(
      publicKey.export({ type: 'spki', format: 'der' }).toString('latin1'),
    ),
    'HS256 with nothing': hmac(''),
    es256: new SignJWT(good())
      .setProtectedHeader({ alg: 'ES256', typ: 'JWT', kid: 'k1' })
      .sign(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
    'iss-upper-case': claims({ iss: issuer.toUpperCase() }),
    'iss-array': byHand(usual, { ...good(), iss: [issuer] }, privateKey),
    'iss-http': claims({ iss: issuer.replace('https', 'http') }),
    'iss with a query': claims({ iss: `${issuer}?x` }),
    'iss with blanks': claims({ iss: `${issuer} ` }),
    'aud-prefix': claims({ aud: `api://${audience}` }),
    'aud-suffix': claims({ aud: `${audience}/` }),
    'aud-empty-array': byHand(usual, { ...good(), aud: [] }, privateKey),
    'aud-number': byHand(usual, { ...good(), aud: 1 }, privateKey),
    'tid-missing': claims({ tid: undefined }),
    'tid-upper-case': claims({ tid: tenant.toUpperCase() }),
    'tid-array': claims({ tid: [tenant] }),
    'ver-missing': claims({ ver: undefined }),
    'ver-number': claims({ ver: 2 }),
    'exp-huge': byHand(usual, JSON.stringify(good()).replace(/"exp":\d+/, '"exp":1e308'), privateKey),
    'exp-fraction': claims({ exp: now() + 600.5 }),
    'exp before iat': claims({ iat: now() + 50, exp: now() + 40 }),
    'iat-missing': claims({ iat: undefined }),
    'iat-string': byHand(usual, { ...good(), iat: String(now()) }, privateKey),
    'nbf-string': byHand(usual, { ...good(), nbf: String(now()) }, privateKey),
    'sub-missing': claims({ sub: undefined }),
    'oid-missing': claims({ oid: undefined }),
    'oid-number': claims({ oid: 1 }),
    'roles-empty': claims({ roles: [] }),
    'roles-string': claims({ roles: 'Deployments.Submit' }),
    'an app with a scope': claims({ scp: 'Deployments.Submit' }),
    'idtyp of a device': claims({ idtyp: 'device', scp: 'Deployments.Submit' }),
    'idtyp-upper-case': claims({ idtyp: 'App' }),
    'scp-array': claims({ idtyp: 'user', scp: ['Deployments.Submit'] }),
    'a scope that begins like ours': claims({ idtyp: 'user', scp: 'user_impersonation.all' }),
    'payload-null': byHand(usual, 'null', privateKey),
    'payload-empty': byHand(usual, '', privateKey),
    'header-array': byHand([usual], good(), privateKey),
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
    'scheme in lower case': `bearer ${whole}`,
    'scheme in upper case': `BEARER ${whole}`,
    'two blanks': `Bearer  ${whole}`,
    'a blank before': ` Bearer ${whole}`,
    'a blank behind': `Bearer ${whole} `,
    'scheme twice': `Bearer Bearer ${whole}`,
    'a tab': `Bearer\t${whole}`,
    'two tokens': `Bearer ${whole} ${whole}`,
    'a token in quotes': `Bearer "${whole}"`,
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
  const built = new Set([...[cases, headers, powerless].flatMap(Object.keys), 'replayed-jti', ...elsewhere]);
  const left = vectors.filter(({ id }) => !built.has(id));
  t.same(left, [], 'every recipe is built');
  t.comment(
    `tokens ${vectors.length - left.length}/${vectors.length}, and ${built.size - vectors.length} more`,
  );
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

t.test('where the policy says so a token makes one change, and reads as often as it likes', async t => {
  const { authenticator, privateKey, used } = await start(t);
  const send = async (claims: object, change = true) =>
    authenticator.authenticate(`Bearer ${await token(privateKey, { claims: { ...claims } })}`, { change });
  const named = { jti: 'one' };
  t.ok(await send(named));
  t.ok(await send(named), 'off: an honest caller makes several calls with one token');
  const [entra] = policy.policy.issuers;
  if (!entra) throw new Error('no issuer');
  const issuers = [{ ...entra, singleUse: true }];
  used.policy = { digest: 'single use', policy: { ...policy.policy, issuers } };
  t.ok(await send(named, false));
  t.ok(await send(named), 'after a read');
  await t.rejects(
    send(named),
    { code: 'Unauthenticated', message: /has made its one change/ },
    'replayed-jti',
  );
  await t.rejects(send({ ...named, padding: 'x' }), { code: 'Unauthenticated' }, 'in another token too');
  t.ok(await send(named, false), 'it still reads');
  t.ok(await send({ jti: 'two' }));
  t.ok(await send({ uti: 'three' }), "Entra ID's name for it");
  await t.rejects(send({ uti: 'three' }), { code: 'Unauthenticated' });
  const several = await Promise.allSettled(Array.from({ length: 10 }, () => send({ jti: 'four' })));
  t.equal(several.filter(({ status }) => status === 'fulfilled').length, 1, 'one of those at once');
  for (const nameless of [{}, { jti: '' }, { jti: 5 }])
    await t.rejects(send(nameless), { code: 'Unauthenticated', message: /no `jti` or `uti`/ });
});
