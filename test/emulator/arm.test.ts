import { randomUUID } from 'node:crypto';
import { AuthorizationManagementClient } from '@azure/arm-authorization';
import { ManagedServiceIdentityClient } from '@azure/arm-msi';
import { ClientAssertionCredential, ClientSecretCredential } from '@azure/identity';
import t from 'tap';
import { can, canData, covers, hasPullRole } from '../../src/emulator/arm/authorization.ts';
import { roleId, roles } from '../../src/emulator/arm/role-definitions.ts';
import { administrator, demo } from '../../src/emulator/demo-ids.ts';
import { startTestEmulator, type TestEmulator } from '../support/emulator.ts';

const noRetries = { retryOptions: { maxRetries: 0 } };
const arm = 'https://management.azure.com';
const { subscriptionId, resourceGroup, tenantId } = demo;
const group = `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}`;
const registryId = `${group}/providers/Microsoft.ContainerRegistry/registries/myregistry`;
const groups = `${arm}/subscriptions/${subscriptionId}/resourceGroups`;
const version = 'api-version=2022-04-01';

async function tokens(emulator: TestEmulator) {
  const scope = 'https://management.azure.com/.default';
  return {
    admin: await emulator.token('administrator', scope),
    demoClient: await emulator.token('demo-client', scope),
  };
}

function identityOf(emulator: TestEmulator, name: string) {
  const found = Object.values(emulator.world.identities).find(each => each.name === name);
  if (!found) throw new Error(`no identity '${name}'`);
  return found;
}

t.test('who asks ARM must say so', async t => {
  const emulator = await startTestEmulator(t);
  const { admin } = await tokens(emulator);
  for (const [token, url, status, code] of [
    [undefined, `${groups}?${version}`, 401, 'AuthenticationFailed'],
    ['nonsense', `${groups}?${version}`, 401, 'InvalidAuthenticationToken'],
    [`${admin}x`, `${groups}?${version}`, 401, 'InvalidAuthenticationToken'],
    [
      await emulator.token('administrator', 'https://vault.azure.net/.default'),
      `${groups}?${version}`,
      401,
      'InvalidAuthenticationTokenAudience',
    ],
    [admin, groups, 400, 'MissingApiVersionParameter'],
    [admin, `${groups}?api-version=`, 400, 'MissingApiVersionParameter'],
    [admin, `${groups}?api-version=latest`, 400, 'InvalidApiVersionParameter'],
  ] as const) {
    const answer = await emulator.ask(url, token === undefined ? {} : { token });
    t.equal(answer.status, status, code);
    t.equal(answer.json.error.code, code);
    t.equal(answer.headers['x-ms-error-code'], code);
    t.ok(answer.headers['x-ms-request-id']);
    if (status === 401)
      t.match(
        answer.headers['www-authenticate'],
        `authorization_uri="https://login.microsoftonline.com/${tenantId}"`,
      );
  }
  const classic = await emulator.token('administrator', 'https://management.core.windows.net//.default');
  t.equal(
    (await emulator.ask(`${groups}?${version}`, { token: classic })).status,
    200,
    'the audience that az uses',
  );
  const broken = await emulator.ask(`${groups}/x?${version}`, {
    method: 'PUT',
    token: admin,
    headers: { 'content-type': 'application/json' },
    body: '{"location"',
  });
  t.equal(broken.json.error.code, 'InvalidRequestContent');
});

t.test('cloud metadata tells where everything is', async t => {
  const emulator = await startTestEmulator(t);
  const ask = async (origin: string, version: string) =>
    (await emulator.ask(`${origin}/metadata/endpoints?api-version=${version}`)).json;
  const real = await ask(arm, '2022-09-01');
  t.match(real, { name: 'AzureCloud', suffixes: { keyVaultDns: 'vault.azure.net' } });
  t.equal(real.authentication.loginEndpoint, 'https://login.microsoftonline.com/');
  const local = await ask(emulator.url, '2022-09-01');
  t.equal(local.authentication.loginEndpoint, `${emulator.url}/`);
  t.equal(local.resourceManager, `${emulator.url}/`);
  t.same(await ask(emulator.url, '2019-05-01'), [local], 'an older version lists clouds');
  t.match(
    await ask(emulator.url, '2015-01-01'),
    {
      galleryEndpoint: /^https:/,
      graphEndpoint: /^https:/,
      authentication: { loginEndpoint: `${emulator.url}/` },
    },
    'the oldest has other names',
  );
});

