import { getEventListeners } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import type { TokenCredential } from '@azure/core-auth';
import { createPipelineRequest, type HttpMethods } from '@azure/core-rest-pipeline';
import t from 'tap';
import { type ContainerGroupBody, createContainerGroups } from '../../src/azure/container-groups.ts';
import { createAzureCredential, SteadyCredential } from '../../src/azure/credential.ts';
import { AzureError, toAzureError } from '../../src/azure/failure.ts';
import { createGroupLists } from '../../src/azure/group-lists.ts';
import { createRoles } from '../../src/azure/roles.ts';
import { createTransport } from '../../src/azure/transport.ts';
import { createVault } from '../../src/azure/vault.ts';
import { createDispatcher } from '../../src/hosts.ts';
import { Secret } from '../../src/secret.ts';
import { type Asked, type Host, type Reply, startHttpsHosts } from '../support/https-hosts.ts';

type Test = { teardown(done: () => unknown): unknown };

const armHost = 'management.azure.com';
const vaultHost = 'demo-vault.vault.azure.net';
const loginHost = 'login.microsoftonline.com';
const vaultUrl = `https://${vaultHost}`;
const tenantId = '00000000-0000-0000-0000-00000000aaaa';
const clientId = '00000000-0000-0000-0000-0000000d0000';
const subscription = '00000000-0000-0000-0000-00000000bbbb';
const group = `/subscriptions/${subscription}/resourceGroups/rg`;
const place = { subscription, resourceGroup: 'rg', name: 'web' };
const groupPath = `${group}/providers/Microsoft.ContainerInstance/containerGroups/web`;
const version = 'a'.repeat(32);

async function failureOf(asking: Promise<unknown>): Promise<AzureError> {
  const error = await asking.then(
    () => new Error('nothing was thrown'),
    (thrown: unknown) => thrown,
  );
  if (error instanceof AzureError) return error;
  throw error;
}

/** Azure's hosts, as badly behaved as `answer` says, and every client of ours on them. */
async function startHosts(t: Test, credential: TokenCredential = fixedCredential) {
  let current: Host = () => ({ status: 404, body: {} });
  const host: Host = (one, response) =>
    one.host === vaultHost && !one.authorization ? challenge : current(one, response);
  const hosts = { [armHost]: host, [vaultHost]: host, [loginHost]: host };
  const { dispatcher, asked } = await startHttpsHosts(t, hosts);
  const transport = createTransport({ dispatcher, vaults: () => [vaultUrl] });
  const clientsFor = (credential: TokenCredential) => ({
    groups: createContainerGroups({ credential, transport }),
    lists: createGroupLists({ credential, transport }),
    vault: createVault({ credential, transport }),
    roles: createRoles({ credential, transport }),
  });
  const answer = (host: Host) => {
    current = host;
    asked.length = 0;
  };
  return { ...clientsFor(credential), clientsFor, transport, asked, answer };
}

const fixedCredential: TokenCredential = {
  getToken: async () => ({ token: 'fixed', expiresOnTimestamp: Date.now() + 3_600_000 }),
};

const challenge: Reply = {
  status: 401,
  headers: {
    'www-authenticate': `Bearer authorization="https://${loginHost}/${tenantId}", resource="https://vault.azure.net"`,
  },
};

const liveGroup = { id: groupPath, properties: { containers: [], osType: 'Linux' } };
const smallBody = (more: object = {}): ContainerGroupBody => ({
  location: 'eastus',
  osType: 'Linux',
  containers: [{ name: 'app', image: 'a/b:1', resources: { requests: { cpu: 1, memoryInGB: 1.5 } } }],
  ...more,
});

