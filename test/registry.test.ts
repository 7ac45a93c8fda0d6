import { createHash, generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import type { Dispatcher } from 'undici';
import { createAuthorityCertificate, createServerCertificate } from '../src/emulator/door/x509.ts';
import { createDispatcher } from '../src/hosts.ts';
import { parseChallenges } from '../src/registry/challenge.ts';
import { createRegistryClient, type Pull, type RegistryCredential } from '../src/registry/client.ts';
import { formatReference, parseReference, registryOf } from '../src/registry/reference.ts';
import { hintFor } from '../src/registry/reference-hints.ts';
import { Secret } from '../src/secret.ts';
import {
  type Asked,
  type Host,
  type Reply,
  send,
  startHttpsHosts,
  startOddServer,
  startServerAs,
} from './support/https-hosts.ts';

interface ReferenceVector {
  input: string;
  valid: boolean;
  domain: string | null;
  path: string | null;
  tag: string | null;
  digest: string | null;
  reason: string | null;
}

const vectors: ReferenceVector[] = JSON.parse(
  readFileSync(join(import.meta.dirname, 'vectors/image-references.json'), 'utf8'),
);

t.test('image references are read as engines read them', async t => {
  let right = 0;
  for (const { input, valid, domain, path, tag, digest, reason } of vectors) {
    const found = parseReference(input);
    const expected = valid ? { ok: true, reference: { domain, path, tag, digest } } : { ok: false, reason };
    if (t.match(found, expected, JSON.stringify(input.slice(0, 80)))) right += 1;
  }
  t.comment(`image references ${right}/${vectors.length}`);
  t.ok(vectors.length > 50);
});

t.test('what is refused comes with help', async t => {
  const cases: [string, string, RegExp][] = [
    ['myregistry.azurecr.io/My-App:v1', 'UPPERCASE', /myregistry\.azurecr\.io\/my-app:v1$/],
    ['MyRegistry.azurecr.io/My-App:V1', 'UPPERCASE', /MyRegistry\.azurecr\.io\/my-app:V1$/],
    ['https://myregistry.azurecr.io/app:v1', 'FORMAT', /without: myregistry\.azurecr\.io\/app:v1$/],
    ['docker://ghcr.io/a/b', 'FORMAT', /without: ghcr\.io\/a\/b$/],
    ['ghcr.io/a/b@sha256:abc', 'FORMAT', /cut short/],
    [`ghcr.io/a/b@sha256:${'a'.repeat(63)}`, 'DIGEST_LEN', /64/],
    [`ghcr.io/a/b@md5:${'a'.repeat(32)}`, 'DIGEST_ALG', /md5/],
    ['user:pw@host/app', 'FORMAT', /REGISTRY/],
    [`a/${'b'.repeat(3000)}`, 'TOOLONG', /long/],
  ];
  for (const [input, reason, hint] of cases)
    t.match(parseReference(input), { ok: false, reason, hint }, input.slice(0, 60));
});

t.test('what was read can be written and read again, and nothing takes long', async t => {
  const name = fc.stringMatching(/^[a-z0-9]{1,9}(?:(?:[._]|__|-{1,3})[a-z0-9]{1,9}){0,3}$/);
  const reference = fc.record({
    domain: fc.constantFrom('ghcr.io', 'docker.io', 'localhost:5000', '[::1]:5000', 'A.example'),
    path: fc.array(name, { minLength: 2, maxLength: 4 }).map(parts => parts.join('/')),
    tag: fc.option(fc.stringMatching(/^\w[\w.-]{0,20}$/)),
    digest: fc.option(fc.stringMatching(/^[0-9a-f]{64}$/).map(hex => `sha256:${hex}`)),
  });
  fc.assert(
    fc.property(reference, one => {
      const found = parseReference(formatReference(one));
      const expected = one.tag === null && one.digest === null ? { ...one, tag: 'latest' } : one;
      return found.ok && JSON.stringify(found.reference) === JSON.stringify(expected);
    }),
  );
  fc.assert(fc.property(fc.string({ maxLength: 300 }), text => typeof parseReference(text).ok === 'boolean'));
  const before = performance.now();
  for (const part of ['a', 'a.', 'a-', 'a/', 'a_', '__a', 'A', '1:', '[', '@', 'sha256:a'])
    parseReference(`${part.repeat(2048 / part.length)}!`);
  t.ok(performance.now() - before < 200, 'also where it does not match in the end');
});

t.test('the registry of an image has one name', async t => {
  const rows = [
    ['nginx', 'docker.io'],
    ['index.docker.io/a/b', 'docker.io'],
    ['registry-1.docker.io/a/b', 'docker.io'],
    ['MyRegistry.azurecr.io:443/app:v1', 'myregistry.azurecr.io'],
    ['localhost:5000/app', 'localhost:5000'],
    ['https://ghcr.io/a', null],
  ] as const;
  for (const [image, registry] of rows) t.equal(registryOf(image), registry, image);
});

t.test('challenges are read in all their forms', async t => {
  const cases: [string | string[] | undefined, [string, Record<string, string>][]][] = [
    [undefined, []],
    ['', []],
    ['Basic realm="basic-realm"', [['basic', { realm: 'basic-realm' }]]],
    [
      'BASIC realm="Sonatype Nexus Repository Manager"',
      [['basic', { realm: 'Sonatype Nexus Repository Manager' }]],
    ],
    [
      'Bearer realm="https://r.io/token",service="r.io",scope="repository:a/b:pull,push"',
      [['bearer', { realm: 'https://r.io/token', service: 'r.io', scope: 'repository:a/b:pull,push' }]],
    ],
    [
      'bearer Realm = "https://r.io/token" , SERVICE=r.io',
      [['bearer', { realm: 'https://r.io/token', service: 'r.io' }]],
    ],
    ['Bearer realm="a\\"b\\\\c"', [['bearer', { realm: 'a"b\\c' }]]],
    ['Bearer realm="https://l.pkg.dev/v2/token"', [['bearer', { realm: 'https://l.pkg.dev/v2/token' }]]],
    ['Bearer realm="x",scope=""', [['bearer', { realm: 'x', scope: '' }]]],
    [
      'Negotiate, Basic realm="a, b", Bearer realm="c",error="insufficient_scope"',
      [
        ['negotiate', {}],
        ['basic', { realm: 'a, b' }],
        ['bearer', { realm: 'c', error: 'insufficient_scope' }],
      ],
    ],
    [
      'Negotiate dG9rZW4=, Basic realm="a"',
      [
        ['negotiate', {}],
        ['basic', { realm: 'a' }],
      ],
    ],
    [
      ['Negotiate', 'Basic realm="a"', 'Bearer realm="b"'],
      [
        ['negotiate', {}],
        ['basic', { realm: 'a' }],
        ['bearer', { realm: 'b' }],
      ],
    ],
    ['Bearer realm="no end', [['bearer', { realm: '' }]]],
    ['"quoted" Basic', []],
  ];
  for (const [header, expected] of cases)
    t.same(
      parseChallenges(header).map(({ scheme, parameters }) => [scheme, parameters]),
      expected,
      String(header),
    );
  fc.assert(fc.property(fc.string({ maxLength: 200 }), header => Array.isArray(parseChallenges(header))));
});

// From here on: conversations over TLS, each host under its own name.

const sha256 = (content: string) => `sha256:${createHash('sha256').update(content).digest('hex')}`;
const ociIndex = 'application/vnd.oci.image.index.v1+json';
const ociManifest = 'application/vnd.oci.image.manifest.v1+json';
const dockerManifest = 'application/vnd.docker.distribution.manifest.v2+json';

const configOf = (architecture: string) => JSON.stringify({ os: 'linux', architecture });
const singleOf = (architecture: string) =>
  JSON.stringify({ schemaVersion: 2, config: { digest: sha256(configOf(architecture)) }, layers: [] });
const child = (os: string, architecture: string) => ({
  digest: sha256(`${os}/${architecture}`),
  platform: { os, architecture },
});
const multiArch = JSON.stringify({
  manifests: [
    child('linux', 'arm64'),
    child('linux', 'amd64'),
    child('unknown', 'unknown'),
    child('windows', 'amd64'),
  ],
});
const armOnly = JSON.stringify({ manifests: [child('linux', 'arm64'), child('unknown', 'unknown')] });

const manifest = (content: string, type = ociIndex): Reply => ({
  headers: { 'content-type': type, 'docker-content-digest': sha256(content) },
  body: content,
});
const refused = (status: number, code: string, message: string, headers: Reply['headers'] = {}): Reply => ({
  status,
  headers,
  body: { errors: [{ code, message, detail: null }] },
});

const password = 'correct horse: battery';
const basicPair = Buffer.from(`me:${password}`).toString('base64');
const bearerToken = 'eyJh.token-of-the-registry.sig';

interface BearerOptions {
  challenge: string;
  realmPath: string;
  answer?: Reply;
  content?: Reply;
  anonymous?: boolean;
}

/** A registry with token service, as one host; `realmPath` is where it gives tokens to `me`. */
function bearerHost({ challenge, realmPath, answer, content, anonymous }: BearerOptions): Host {
  return asked => {
    if (asked.path === realmPath)
      return asked.authorization === `Basic ${basicPair}` || anonymous
        ? (answer ?? { body: { token: bearerToken } })
        : refused(401, 'UNAUTHORIZED', 'authentication required');
    if (asked.authorization !== `Bearer ${bearerToken}`)
      return refused(401, 'UNAUTHORIZED', 'authentication required', { 'www-authenticate': challenge });
    if (asked.path.includes('/blobs/')) return { body: configOf('amd64') };
    return content ?? manifest(multiArch);
  };
}

interface Ask {
  credential?: 'me' | 'wrong' | 'entra' | null;
  os?: 'linux' | 'windows';
  timeoutMs?: number;
  signal?: AbortSignal;
}

const entra = 'eyJh.entra-token-of-slipway.sig';

async function pull(dispatcher: Dispatcher, image: string, ask: Ask = {}): Promise<Pull> {
  using secret = new Secret(ask.credential === 'wrong' ? 'wrong-password' : password);
  using entraToken = new Secret(entra);
  const parsed = parseReference(image);
  if (!parsed.ok) throw new Error(`${image} ${parsed.hint}`);
  const credentials: Record<string, RegistryCredential> = {
    me: { username: 'me', password: secret },
    wrong: { username: 'me', password: secret },
    entra: { entraToken, tenantId: 'the-tenant' },
  };
  const client = createRegistryClient({ dispatcher, timeoutMs: ask.timeoutMs ?? 2_000 });
  return await client.resolve({
    reference: parsed.reference,
    credential: credentials[ask.credential ?? ''] ?? null,
    platform: { os: ask.os ?? 'linux', architecture: 'amd64' },
    ...(ask.signal ? { signal: ask.signal } : {}),
  });
}

const told = ({ host, method, path, authorization }: Asked) =>
  `${method} ${host}${path}${authorization ? ` ${authorization.split(' ')[0]}` : ''}`;

t.test(
  'each registry is asked in its own way, and the credential goes to it and its token service alone',
  async t => {
    const acr = 'myregistry.azurecr.io';
    const { dispatcher, asked } = await startHttpsHosts(t, {
      [acr]: bearerHost({
        challenge: `Bearer realm="https://${acr}/oauth2/token",service="${acr}",scope="repository:my-app:pull"`,
        realmPath: '/oauth2/token',
        answer: { body: { access_token: bearerToken } },
      }),
      'registry-1.docker.io': bearerHost({
        challenge:
          'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/nginx:pull"',
        realmPath: 'elsewhere',
        content: manifest(singleOf('amd64'), dockerManifest),
      }),
      'auth.docker.io': bearerHost({ challenge: '', realmPath: '/token' }),
      'ghcr.io': bearerHost({
        challenge: 'Bearer realm="https://ghcr.io/token",service="ghcr.io",scope="repository:a/b:pull"',
        realmPath: '/token',
      }),
      'registry.gitlab.com': bearerHost({
        challenge: 'Bearer realm="https://gitlab.com/jwt/auth",service="container_registry"',
        realmPath: 'elsewhere',
      }),
      'gitlab.com': bearerHost({ challenge: '', realmPath: '/jwt/auth' }),
      'europe-docker.pkg.dev': bearerHost({
        challenge: 'Bearer realm="https://europe-docker.pkg.dev/v2/token",scope=""',
        realmPath: '/v2/token',
      }),
      'nexus.example': asked =>
        asked.authorization === `Basic ${basicPair}`
          ? manifest(multiArch)
          : refused(401, 'UNAUTHORIZED', 'no', {
              'www-authenticate': ['Negotiate', 'BASIC realm="Nexus, the one"'],
            }),
      'open.example': () => manifest(multiArch),
    });
    const digest = sha256(multiArch);
    const rows: [string, { digest: string; service?: string; scope?: string }, string[]][] = [
      [
        `${acr}/my-app:v1`,
        { digest, service: acr, scope: 'repository:my-app:pull' },
        [
          `HEAD ${acr}/v2/my-app/manifests/v1`,
          `GET ${acr}/oauth2/token Basic`,
          `GET ${acr}/v2/my-app/manifests/v1 Bearer`,
        ],
      ],
      [
        // One manifest: HEAD has to do, a GET would count as a pull.
        'nginx',
        {
          digest: sha256(singleOf('amd64')),
          service: 'registry.docker.io',
          scope: 'repository:library/nginx:pull',
        },
        [
          'HEAD registry-1.docker.io/v2/library/nginx/manifests/latest',
          'GET auth.docker.io/token Basic',
          'HEAD registry-1.docker.io/v2/library/nginx/manifests/latest Bearer',
        ],
      ],
      [
        'registry.gitlab.com/g/p:1',
        { digest, service: 'container_registry', scope: 'repository:g/p:pull' },
        [
          'HEAD registry.gitlab.com/v2/g/p/manifests/1',
          'GET gitlab.com/jwt/auth Basic',
          'GET registry.gitlab.com/v2/g/p/manifests/1 Bearer',
        ],
      ],
      [
        'europe-docker.pkg.dev/p/r/i:1',
        { digest, service: 'europe-docker.pkg.dev', scope: 'repository:p/r/i:pull' },
        [
          'HEAD europe-docker.pkg.dev/v2/p/r/i/manifests/1',
          'GET europe-docker.pkg.dev/v2/token Basic',
          'GET europe-docker.pkg.dev/v2/p/r/i/manifests/1 Bearer',
        ],
      ],
      [
        'nexus.example/a:1',
        { digest },
        ['HEAD nexus.example/v2/a/manifests/1', 'GET nexus.example/v2/a/manifests/1 Basic'],
      ],
      [
        'open.example:443/a:1',
        { digest },
        ['HEAD open.example/v2/a/manifests/1', 'GET open.example/v2/a/manifests/1'],
      ],
    ];
    for (const [image, expected, conversation] of rows) {
      asked.length = 0;
      t.match(
        await pull(dispatcher, image, { credential: 'me' }),
        { ok: true, digest: expected.digest },
        image,
      );
      t.same(asked.map(told), conversation, image);
      const token = asked.find(({ query }) => query.has('scope'));
      t.equal(token?.query.get('service') ?? undefined, expected.service);
      t.equal(token?.query.get('scope') ?? undefined, expected.scope);
    }
    t.match(await pull(dispatcher, 'ghcr.io/a/b:1', { credential: 'me' }), {
      ok: true,
      mediaType: ociIndex,
      platformDigest: child('linux', 'amd64').digest,
    });
    t.match(
      await pull(dispatcher, 'ghcr.io/a/b:1', { credential: 'me', os: 'windows' }),
      { ok: true, platformDigest: child('windows', 'amd64').digest },
      'for the platform that was asked for',
    );
  },
);

t.test("an Entra token is exchanged at Azure's registries, and shown to no other", async t => {
  const acr = 'myregistry.azurecr.io';
  const challenge = `Bearer realm="https://${acr}/oauth2/token",service="${acr}",scope="repository:my-app:pull"`;
  const { dispatcher, asked } = await startHttpsHosts(t, {
    [acr]: one => {
      if (one.path === '/oauth2/exchange')
        return one.form.get('access_token') === entra && one.form.get('tenant') === 'the-tenant'
          ? { body: { refresh_token: 'the-refresh-token' } }
          : refused(401, 'UNAUTHORIZED', 'authentication required');
      if (one.path === '/oauth2/token')
        return one.form.get('refresh_token') === 'the-refresh-token' &&
          one.form.get('scope') === 'repository:my-app:pull'
          ? { body: { access_token: bearerToken } }
          : refused(401, 'UNAUTHORIZED', 'authentication required');
      return bearerHost({ challenge, realmPath: 'none' })(one, undefined as never);
    },
    'ghcr.io': bearerHost({ challenge: 'Bearer realm="https://ghcr.io/token"', realmPath: '/token' }),
  });
  t.match(await pull(dispatcher, `${acr}/my-app:v1`, { credential: 'entra' }), { ok: true });
  t.same(asked.map(told).slice(0, 3), [
    `HEAD ${acr}/v2/my-app/manifests/v1`,
    `POST ${acr}/oauth2/exchange`,
    `POST ${acr}/oauth2/token`,
  ]);
  asked.length = 0;
  t.match(await pull(dispatcher, 'ghcr.io/a/b:1', { credential: 'entra' }), {
    ok: false,
    problem: { step: 'exchange', host: 'ghcr.io', signedIn: false },
  });
  t.same(asked.map(told), ['HEAD ghcr.io/v2/a/b/manifests/1']);
});

t.test('what a registry refuses is told in its own words', async t => {
  const basic = { 'www-authenticate': 'Basic realm="r"' };
  const rows: [string, Host, Ask, object][] = [
    [
      'no credential, Basic',
      () => refused(401, 'UNAUTHORIZED', 'authentication required', basic),
      {},
      {
        step: 'manifest',
        status: 401,
        registryCode: 'UNAUTHORIZED',
        challengeScheme: 'basic',
        signedIn: false,
      },
    ],
    [
      'wrong password, Basic',
      () => refused(401, 'UNAUTHORIZED', 'authentication required', basic),
      { credential: 'me' },
      { step: 'manifest', status: 401, registryMessage: 'authentication required', signedIn: true },
    ],
    [
      'wrong password, Bearer',
      bearerHost({ challenge: 'Bearer realm="https://r.example/token"', realmPath: '/token' }),
      { credential: 'wrong' },
      { step: 'token', host: 'r.example', status: 401, registryCode: 'UNAUTHORIZED', signedIn: true },
    ],
    [
      'a token that opens too little',
      asked =>
        asked.path === '/token'
          ? { body: { token: 'x' } }
          : refused(401, 'UNAUTHORIZED', 'authentication required', {
              'www-authenticate': `Bearer realm="https://r.example/token",error="insufficient_scope"`,
            }),
      { credential: 'me' },
      { step: 'manifest', status: 401, registryMessage: /insufficient_scope/, signedIn: true },
    ],
    [
      'a token service of another style',
      asked =>
        asked.path === '/token'
          ? { status: 401, body: { details: 'incorrect username or password' } }
          : refused(401, 'UNAUTHORIZED', 'no', {
              'www-authenticate': 'Bearer realm="https://r.example/token"',
            }),
      { credential: 'me' },
      { step: 'token', registryMessage: 'incorrect username or password' },
    ],
    [
      'a token service that forbids, as at GHCR',
      asked =>
        asked.path === '/token'
          ? refused(403, 'DENIED', 'requested access to the resource is denied')
          : refused(401, 'UNAUTHORIZED', 'no', {
              'www-authenticate': 'Bearer realm="https://r.example/token"',
            }),
      { credential: 'me' },
      { step: 'token', status: 403, registryCode: 'DENIED', signedIn: true },
    ],
    [
      'a token service that does not end',
      bearerHost({
        challenge: 'Bearer realm="https://r.example/token"',
        realmPath: '/token',
        answer: { body: { token: bearerToken, padding: 'x'.repeat(70_000) } },
      }),
      { credential: 'me' },
      { step: 'connect', networkCode: 'ANSWER_TOO_LONG', signedIn: true },
    ],
    [
      'unknown tag',
      () => refused(404, 'MANIFEST_UNKNOWN', 'manifest unknown'),
      {},
      { step: 'manifest', status: 404, registryCode: 'MANIFEST_UNKNOWN' },
    ],
    [
      'rate limit',
      () =>
        refused(429, 'TOOMANYREQUESTS', 'You have reached your pull rate limit.', {
          'retry-after': '60',
          'ratelimit-limit': '100;w=21600',
          'ratelimit-remaining': '0;w=21600',
        }),
      {},
      { status: 429, retryAfter: '60', rateLimit: { limit: '100;w=21600', remaining: '0;w=21600' } },
    ],
    [
      'plain text',
      () => ({ status: 403, body: 'Your Authorization Token has expired.\n' }),
      {},
      { status: 403, registryMessage: 'Your Authorization Token has expired.', notARegistry: undefined },
    ],
    [
      'out of order',
      () => refused(500, 'UNKNOWN', 'unknown error'),
      {},
      { status: 500, registryCode: 'UNKNOWN' },
    ],
    [
      'a website',
      () => ({ headers: { 'content-type': 'text/html' }, body: '<html></html>' }),
      {},
      { step: 'manifest', status: 200, notARegistry: true },
    ],
    [
      'a website without such a page',
      () => ({ status: 404, headers: { 'content-type': 'text/html' }, body: '<html>' }),
      {},
      { status: 404, notARegistry: true },
    ],
    [
      "a load balancer's page",
      () => ({ status: 503, headers: { 'content-type': 'text/html' }, body: '<html>' }),
      {},
      { status: 503, notARegistry: undefined, registryMessage: undefined },
    ],
    ['a JSON that is no manifest', () => ({ body: { hello: 'world' } }), {}, { notARegistry: true }],
    [
      'no token in the answer',
      bearerHost({
        challenge: 'Bearer realm="https://r.example/token"',
        realmPath: '/token',
        answer: { body: { token: 'two\r\nlines' } },
      }),
      { credential: 'me' },
      { step: 'token', notARegistry: true },
    ],
    [
      'a redirect',
      () => ({ status: 307, headers: { location: 'https://elsewhere.example/v2/' } }),
      { credential: 'me' },
      { status: 307, redirectedTo: 'elsewhere.example' },
    ],
    ['arm only', () => manifest(armOnly), {}, { step: 'platform', platforms: ['linux/arm64'] }],
  ];
  let host: Host = () => undefined;
  const { dispatcher, asked } = await startHttpsHosts(t, {
    'r.example': (one, response) => host(one, response),
    'elsewhere.example': () => manifest(multiArch),
  });
  for (const [name, behaviour, ask, expected] of rows) {
    host = behaviour;
    const found = await pull(dispatcher, 'r.example/team/app:1', ask);
    t.match(found, { ok: false, problem: { host: 'r.example', ...expected } }, name);
  }
  t.ok(
    asked.every(one => one.host === 'r.example'),
    'nobody followed the redirect',
  );
});

t.test('a registry that does not answer is told by the code of the network', async t => {
  const hanging: Host = () => undefined;
  const { dispatcher, asked } = await startHttpsHosts(t, {
    'hang.example': hanging,
    'slow.example': (_asked, response) => {
      response.writeHead(200, { 'content-type': ociManifest });
      response.flushHeaders();
      const timer = setInterval(() => response.write(' '), 20);
      response.on('close', () => clearInterval(timer));
      return undefined;
    },
    'reset.example': (_asked, response) => {
      response.socket?.destroy();
      return undefined;
    },
    'long.example': () => ({
      headers: { 'content-type': ociManifest },
      body: Buffer.alloc(4 * 1024 * 1024 + 1, 0x20),
    }),
    'long-error.example': () => ({ status: 404, body: Buffer.alloc(64 * 1024 + 1, 0x20) }),
    'hang-token.example': ({ path }) =>
      path === '/token'
        ? undefined
        : { status: 401, headers: { 'www-authenticate': 'Bearer realm="https://hang-token.example/token"' } },
  });
  const rows: [string, string][] = [
    ['hang.example', 'ETIMEDOUT'],
    ['slow.example', 'ETIMEDOUT'],
    ['hang-token.example', 'ETIMEDOUT'],
    ['reset.example', 'UND_ERR_SOCKET'],
    ['long.example', 'ANSWER_TOO_LONG'],
    ['long-error.example', 'ANSWER_TOO_LONG'],
    ['gone.example', 'ENOTFOUND'],
  ];
  for (const [host, networkCode] of rows) {
    const before = performance.now();
    const timeoutMs = networkCode === 'ETIMEDOUT' ? 150 : 5_000;
    const found = await pull(dispatcher, `${host}/app:1`, { timeoutMs });
    const expected = { step: 'connect', host, networkCode, status: undefined };
    t.match(found, { ok: false, problem: expected }, host);
    t.ok(performance.now() - before < 2_000, `${host}: in time`);
  }
  t.notOk(asked.some(({ host }) => host === 'gone.example'));
  await t.rejects(
    pull(dispatcher, 'hang.example/app:1', { signal: AbortSignal.timeout(50) }),
    { name: 'TimeoutError' },
    'a stage that is given up is no finding',
  );
});

t.test('certificates are checked, and why they are refused is told', async t => {
  const newKey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const issuer = { name: 'test authority', key: newKey() };
  const ca = createAuthorityCertificate(issuer, 30);
  const key = newKey();
  const pem = key.export({ type: 'pkcs8', format: 'pem' }).toString();
  const serve = (host: string, days: number) =>
    startServerAs(t, pem, createServerCertificate(issuer, key, [host], days));
  const closed = await startOddServer(t, 'plain http');
  const rows: [string, number, string[]][] = [
    ['other-name', await serve('another.example', 30), ['ERR_TLS_CERT_ALTNAME_INVALID']],
    ['expired', await serve('expired.example', -0.5), ['CERT_HAS_EXPIRED']],
    [
      'unknown',
      await startOddServer(t, 'unknown authority'),
      ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'SELF_SIGNED_CERT_IN_CHAIN'],
    ],
    ['plain', closed, ['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG']],
    ['refused', 1, ['ECONNREFUSED']],
  ];
  const entries = rows.map(([name, port]) => ({ pattern: `${name}.example`, hostname: '127.0.0.1', port }));
  const dispatcher = createDispatcher({ table: { entries, closed: true }, ca });
  t.teardown(() => dispatcher.destroy());
  for (const [name, , codes] of rows) {
    const found = await pull(dispatcher, `${name}.example/app:1`, { credential: 'me' });
    const code = found.ok ? 'none' : (found.problem.networkCode ?? 'none');
    t.ok(codes.includes(code), `${name}: ${code}`);
  }
});