t.test('subscriptions and resource groups', async t => {
  const emulator = await startTestEmulator(t);
  const { admin, demoClient } = await tokens(emulator);

  t.test('are made with PUT, and found without case', async t => {
    const made = await emulator.ask(`${groups}/New-Group?${version}`, {
      method: 'PUT',
      token: admin,
      body: { location: 'West Europe' },
    });
    t.equal(made.status, 201);
    t.match(made.json, {
      name: 'New-Group',
      location: 'westeurope',
      properties: { provisioningState: 'Succeeded' },
    });
    const again = await emulator.ask(`${groups}/new-group?${version}`, {
      method: 'PUT',
      token: admin,
      body: { location: 'westeurope', tags: { a: 'b' } },
    });
    t.equal(again.status, 200);
    const found = await emulator.ask(`${groups}/NEW-GROUP?${version}`, { token: admin });
    t.match(found.json, { name: 'New-Group', tags: { a: 'b' } });
    t.equal(
      (await emulator.ask(`${groups}/new-group?${version}`, { method: 'HEAD', token: admin })).status,
      204,
    );
    t.equal(
      (await emulator.ask(`${groups}/nowhere?${version}`, { method: 'HEAD', token: admin })).status,
      404,
    );
    t.equal(
      (await emulator.ask(`${groups}/nowhere?${version}`, { token: admin })).json.error.code,
      'ResourceGroupNotFound',
    );
    const moved = await emulator.ask(`${groups}/new-group?${version}`, {
      method: 'PUT',
      token: admin,
      body: { location: 'eastus' },
    });
    t.equal(moved.json.error.code, 'InvalidResourceGroupLocation');
    t.equal(
      (await emulator.ask(`${groups}/x?${version}`, { method: 'PUT', token: admin, body: {} })).json.error
        .code,
      'LocationRequired',
    );
  });

  t.test('who has no role sees none, and may make none', async t => {
    t.same((await emulator.ask(`${arm}/subscriptions?${version}`, { token: demoClient })).json.value, []);
    t.same((await emulator.ask(`${groups}?${version}`, { token: demoClient })).json.value, []);
    const refused = await emulator.ask(`${groups}/mine?${version}`, {
      method: 'PUT',
      token: demoClient,
      body: { location: 'eastus' },
    });
    t.equal(refused.status, 403);
    const { principalId } = emulator.world.principals[demo.demoClientId] ?? {};
    t.equal(
      refused.json.error.message,
      `The client '${demo.demoClientId}' with object id '${principalId}' does not have authorization to perform action 'Microsoft.Resources/subscriptions/resourceGroups/write' over scope '/subscriptions/${subscriptionId}/resourceGroups/mine' or the scope is invalid. If access was recently granted, please refresh your credentials.`,
    );
  });

  t.test('a subscription that the administrator names exists from then on', async t => {
    const fresh = randomUUID();
    const url = `${arm}/subscriptions/${fresh}?${version}`;
    t.equal((await emulator.ask(url, { token: demoClient })).status, 404);
    t.equal((await emulator.ask(url, { token: admin })).json.subscriptionId, fresh);
    const { json } = await emulator.ask(`${arm}/subscriptions?${version}`, { token: admin });
    t.ok(json.value.some((each: { subscriptionId: string }) => each.subscriptionId === fresh));
  });
});