t.test('an answer that cannot be read is none, and nothing of it is told', async t => {
  const { groups, vault, answer } = await startHosts(t);
  const json = { 'content-type': 'application/json' };
  answer(() => ({ headers: json, body: '{"value":"the-canary-of-the-vault","id":"https' }));
  const cut = await failureOf(vault.value(vaultUrl, 'acr-admin', version));
  t.match(cut, { status: null, code: 'UnreadableAnswer', retryable: true });
  t.notMatch(`${inspect(cut, { showHidden: true, depth: 9 })} ${cut.stack}`, 'canary');

  answer(() => ({ status: 201, headers: json, body: '{"id":"/subscr' }));
  const unsure = { status: null, code: 'UnreadableAnswer', retryable: true };
  t.match(
    await failureOf(groups.put(place, smallBody)),
    unsure,
    'the group is looked for before it is put again',
  );
  answer(() => ({ headers: json, body: '{}' }));
  t.match(await failureOf(groups.get(place)), { status: null, retryable: true }, 'no group of nobody');
  const operation = `https://${armHost}/subscriptions/${subscription}/providers/Microsoft.ContainerInstance/locations/eastus/operations/1`;
  t.match(await failureOf(groups.operation(operation)), { status: null, retryable: true });

  const page = { 'content-type': 'text/html' };
  answer(() => ({ status: 404, headers: page, body: '<h1>the canary of a proxy</h1>' }));
  const lost = await failureOf(groups.get(place));
  t.match(lost, { status: 404, code: null, retryable: true }, "a proxy's 404 is no missing group");
  answer(() => ({ status: 200, headers: page, body: '<!doctype html><h1>the canary of a proxy</h1>' }));
  const writes = [
    () => groups.put(place, smallBody),
    () => groups.remove(place),
    () => groups.restart(place),
  ];
  for (const write of writes)
    t.match(await failureOf(write()), { status: null, code: 'UnreadableAnswer', retryable: true });
  t.notMatch(lost.message, 'canary');
  answer(() => ({ status: 404, body: { error: { code: 'ResourceNotFound', message: 'none' } } }));
  t.equal(await groups.get(place), null);
});

t.test('a list is whole, over all its pages, or it is none', async t => {
  const { lists, asked, answer } = await startHosts(t);
  const listed = (name: string, more: object = {}) => ({
    ...{ name, properties: { ...liveGroup.properties, provisioningState: 'Creating' }, ...more },
  });
  const next = `https://${armHost}${group}/providers/Microsoft.ContainerInstance/containerGroups?api-version=1&$skiptoken=2`;
  answer(({ query }) => ({
    body: query.has('$skiptoken')
      ? { value: [listed('two', { tags: { a: 'b' } })] }
      : { value: [listed('one')], nextLink: next },
  }));
  t.same(await lists.list(place), [
    { name: 'one', tags: {}, provisioningState: 'Creating' },
    { name: 'two', tags: { a: 'b' }, provisioningState: 'Creating' },
  ]);
  answer(() => ({ body: { value: [listed('one')], nextLink: 'https://foreign.example/more' } }));
  t.match(await failureOf(lists.list(place)), { code: 'CallRefused' });
  t.equal(asked.length, 1, 'a token is not sent to wherever a link points');
  const page = { 'content-type': 'text/html' };
  for (const body of ['<h1>of a proxy</h1>', '{}', '{"value":null}'])
    for (const headers of [page, { 'content-type': 'application/json' }]) {
      answer(() => ({ headers, body }));
      t.match(
        await failureOf(lists.list(place)),
        { status: null, retryable: true },
        `${body} is no empty list`,
      );
    }
  answer(() => ({ status: 404, body: { error: { code: 'ResourceGroupNotFound', message: 'none' } } }));
  t.same(await lists.list(place), []);
});

t.test('what a refusal says is told also where the SDK loses it, and without tokens', async t => {
  const { groups, vault, answer } = await startHosts(t);
  const token = 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl';
  answer(() => ({ status: 403, body: { error: { code: 'Forbidden', message: `Caller ${token} may not` } } }));
  const expected = { status: 403, code: 'Forbidden', message: 'Caller [token] may not', retryable: false };
  t.match(await failureOf(vault.properties(vaultUrl, 'acr-admin')), expected, 'the pages of a list');
  t.match(await failureOf(vault.value(vaultUrl, 'acr-admin', version)), expected);
  t.match(await failureOf(groups.get(place)), expected);
  answer(() => ({ status: 409, body: { error: { code: 'X', message: 'm'.repeat(50_000) } } }));
  t.equal((await failureOf(groups.get(place))).message.length, 2_000, 'and not without end');
});

