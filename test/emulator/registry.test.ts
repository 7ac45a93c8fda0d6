import { createHash } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { ContainerRegistryClient, ContainerRegistryContentClient } from '@azure/container-registry';
import type { TokenCredential } from '@azure/core-auth';
import { createHttpHeaders, type HttpClient } from '@azure/core-rest-pipeline';
import t from 'tap';
import { type Dispatcher, request } from 'undici';
import { assignRole } from '../../src/emulator/arm/role-assignments.ts';
import { roles } from '../../src/emulator/arm/role-definitions.ts';
import { demo } from '../../src/emulator/demo-ids.ts';
import { putImage } from '../../src/emulator/registry/images.ts';
import { type Answer, startTestEmulator, type TestEmulator } from '../support/emulator.ts';

const acr = 'myregistry.azurecr.io';
const hub = 'registry-1.docker.io';
const company = 'registry.mycompany.com';
const registryAudience = 'https://containerregistry.azure.net/.default';
const index = 'application/vnd.oci.image.index.v1+json';
const manifestType = 'application/vnd.oci.image.manifest.v1+json';
const accept = [
  index,
  manifestType,
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');

type Login = { username: string; password: string };
const basic = ({ username, password }: Login) =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
const sha256 = (content: string | Buffer) => `sha256:${createHash('sha256').update(content).digest('hex')}`;
const form = (fields: Record<string, string>) => ({
  method: 'POST' as const,
  headers: { 'content-type': 'application/x-www-form-urlencoded' },
  body: new URLSearchParams(fields).toString(),
});

function userOf({ world }: TestEmulator, host: string, username: string): Login {
  const password = world.registries[host]?.users[username]?.password;
  if (password === undefined) throw new Error(`${host} has no user '${username}'`);
  return { username, password };
}

const manifestUrl = (host: string, repository: string, reference: string) =>
  `https://${host}/v2/${repository}/manifests/${reference}`;

interface Challenge {
  realm: string;
  service: string;
  scope?: string;
  error?: string;
}

function challengeOf({ headers }: Answer): Challenge {
  const header = String(headers['www-authenticate'] ?? '');
  const parts = [...header.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]);
  return Object.fromEntries(parts);
}

/** As an engine pulls: asks, signs in as the challenge says, asks again. */
async function pull(
  emulator: TestEmulator,
  host: string,
  repository: string,
  reference: string,
  login: Login | null,
): Promise<Answer> {
  const url = manifestUrl(host, repository, reference);
  const first = await emulator.ask(url, { headers: { accept } });
  if (first.status !== 401) return first;
  const authorization = login ? basic(login) : '';
  if (/^basic/i.test(String(first.headers['www-authenticate'])))
    return emulator.ask(url, { headers: { accept, ...(login ? { authorization } : {}) } });
  const { realm, service, scope = '' } = challengeOf(first);
  const token = await emulator.ask(`${realm}?${new URLSearchParams({ service, scope })}`, {
    headers: login ? { authorization } : {},
  });
  if (token.status !== 200) return token;
  return emulator.ask(url, { headers: { accept }, token: token.json.token ?? token.json.access_token });
}

t.test('each registry asks for a sign-in in its own way', async t => {
  const emulator = await startTestEmulator(t);
  const rows = [
    [acr, 'my-app', `Bearer realm="https://${acr}/oauth2/token",service="${acr}"`],
    [
      hub,
      'myusername/my-private-app',
      'Bearer realm="https://auth.docker.io/token",service="registry.docker.io"',
    ],
    ['ghcr.io', 'myorg/log-forwarder', 'Bearer realm="https://ghcr.io/token",service="ghcr.io"'],
  ] as const;
  for (const [host, repository, challenge] of rows) {
    const base = await emulator.ask(`https://${host}/v2/`);
    t.equal(base.status, 401, host);
    t.equal(base.headers['www-authenticate'], challenge, `${host}: no scope where none is meant`);
    t.equal(base.headers['docker-distribution-api-version'], 'registry/2.0');
    t.equal(base.json.errors[0].code, 'UNAUTHORIZED');
    const manifest = await emulator.ask(manifestUrl(host, repository, 'x'));
    t.equal(manifest.headers['www-authenticate'], `${challenge},scope="repository:${repository}:pull"`);
  }
  const selfHosted = await emulator.ask(`https://${company}/v2/`);
  t.match(selfHosted, { status: 401, json: { errors: [{ message: 'authentication required' }] } });
  t.match(selfHosted.headers['www-authenticate'], /^Basic realm="[^"]+"$/);
  t.match((await emulator.ask(`https://${acr}/v2/`)).json, {
    errors: [
      {
        message: 'authentication required, visit https://aka.ms/acr/authorization for more information.',
      },
    ],
  });
});