t.test('user-assigned identities, through @azure/arm-msi', async t => {
  const emulator = await startTestEmulator(t);
  const { httpClient } = emulator;
  const client = new ManagedServiceIdentityClient(emulator.administrator, subscriptionId, {
    httpClient,
    ...noRetries,
  });

  t.test('are created with a principal of their own, found, listed and deleted', async t => {
    const made = await client.userAssignedIdentities.createOrUpdate(resourceGroup, 'builder', {
      location: 'eastus',
      tags: { a: 'b' },
    });
    t.match(made, {
      name: 'builder',
      tenantId,
      type: 'Microsoft.ManagedIdentity/userAssignedIdentities',
      tags: { a: 'b' },
    });
    t.ok(made.principalId && made.clientId && made.principalId !== made.clientId);
    const again = await client.userAssignedIdentities.createOrUpdate(resourceGroup, 'BUILDER', {
      location: 'eastus',
    });
    t.equal(again.principalId, made.principalId, 'doing it twice changes nobody');
    t.equal(
      (await client.userAssignedIdentities.get('MY-RESOURCE-GROUP', 'Builder')).principalId,
      made.principalId,
    );
    const names: (string | undefined)[] = [];
    for await (const each of client.userAssignedIdentities.listByResourceGroup(resourceGroup))
      names.push(each.name);
    t.ok(
      ['aci-acr-identity', 'fresh-identity', 'orders-identity', 'slipway', 'builder'].every(name =>
        names.includes(name),
      ),
    );
    const all = [];
    for await (const each of client.userAssignedIdentities.listBySubscription()) all.push(each.name);
    t.equal(all.length, names.length);
    await client.userAssignedIdentities.delete(resourceGroup, 'builder');
    await t.rejects(client.userAssignedIdentities.get(resourceGroup, 'builder'), {
      statusCode: 404,
      code: 'ResourceNotFound',
    });
  });

  t.test('need their resource group', async t => {
    await t.rejects(client.userAssignedIdentities.createOrUpdate('nowhere', 'x', { location: 'eastus' }), {
      statusCode: 404,
      code: 'ResourceGroupNotFound',
    });
  });
});