t.test('a member that the SDK would drop stops the call', async t => {
  const { groups, asked, answer } = await startHosts(t);
  const bodies: Asked[] = [];
  answer(one => {
    bodies.push(one);
    return { status: 201, body: liveGroup };
  });
  const reference = { name: 'pull', identity: 'id', secretReferenceUri: 'https://a' };
  const error = await failureOf(groups.put(place, () => smallBody({ secretReferences: [reference] })));
  t.match(error, {
    code: 'CallRefused',
    retryable: false,
    message: /knows no secretReferences, identity, secretReferenceUri:/,
  });
  const container = smallBody().containers[0];
  const hidden = { ...container, environmentVariables: [{ name: 'A', secureValueReference: 'pull' }] };
  t.match(
    await failureOf(groups.put(place, () => smallBody({ containers: [hidden] }))),
    { message: /knows no secureValueReference:/ },
    'also deep inside',
  );
  t.same(asked, [], 'and nothing was sent');

  const whole = smallBody({
    tags: { a: 'b', name: 'x' },
    identity: { type: 'UserAssigned', userAssignedIdentities: { [`${group}/x`]: {} } },
    imageRegistryCredentials: [
      { server: 'a', username: 'b', password: 'c' },
      { server: 'd', identity: 'e' },
    ],
    restartPolicy: 'Never',
    ipAddress: { type: 'Public', ports: [{ port: 80, protocol: 'TCP' }], dnsNameLabel: 'web-label' },
    containers: [
      {
        ...container,
        command: ['a', 'b'],
        ports: [{ port: 80, protocol: 'TCP' }],
        environmentVariables: [
          { name: 'A', value: '' },
          { name: 'B', secureValue: 's' },
        ],
        resources: { requests: { cpu: 1, memoryInGB: 1.5 }, limits: { cpu: 2, memoryInGB: 2 } },
      },
    ],
  });
  t.same(await groups.put(place, () => whole), {
    ...{ created: true, operationUrl: null, isolated: false },
    ...{ requestId: null, provisioningState: null },
  });
  t.equal(bodies.length, 1, 'all that we send is known to it');
});

t.test(
  'what only a newer version knows is sent in that version, or the group is sent without it',
  async t => {
    const { groups, answer } = await startHosts(t);
    const sent: { version: string | null; acls: unknown; length: number }[] = [];
    const identityAcls = {
      defaultAccess: 'System' as const,
      acls: [{ identity: `${group}/x`, access: 'System' as const }],
    };
    const unknown = (code: string) => ({
      status: 400,
      body: { error: { code, message: 'no such version' } },
    });
    let refusal: Reply | null = null;
    answer(one => {
      const version = one.query.get('api-version');
      const { properties } = JSON.parse(one.body);
      sent.push({ version, acls: properties.identityAcls, length: properties.containers.length });
      return version === '2025-09-01' && refusal ? refusal : { status: 201, body: liveGroup };
    });
    const put = () => groups.put(place, () => smallBody({ identityAcls }));
    t.match(await put(), { created: true, isolated: true });
    t.same(sent.splice(0), [{ version: '2025-09-01', acls: identityAcls, length: 1 }]);
    refusal = unknown('NoRegisteredProviderFound');
    t.match(await put(), { created: true, isolated: false });
    t.match(sent.splice(0), [
      { version: '2025-09-01' },
      { version: '2023-05-01', acls: undefined, length: 1 },
    ]);
    refusal = unknown('InaccessibleImage');
    t.match(await failureOf(put()), { code: 'InaccessibleImage' });
    t.equal(sent.splice(0).length, 1, 'any other refusal is one');

    answer(one => {
      const known = one.query.get('api-version') === '2025-09-01';
      return {
        body: { ...liveGroup, properties: { ...liveGroup.properties, ...(known ? { identityAcls } : {}) } },
      };
    });
    t.equal(await groups.isIsolated(place), true);
    answer(() => ({ body: liveGroup }));
    t.equal(await groups.isIsolated(place), false);
    answer(() => unknown('NoRegisteredProviderFound'));
    t.equal(await groups.isIsolated(place), false, 'a cloud that does not know how');
    answer(() => ({ status: 500, body: {} }));
    t.match(await failureOf(groups.isIsolated(place)), { status: 500, retryable: true });
  },
);