t.test('a realm elsewhere gets no request at all', async t => {
  const realms = [
    'https://attacker.example/token',
    'http://r.example/token',
    'https://me:pw@r.example/token',
    'https://me@r.example/token',
    'https://r.example@attacker.example/token',
    'https://r.example.attacker.example/token',
    'https://r.example:8443/token',
    'https://attacker.example#.r.example',
    'https://attacker.example\\.r.example/token',
    '//attacker.example/token',
    'https://127.0.0.1/token',
    'https://[::ffff:127.0.0.1]/token',
    'https://0x7f.1/token',
    'https://169.254.169.254/metadata',
    'https://auth.docker.io/token',
    'file:///etc/passwd',
    'javascript:1',
    'not an address',
    '',
  ];
  let realm = '';
  const { dispatcher, asked } = await startHttpsHosts(t, {
    'r.example': () =>
      refused(401, 'UNAUTHORIZED', 'no', {
        'www-authenticate': `Basic realm="x", Bearer realm="${realm}",service="s"`,
      }),
    'attacker.example': () => ({ body: { token: 'x' } }),
    'r.example.attacker.example': () => ({ body: { token: 'x' } }),
    'r.example:8443': () => ({ body: { token: 'x' } }),
    'auth.docker.io': () => ({ body: { token: 'x' } }),
    '127.0.0.1': () => ({ body: { token: 'x' } }),
  });
  for (realm of realms) {
    asked.length = 0;
    const found = await pull(dispatcher, 'r.example/a:1', { credential: 'me' });
    t.match(
      found,
      { ok: false, problem: { step: 'token', host: 'r.example', foreignRealm: /./, signedIn: false } },
      realm,
    );
    t.same(asked.map(told), ['HEAD r.example/v2/a/manifests/1'], realm);
  }
});