t.test('who signs in with what the registry knows may pull, and is named in the journal', async t => {
  const emulator = await startTestEmulator(t);
  const logins = [
    [acr, 'my-app', 'v1.0', userOf(emulator, acr, 'myregistry'), 'the admin user'],
    [acr, 'my-app', 'v1.0', userOf(emulator, acr, demo.pullerClientId), 'a service principal'],
    [acr, 'job', 'ok', userOf(emulator, acr, 'slipway-pull'), 'a scope-map token'],
    [hub, 'myusername/my-private-app', '1.0.0', userOf(emulator, 'docker.io', 'myusername'), 'Docker Hub'],
    [
      'index.docker.io',
      'myusername/my-private-app',
      '1.0.0',
      userOf(emulator, 'docker.io', 'myusername'),
      'its other name',
    ],
    [hub, 'library/nginx', '1.27', null, 'nobody, where anybody may pull'],
    ['ghcr.io', 'myorg/log-forwarder', '2.0.1', userOf(emulator, 'ghcr.io', 'myghuser'), 'GitHub'],
    [company, 'team/my-app', 'v2.0', userOf(emulator, company, 'deploy-user'), 'a self-hosted registry'],
  ] as const;
  for (const [host, repository, tag, login, what] of logins) {
    const answer = await pull(emulator, host, repository, tag, login);
    t.equal(answer.status, 200, what);
    t.equal(answer.headers['docker-content-digest'], sha256(answer.text), 'the digest is of what came');
    t.equal(answer.headers['content-type'], index);
    if (login) t.equal(emulator.journal.since(0).at(-1)?.caller, login.username);
  }
  const journal = JSON.stringify(emulator.journal.since(0));
  for (const [, , , login] of logins) if (login) t.notMatch(journal, login.password);
});

t.test('who signs in wrongly is refused in the words of that registry', async t => {
  const emulator = await startTestEmulator(t);
  const wrong = (username: string) => ({ username, password: 'not-it' });
  const acrText = 'authentication required, visit https://aka.ms/acr/authorization for more information.';
  for (const [host, repository, login, status, message] of [
    [acr, 'my-app', wrong('myregistry'), 401, acrText],
    [acr, 'my-app', wrong(demo.pullerClientId), 401, acrText],
    [acr, 'my-app', wrong('slipway-pull'), 401, acrText],
    [acr, 'my-app', wrong('00000000-0000-0000-0000-000000000000'), 401, acrText],
    [acr, 'my-app', wrong('constructor'), 401, acrText],
    [acr, 'my-app', null, 401, acrText],
    [hub, 'myusername/my-private-app', wrong('myusername'), 401, 'incorrect username or password'],
    ['ghcr.io', 'myorg/log-forwarder', wrong('myghuser'), 403, 'denied'],
    [company, 'team/my-app', wrong('deploy-user'), 401, 'authentication required'],
    [company, 'team/my-app', null, 401, 'authentication required'],
  ] as const) {
    const answer = await pull(emulator, host, repository, 'x', login);
    const what = `${host} ${login?.username ?? 'nobody'}`;
    t.equal(answer.status, status, what);
    t.match(answer.text, message, what);
  }

  t.test('Docker Hub gives a token to nobody, and it opens nothing private', async t => {
    const { headers, status } = await pull(emulator, hub, 'myusername/my-private-app', '1.0.0', null);
    t.equal(status, 401);
    t.match(headers['www-authenticate'], 'error="insufficient_scope"');
  });

  t.test('a scope-map token opens its repositories and no other', async t => {
    putImage(emulator.world, acr, 'secret-app', '1', {});
    const answer = await pull(emulator, acr, 'secret-app', '1', userOf(emulator, acr, 'slipway-pull'));
    t.equal(answer.status, 401);
    t.match(answer.headers['www-authenticate'], 'error="insufficient_scope"');
  });

  t.test('a token opens the repository and the registry that it was given for, unaltered', async t => {
    const scope = 'repository:my-app:pull';
    const given = await emulator.ask(
      `https://${acr}/oauth2/token?${new URLSearchParams({ service: acr, scope })}`,
      { headers: { authorization: basic(userOf(emulator, acr, 'myregistry')) } },
    );
    t.same(Object.keys(given.json), ['access_token'], 'and no `token`, as Azure answers');
    const { access_token: token } = given.json;
    t.equal((await emulator.ask(manifestUrl(acr, 'my-app', 'v1.0'), { token })).status, 200);
    t.equal((await emulator.ask(manifestUrl(acr, 'web-app', 'latest'), { token })).status, 401);
    t.equal((await emulator.ask(manifestUrl('ghcr.io', 'my-app', 'v1.0'), { token })).status, 401);
    for (const altered of [`${token}x`, `x${token}`, 'nonsense'])
      t.equal((await emulator.ask(manifestUrl(acr, 'my-app', 'v1.0'), { token: altered })).status, 401);
    const push = await emulator.ask(`https://${acr}/v2/my-app/blobs/uploads/`, { method: 'POST', token });
    t.equal(push.status, 401, 'who asked to pull may not push');
  });

  t.test('the admin user is refused where it is switched off', async t => {
    const [resource] = Object.values(emulator.world.containerRegistries);
    if (!resource) throw new Error('the demo world has a container registry');
    resource.adminUserEnabled = false;
    const answer = await pull(emulator, acr, 'my-app', 'v1.0', userOf(emulator, acr, 'myregistry'));
    t.equal(answer.status, 401);
  });
});