t.test('the address of an operation is used as it came', async t => {
  const { groups, asked, answer } = await startHosts(t);
  const failed = {
    status: 'Failed',
    error: { code: 'Failed', message: 'no room' },
    properties: {
      events: [{ name: 'InsufficientCapacity.', message: 'no room', type: 'Warning', count: 1 }],
    },
  };
  answer(() => ({ body: failed }));
  const path = `/subscriptions/${subscription}/providers/Microsoft.ContainerInstance/locations/eastus/operations/1`;
  const query = 'api-version=2018-06-01&t=638658307268664902&c=MII%2BA%2FB%3D&s=a_b-c~d&h=h';
  const found = await groups.operation(`https://${armHost}${path}?${query}`);
  t.same(found, {
    status: 'Failed',
    error: { code: 'Failed', message: 'no room' },
    events: [{ name: 'InsufficientCapacity.', message: 'no room', type: 'Warning', count: 1 }],
  });
  t.same([...(asked[0]?.query ?? [])], [...new URLSearchParams(query)]);
  answer(() => ({ body: { id: 'x', status: 'Pending', startTime: '2025-07-01T00:00:00Z' } }));
  t.same(await groups.operation(`https://${armHost}${path}?${query}`), { status: 'Pending', events: [] });
});

t.test('the end of a group is told apart by what Azure answered, in one request', async t => {
  const { groups, asked, answer } = await startHosts(t);
  const operation = `https://${armHost}/subscriptions/${subscription}/providers/Microsoft.ContainerInstance/locations/eastus/operations/1`;
  const answers: [Reply, string][] = [
    [{ status: 200, body: liveGroup }, 'deleted'],
    [{ status: 202, headers: { 'azure-asyncoperation': operation } }, 'accepted'],
    [{ status: 204 }, 'absent'],
  ];
  for (const [reply, outcome] of answers) {
    answer(() => reply);
    t.equal(await groups.remove(place), outcome);
    t.match(asked, [{ method: 'DELETE' }]);
    t.equal(asked.length, 1);
  }
});

t.test('only what Slipway calls leaves the house, method by method', async t => {
  const { transport, asked, answer } = await startHosts(t);
  answer(() => ({ body: {} }));
  const identity = `https://${armHost}${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/x`;
  const calls: [HttpMethods, string][] = [
    ['DELETE', identity],
    ['PUT', identity],
    ['POST', `https://${armHost}${groupPath}/delete`],
    ['POST', `https://${armHost}${groupPath}/containers/app/exec`],
    ['PATCH', identity],
    ['PUT', `${vaultUrl}/secrets/acr-admin`],
    ['DELETE', `${vaultUrl}/secrets/acr-admin/${version}`],
    ['GET', `${vaultUrl}/secrets/`],
    ['GET', `${vaultUrl}/secrets/acr-admin`],
    ['GET', `https://user:pass@${armHost}${groupPath}`],
    ['GET', 'http://169.254.169.254/metadata/instance'],
    ['GET', 'http://169.254.169.254.nip.io/metadata/identity/oauth2/token'],
    ['GET', 'http://10.0.0.1/msi/token'],
  ];
  for (const [method, url] of calls) {
    const thrown = await transport.sendRequest(createPipelineRequest({ method, url })).catch(error => error);
    t.match(
      toAzureError('arm', 'call', thrown),
      { code: 'CallRefused', retryable: false },
      `${method} ${url}`,
    );
  }
  t.same(asked, []);
  await transport.sendRequest(createPipelineRequest({ url: identity }));
  t.equal(asked.length, 1);
});