t.test('role assignments, through @azure/arm-authorization', async t => {
  const emulator = await startTestEmulator(t);
  const { httpClient } = emulator;
  const client = new AuthorizationManagementClient(emulator.administrator, subscriptionId, {
    httpClient,
    ...noRetries,
  });
  const fresh = identityOf(emulator, 'fresh-identity');
  const puller = identityOf(emulator, 'aci-acr-identity');
  const assign = (scope: string, role: string, principalId: string, principalType?: string) =>
    client.roleAssignments.create(scope, randomUUID(), {
      roleDefinitionId: roleId(subscriptionId, role),
      principalId,
      ...(principalType ? { principalType } : {}),
    });

  async function list(scope: string, filter: string) {
    const found = [];
    for await (const each of client.roleAssignments.listForScope(scope, { filter })) found.push(each);
    return found;
  }

  t.test('give the right at once, and are read back at the scope', async t => {
    t.notOk(hasPullRole(emulator.world, fresh.principalId, registryId));
    const made = await assign(registryId, roles.acrPull, fresh.principalId, 'ServicePrincipal');
    t.match(made, { principalId: fresh.principalId, scope: registryId });
    t.ok(hasPullRole(emulator.world, fresh.principalId, registryId));
    t.equal((await client.roleAssignments.get(registryId, made.name ?? '')).id, made.id);
    t.equal((await client.roleAssignments.getById(made.id ?? '')).principalId, fresh.principalId);
    await t.rejects(assign(registryId, roles.acrPull, fresh.principalId), {
      statusCode: 409,
      code: 'RoleAssignmentExists',
    });
    await client.roleAssignments.delete(registryId, made.name ?? '');
    t.notOk(hasPullRole(emulator.world, fresh.principalId, registryId));
    await t.rejects(client.roleAssignments.get(registryId, made.name ?? ''), {
      code: 'RoleAssignmentNotFound',
    });
  });

  t.test('are listed by principal, with those inherited from above and without those below', async t => {
    const above = await assign(group, roles.reader, puller.principalId);
    const direct = await list(registryId, `principalId eq '${puller.principalId}'`);
    t.same(direct.map(({ scope }) => scope).sort(), [group, registryId].sort());
    const assigned = await list(registryId, `assignedTo('${puller.principalId}')`);
    t.equal(assigned.length, 2);
    const atGroup = await list(group, `atScope() and assignedTo('${puller.principalId}')`);
    t.same(
      atGroup.map(({ id }) => id),
      [above.id],
    );
    t.equal(
      (await list(group, `principalId eq '${puller.principalId}'`)).length,
      2,
      'without atScope() those below too',
    );
    t.same(await list(registryId, `principalId eq '${randomUUID()}'`), []);
  });

  t.test('name a principal and a role that exist', async t => {
    await t.rejects(assign(registryId, roles.acrPull, randomUUID()), {
      statusCode: 400,
      code: 'PrincipalNotFound',
    });
    t.ok(
      (await assign(registryId, roles.acrPull, randomUUID(), 'ServicePrincipal')).id,
      'a new one is trusted to come',
    );
    await t.rejects(assign(registryId, randomUUID(), fresh.principalId), {
      code: 'RoleDefinitionDoesNotExist',
    });
  });

  t.test("may be a container group's own", async t => {
    const url = `${arm}${group}/providers/Microsoft.ContainerInstance/containerGroups/own?api-version=2023-05-01`;
    const made = await emulator.ask(url, {
      method: 'PUT',
      token: (await tokens(emulator)).admin,
      body: {
        location: 'eastus',
        identity: { type: 'SystemAssigned' },
        properties: {
          osType: 'Linux',
          containers: [
            {
              name: 'app',
              properties: { image: 'nginx:1.27', resources: { requests: { cpu: 1, memoryInGB: 1 } } },
            },
          ],
        },
      },
    });
    t.equal(made.status, 201);
    const { principalId } = made.json.identity;
    t.match(await assign(registryId, roles.reader, principalId), { principalId });
  });

  t.test('definitions are found by name and by id', async t => {
    const found = [];
    for await (const each of client.roleDefinitions.list(registryId, { filter: "roleName eq 'AcrPull'" }))
      found.push(each.name);
    t.same(found, [roles.acrPull]);
    const definition = await client.roleDefinitions.get('/', roles.secretsUser);
    t.equal(definition.roleName, 'Key Vault Secrets User');
    t.ok(
      definition.permissions?.[0]?.dataActions?.includes(
        'Microsoft.KeyVault/vaults/secrets/getSecret/action',
      ),
    );
  });

  t.test('Slipway reads who may pull, and may not grant it', async t => {
    const credential = new ClientAssertionCredential(
      tenantId,
      demo.slipwayClientId,
      emulator.slipwayAssertion,
      { httpClient },
    );
    const slipway = new AuthorizationManagementClient(credential, subscriptionId, {
      httpClient,
      ...noRetries,
    });
    const seen = [];
    for await (const each of slipway.roleAssignments.listForScope(registryId, {
      filter: `assignedTo('${puller.principalId}')`,
    }))
      seen.push(each);
    t.ok(seen.length > 0);
    await t.rejects(
      slipway.roleAssignments.create(registryId, randomUUID(), {
        roleDefinitionId: roleId(subscriptionId, roles.acrPull),
        principalId: fresh.principalId,
      }),
      { statusCode: 403, code: 'AuthorizationFailed' },
    );
  });
});

