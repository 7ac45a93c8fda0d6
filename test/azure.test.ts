import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import type { AccessToken, GetTokenOptions, TokenCredential } from '@azure/core-auth';
import { createPipelineRequest, type HttpClient } from '@azure/core-rest-pipeline';
import t from 'tap';
import {
  type ContainerGroupBody,
  type ContainerGroups,
  createContainerGroups,
} from '../src/azure/container-groups.ts';
import { createAzureCredential, SteadyCredential } from '../src/azure/credential.ts';
import { AzureError, toAzureError } from '../src/azure/failure.ts';
import { createRegistryToken } from '../src/azure/registry-token.ts';
import { createRoles } from '../src/azure/roles.ts';
import { createTransport } from '../src/azure/transport.ts';
import { createVault, type Vault } from '../src/azure/vault.ts';
import { demo } from '../src/emulator/demo-ids.ts';
import { demoIdentity } from '../src/emulator/demo-world.ts';
import { Secret } from '../src/secret.ts';
import { startTestEmulator, type TestEmulator } from './support/emulator.ts';
import { type Asked, type Host, type Reply, startHttpsHosts } from './support/https-hosts.ts';

type Test = Parameters<typeof startTestEmulator>[0];

const vaultUrl = 'https://demo-vault.vault.azure.net';
const armHost = 'management.azure.com';
const vaultHost = 'demo-vault.vault.azure.net';
const loginHost = 'login.microsoftonline.com';
const { subscriptionId: subscription, resourceGroup, tenantId, slipwayClientId: clientId } = demo;
const operations = `/subscriptions/${subscription}/providers/Microsoft.ContainerInstance/locations/eastus/operations`;
const place = (name: string) => ({ subscription, resourceGroup, name });
const version = 'a'.repeat(32);

/** Everything in which a thrown value could tell a secret. */
const allOf = (error: unknown) =>
  `${JSON.stringify(error)} ${inspect(error, { depth: 10, showHidden: true })} ${error instanceof Error ? `${error.stack} ${error.message}` : ''}`;

async function failureOf(asking: Promise<unknown>): Promise<AzureError> {
  const error = await asking.then(
    () => new Error('nothing was thrown'),
    (thrown: unknown) => thrown,
  );
  if (error instanceof AzureError) return error;
  throw error;
}

// The embedded Azure.

interface Cloud {
  emulator: TestEmulator;
  transport: HttpClient;
  vault: Vault;
  groups: ContainerGroups;
  roles: ReturnType<typeof createRoles>;
  acrToken: ReturnType<typeof createRegistryToken>;
  /** METHOD and path of what Azure was asked since the last call, tokens not counted. */
  asked(): string[];
}