async function exchange(emulator: TestEmulator, access_token: string): Promise<Answer> {
  const fields = { grant_type: 'access_token', service: acr, tenant: demo.tenantId, access_token };
  return emulator.ask(`https://${acr}/oauth2/exchange`, form(fields));
}

t.test("Entra ID's tokens are exchanged for the registry's", async t => {
  const emulator = await startTestEmulator(t);

  t.test('a managed identity with the role pulls, by form and by the well-known user name', async t => {
    const exchanged = await exchange(emulator, await emulator.token('aci-acr-identity', registryAudience));
    t.equal(exchanged.status, 200);
    t.same(Object.keys(exchanged.json), ['refresh_token']);
    const { refresh_token } = exchanged.json;
    const scope = 'repository:my-app:pull';
    const { json } = await emulator.ask(
      `https://${acr}/oauth2/token`,
      form({ grant_type: 'refresh_token', service: acr, scope, refresh_token }),
    );
    t.same(Object.keys(json), ['access_token']);
    const answer = await emulator.ask(manifestUrl(acr, 'my-app', 'v1.0'), { token: json.access_token });
    t.equal(answer.status, 200);
    const login = { username: '00000000-0000-0000-0000-000000000000', password: refresh_token };
    t.equal((await pull(emulator, acr, 'my-app', 'v1.0', login)).status, 200);
    t.equal(
      (await emulator.ask(manifestUrl(acr, 'my-app', 'v1.0'), { token: refresh_token })).status,
      401,
      'a refresh token is no access token',
    );
  });

  t.test('an identity without the role does not, until it has it', async t => {
    const token = await emulator.token('fresh-identity', registryAudience);
    const login = async () => ({
      username: '00000000-0000-0000-0000-000000000000',
      password: String((await exchange(emulator, token)).json.refresh_token ?? ''),
    });
    t.equal((await pull(emulator, acr, 'my-app', 'v1.0', await login())).status, 401);
    const identity = Object.values(emulator.world.identities).find(({ name }) => name === 'fresh-identity');
    const [resource] = Object.values(emulator.world.containerRegistries);
    if (!identity || !resource) throw new Error('the demo world has both');
    assignRole(emulator.world, identity.principalId, roles.acrPull, resource.id);
    t.equal((await pull(emulator, acr, 'my-app', 'v1.0', await login())).status, 200);
  });

  t.test("Resource Manager's audience counts unless the registry's policy says no; others never", async t => {
    const armToken = await emulator.token('aci-acr-identity', 'https://management.azure.com/.default');
    t.equal((await exchange(emulator, armToken)).status, 200);
    const [resource] = Object.values(emulator.world.containerRegistries);
    if (!resource) throw new Error('the demo world has a container registry');
    resource.azureADAuthenticationAsArmPolicy = 'disabled';
    t.equal((await exchange(emulator, armToken)).status, 401);
    t.equal(
      (await exchange(emulator, await emulator.token('aci-acr-identity', registryAudience))).status,
      200,
    );
    const vaultToken = await emulator.token('aci-acr-identity', 'https://vault.azure.net/.default');
    for (const refused of [vaultToken, 'nonsense', ''])
      t.match(await exchange(emulator, refused), {
        status: 401,
        json: { errors: [{ code: 'UNAUTHORIZED' }] },
      });
  });
});

