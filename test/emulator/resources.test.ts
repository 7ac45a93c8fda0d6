import t from 'tap';
import { demo } from '../../src/emulator/demo-ids.ts';
import { startTestEmulator, type TestEmulator } from '../support/emulator.ts';

const arm = 'https://management.azure.com';
const { subscriptionId, resourceGroup } = demo;
const subscription = `/subscriptions/${subscriptionId}`;
const group = `${subscription}/resourceGroups/${resourceGroup}`;
const registry = (name: string, of = group) =>
  `${of}/providers/Microsoft.ContainerRegistry/registries/${name}`;
const vault = (name: string, of = group) => `${of}/providers/Microsoft.KeyVault/vaults/${name}`;
const demoRegistry = registry('myregistry');

interface Asking {
  emulator: TestEmulator;
  ask(
    method: 'GET' | 'HEAD' | 'PUT' | 'PATCH' | 'POST' | 'DELETE',
    path: string,
    body?: object,
  ): ReturnType<TestEmulator['ask']>;
  passes(advanceMs: number): Promise<unknown>;
}

async function begin(t: Parameters<typeof startTestEmulator>[0]): Promise<Asking> {
  const emulator = await startTestEmulator(t);
  const token = await emulator.token('administrator', `${arm}/.default`);
  return {
    emulator,
    ask(method, path, body) {
      const url = path.startsWith('https:')
        ? path
        : `${arm}${path}${path.includes('?') ? '&' : '?'}api-version=2023-07-01`;
      return emulator.ask(url, { method, token, ...(body ? { body } : {}) });
    },
    passes: advanceMs => emulator.ask(`${arm}/_emulator/clock`, { body: { advanceMs } }),
  };
}

const oneGroup = (properties: object = {}) => ({
  location: 'eastus',
  properties: {
    osType: 'Linux',
    containers: [
      {
        name: 'app',
        properties: {
          image: 'myregistry.azurecr.io/my-app:v1.0',
          resources: { requests: { cpu: 1, memoryInGB: 1 } },
        },
      },
    ],
    ...properties,
  },
});

t.test('a resource group goes with everything in it, and takes its time', async t => {
  const { emulator, ask, passes } = await begin(t);
  const { world } = emulator;
  const own = `${subscription}/resourceGroups/short-lived`;
  await emulator.ask(`${arm}/_emulator/clock`, { body: { rate: 0 } });
  await ask('PUT', own, { location: 'eastus', tags: { a: 'b' } });
  t.match((await ask('PATCH', own, { tags: { c: 'd' } })).json, { tags: { c: 'd', a: undefined } });
  t.equal((await ask('PATCH', own, { tags: { c: 5 } })).json.error.code, 'InvalidRequestContent');
  await ask('PUT', `${own}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/short`, {
    location: 'eastus',
  });
  await ask('PUT', registry('shortlived', own), { location: 'eastus', sku: { name: 'Basic' } });
  await ask('PUT', vault('short-vault', own), { location: 'eastus', properties: {} });
  const container = `${own}/providers/Microsoft.ContainerInstance/containerGroups/short`;
  const made = await emulator.ask(`${arm}${container}?api-version=2023-05-01`, {
    method: 'PUT',
    token: await emulator.token('administrator', `${arm}/.default`),
    body: { ...oneGroup({ imageRegistryCredentials: [adminOf(emulator)] }) },
  });
  t.equal(made.status, 201);
  await ask(
    'PUT',
    `${own}/providers/Microsoft.Authorization/roleAssignments/11111111-2222-3333-4444-555555555555`,
    {
      properties: {
        roleDefinitionId: `${subscription}/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7`,
        principalId: '11111111-2222-3333-4444-666666666666',
        principalType: 'ServicePrincipal',
      },
    },
  );
  const mentions = () =>
    Object.entries(world)
      .filter(([map]) => !['operations', 'deletedVaults', 'tenantId'].includes(map))
      .filter(([, all]) => JSON.stringify(all).includes('short-lived'))
      .map(([map]) => map)
      .sort();
  t.same(mentions(), [
    'containerGroups',
    'containerRegistries',
    'identities',
    'resourceGroups',
    'roleAssignments',
    'vaults',
  ]);
  const principals = Object.keys(world.principals).length;

  const gone = await ask('DELETE', own);
  t.equal(gone.status, 202);
  t.equal(gone.headers['retry-after'], '15');
  const result = String(gone.headers.location);
  t.match(result, new RegExp(`^${arm}${subscription}/operationresults/`));
  t.equal((await ask('GET', own)).json.properties.provisioningState, 'Deleting');
  t.equal((await ask('GET', result)).status, 202);
  t.same(mentions(), ['resourceGroups'], 'what was in it is gone');
  t.equal(Object.keys(world.principals).length, principals - 1, 'the identity signs in no more');
  t.equal(
    (await emulator.ask('https://shortlived.azurecr.io/v2/')).status,
    501,
    'nor has the registry a host',
  );
  t.equal((await emulator.ask('https://short-vault.vault.azure.net/secrets')).status, 501);
  const late = await ask('PUT', registry('another1', own), { location: 'eastus' });
  t.equal(late.status, 409);
  t.equal(late.json.error.code, 'ResourceGroupBeingDeleted');
  t.equal((await ask('DELETE', own)).status, 202, 'asking again is the same');
  await passes(10_000);
  t.equal((await ask('GET', result)).status, 200);
  t.equal((await ask('HEAD', own)).status, 404);
  t.equal((await ask('DELETE', own)).json.error.code, 'ResourceGroupNotFound');
  t.equal((await ask('GET', `${arm}${subscription}/operationresults/x?api-version=2021-04-01`)).status, 404);
  t.equal((await ask('PUT', own, { location: 'westus' })).status, 201, 'the name is free again');
});