t.test('a registry that says our secrets back finds them in no problem', async t => {
  const echo = (asked: Asked) =>
    refused(
      401,
      `CODE_${asked.authorization}`,
      `you sent ${asked.authorization} and ${password} ${[...asked.form.values()].join(' ')}\n\u001b[31m`,
      {
        'www-authenticate': `Bearer realm="https://myregistry.azurecr.io/token",error="${asked.authorization}"`,
        'retry-after': `${asked.authorization}`,
      },
    );
  const { dispatcher } = await startHttpsHosts(t, {
    'basic.example': asked =>
      asked.authorization ? echo(asked) : refused(401, 'U', 'u', { 'www-authenticate': 'Basic realm="x"' }),
    'myregistry.azurecr.io': asked =>
      asked.path === '/token' && asked.query.get('scope') === 'repository:bearer:pull'
        ? { body: { token: bearerToken } }
        : echo(asked),
  });
  const problems = [
    await pull(dispatcher, 'basic.example/a:1', { credential: 'me' }),
    await pull(dispatcher, 'myregistry.azurecr.io/bearer:1', { credential: 'me' }),
    await pull(dispatcher, 'myregistry.azurecr.io/token-service:1', { credential: 'me' }),
    await pull(dispatcher, 'myregistry.azurecr.io/exchange:1', { credential: 'entra' }),
  ];
  for (const found of problems) {
    const text = JSON.stringify(found);
    t.equal(found.ok, false);
    for (const secret of [password, basicPair, bearerToken, entra]) t.notOk(text.includes(secret), text);
    t.match(text, /\[secret\]/, 'it did say them');
    t.notMatch(text, /\\u001b|\\n/, 'on one line, nothing for a terminal');
  }
});