t.test('Docker Hub limits pulls, and says how many are left', async t => {
  const emulator = await startTestEmulator(t);
  const login = userOf(emulator, 'docker.io', 'myusername');
  const free = await pull(emulator, hub, 'library/nginx', '1.27', null);
  t.match(free.headers['ratelimit-limit'], /^\d+;w=\d+$/);
  t.match(free.headers['ratelimit-remaining'], /^\d+;w=\d+$/);
  const limited = await pull(emulator, hub, 'myusername/limited', '1', login);
  t.equal(limited.status, 429);
  t.match(limited.json.errors, [
    {
      code: 'TOOMANYREQUESTS',
      message:
        'You have reached your pull rate limit. You may increase the limit by authenticating and upgrading: https://www.docker.com/increase-rate-limit',
    },
  ]);
});

t.test('manifests are found by tag and digest, in a form that was asked for', async t => {
  const emulator = await startTestEmulator(t);
  const authorization = basic(userOf(emulator, company, 'deploy-user'));
  const look = (reference: string, more: { accept?: string; method?: 'GET' | 'HEAD' } = {}) =>
    emulator.ask(manifestUrl(company, 'team/my-app', reference), {
      method: more.method ?? 'GET',
      headers: { authorization, ...(more.accept === undefined ? {} : { accept: more.accept }) },
    });

  const byTag = await look('v2.0', { accept });
  const digest = String(byTag.headers['docker-content-digest']);
  t.equal((await look(digest, { accept })).text, byTag.text);
  const head = await look('v2.0', { method: 'HEAD', accept });
  t.match(head, { status: 200, text: '' });
  t.equal(head.headers['docker-content-digest'], digest);
  t.equal(head.headers['content-length'], String(byTag.text.length));
  const encoded = await emulator.ask(manifestUrl(company, 'team%2Fmy-app', 'v2.0'), {
    headers: { authorization, accept },
  });
  t.equal(encoded.text, byTag.text, 'slashes may come encoded');

  const child = byTag.json.manifests[0];
  t.match(child.platform, { os: 'linux', architecture: 'amd64' });
  const manifest = (await look(child.digest, { accept })).json;
  for (const part of [manifest.config, ...manifest.layers]) {
    const blob = await request(`https://${company}/v2/team/my-app/blobs/${part.digest}`, {
      headers: { authorization },
      dispatcher: emulator.dispatcher,
    });
    const content = Buffer.from(await blob.body.arrayBuffer());
    t.equal(sha256(content), part.digest);
    t.equal(content.length, part.size);
  }

  t.match(
    (await look('v2.0', { accept: 'application/vnd.docker.distribution.manifest.v2+json' })).json.errors,
    [
      {
        code: 'MANIFEST_UNKNOWN',
        message: 'OCI index found, but accept header does not support OCI indexes',
      },
    ],
  );
  t.equal((await look('v2.0')).status, 200, 'no Accept header is no refusal');
  t.equal((await look('v2.0', { accept: '*/*' })).status, 200);

  t.match(await look('nope', { accept }), {
    status: 404,
    json: { errors: [{ code: 'MANIFEST_UNKNOWN', message: 'manifest unknown', detail: { Tag: 'nope' } }] },
  });
  t.match(await look('nope', { method: 'HEAD', accept }), { status: 404, text: '' });
  t.equal((await look(`sha256:${'0'.repeat(64)}`, { accept })).json.errors[0].code, 'MANIFEST_UNKNOWN');
  t.equal((await look('constructor', { accept })).status, 404);
  const elsewhere = await emulator.ask(manifestUrl(company, 'team/none', 'v1'), {
    headers: { authorization },
  });
  t.equal(
    elsewhere.json.errors[0].code,
    'MANIFEST_UNKNOWN',
    'an unknown repository is no other refusal here',
  );
  const listed = await emulator.ask(`https://${company}/v2/team/none/tags/list`, {
    headers: { authorization },
  });
  t.match(listed, {
    status: 404,
    json: { errors: [{ code: 'NAME_UNKNOWN', message: 'repository name not known to registry' }] },
  });
  const blob = await emulator.ask(`https://${company}/v2/team/my-app/blobs/sha256:${'0'.repeat(64)}`, {
    headers: { authorization },
  });
  t.match(blob, { status: 404, json: { errors: [{ code: 'BLOB_UNKNOWN' }] } });
  const acrMissing = await pull(emulator, acr, 'my-app', 'v9.9', userOf(emulator, acr, 'myregistry'));
  t.match(acrMissing.json.errors, [
    { code: 'MANIFEST_UNKNOWN', message: 'manifest tagged by "v9.9" is not found' },
  ]);
});