t.test('registries and vaults as resources', async t => {
  const emulator = await startTestEmulator(t);
  const { admin, demoClient } = await tokens(emulator);
  const registry = await emulator.ask(`${arm}${registryId}?api-version=2023-07-01`, { token: admin });
  t.match(registry.json, {
    name: 'myregistry',
    properties: { loginServer: 'myregistry.azurecr.io', adminUserEnabled: true },
  });
  const changed = await emulator.ask(`${arm}${registryId}?api-version=2023-07-01`, {
    method: 'PATCH',
    token: admin,
    body: { properties: { adminUserEnabled: false, roleAssignmentMode: 'AbacRepositoryPermissions' } },
  });
  t.match(changed.json.properties, {
    adminUserEnabled: false,
    roleAssignmentMode: 'AbacRepositoryPermissions',
  });
  const vaults = await emulator.ask(
    `${arm}${group}/providers/Microsoft.KeyVault/vaults?api-version=2023-07-01`,
    { token: admin },
  );
  t.match(vaults.json.value, [
    { name: 'demo-vault', properties: { vaultUri: 'https://demo-vault.vault.azure.net/' } },
  ]);
  const none = await emulator.ask(
    `${arm}/subscriptions/${subscriptionId}/providers/Microsoft.KeyVault/vaults?api-version=2023-07-01`,
    { token: demoClient },
  );
  t.same(none.json.value, []);
  const missing = await emulator.ask(`${arm}${registryId}x?api-version=2023-07-01`, { token: admin });
  t.equal(missing.json.error.code, 'ResourceNotFound');
});

t.test('rights are computed from the assignments', async t => {
  const { world } = await startTestEmulator(t);
  const slipway = world.principals[demo.slipwayClientId]?.principalId ?? '';
  const admin = world.principals[administrator.clientId]?.principalId ?? '';
  const containerGroup = `${group}/providers/Microsoft.ContainerInstance/containerGroups/x`;
  const identity = `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/aci-acr-identity`;

  t.ok(can(world, slipway, 'Microsoft.ContainerInstance/containerGroups/write', containerGroup));
  t.ok(
    can(world, slipway, 'microsoft.containerinstance/containergroups/WRITE', containerGroup.toUpperCase()),
    'without case',
  );
  t.notOk(
    can(
      world,
      slipway,
      'Microsoft.ContainerInstance/containerGroups/write',
      '/subscriptions/x/resourceGroups/my-resource-group',
    ),
  );
  t.ok(can(world, slipway, 'Microsoft.ManagedIdentity/userAssignedIdentities/assign/action', identity));
  t.notOk(
    can(world, slipway, 'Microsoft.ManagedIdentity/userAssignedIdentities/assign/action', `${identity}-too`),
  );
  t.notOk(can(world, slipway, 'Microsoft.Resources/subscriptions/resourceGroups/write', group));
  t.ok(can(world, admin, 'Microsoft.Anything/at/all', '/subscriptions/unheard-of'));
  t.ok(
    canData(
      world,
      slipway,
      'Microsoft.KeyVault/vaults/secrets/getSecret/action',
      world.vaults['other-vault']?.id ?? '',
    ),
  );
  t.notOk(
    canData(
      world,
      slipway,
      'Microsoft.KeyVault/vaults/secrets/setSecret/action',
      world.vaults['demo-vault']?.id ?? '',
    ),
  );
  t.notOk(
    can(
      world,
      slipway,
      'Microsoft.KeyVault/vaults/secrets/getSecret/action',
      world.vaults['demo-vault']?.id ?? '',
    ),
    'a data action is no action',
  );

  t.ok(covers('/', group) && covers(group, group) && covers(group.toUpperCase(), registryId));
  t.notOk(covers(registryId, group) || covers(group, `${group}-2`));

  t.ok(hasPullRole(world, slipway, registryId));
  const registry = world.containerRegistries[registryId.toLowerCase()];
  if (registry) registry.roleAssignmentMode = 'AbacRepositoryPermissions';
  t.notOk(hasPullRole(world, slipway, registryId), 'a registry in ABAC mode does not honour AcrPull');
});

t.test('another application signs in and is refused what it was not given', async t => {
  const emulator = await startTestEmulator(t);
  const { httpClient } = emulator;
  const credential = new ClientSecretCredential(
    tenantId,
    demo.demoClientId,
    emulator.world.principals[demo.demoClientId]?.secrets[0] ?? '',
    { httpClient },
  );
  const client = new ManagedServiceIdentityClient(credential, subscriptionId, { httpClient, ...noRetries });
  await t.rejects(client.userAssignedIdentities.get(resourceGroup, 'aci-acr-identity'), {
    statusCode: 403,
    code: 'AuthorizationFailed',
  });
});