t.test('a signal that outlives its calls keeps nothing of them', async t => {
  const { groups, answer } = await startHosts(t);
  answer(() => ({ body: liveGroup }));
  const { signal } = new AbortController();
  for (let i = 0; i < 5; i++) await groups.get(place, signal);
  t.equal(getEventListeners(signal, 'abort').length, 0);
});

t.test('a list of versions that goes in circles ends, and a signal ends it before', async t => {
  const { vault, asked, answer } = await startHosts(t);
  const nextLink = `${vaultUrl}/secrets/acr-admin/versions?api-version=7.5&$skiptoken=x`;
  const id = `${vaultUrl}/secrets/acr-admin/${version}`;
  answer(() => ({ body: { value: [{ id, attributes: { created: 1 } }], nextLink } }));
  const aborted = await failureOf(vault.properties(vaultUrl, 'acr-admin', AbortSignal.timeout(100)));
  t.equal(aborted.status, null);
  t.ok(asked.length < 200, `${asked.length} requests`);
  answer(() => ({ body: { value: [{ id, attributes: { created: 1 } }], nextLink } }));
  t.match(await failureOf(vault.properties(vaultUrl, 'acr-admin')), { message: /does not end/ });
});

// Slipway's own identity.

/** Plays Entra, which gives another token each time, beside Resource Manager. */
function entra(arm: Host): Host {
  let count = 0;
  return (one, response) => {
    if (one.host !== loginHost) return arm(one, response);
    if (one.path.endsWith('/token')) {
      count += 1;
      return { body: { token_type: 'Bearer', access_token: `token-${count}`, expires_in: 3_600 } };
    }
    const base = `https://${loginHost}/${tenantId}`;
    return {
      body: {
        tenant_discovery_endpoint: `${base}/v2.0/.well-known/openid-configuration`,
        token_endpoint: `${base}/oauth2/v2.0/token`,
        authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
        issuer: `${base}/v2.0`,
        metadata: [],
      },
    };
  };
}

const tokensOf = (asked: readonly Asked[]) =>
  asked.filter(({ host }) => host !== loginHost).map(({ authorization }) => authorization);

/** `Date.now` by hand, for the SDKs and ours alike. */
function driveDate(t: Test): (ms: number) => void {
  const real = Date.now;
  let ahead = 0;
  Date.now = () => real() + ahead;
  t.teardown(() => {
    Date.now = real;
  });
  return ms => {
    ahead += ms;
  };
}

t.test('a token is renewed at half of its life, whatever the SDKs keep', async t => {
  const { clientsFor, transport, asked, answer } = await startHosts(t);
  using clientSecret = new Secret('the secret of the client');
  const credential = createAzureCredential({ tenantId, clientId, clientSecret }, transport);
  const { groups } = clientsFor(credential);
  const advance = driveDate(t);
  answer(entra(() => ({ body: liveGroup })));
  await groups.get(place);
  advance(20 * 60_000);
  await groups.get(place);
  advance(15 * 60_000);
  await groups.get(place);
  t.same(tokensOf(asked), ['Bearer token-1', 'Bearer token-1', 'Bearer token-2']);
});

t.test('a token that Azure refused is not used again', async t => {
  const { clientsFor, transport, asked, answer } = await startHosts(t);
  using clientSecret = new Secret('the secret of the client');
  const { groups, vault, roles } = clientsFor(
    createAzureCredential({ tenantId, clientId, clientSecret }, transport),
  );
  let refused = 'Bearer token-1';
  answer(
    entra(({ authorization, host, path }) => {
      if (authorization === refused)
        return { status: 401, body: { error: { code: 'InvalidAuthenticationToken', message: 'no' } } };
      if (host === vaultHost) return { body: { value: 'v', id: `${vaultUrl}${path}` } };
      return { body: { ...liveGroup, properties: { ...liveGroup.properties, principalId: 'p' } } };
    }),
  );
  t.match(await failureOf(groups.get(place)), { status: 401, retryable: true });
  t.match(await groups.get(place), { id: groupPath });
  t.same(tokensOf(asked), ['Bearer token-1', 'Bearer token-2']);

  refused = 'Bearer token-2';
  const identityId = `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/x`;
  await failureOf(roles.pullRole({ identityId, registryId: null }));
  t.match(await roles.pullRole({ identityId, registryId: null }), { principalId: 'p' });
  refused = 'Bearer token-4';
  t.match(await failureOf(vault.value(vaultUrl, 'acr-admin', version)), { status: 401 });
  using value = await vault.value(vaultUrl, 'acr-admin', version);
  t.equal(value.reveal(), 'v');
});