t.test('an image is pushed as engines push it', async t => {
  const emulator = await startTestEmulator(t);
  const headers = { authorization: basic(userOf(emulator, company, 'deploy-user')) };
  const base = `https://${company}/v2/team/pushed`;
  const send = (
    method: Dispatcher.HttpMethod,
    url: string,
    body?: string,
    more: Record<string, string> = {},
  ) =>
    emulator.ask(new URL(url, base).href, {
      method,
      headers: { 'content-type': 'application/octet-stream', ...headers, ...more },
      ...(body === undefined ? {} : { body }),
    });
  async function upload(...chunks: string[]): Promise<Answer> {
    let { headers: answered } = await send('POST', `${base}/blobs/uploads/`);
    for (const chunk of chunks)
      ({ headers: answered } = await send('PATCH', String(answered.location), chunk));
    const place = new URL(String(answered.location), base);
    place.searchParams.set('digest', sha256(chunks.join('')));
    return send('PUT', place.href);
  }

  const config = JSON.stringify({ architecture: 'amd64', os: 'linux' });
  const uploaded = await upload(config.slice(0, 10), config.slice(10));
  t.equal(uploaded.status, 201, 'in chunks');
  t.equal(uploaded.headers['docker-content-digest'], sha256(config));
  t.equal(
    (await send('POST', `${base}/blobs/uploads/?digest=${sha256('layer')}`, 'layer')).status,
    201,
    'at once',
  );
  t.equal((await send('HEAD', `${base}/blobs/${sha256('layer')}`)).headers['content-length'], '5');
  const cheat = await send('POST', `${base}/blobs/uploads/?digest=${sha256('other')}`, 'layer');
  t.match(cheat, { status: 400, json: { errors: [{ code: 'DIGEST_INVALID' }] } });
  t.equal(
    (await send('PATCH', `${base}/blobs/uploads/00000000-0000-4000-8000-000000000000`, 'x')).status,
    404,
  );

  const image = JSON.stringify({
    schemaVersion: 2,
    mediaType: manifestType,
    config: {
      mediaType: 'application/vnd.oci.image.config.v1+json',
      digest: sha256(config),
      size: config.length,
    },
    layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: sha256('layer'), size: 5 }],
  });
  const put = (reference: string, body: string) =>
    send('PUT', `${base}/manifests/${reference}`, body, { 'content-type': manifestType });
  for (const tag of ['a', 'b', 'c']) t.equal((await put(tag, image)).status, 201);
  t.equal((await put('a', image)).headers['docker-content-digest'], sha256(image));
  t.match(await put('bad', image.replace(sha256('layer'), sha256('missing'))), {
    status: 404,
    json: { errors: [{ code: 'MANIFEST_BLOB_UNKNOWN' }] },
  });
  t.match(await put(sha256('x'), image), { status: 400, json: { errors: [{ code: 'DIGEST_INVALID' }] } });
  t.match(await put('bad', '{'), { status: 400, json: { errors: [{ code: 'MANIFEST_INVALID' }] } });

  const fetched = await send('GET', `${base}/manifests/a`, undefined, { accept });
  t.equal(fetched.text, image);
  const page = await send('GET', `${base}/tags/list?n=2`);
  t.same(page.json, { name: 'team/pushed', tags: ['a', 'b'] });
  const next = /<([^>]+)>; rel="next"/.exec(String(page.headers.link))?.[1] ?? '';
  t.same((await send('GET', next)).json.tags, ['c']);
  t.match((await send('GET', `https://${company}/v2/_catalog`)).json.repositories, [
    'team/my-app',
    'team/pushed',
  ]);

  t.equal((await send('DELETE', `${base}/manifests/${sha256(image)}`)).status, 202);
  t.equal((await send('GET', `${base}/manifests/a`, undefined, { accept })).status, 404);
  t.same((await send('GET', `${base}/tags/list`)).json.tags, []);
  t.equal((await emulator.ask(`${base}/blobs/uploads/`, { method: 'POST' })).status, 401, 'nobody pushes');
});