t.test('no form of answer makes it throw', async t => {
  const bodies = [
    'null',
    '5',
    '"text"',
    '[]',
    '[null]',
    '{"errors":5}',
    '{"errors":"ab"}',
    '{"errors":[null,3]}',
    '{"errors":[{"code":{},"message":[]}]}',
    '{"manifests":[null,5,{"platform":null},{"platform":{"os":"linux","architecture":"amd64"}}]}',
    '{"manifests":[{"platform":{"os":"linux","architecture":"amd64"},"digest":"sha256:../../etc"}]}',
    '{"config":{"digest":5}}',
    '{"config":{"digest":"sha256:../.."}}',
    '{"__proto__":{"manifests":[]}}',
    '\ufeff<?xml?>',
    '',
  ];
  let body = '';
  let status = 200;
  const { dispatcher } = await startHttpsHosts(t, {
    'r.example': () => ({ status, headers: { 'content-type': 'application/json' }, body }),
  });
  for (status of [200, 403, 404, 500])
    for (body of bodies) {
      const found = await pull(dispatcher, 'r.example/a:1');
      t.ok(found.ok ? /^sha256:[0-9a-f]{64}$/.test(found.digest) : found.problem.step, `${status} ${body}`);
    }
});

t.test('a digest is a digest, and that of the content', async t => {
  let reply: Reply = {};
  const { dispatcher } = await startHttpsHosts(t, {
    'r.example': asked => (asked.path.includes('/blobs/') ? { status: 404 } : reply),
    'registry-1.docker.io': () => reply,
  });
  const content = singleOf('amd64');
  const other = sha256('other');
  const rows: [string, string, Reply, object][] = [
    [
      'no header: of the bytes',
      'r.example/a:1',
      { headers: { 'content-type': ociManifest }, body: content },
      { ok: true, digest: sha256(content) },
    ],
    [
      'a header that is none: of the bytes',
      'r.example/a:1',
      {
        headers: { 'content-type': ociManifest, 'docker-content-digest': 'latest" --privileged' },
        body: content,
      },
      { ok: true, digest: sha256(content) },
    ],
    [
      'a header that lies',
      'r.example/a:1',
      { headers: { 'content-type': ociManifest, 'docker-content-digest': other }, body: content },
      { ok: false, problem: { notARegistry: true } },
    ],
    [
      'another than was asked for',
      `r.example/a@${other}`,
      manifest(content, ociManifest),
      { ok: false, problem: { notARegistry: true } },
    ],
    [
      'the one that was asked for',
      `r.example/a:1@${sha256(content)}`,
      manifest(content, ociManifest),
      { ok: true, digest: sha256(content) },
    ],
    ['Docker Hub, another than was asked for', `a/b@${other}`, manifest(content, ociManifest), { ok: false }],
  ];
  for (const [name, image, answer, expected] of rows) {
    reply = answer;
    t.match(await pull(dispatcher, image), expected, name);
  }
});