t.test('no refresh behind our back ends the process, and none holds up what has a valid token', async t => {
  let fails: 'no' | 'at once' | 'never' = 'no';
  const lifeMs = 90_000;
  const source: TokenCredential = {
    getToken: async () => {
      if (fails === 'at once') throw new Error('the identity endpoint is out');
      if (fails === 'never') await new Promise(() => {});
      return { token: 'short', expiresOnTimestamp: Date.now() + lifeMs };
    },
  };
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  process.on('unhandledRejection', note);
  t.teardown(() => process.off('unhandledRejection', note));
  const { groups, vault, answer } = await startHosts(t, new SteadyCredential(source, 1_500));
  const advance = driveDate(t);
  answer(({ host, path }) => ({
    body: host === vaultHost ? { value: 'v', id: `${vaultUrl}${path}` } : liveGroup,
  }));
  const both = () => Promise.all([groups.get(place), vault.value(vaultUrl, 'acr-admin', version)]);
  await both();
  fails = 'never';
  advance(60_000);
  const began = performance.now();
  await both();
  t.ok(performance.now() - began < 1_400, 'the old token serves, after a second');
  await sleep(600);
  fails = 'at once';
  await both();
  advance(60_000);
  t.match(await failureOf(groups.get(place)), { kind: 'identity', retryable: true });
  await sleep(50);
  t.same(unhandled, []);
  fails = 'no';
  await both();
});