async function startCloud(t: Test): Promise<Cloud> {
  const emulator = await startTestEmulator(t);
  const folder = mkdtempSync(join(tmpdir(), 'slipway-azure-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const federatedTokenFile = join(folder, 'token');
  writeFileSync(federatedTokenFile, await emulator.slipwayAssertion());
  const transport = createTransport({ dispatcher: emulator.dispatcher, vaults: () => [vaultUrl] });
  const credential = createAzureCredential({ tenantId, clientId, federatedTokenFile }, transport);
  let seen = 0;
  return {
    emulator,
    transport,
    vault: createVault({ credential, transport }),
    groups: createContainerGroups({ credential, transport }),
    roles: createRoles({ credential, transport }),
    acrToken: createRegistryToken(credential),
    asked() {
      const entries = emulator.journal.since(seen);
      seen = entries.at(-1)?.seq ?? seen;
      return entries
        .filter(({ host }) => host === armHost || host.endsWith('.vault.azure.net'))
        .map(({ method, path }) => `${method} ${path.replace(/\?.*/, '')}`);
    },
  };
}

function bodyWith(image: string, password: string): ContainerGroupBody {
  return {
    location: 'eastus',
    osType: 'Linux',
    tags: { team: 'a' },
    containers: [{ name: 'app', image, resources: { requests: { cpu: 1, memoryInGB: 1.5 } } }],
    imageRegistryCredentials: [{ server: 'myregistry.azurecr.io', username: 'myregistry', password }],
  };
}

t.test('secrets of the embedded vault', async t => {
  const { emulator, vault, asked } = await startCloud(t);
  const added = await emulator.ask(`${vaultUrl}/secrets/acr-admin?api-version=7.5`, {
    method: 'PUT',
    token: (await emulator.administrator.getToken('https://vault.azure.net/.default')).token,
    body: { value: 'the second version', tags: { 'slipway-registry': 'b' } },
  });
  t.equal(added.status, 200, added.text);
  const stored = emulator.world.vaults['demo-vault']?.secrets['acr-admin']?.versions;
  const [first, second] = stored ?? [];
  if (!first || !second) throw new Error('the demo world has no two versions');

  await t.test('versions come newest first, with tags, and no value is read', async t => {
    first.created -= 60;
    asked();
    const versions = await vault.properties(vaultUrl, 'acr-admin');
    t.same(
      versions.map(one => one.version),
      [second.version, first.version],
    );
    t.match(versions[0]?.tags, { 'slipway-registry': 'b' });
    t.match(versions[1], { enabled: true, tags: { 'slipway-username': 'myregistry' } });
    t.same(new Set(asked()), new Set(['GET /secrets/acr-admin/versions']));
    t.notMatch(inspect(versions, { depth: 9 }), first.value);
  });

  await t.test('of two versions of one second the vault says which is the current one', async t => {
    const { created } = first;
    for (const enabled of [true, false]) {
      first.created = second.created;
      second.enabled = enabled;
      const versions = await vault.properties(vaultUrl, 'acr-admin');
      t.same(
        versions.map(one => one.version),
        [second.version, first.version],
        enabled ? 'by its value' : 'or by refusing the value of a disabled one',
      );
      t.notMatch(inspect(versions, { depth: 9 }), second.value);
    }
    second.enabled = true;
    first.created = created;
    asked();
  });

  await t.test('a value is a Secret', async t => {
    using value = await vault.value(vaultUrl, 'acr-admin', first.version);
    t.equal(value.reveal(), first.value);
    t.notMatch(allOf(value), first.value);
    t.same(new Set(asked()), new Set([`GET /secrets/acr-admin/${first.version}`]));
  });

  await t.test('the expiry of a version is told', async t => {
    const [expired] = await vault.properties(vaultUrl, 'ghcr-expired');
    t.ok(expired?.expiresOn && expired.expiresOn.getTime() < Date.now());
  });

  await t.test('an unknown secret is 404 SecretNotFound', async t => {
    for (const ask of [
      () => vault.properties(vaultUrl, 'no-such'),
      () => vault.value(vaultUrl, 'no-such', version),
    ]) {
      const error = await failureOf(ask());
      t.match(error, { kind: 'vault', status: 404, code: 'SecretNotFound', retryable: false });
    }
  });

  await t.test('a vault that policy does not name is refused before a byte is sent', async t => {
    const before = emulator.journal.since(0).length;
    const error = await failureOf(vault.properties('https://other-vault.vault.azure.net', 'other-pull'));
    t.equal(error.retryable, false);
    t.match(error.message, /other-vault\.vault\.azure\.net/);
    t.same(emulator.journal.since(before), []);
  });
});

t.test('container groups of the embedded Resource Manager', async t => {
  const { emulator, groups, asked } = await startCloud(t);
  const image = 'myregistry.azurecr.io/my-app:v1.0';
  const password = emulator.world.registries['myregistry.azurecr.io']?.users.myregistry?.password ?? '';
  const path = (name: string) =>
    `/subscriptions/${subscription}/resourceGroups/${resourceGroup}/providers/Microsoft.ContainerInstance/containerGroups/${name}`;
  t.ok(password.length > 10);

  t.equal(await groups.get(place('web')), null, 'there is none');
  const elsewhere = failureOf(groups.get({ ...place('web'), resourceGroup: 'no-such-group' }));
  t.not((await elsewhere).code, 'ResourceNotFound', 'a missing resource group is no missing group');

  asked();
  const sent = await groups.put(place('web'), () => bodyWith(image, password));
  t.same(asked(), [`PUT ${path('web')}`], 'one PUT and nothing after it');
  t.equal(sent.created, true);
  const url = sent.operationUrl ?? '';
  t.match(url, `https://${armHost}${operations}/`);

  const deadline = Date.now() + 10_000;
  let operation = await groups.operation(url);
  t.match(operation.status, /^(?:Pending|Running|InProgress|Creating|Succeeded)$/);
  while (operation.status !== 'Succeeded' && Date.now() < deadline) {
    await sleep(50);
    operation = await groups.operation(url);
  }
  t.match(operation, { status: 'Succeeded' });
  const state = await groups.get(place('web'));
  t.match(state, { tags: { team: 'a' }, containers: [{ name: 'app', restartCount: 0 }] });
  t.notMatch(inspect(state, { depth: 9 }), password);
  t.type(await groups.logs(place('web'), 'app', { tail: 5 }), 'string');

  const again = await groups.put(place('web'), () => bodyWith(image, password));
  t.equal(again.created, false, 'an update is no creation');

  asked();
  await groups.remove(place('web'));
  t.same(asked(), [`DELETE ${path('web')}`]);
  t.equal(await groups.get(place('web')), null, 'it is gone');
  await groups.remove(place('web'));
  t.pass('what is gone can be removed again');

  await t.test('a refusal tells its code and nothing of the password', async t => {
    const wrong = 'Wrong-password-of-nobody-1';
    const error = await failureOf(groups.put(place('broken'), () => bodyWith(image, wrong)));
    t.match(error, { kind: 'arm', operation: 'put container group', status: 400, retryable: false });
    t.equal(error.code, 'InaccessibleImage');
    t.notMatch(allOf(error), wrong);
    t.notMatch(allOf(error), 'Bearer');
    t.equal(error.cause, undefined);
  });

  await t.test('the log of an unknown group is an AzureError', async t => {
    t.match(await failureOf(groups.logs(place('none'), 'app', {})), { kind: 'arm', status: 404 });
  });
});

t.test('rights in the embedded Resource Manager, and the token for its registry', async t => {
  const { emulator, transport, roles, acrToken } = await startCloud(t);
  const registryId = `/subscriptions/${subscription}/resourceGroups/${resourceGroup}/providers/Microsoft.ContainerRegistry/registries/myregistry`;
  const roleOf = (name: string, registry: string | null = registryId) =>
    roles.pullRole({ identityId: demoIdentity(name), registryId: registry });
  const granted = await roleOf('aci-acr-identity');
  t.match(granted, { state: 'granted', principalId: String });
  t.match(await roleOf('fresh-identity'), { state: 'missing', principalId: String });
  t.same(await roleOf('no-such-identity'), { state: 'unknown' }, 'no right on what is not there');
  const all = createRoles({ credential: emulator.administrator, transport });
  t.same(await all.pullRole({ identityId: demoIdentity('no-such-identity'), registryId }), {
    state: 'identityNotFound',
  });
  t.match(await roleOf('aci-acr-identity', null), { state: 'unknown', principalId: String });
  using token = await acrToken(AbortSignal.timeout(5_000));
  t.match(token.reveal(), /^[\w-]+\.[\w-]+\.[\w-]+$/);
  t.notMatch(allOf(token), token.reveal());
});

// Hosts of our own, which behave as badly as the network does.

const fixedCredential: TokenCredential = {
  getToken: async () => ({ token: 'canary-token', expiresOnTimestamp: Date.now() + 3_600_000 }),
};

interface Wild {
  vault: Vault;
  groups: ContainerGroups;
  roles: ReturnType<typeof createRoles>;
  transport: HttpClient;
  asked: Asked[];
  /** What Resource Manager and the vault answer from now on, to who has a token. */
  answer(host: Host): void;
}

async function startWild(t: Test): Promise<Wild> {
  let current: Host = () => ({ status: 404, body: {} });
  const host: Host = (one, response) =>
    one.host === vaultHost && !one.authorization ? challenge : current(one, response);
  const hosts = { [armHost]: host, [vaultHost]: host, [loginHost]: host, 'evil.example': host };
  const { dispatcher, asked } = await startHttpsHosts(t, hosts);
  const transport = createTransport({ dispatcher, vaults: () => [vaultUrl] });
  const options = { credential: fixedCredential, transport };
  return {
    vault: createVault(options),
    groups: createContainerGroups(options),
    roles: createRoles(options),
    transport,
    asked,
    answer: host => {
      current = host;
      asked.length = 0;
    },
  };
}

const challenge: Reply = {
  status: 401,
  headers: {
    'www-authenticate': `Bearer authorization="https://${loginHost}/${tenantId}", resource="https://vault.azure.net"`,
  },
};

t.test('a name that is a path is not sent', async t => {
  const { vault, groups, roles, asked, answer } = await startWild(t);
  answer(() => ({ body: { value: 'x', containers: [], content: '', properties: { principalId: 'p' } } }));
  const body = () => bodyWith('a/b:1', 'x');
  const calls: Record<string, (name: string) => Promise<unknown>> = {
    'resource group, get': name => groups.get({ ...place('web'), resourceGroup: name }),
    'resource group, put': name => groups.put({ ...place('web'), resourceGroup: name }, body),
    'resource group, delete': name => groups.remove({ ...place('web'), resourceGroup: name }),
    'group, get': name => groups.get(place(name)),
    'group, put': name => groups.put(place(name), body),
    'group, delete': name => groups.remove(place(name)),
    'group, logs': name => groups.logs(place(name), 'app', {}),
    'container, logs': name => groups.logs(place('web'), name, {}),
    'secret, versions': name => vault.properties(vaultUrl, name),
    'secret, value': name => vault.value(vaultUrl, name, version),
    'version, value': name => vault.value(vaultUrl, 'acr-admin', name),
    'identity, role': name => roles.pullRole({ identityId: demoIdentity(name), registryId: null }),
  };
  for (const [what, call] of Object.entries(calls))
    for (const name of ['..', '.', '', '%2e%2e', '../..', 'a/../../b', 'a?b', 'a#b', '..\\..', '\u0000']) {
      const error = await failureOf(call(name));
      t.same(asked, [], `${what}: ${JSON.stringify(name)}`);
      t.equal(error.retryable, false, `${what}: ${JSON.stringify(name)} is final`);
      asked.length = 0;
    }
});

t.test('an operation is asked for at Azure Resource Manager, and nowhere else', async t => {
  const { groups, asked, answer } = await startWild(t);
  answer(() => ({ body: { status: 'Succeeded' } }));
  const good = `https://${armHost}${operations}/0b9c?api-version=2023-05-01&t=1`;
  for (const url of [
    good.replace(armHost, 'evil.example'),
    good.replace(armHost, `${armHost}.evil.example`),
    good.replace(armHost, `${armHost}@evil.example`),
    good.replace(armHost, `evil.example:443#${armHost}`),
    good.replace('https', 'http'),
    good.replace(armHost, `${armHost}:8443`),
    good.replace('/operations/0b9c', '/operations/../../../../listKeys'),
    `https://${armHost}/subscriptions/${subscription}/providers/Microsoft.Storage/listKeys`,
    `https://${vaultHost}/secrets/acr-admin/versions/extra`,
    `https://${armHost}/`,
    'file:///etc/passwd',
    'no address',
    '',
  ]) {
    const error = await failureOf(groups.operation(url));
    t.same(asked, [], url);
    t.equal(error.retryable, false, `${url} is final`);
    t.notMatch(allOf(error), 'canary-token');
  }
  t.same(await groups.operation(good), { status: 'Succeeded', events: [] });
  t.match(asked, [{ host: armHost, authorization: 'Bearer canary-token' }]);
});

t.test('a redirection or a next page leads nowhere else', async t => {
  const { vault, groups, asked, answer } = await startWild(t);
  answer(() => ({ status: 307, headers: { location: 'https://evil.example/steal' } }));
  await failureOf(groups.operation(`https://${armHost}${operations}/1`)).catch(() => undefined);
  await failureOf(groups.get(place('web')));
  t.notOk(asked.some(({ host }) => host === 'evil.example'));
  answer(() => ({ body: { value: [], nextLink: 'https://evil.example/secrets/acr-admin/versions' } }));
  await failureOf(vault.properties(vaultUrl, 'acr-admin'));
  t.notOk(asked.some(({ host }) => host === 'evil.example'));
});

t.test('an error is found in whatever it was put, as often as it was put into a text again', async t => {
  const { groups, answer } = await startWild(t);
  const wrap = (inner: object) => ({
    error: { code: 'DeploymentFailed', message: 'Failed.', details: [{ message: JSON.stringify(inner) }] },
  });
  const inner = { error: { code: 'InaccessibleImage', message: "The image 'a/b:1' is not accessible." } };
  answer(() => ({ status: 400, body: wrap(wrap(inner)) }));
  const error = await failureOf(groups.put(place('web'), () => bodyWith('a/b:1', 'secret')));
  t.match(error, { code: 'InaccessibleImage', message: /'a\/b:1' is not accessible/ });
});

t.test('an answer that repeats the request tells no secret', async t => {
  const { vault, groups, roles, answer } = await startWild(t);
  using password = new Secret('live "password" of a registry');
  const leaked = /live \\*"password/;
  const echo = (message: string): Host => {
    const error = { code: 'BadRequest', message, details: [{ message }], innererror: message };
    return () => ({ status: 400, body: { error, request: message } });
  };
  const told = `you sent ${password.reveal()} and ${JSON.stringify(password.reveal())}, Bearer canary-token`;
  answer(echo(told));
  const body = () => bodyWith('a/b:1', password.reveal());
  for (const ask of [
    () => groups.put(place('web'), body),
    () => groups.get(place('web')),
    () => groups.remove(place('web')),
    () => groups.logs(place('web'), 'app', {}),
    () => groups.operation(`https://${armHost}${operations}/1`),
    () => vault.value(vaultUrl, 'acr-admin', version),
  ]) {
    const error = await failureOf(ask());
    t.match(error, { status: 400, code: 'BadRequest', message: /you sent \[secret\] and/ }, error.operation);
    t.notMatch(allOf(error), leaked, error.operation);
  }
  const listing = await failureOf(vault.properties(vaultUrl, 'acr-admin'));
  t.match(listing, { status: 400, code: 'BadRequest' });
  t.notMatch(allOf(listing), leaked);
  answer(() => ({ status: 500, body: { error: { code: 'InternalError', message: told } } }));
  const role = await failureOf(roles.pullRole({ identityId: demoIdentity('x'), registryId: null }));
  t.match(role, { status: 500, message: /you sent \[secret\] and/ });
  t.notMatch(allOf(role), leaked);
  answer(() => ({ status: 400, body: told }));
  const error = await failureOf(groups.put(place('web'), body));
  t.notMatch(allOf(error), leaked, 'a body that is no JSON');
  answer(() => ({ status: 400, body: { error: { code: password.reveal(), message: 'x' } } }));
  t.notMatch(allOf(await failureOf(groups.put(place('web'), body))), leaked, 'a code');
});

t.test('what Azure answers when it is not well', async t => {
  const { vault, groups, roles, asked, answer } = await startWild(t);
  const url = `https://${armHost}${operations}/1`;
  const calls: Record<string, () => Promise<unknown>> = {
    get: () => groups.get(place('web')),
    put: () => groups.put(place('web'), () => bodyWith('a/b:1', 'x')),
    remove: () => groups.remove(place('web')),
    logs: () => groups.logs(place('web'), 'app', {}),
    operation: () => groups.operation(url),
    role: () => roles.pullRole({ identityId: demoIdentity('x'), registryId: null }),
  };
  const withToken = () => asked.filter(({ authorization }) => authorization);
  const each = async (expected: object, host: Host) => {
    const all = { ...calls, value: () => vault.value(vaultUrl, 'acr-admin', version) };
    for (const [name, call] of Object.entries(all)) {
      answer(host);
      const began = performance.now();
      t.match(await failureOf(call()), { retryable: true, ...expected }, name);
      t.equal(withToken().length, 1, `${name}: one request`);
      t.ok(performance.now() - began < 3_000, `${name}: at once`);
    }
  };

  await each({ status: 429, code: 'TooManyRequests', retryAfterMs: 3_600_000 }, () => ({
    status: 429,
    headers: { 'retry-after': '3600' },
    body: { error: { code: 'TooManyRequests', message: 'slow down' } },
  }));
  await each({ status: 503, retryAfterMs: null }, () => ({
    status: 503,
    headers: { 'content-type': 'text/html' },
    body: '<html><h1>Service Unavailable</h1></html>',
  }));
  await each({ status: null, code: /ECONNRESET|UND_ERR_SOCKET/ }, (_asked, response) => {
    response.socket?.destroy();
    return undefined;
  });
  await each({ status: null, message: /longer than 16777216 bytes/ }, () => ({
    body: ' '.repeat(16_777_217),
  }));
});

t.test('a host that never answers is left', async t => {
  const { groups, transport, answer, asked } = await startWild(t);
  answer(() => undefined);
  const url = `https://${armHost}${operations}/1`;
  const hung = transport.sendRequest(createPipelineRequest({ url, timeout: 100 }));
  const error = await failureOf(hung.catch(thrown => Promise.reject(toAzureError('arm', 'get', thrown))));
  t.match(error, { status: null, code: 'ETIMEDOUT', retryable: true });
  t.ok(asked.length <= 1, 'and is not asked again');

  const slow: Host = (_asked, response) => {
    response.writeHead(200).write('{');
    return undefined;
  };
  answer(slow);
  const dripping = transport.sendRequest(createPipelineRequest({ url, timeout: 100 }));
  t.match(
    await dripping.catch(thrown => thrown),
    { code: 'ETIMEDOUT' },
    'also where only the end is missing',
  );

  answer(() => undefined);
  for (const call of [
    (signal: AbortSignal) => groups.get(place('web'), signal),
    (signal: AbortSignal) => groups.put(place('web'), () => bodyWith('a/b:1', 'x'), signal),
    (signal: AbortSignal) => groups.operation(url, signal),
    (signal: AbortSignal) => groups.logs(place('web'), 'app', { signal }),
  ]) {
    const began = performance.now();
    const aborted = await failureOf(call(AbortSignal.timeout(60)));
    t.match(aborted, { status: null });
    t.ok(performance.now() - began < 2_000, 'the caller ends it');
  }
  t.ok((await failureOf(groups.get(place('web'), AbortSignal.abort()))) instanceof AzureError);
});

t.test('a well host answers through the same transport', async t => {
  const { vault, answer } = await startWild(t);
  answer(({ host, path }) => ({ body: { value: 'canary value', id: `https://${host}${path}` } }));
  using value = await vault.value(vaultUrl, 'acr-admin', version);
  t.equal(value.reveal(), 'canary value');
});

// Slipway's own identity.

t.test('an identity endpoint that is not well is told at once', async t => {
  const { transport, asked, answer } = await startWild(t);
  using clientSecret = new Secret('live client secret');
  const settings = { tenantId, clientId, clientSecret };
  const discovery = {
    token_endpoint: `https://${loginHost}/${tenantId}/oauth2/v2.0/token`,
    authorization_endpoint: `https://${loginHost}/${tenantId}/oauth2/v2.0/authorize`,
    issuer: `https://${loginHost}/${tenantId}/v2.0`,
  };
  const tokenAnswers =
    (reply: Reply): Host =>
    one =>
      one.path.endsWith('/token') ? reply : { body: { ...discovery, metadata: [] } };
  const tokenRequests = () => asked.filter(({ path }) => path.endsWith('/token'));

  answer(
    tokenAnswers({
      status: 429,
      headers: { 'retry-after': '3600' },
      body: { error: 'temporarily_unavailable', error_description: 'AADSTS90055: too many' },
    }),
  );
  const began = performance.now();
  const busy = await failureOf(createAzureCredential(settings, transport).getToken('https://a/.default'));
  t.ok(performance.now() - began < 3_000, 'not after the hour');
  t.match(busy, { kind: 'identity', retryable: true });
  t.equal(tokenRequests().length, 1);

  answer(
    tokenAnswers({
      status: 401,
      body: {
        error: 'invalid_client',
        error_description: `AADSTS7000215: Invalid client secret ${clientSecret.reveal()}`,
      },
    }),
  );
  const refused = await failureOf(createAzureCredential(settings, transport).getToken('https://a/.default'));
  t.match(refused, { kind: 'identity', message: /AADSTS7000215/ });
  t.notMatch(allOf(refused), clientSecret.reveal());
});

interface Source extends TokenCredential {
  calls: { scopes: string | string[]; options: GetTokenOptions | undefined }[];
  fails: boolean;
}

function createSource(lifeMs: number): Source {
  const source: Source = {
    calls: [],
    fails: false,
    async getToken(scopes, options): Promise<AccessToken> {
      source.calls.push({ scopes, options });
      await sleep(5);
      if (source.fails) throw new Error('the identity endpoint is out');
      return { token: `token ${source.calls.length}`, expiresOnTimestamp: Date.now() + lifeMs };
    },
  };
  return source;
}

/** `Date.now` by hand, as SteadyCredential and its source see it. */
function driveDate(t: Test): { advance(ms: number): void } {
  const real = Date.now;
  let at = real();
  Date.now = () => at;
  t.teardown(() => {
    Date.now = real;
  });
  return {
    advance(ms) {
      at += ms;
    },
  };
}

t.test('a token is kept for half of its life, and for all of it in need', async t => {
  const date = driveDate(t);
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  process.on('unhandledRejection', note);
  t.teardown(() => process.off('unhandledRejection', note));
  const source = createSource(60 * 60_000);
  const credential = new SteadyCredential(source);
  const get = async () => (await credential.getToken('scope')).token;
  const minutes = (count: number) => date.advance(count * 60_000);

  const together = await Promise.all(Array.from({ length: 20 }, get));
  t.same(new Set(together), new Set(['token 1']), 'twenty askers, one request');
  t.equal(source.calls.length, 1);
  minutes(26);
  t.equal(await get(), 'token 1', 'before half of its life');
  minutes(8);
  t.equal(await get(), 'token 2', 'after half of its life');

  source.fails = true;
  minutes(59);
  t.same(new Set(await Promise.all(Array.from({ length: 20 }, get))), new Set(['token 2']), 'still valid');
  t.equal(source.calls.length, 3, 'and one request for all');
  minutes(2);
  const errors = await Promise.all(Array.from({ length: 20 }, () => failureOf(get())));
  t.match(errors[0], { kind: 'identity', retryable: true, message: 'the identity endpoint is out' });
  source.fails = false;
  t.equal(await get(), 'token 5', 'and it comes back');
  await sleep(20);
  t.same(unhandled, []);
});

t.test('a token is for its scope and claims, and one asker cannot end the request of others', async t => {
  const source = createSource(60 * 60_000);
  const credential = new SteadyCredential(source);
  const leaving = new AbortController();
  const both = Promise.all([
    credential.getToken('a', { abortSignal: leaving.signal }),
    credential.getToken('a'),
  ]);
  leaving.abort();
  t.match(await both, [{ token: 'token 1' }, { token: 'token 1' }]);
  t.not(source.calls[0]?.options?.abortSignal, leaving.signal);
  t.match(await credential.getToken(['b']), { token: 'token 2' });
  t.match(await credential.getToken('a', { claims: '{}' }), { token: 'token 3' });
  t.match(await credential.getToken('a'), { token: 'token 1' });
});

t.test('an identity endpoint that never answers holds nobody', async t => {
  let calls = 0;
  const deaf: TokenCredential = {
    getToken: () => {
      calls += 1;
      return calls === 1 ? new Promise(() => {}) : fixedCredential.getToken('');
    },
  };
  const credential = new SteadyCredential(deaf, 50);
  const keepAlive = sleep(200);
  const errors = await Promise.all(Array.from({ length: 3 }, () => failureOf(credential.getToken('scope'))));
  t.match(errors[2], { kind: 'identity', retryable: true, message: /no answer in time/ });
  t.match(await credential.getToken('scope'), { token: 'canary-token' }, 'the next one asks anew');
  t.equal(calls, 2);
  await keepAlive;
});

t.test('retry-after is read in both of its forms', async t => {
  const of = (value: string) => {
    const response = { headers: { get: (name: string) => (name === 'retry-after' ? value : undefined) } };
    return toAzureError('arm', 'get', { statusCode: 429, response }).retryAfterMs;
  };
  t.equal(of('7'), 7_000);
  const inAnHour = of(new Date(Date.now() + 3_600_000).toUTCString()) ?? 0;
  t.ok(Math.abs(inAnHour - 3_600_000) < 5_000);
  t.equal(of('Thu, 01 Jan 1970 00:00:00 GMT'), 0);
  t.equal(of('soon'), null);
});