/** For the SDK: bodies and answers may be binary. */
function createBinaryClient(dispatcher: Dispatcher): HttpClient {
  return {
    async sendRequest(asked) {
      const { body } = asked;
      const given = typeof body === 'function' ? body() : body;
      const answer = await request(asked.url, {
        method: asked.method,
        headers: asked.headers.toJSON({ preserveCase: true }),
        body:
          given === undefined || given === null
            ? null
            : typeof given === 'string'
              ? given
              : Buffer.from(given as Uint8Array),
        dispatcher,
      });
      const headers = createHttpHeaders(
        Object.fromEntries(Object.entries(answer.headers).map(([name, value]) => [name, String(value)])),
      );
      const streamed = asked.streamResponseStatusCodes;
      const { statusCode: status } = answer;
      return streamed?.has(status) || streamed?.has(Number.POSITIVE_INFINITY)
        ? { request: asked, status, headers, readableStreamBody: answer.body }
        : { request: asked, status, headers, bodyAsText: await answer.body.text() };
    },
  };
}

t.test("Azure's own client pushes and pulls", async t => {
  const emulator = await startTestEmulator(t);
  const administrator: TokenCredential = {
    getToken: async scope => ({
      token: await emulator.token('administrator', String(scope)),
      expiresOnTimestamp: Date.now() + 3_600_000,
    }),
  };
  const client = new ContainerRegistryContentClient(`https://${acr}`, 'team/artifact', administrator, {
    httpClient: createBinaryClient(emulator.dispatcher),
    retryOptions: { maxRetries: 0 },
  });
  const config = await client.uploadBlob(Buffer.from('{}'));
  const layer = await client.uploadBlob(Buffer.from('a layer'));
  const { digest } = await client.setManifest(
    {
      schemaVersion: 2,
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: config.digest, size: 2 },
      layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: layer.digest, size: 7 }],
    },
    { tag: '1' },
  );
  const found = await client.getManifest('1');
  t.equal(found.digest, digest);
  t.equal(await text((await client.downloadBlob(layer.digest)).content), 'a layer');
  await client.deleteManifest(digest);
  await t.rejects(client.getManifest('1'), /is not found/);

  const stranger = new ContainerRegistryContentClient(
    `https://${acr}`,
    'my-app',
    {
      getToken: async scope => ({
        token: await emulator.token('demo-client', String(scope)),
        expiresOnTimestamp: Date.now() + 3_600_000,
      }),
    },
    { httpClient: createBinaryClient(emulator.dispatcher), retryOptions: { maxRetries: 0 } },
  );
  await t.rejects(stranger.getManifest('v1.0'), /./, 'who has no role gets nothing');
});