function adminOf({ world }: TestEmulator): { server: string; username: string; password: string } {
  const users = world.registries['myregistry.azurecr.io']?.users ?? {};
  return {
    server: 'myregistry.azurecr.io',
    username: 'myregistry',
    password: users.myregistry?.password ?? '',
  };
}

t.test('registries: names, use, and what becomes of them', async t => {
  const { emulator, ask } = await begin(t);
  const check = async (name: string) =>
    (
      await ask('POST', `${subscription}/providers/Microsoft.ContainerRegistry/checkNameAvailability`, {
        name,
        type: 'Microsoft.ContainerRegistry/registries',
      })
    ).json;
  t.same(await check('freshname'), { nameAvailable: true });
  t.match(await check('MyRegistry'), { nameAvailable: false, reason: 'AlreadyExists' });
  t.match(await check('no-hyphens'), { nameAvailable: false, reason: 'Invalid' });

  const other = `${subscription}/resourceGroups/${demo.otherResourceGroup}`;
  for (const [path, body, status, code] of [
    [registry('no-hyphens'), { location: 'eastus' }, 400, 'InvalidResourceName'],
    [registry('myregistry', other), { location: 'eastus' }, 409, 'AlreadyInUse'],
    [registry('freshname'), {}, 400, 'LocationRequired'],
    [registry('freshname'), { location: 'eastus', sku: { name: 'Gold' } }, 400, 'InvalidRequestContent'],
    [
      registry('freshname'),
      { location: 'eastus', properties: { adminUserEnabled: 'yes' } },
      400,
      'InvalidRequestContent',
    ],
    [registry('freshname'), { location: 'eastus', properties: [] }, 400, 'InvalidRequestContent'],
  ] as const) {
    const answer = await ask('PUT', path, body);
    t.equal(answer.status, status, code);
    t.equal(answer.json.error.code, code);
  }
  t.equal((await ask('PATCH', registry('freshname'), {})).json.error.code, 'ResourceNotFound');

  const made = await ask('PUT', registry('FreshName'), {
    location: 'East US',
    tags: { team: 'demo' },
    sku: { name: 'Basic' },
    properties: { adminUserEnabled: true },
  });
  t.equal(made.status, 201);
  t.match(made.json, {
    location: 'eastus',
    tags: { team: 'demo' },
    sku: { name: 'Basic', tier: 'Basic' },
    properties: {
      loginServer: 'freshname.azurecr.io',
      adminUserEnabled: true,
      provisioningState: 'Succeeded',
    },
  });
  t.equal((await emulator.ask('https://freshname.azurecr.io/v2/')).status, 401, 'it answers under its name');
  const patched = await ask('PATCH', registry('freshname'), { sku: { name: 'Premium' } });
  t.match(patched.json, {
    sku: { name: 'Premium' },
    tags: { team: 'demo' },
    properties: { adminUserEnabled: true },
  });
  const replaced = await ask('PUT', registry('freshname'), { location: 'eastus', sku: { name: 'Standard' } });
  t.equal(replaced.status, 200);
  t.match(replaced.json, { name: 'FreshName', tags: {}, properties: { adminUserEnabled: false } });

  const { json: usages } = await ask('GET', `${demoRegistry}/listUsages`);
  const size = usages.value.find((each: { name: string }) => each.name === 'Size');
  t.ok(size.currentValue > 0 && size.currentValue < size.limit);

  t.equal((await ask('DELETE', registry('freshname'))).status, 200);
  t.equal((await ask('DELETE', registry('freshname'))).status, 204);
  t.equal((await ask('GET', registry('freshname'))).status, 404);
  t.equal((await emulator.ask('https://freshname.azurecr.io/v2/')).status, 501);
});