t.test("the platform's identity is asked through the same door", async t => {
  const asked: string[] = [];
  let status = 200;
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.headers.host} ${request.url}`);
    response.writeHead(status, { 'content-type': 'application/json' });
    const expires_on = Math.floor(Date.now() / 1000) + 86_400;
    const token = { access_token: 'of the platform', expires_on, token_type: 'Bearer' };
    response.end(JSON.stringify(status === 200 ? token : { error: 'not_found' }));
  });
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const dispatcher = createDispatcher({
    table: { entries: [{ pattern: '169.254.169.254', hostname: '127.0.0.1', port }], closed: true },
  });
  t.teardown(async () => {
    await dispatcher.destroy();
    server.close();
  });
  const transport = createTransport({ dispatcher, vaults: () => [] });
  const credential = createAzureCredential({ clientId }, transport);
  t.match(await credential.getToken('https://management.azure.com/.default'), { token: 'of the platform' });
  t.equal(asked.length, 1);
  t.match(asked[0], /^GET 169\.254\.169\.254 \/metadata\/identity\/oauth2\/token/);
  t.match(asked[0], `client_id=${clientId}`);

  status = 404;
  const began = performance.now();
  t.match(await failureOf(Promise.resolve(credential.getToken('https://vault.azure.net/.default'))), {
    kind: 'identity',
    retryable: true,
  });
  t.ok(performance.now() - began < 3_000, 'without the twenty seconds that the SDK would try');
});

// Who may pull.

const registryId = `${group}/providers/Microsoft.ContainerRegistry/registries/reg`;
const identityId = `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/puller`;
const acrPull = '7f951dda-4ed3-4680-a7ca-43fe172d538d';
const repositoryReader = 'b93aa761-3e63-49ed-ac28-beffa264f7ac';
const reader = 'acdd72a7-3385-48ef-bd42-f606fba81ae7';
const custom = '11111111-2222-3333-4444-555555555555';

t.test('every role is judged by what it allows in the mode of the registry', async t => {
  const { roles, asked, answer } = await startHosts(t);
  interface World {
    role?: string;
    mode?: string;
    permissions?: object[] | null;
    assignment?: object;
    nextLink?: string;
  }
  const verdictIn = async ({ role, mode, permissions, assignment, nextLink }: World) => {
    const roleDefinitionId = `/subscriptions/${subscription}/providers/Microsoft.Authorization/roleDefinitions/${role}`;
    const scope = registryId.toLowerCase();
    const createdOn = '2026-01-02T03:04:05.6Z';
    answer(({ path }) => {
      if (path.includes('userAssignedIdentities')) return { body: { properties: { principalId: 'p' } } };
      if (path.includes('roleAssignments'))
        return {
          body: {
            value: role ? [{ properties: { roleDefinitionId, scope, createdOn, ...assignment } }] : [],
            nextLink,
          },
        };
      if (path.includes('roleDefinitions'))
        return permissions
          ? { body: { properties: { permissions } } }
          : { status: 403, body: { error: { code: 'AuthorizationFailed', message: 'no' } } };
      return { body: { properties: { roleAssignmentMode: mode } } };
    });
    return roles.pullRole({ identityId, registryId });
  };
  const abac = 'AbacRepositoryPermissions';
  const granted = { state: 'granted', principalId: 'p', grantedAt: new Date('2026-01-02T03:04:05.6Z') };
  const missing = { state: 'missing', principalId: 'p' };
  const unknown = { state: 'unknown', principalId: 'p' };
  const pulls = { actions: ['Microsoft.ContainerRegistry/registries/pull/*'] };
  const reads = { dataActions: ['microsoft.containerregistry/registries/repositories/*/read'] };
  const worlds: [string, World, object][] = [
    ['none', {}, missing],
    ['AcrPull', { role: acrPull }, granted],
    ['AcrPull in ABAC mode', { role: acrPull, mode: abac }, missing],
    ['Repository Reader', { role: repositoryReader }, missing],
    ['Repository Reader in ABAC mode', { role: repositoryReader, mode: abac }, granted],
    ['Reader', { role: reader }, granted],
    ['Reader in ABAC mode', { role: reader, mode: abac }, missing],
    [
      'for some repositories',
      { role: repositoryReader, mode: abac, assignment: { condition: '...' } },
      unknown,
    ],
    ['a custom role that pulls', { role: custom, permissions: [{}, pulls] }, granted],
    ['a custom role in ABAC mode', { role: custom, mode: abac, permissions: [pulls] }, missing],
    ['a custom role of ABAC mode', { role: custom, mode: abac, permissions: [reads] }, granted],
    [
      'one that takes it back',
      { role: custom, permissions: [{ ...pulls, notActions: ['*/read'] }] },
      missing,
    ],
    ['a custom role of something else', { role: custom, permissions: [{ actions: ['*/write'] }] }, missing],
    ['a custom role that is not shown', { role: custom, permissions: null }, unknown],
    ['on a part of the registry', { role: acrPull, assignment: { scope: `${registryId}/x/y` } }, missing],
    ['on the resource group', { role: acrPull, assignment: { scope: group } }, granted],
    ['more than one page', { nextLink: 'https://evil.example/' }, unknown],
  ];
  for (const [name, world, verdict] of worlds) {
    t.match(await verdictIn(world), verdict, name);
    t.notOk(asked.some(({ host }) => host !== armHost));
  }
  const registry = asked.find(({ path }) => path === registryId);
  t.equal(registry?.query.get('api-version'), '2025-11-01', 'the version that tells the mode');

  answer(() => ({ status: 403, body: { error: { code: 'AuthorizationFailed', message: 'no' } } }));
  t.same(await roles.pullRole({ identityId, registryId }), { state: 'unknown' });
  for (const id of [registryId, `${identityId}/x`, `${identityId}?a=b`, '.evil.example/x', ''])
    t.match(await failureOf(roles.pullRole({ identityId: id, registryId })), { code: 'CallRefused' }, id);
});