t.test("Azure's own client lists what a registry has", async t => {
  const emulator = await startTestEmulator(t);
  const client = new ContainerRegistryClient(
    `https://${acr}`,
    {
      getToken: async scope => ({
        token: await emulator.token('administrator', String(scope)),
        expiresOnTimestamp: Date.now() + 3_600_000,
      }),
    },
    { httpClient: createBinaryClient(emulator.dispatcher), retryOptions: { maxRetries: 0 } },
  );
  putImage(emulator.world, acr, 'my-app', 'v0.9', { platform: 'linux/arm64' });
  const listed = await Array.fromAsync(client.listRepositoryNames().byPage({ maxPageSize: 1 }));
  t.equal(listed[0]?.length, 1);
  t.ok(listed.flat().includes('my-app') && listed.flat().includes('web-app'), 'page by page');

  const repository = client.getRepository('my-app');
  t.match(await repository.getProperties(), { name: 'my-app', tagCount: 2, canDelete: true });
  const manifests = await Array.fromAsync(repository.listManifestProperties());
  t.equal((await repository.getProperties()).manifestCount, manifests.length);
  const image = manifests.find(({ architecture }) => architecture === 'arm64');
  t.match(image, { operatingSystem: 'linux', tags: [] });
  t.ok((image?.sizeInBytes ?? 0) > 0);

  const artifact = repository.getArtifact('v0.9');
  const tag = await artifact.getTagProperties('v0.9');
  t.match(await artifact.getManifestProperties(), { digest: tag.digest, tags: ['v0.9'] }, 'by its tag');
  const tags = await Array.fromAsync(artifact.listTagProperties());
  t.same(
    tags.map(({ name }) => name),
    ['v0.9', 'v1.0'],
  );
  const ofDigest = await emulator.ask(`https://${acr}/acr/v1/my-app/_tags?digest=${tag.digest}`, {
    headers: { authorization: basic(userOf(emulator, acr, 'myregistry')) },
  });
  t.match(ofDigest.json, { imageName: 'my-app', tags: [{ name: 'v0.9' }] });
  t.equal(ofDigest.json.tags.length, 1);
  await artifact.deleteTag('v0.9');
  t.equal((await repository.getProperties()).tagCount, 1);
  await client.deleteRepository('web-app');
  await t.rejects(client.getRepository('web-app').getProperties(), /not known to registry/);
  await t.rejects(client.getRepository('nothing').getProperties(), /not known to registry/);
  await t.rejects(repository.getArtifact('v9').getTagProperties('v9'), /is not found/);
});