t.test('a server that knows no HEAD is asked by GET', async t => {
  const { dispatcher } = await startHttpsHosts(t, {
    'r.example': ({ method }) => (method === 'HEAD' ? { status: 405 } : manifest(multiArch)),
  });
  t.match(await pull(dispatcher, 'r.example/a:1'), { ok: true, digest: sha256(multiArch) });
});

t.test('what the first answer is to who has not signed in does not decide', async t => {
  for (const odd of [
    { status: 408 },
    { status: 405 },
    { status: 429, headers: { 'retry-after': '600' } },
    { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>a moment</html>' },
  ]) {
    let first = true;
    const registry: Host = ({ authorization }) => {
      if (first) {
        first = false;
        return odd;
      }
      return authorization === `Basic ${basicPair}`
        ? manifest(multiArch)
        : refused(401, 'UNAUTHORIZED', 'no', { 'www-authenticate': 'Basic realm="r"' });
    };
    const { dispatcher } = await startHttpsHosts(t, { 'r.example': registry });
    t.match(
      await pull(dispatcher, 'r.example/team/app:1', { credential: 'me' }),
      { ok: true, digest: sha256(multiArch) },
      `${odd.status}`,
    );
  }
});

t.test('a single manifest tells its platform by its configuration, wherever that is at hand', async t => {
  let blob: Host = () => undefined;
  const repository: (content: string) => Host = content => (asked, response) => {
    if (asked.path.includes('/blobs/')) return blob(asked, response);
    return asked.authorization
      ? manifest(content, ociManifest)
      : refused(401, 'U', 'u', { 'www-authenticate': 'Basic realm="x"' });
  };
  const { dispatcher, asked } = await startHttpsHosts(t, {
    'r.example': repository(singleOf('arm64')),
    'ghcr.io': repository(singleOf('arm64')),
    'pkg-containers.githubusercontent.com': () => ({ body: configOf('arm64') }),
    'attacker.example': () => ({ body: configOf('arm64') }),
  });
  const to =
    (location: string): Host =>
    () => ({ status: 307, headers: { location } });
  const wrong = { ok: false, problem: { step: 'platform', platforms: ['linux/arm64'], signedIn: true } };
  const rows: [string, string, Host, object, string[]][] = [
    ['served by the registry', 'r.example/a:1', () => ({ body: configOf('arm64') }), wrong, []],
    [
      'kept by the registry elsewhere',
      'ghcr.io/a/b:1',
      to('https://pkg-containers.githubusercontent.com/x?sig=1'),
      wrong,
      ['GET pkg-containers.githubusercontent.com/x'],
    ],
    ['sent anywhere', 'ghcr.io/a/b:1', to('https://attacker.example/x'), { ok: true }, []],
    [
      'sent without TLS',
      'ghcr.io/a/b:1',
      to('http://pkg-containers.githubusercontent.com/x'),
      { ok: true },
      [],
    ],
    ['not its content', 'r.example/a:1', () => ({ body: configOf('amd64') }), { ok: true }, []],
    ['missing', 'r.example/a:1', () => refused(404, 'BLOB_UNKNOWN', 'no'), { ok: true }, []],
    ['too long', 'r.example/a:1', () => ({ body: Buffer.alloc(70_000) }), { ok: true }, []],
    [
      'no answer',
      'r.example/a:1',
      (_asked, response) => {
        response.socket?.destroy();
        return undefined;
      },
      { ok: true },
      [],
    ],
  ];
  for (const [name, image, behaviour, expected, beyond] of rows) {
    asked.length = 0;
    blob = behaviour;
    t.match(await pull(dispatcher, image, { credential: 'me' }), expected, name);
    t.same(
      asked.filter(({ host }) => host !== image.split('/')[0]).map(told),
      beyond,
      `${name}: nobody else is asked, and without a credential`,
    );
  }
});

t.test('several at once do not mix', async t => {
  const { dispatcher } = await startHttpsHosts(t, {
    'r.example': ({ path }, response) => {
      setTimeout(
        () =>
          send(path.includes('/b/') ? refused(404, 'MANIFEST_UNKNOWN', 'no') : manifest(multiArch), response),
        10,
      );
      return undefined;
    },
  });
  const found = await Promise.all(
    ['a/x', 'b/x', 'a/y', 'b/y'].map(path => pull(dispatcher, `r.example/${path}:1`)),
  );
  t.same(
    found.map(({ ok }) => ok),
    [true, false, true, false],
  );
});

t.test('a manifest of more than is read is known by its digest alone', async t => {
  const long = JSON.stringify({ schemaVersion: 2, manifests: [], annotations: { a: 'x'.repeat(70_000) } });
  const found = manifest(long);
  const answer: Host = ({ method, authorization }) => {
    if (!authorization) return refused(401, 'U', 'u', { 'www-authenticate': 'Basic realm="x"' });
    const headers = { ...found.headers, 'content-length': String(Buffer.byteLength(long)) };
    return { headers, body: method === 'HEAD' ? '' : long };
  };
  const { dispatcher, asked } = await startHttpsHosts(t, { 'long.example': answer });
  const pulled = await pull(dispatcher, 'long.example/a:1', { credential: 'me' });
  t.match(pulled, { ok: true, digest: sha256(long), platformDigest: null });
  t.same(asked.map(told), [
    'HEAD long.example/v2/a/manifests/1',
    'GET long.example/v2/a/manifests/1 Basic',
    'HEAD long.example/v2/a/manifests/1 Basic',
  ]);
});

t.test('what may be over in a moment is asked once more, and nothing else is', async t => {
  let answers: (Reply | 'reset')[] = [];
  const { dispatcher, asked } = await startHttpsHosts(t, {
    'r.example': (_asked, response) => {
      const [next = manifest(multiArch)] = answers.splice(0, 1);
      if (next !== 'reset') return next;
      response.socket?.destroy();
      return undefined;
    },
  });
  const outage = { status: 503, body: '' };
  const later = (seconds: string) => ({ status: 429, headers: { 'retry-after': seconds }, body: '' });
  const rows: [string, (Reply | 'reset')[], object, number][] = [
    ['one outage', [outage], { ok: true }, 3],
    ['a connection that was closed', ['reset'], { ok: true }, 3],
    ['a limit of no time', [later('0')], { ok: true }, 3],
    ['a limit of a minute', [later('60'), later('60')], { ok: false, problem: { status: 429 } }, 2],
    ['an outage that lasts', Array(9).fill(outage), { ok: false, problem: { status: 503 } }, 4],
    [
      'an outage of an hour',
      Array(9).fill({ ...outage, headers: { 'retry-after': '3600' } }),
      { ok: false },
      2,
    ],
    ['a refusal', Array(9).fill({ status: 403, body: '' }), { ok: false, problem: { status: 403 } }, 2],
  ];
  for (const [what, given, expected, requests] of rows) {
    asked.length = 0;
    answers = [...given];
    t.match(await pull(dispatcher, 'r.example/a:1'), expected, what);
    t.equal(asked.length, requests, `${what}: ${asked.map(told).join(', ')}`);
  }
});

t.test('a reference that may be a slip has a hint, and one that is none has not', async t => {
  const hint = (text: string) => {
    const parsed = parseReference(text);
    return parsed.ok ? hintFor(text, parsed.reference) : 'refused';
  };
  t.match(hint('myregistry/app:1'), /Docker Hub's myregistry\/app: .* myregistry\.azurecr\.io\/app:1\./);
  t.match(hint('app:1'), /Docker Hub's library\/app: .* myregistry\.azurecr\.io\/app:1\./);
  t.match(hint('ghcr.io/a/b'), /has no tag, which means latest/);
  for (const fine of ['ghcr.io/a/b:1', 'ghcr.io/a/b:latest', 'docker.io/a/b:1', 'index.docker.io/nginx:1'])
    t.equal(hint(fine), null, fine);
});