t.test("a registry's network rules keep out, in the registry's own words", async t => {
  const { emulator, ask } = await begin(t);
  const token = await emulator.token('administrator', `${arm}/.default`);
  const rule = (properties: object) => ask('PATCH', demoRegistry, { properties });
  const look = () => emulator.ask('https://myregistry.azurecr.io/v2/');
  const { username, password } = adminOf(emulator);
  const signIn = () =>
    emulator.ask(
      'https://myregistry.azurecr.io/oauth2/token?service=myregistry.azurecr.io&scope=repository:my-app:pull',
      {
        headers: { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` },
      },
    );
  let count = 0;
  const deploy = (more: object, identity?: object) =>
    emulator.ask(
      `${arm}${group}/providers/Microsoft.ContainerInstance/containerGroups/firewall-${count++}?api-version=2023-05-01`,
      { method: 'PUT', token, body: { ...oneGroup(more), ...(identity ? { identity } : {}) } },
    );
  const identityId =
    Object.values(emulator.world.identities).find(({ name }) => name === 'aci-acr-identity')?.id ?? '';
  const withPassword = () => deploy({ imageRegistryCredentials: [adminOf(emulator)] });
  const withIdentity = () =>
    deploy(
      { imageRegistryCredentials: [{ server: 'myregistry.azurecr.io', identity: identityId }] },
      { type: 'UserAssigned', userAssignedIdentities: { [identityId]: {} } },
    );

  await rule({ publicNetworkAccess: 'Disabled' });
  for (const answer of [await look(), await signIn()]) {
    t.equal(answer.status, 403);
    t.same(answer.json.errors, [
      {
        code: 'DENIED',
        message:
          "client with IP '127.0.0.1' is not allowed access. Refer https://aka.ms/acr/firewall to grant access.",
        detail: null,
      },
    ]);
  }
  t.equal(
    (await withPassword()).json.error.code,
    'InaccessibleImage',
    'nor does a password help container instances',
  );
  t.equal((await withIdentity()).status, 201, 'with an identity they are a trusted service');
  await rule({ networkRuleBypassOptions: 'None' });
  t.equal((await withIdentity()).json.error.code, 'InaccessibleImage', 'unless these are kept out too');

  await rule({
    publicNetworkAccess: 'Enabled',
    networkRuleBypassOptions: 'AzureServices',
    networkRuleSet: { defaultAction: 'Deny', ipRules: [{ action: 'Allow', value: '203.0.113.0/24' }] },
  });
  t.equal((await look()).status, 403);
  await rule({
    networkRuleSet: { defaultAction: 'Deny', ipRules: [{ value: '203.0.113.7' }, { value: '127.0.0.0/8' }] },
  });
  t.equal((await signIn()).status, 200, 'who is listed comes in');
  t.equal(
    (await withPassword()).json.error.code,
    'InaccessibleImage',
    'container instances come from elsewhere',
  );
  await rule({ networkRuleSet: { defaultAction: 'Allow' } });
  t.equal((await withPassword()).status, 201);
  for (const value of ['everywhere', '10.0.0.0/99', '::1', ''])
    t.equal(
      (await rule({ networkRuleSet: { defaultAction: 'Deny', ipRules: [{ value }] } })).json.error.code,
      'InvalidNetworkRule',
    );
});

t.test('vaults: a deleted one keeps its name until it is purged or recovered', async t => {
  const { emulator, ask, passes } = await begin(t);
  const secrets = await emulator.token('administrator', 'https://vault.azure.net/.default');
  const read = (name = 'kept') =>
    emulator.ask(`https://my-vault-1.vault.azure.net/secrets/${name}?api-version=7.4`, { token: secrets });
  const provider = `${subscription}/providers/Microsoft.KeyVault`;
  const check = async (name: string) =>
    (await ask('POST', `${provider}/checkNameAvailability`, { name })).json;
  const body = {
    location: 'eastus',
    properties: { sku: { family: 'A', name: 'standard' }, softDeleteRetentionInDays: 7 },
  };

  t.same(await check('my-vault-1'), { nameAvailable: true });
  const made = await ask('PUT', vault('my-vault-1'), { ...body, tags: { a: 'b' } });
  t.equal(made.status, 201);
  t.match(made.json, {
    tags: { a: 'b' },
    properties: {
      vaultUri: 'https://my-vault-1.vault.azure.net/',
      enableRbacAuthorization: true,
      enableSoftDelete: true,
      softDeleteRetentionInDays: 7,
    },
  });
  await emulator.ask('https://my-vault-1.vault.azure.net/secrets/kept?api-version=7.4', {
    method: 'PUT',
    token: secrets,
    body: { value: 'still here' },
  });
  t.match((await ask('PATCH', vault('MY-vault-1'), { tags: { c: 'd' } })).json.tags, { c: 'd' });
  t.match(await check('my-vault-1'), { nameAvailable: false, reason: 'AlreadyExists' });
  t.match(await check('1-vault'), { nameAvailable: false, reason: 'AccountNameInvalid' });
  const other = `${subscription}/resourceGroups/${demo.otherResourceGroup}`;
  t.equal((await ask('PUT', vault('demo-vault', other), body)).json.error.code, 'VaultAlreadyExists');
  t.equal((await ask('PUT', vault('no--vault'), body)).json.error.code, 'VaultNameNotValid');

  t.equal((await ask('DELETE', vault('my-vault-1'))).status, 200);
  t.equal((await ask('GET', vault('my-vault-1'))).status, 404);
  t.equal((await read()).status, 501, 'it has no host');
  t.equal((await ask('PUT', vault('my-vault-1'), body)).json.error.code, 'ConflictError');
  const one = `${provider}/locations/eastus/deletedVaults/my-vault-1`;
  t.match((await ask('GET', one)).json, { name: 'my-vault-1', properties: { location: 'eastus' } });
  t.equal((await ask('GET', `${provider}/deletedVaults`)).json.value.length, 1);
  const shown = await emulator.ask(`${arm}/_emulator/world`);
  t.notMatch(shown.text, 'still here', 'what is in a deleted vault is masked too');
  const back = await ask('PUT', vault('my-vault-1'), { ...body, properties: { createMode: 'recover' } });
  t.equal(back.status, 201);
  t.equal((await read()).json.value, 'still here');

  await ask('DELETE', vault('my-vault-1'));
  t.equal((await ask('POST', `${one}/purge`)).status, 200);
  t.equal((await ask('POST', `${one}/purge`)).status, 404);
  t.equal((await ask('PUT', vault('my-vault-1'), body)).status, 201, 'now the name is free');
  t.equal((await read()).status, 404, 'and the vault is empty');
  await ask('DELETE', vault('my-vault-1'));
  await passes(7 * 86_400_000);
  t.same((await ask('GET', `${provider}/deletedVaults`)).json.value, []);
  t.equal((await ask('PUT', vault('my-vault-1'), body)).status, 201, 'as it is after its days');
});

t.test('access policies instead of roles, and network rules', async t => {
  const { emulator, ask } = await begin(t);
  const token = await emulator.token('demo-client', 'https://vault.azure.net/.default');
  const { principalId } = emulator.world.principals[demo.demoClientId] ?? {};
  const url = 'https://demo-vault.vault.azure.net/secrets/orders-db?api-version=7.4';
  const set = (properties: object) => ask('PATCH', vault('demo-vault'), { properties });
  const inner = async (method: 'GET' | 'PUT' = 'GET') =>
    (await emulator.ask(url, { method, token, ...(method === 'PUT' ? { body: { value: 'x' } } : {}) })).json
      .error?.innererror?.code ?? 'let in';
  const policies = (secrets: string[]) => [
    { tenantId: demo.tenantId, objectId: principalId, permissions: { secrets } },
  ];

  t.equal(await inner(), 'ForbiddenByRbac');
  await set({ enableRbacAuthorization: false, accessPolicies: policies(['list']) });
  t.equal(await inner(), 'ForbiddenByPolicy');
  await set({ accessPolicies: policies(['Get']) });
  t.equal(await inner(), 'let in');
  t.equal(await inner('PUT'), 'ForbiddenByPolicy', 'reading does not write');
  await set({ accessPolicies: policies(['all']) });
  t.equal(await inner('PUT'), 'let in');
  await set({ publicNetworkAccess: 'Disabled' });
  t.equal(await inner(), 'ForbiddenByConnection');
  await set({ publicNetworkAccess: 'Enabled', networkAcls: { defaultAction: 'Deny', ipRules: [] } });
  t.equal(await inner(), 'ForbiddenByFirewall');
  await set({ networkAcls: { defaultAction: 'Deny', ipRules: [{ value: '127.0.0.1' }] } });
  t.equal(await inner(), 'let in');
});