t.test('the finer points of pushing', async t => {
  const emulator = await startTestEmulator(t);
  const headers = { authorization: basic(userOf(emulator, company, 'deploy-user')) };
  const send = (
    method: Dispatcher.HttpMethod,
    path: string,
    body?: string,
    more: Record<string, string> = {},
  ) =>
    emulator.ask(new URL(path, `https://${company}`).href, {
      method,
      headers: { 'content-type': 'application/octet-stream', ...headers, ...more },
      ...(body === undefined ? {} : { body }),
    });
  const uploads = '/v2/team/fine/blobs/uploads/';

  t.test('an upload says how far it is, takes chunks in order only, and can be given up', async t => {
    const place = String((await send('POST', uploads)).headers.location);
    t.equal((await send('PATCH', place, 'abc', { 'content-range': '0-2' })).headers.range, '0-2');
    t.match(await send('GET', place), { status: 204, headers: { range: '0-2' } });
    t.match(await send('PATCH', place, 'x', { 'content-range': '9-9' }), {
      status: 416,
      json: { errors: [{ code: 'RANGE_INVALID' }] },
    });
    const elsewhere = place.replace('/fine/', '/other/');
    t.equal((await send('PATCH', elsewhere, 'x')).status, 404, 'it belongs to its repository');
    t.equal((await send('DELETE', place)).status, 204);
    t.equal((await send('PATCH', place, 'x')).status, 404);
  });

  t.test('a blob is mounted from another repository, or uploaded after all', async t => {
    await send('POST', `/v2/team/source/blobs/uploads/?digest=${sha256('shared')}`, 'shared');
    const mounted = await send('POST', `${uploads}?mount=${sha256('shared')}&from=team/source`);
    t.match(mounted, { status: 201, headers: { 'docker-content-digest': sha256('shared') } });
    t.equal((await send('GET', `/v2/team/fine/blobs/${sha256('shared')}`)).text, 'shared');
    t.equal((await send('POST', `${uploads}?mount=${sha256('other')}&from=team/source`)).status, 202);
    t.equal((await send('DELETE', `/v2/team/fine/blobs/${sha256('shared')}`)).status, 202);
    t.equal((await send('GET', `/v2/team/fine/blobs/${sha256('shared')}`)).status, 404);
  });

  t.test('who knows no lists gets the manifest for linux/amd64', async t => {
    const list = 'application/vnd.docker.distribution.manifest.list.v2+json';
    const one = 'application/vnd.docker.distribution.manifest.v2+json';
    await send('POST', `${uploads}?digest=${sha256('{}')}`, '{}');
    const manifest = JSON.stringify({
      schemaVersion: 2,
      mediaType: one,
      config: { digest: sha256('{}'), size: 2 },
      layers: [],
    });
    await send('PUT', `/v2/team/fine/manifests/${sha256(manifest)}`, manifest, { 'content-type': one });
    const put = (tag: string, architecture: string) =>
      send(
        'PUT',
        `/v2/team/fine/manifests/${tag}`,
        JSON.stringify({
          schemaVersion: 2,
          mediaType: list,
          manifests: [{ mediaType: one, digest: sha256(manifest), platform: { os: 'linux', architecture } }],
        }),
        { 'content-type': list },
      );
    t.equal((await put('both', 'amd64')).status, 201);
    t.equal((await put('arm', 'arm64')).status, 201);
    const child = await send('GET', '/v2/team/fine/manifests/both', undefined, { accept: one });
    t.equal(child.text, manifest);
    t.equal(child.headers['content-type'], one);
    t.equal((await send('GET', '/v2/team/fine/manifests/arm', undefined, { accept: one })).status, 404);
    t.equal(
      (await send('GET', '/v2/team/fine/manifests/both', undefined, { accept })).headers['content-type'],
      list,
    );
    t.equal((await send('DELETE', '/v2/team/fine/manifests/arm')).status, 202, 'a tag alone');
    t.equal((await send('GET', '/v2/team/fine/manifests/arm', undefined, { accept })).status, 404);
    t.equal((await send('GET', '/v2/team/fine/manifests/both', undefined, { accept })).status, 200);
  });

  t.test('what fails leaves nothing behind, and odd names are refused', async t => {
    t.equal((await send('PUT', '/v2/team/never/manifests/1', '{')).status, 400);
    t.equal((await send('GET', '/v2/team/never/tags/list')).json.errors[0].code, 'NAME_UNKNOWN');
    for (const name of ['Team/App', '__proto__', 'a//b', 'a/../b%00', 'x'.repeat(256)])
      t.equal(
        (await send('POST', `/v2/${encodeURIComponent(name)}/blobs/uploads/`)).status,
        400,
        name.slice(0, 20),
      );
    t.equal(
      (await send('POST', '/v2/constructor/blobs/uploads/')).status,
      202,
      'a good name is good whatever it means elsewhere',
    );
    const first = await send('GET', '/v2/_catalog?n=1');
    t.equal(first.json.repositories.length, 1);
    t.match(first.headers.link, 'rel="next"');
    t.equal((await send('GET', '/v2/_catalog?n=x')).status, 400);
  });
});

t.test('a token may open several repositories, each as it was asked for', async t => {
  const emulator = await startTestEmulator(t);
  const query = new URLSearchParams({ service: acr });
  query.append('scope', 'repository:team/one:pull,push');
  query.append('scope', 'repository:my-app:pull');
  const { json } = await emulator.ask(`https://${acr}/oauth2/token?${query}`, {
    headers: { authorization: basic(userOf(emulator, acr, 'myregistry')) },
  });
  const token = json.access_token;
  const begin = (name: string) =>
    emulator.ask(`https://${acr}/v2/${name}/blobs/uploads/`, { method: 'POST', token });
  t.equal((await begin('team/one')).status, 202);
  t.equal((await emulator.ask(manifestUrl(acr, 'my-app', 'v1.0'), { token })).status, 200);
  t.equal((await begin('my-app')).status, 401, 'to pull is not to push');
  t.equal((await begin('web-app')).status, 401);
  const asked = await emulator.ask(`https://${acr}/v2/_catalog`);
  t.match(asked.headers['www-authenticate'], 'scope="registry:catalog:*"');
});

t.test('who comes by a port is sent to it for a token', async t => {
  const emulator = await startTestEmulator(t);
  const answer = await emulator.ask(`https://${acr}:${emulator.port}/v2/`);
  t.equal(challengeOf(answer).realm, `https://${acr}:${emulator.port}/oauth2/token`);
  t.equal(challengeOf(answer).service, acr);
});
