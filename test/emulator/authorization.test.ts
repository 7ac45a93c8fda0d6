import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AuthorizationManagementClient } from '@azure/arm-authorization';
import t from 'tap';
import { can, canData, hasPullRole } from '../../src/emulator/arm/authorization.ts';
import { roleId, roles } from '../../src/emulator/arm/role-definitions.ts';
import { demo } from '../../src/emulator/demo-ids.ts';
import { startTestEmulator, type TestEmulator } from '../support/emulator.ts';

const arm = 'https://management.azure.com';
const { subscriptionId, resourceGroup } = demo;
const group = `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}`;
const registryId = `${group}/providers/Microsoft.ContainerRegistry/registries/myregistry`;
const version = 'api-version=2022-04-01';

const control = (emulator: TestEmulator, path: string, method: 'PATCH' | 'POST' | 'DELETE', body: object) =>
  emulator.ask(`${arm}/_emulator/${path}`, { method, body });

function freshPrincipal(emulator: TestEmulator): string {
  const found = Object.values(emulator.world.identities).find(({ name }) => name === 'fresh-identity');
  if (!found) throw new Error('the demo world has no fresh identity');
  return found.principalId;
}

const assignmentUrl = (name: string, scope = registryId) =>
  `${arm}${scope}/providers/Microsoft.Authorization/roleAssignments/${name}?${version}`;

const assignment = (principalId: string, role: string = roles.acrPull) => ({
  properties: {
    roleDefinitionId: roleId(subscriptionId, role),
    principalId,
    principalType: 'ServicePrincipal',
  },
});

t.test('an assignment takes effect when it has spread, and its end too', async t => {
  const emulator = await startTestEmulator(t);
  const token = await emulator.token('administrator', `${arm}/.default`);
  const principalId = freshPrincipal(emulator);
  await control(emulator, 'clock', 'POST', { rate: 0 });
  await control(emulator, 'limits', 'PATCH', { roleAssignments: { effectAfterMs: 60_000 } });
  const passes = (advanceMs: number) => control(emulator, 'clock', 'POST', { advanceMs });
  const may = () => hasPullRole(emulator.world, principalId, registryId);
  const url = assignmentUrl(randomUUID());
  const put = () => emulator.ask(url, { method: 'PUT', token, body: assignment(principalId) });

  t.equal((await put()).status, 201);
  t.equal((await emulator.ask(url, { token })).status, 200, 'it is listed at once');
  t.notOk(may());
  await passes(59_999);
  t.notOk(may(), 'and holds not yet');
  await passes(1);
  t.ok(may());
  t.equal((await put()).status, 200, 'doing it twice changes nothing');

  t.equal((await emulator.ask(url, { method: 'DELETE', token })).status, 200);
  t.equal((await emulator.ask(url, { token })).status, 404, 'it is listed no more');
  t.equal((await emulator.ask(url, { method: 'DELETE', token })).status, 204);
  t.ok(may(), 'and still holds');
  await passes(60_000);
  t.notOk(may());

  await put();
  await emulator.ask(url, { method: 'DELETE', token });
  await put();
  await passes(60_000);
  t.ok(may(), 'made again while it ended, it stays');
});

t.test('what was spreading when the emulator was stopped goes on', async t => {
  const dataDir = mkdtempSync(join(tmpdir(), 'emulator-test-'));
  t.teardown(() => rmSync(dataDir, { recursive: true, force: true }));
  const first = await startTestEmulator(t, { dataDir });
  const token = await first.token('administrator', `${arm}/.default`);
  const principalId = freshPrincipal(first);
  await control(first, 'limits', 'PATCH', { roleAssignments: { effectAfterMs: 3_600_000 } });
  await first.ask(assignmentUrl(randomUUID()), { method: 'PUT', token, body: assignment(principalId) });
  await first.close();
  const second = await startTestEmulator(t, { dataDir });
  t.notOk(hasPullRole(second.world, principalId, registryId));
  await control(second, 'clock', 'POST', { advanceMs: 3_600_000 });
  t.ok(hasPullRole(second.world, principalId, registryId));
});

t.test('what an assignment may not be', async t => {
  const emulator = await startTestEmulator(t);
  const token = await emulator.token('administrator', `${arm}/.default`);
  const principalId = freshPrincipal(emulator);
  const taken = randomUUID();
  await emulator.ask(assignmentUrl(taken), { method: 'PUT', token, body: assignment(principalId) });
  await control(emulator, 'limits', 'PATCH', { roleAssignments: { perSubscription: 0 } });
  for (const [name, body, status, code] of [
    ['not-a-guid', assignment(principalId), 400, 'InvalidRoleAssignmentId'],
    [taken, assignment(principalId, roles.reader), 400, 'RoleAssignmentUpdateNotPermitted'],
    [randomUUID(), assignment(principalId), 409, 'RoleAssignmentExists'],
    [randomUUID(), assignment(principalId, randomUUID()), 404, 'RoleDefinitionDoesNotExist'],
    [randomUUID(), { properties: 5 }, 404, 'RoleDefinitionDoesNotExist'],
    [randomUUID(), assignment(principalId, roles.reader), 400, 'RoleAssignmentLimitExceeded'],
  ] as const) {
    const { status: got, json } = await emulator.ask(assignmentUrl(name), { method: 'PUT', token, body });
    t.equal(got, status, code);
    t.equal(json.error.code, code);
  }
});

t.test('lists take the filters that Azure takes, and no others', async t => {
  const emulator = await startTestEmulator(t);
  const token = await emulator.token('administrator', `${arm}/.default`);
  const principalId = freshPrincipal(emulator);
  const list = (filter: string, scope = registryId) =>
    emulator.ask(
      `${arm}${scope}/providers/Microsoft.Authorization/roleAssignments?${version}&$filter=${encodeURIComponent(filter)}`,
      { token },
    );
  for (const [role, scope] of [
    [roles.reader, group],
    [roles.acrPull, registryId],
  ] as const)
    await emulator.ask(assignmentUrl(randomUUID(), scope), {
      method: 'PUT',
      token,
      body: assignment(principalId, role),
    });
  for (const [filter, scope, found] of [
    [`principalId eq '${principalId}'`, registryId, [group, registryId]],
    [`principalId eq '${principalId.toUpperCase()}'`, group, [group, registryId]],
    [`assignedTo('${principalId}')`, registryId, [group, registryId]],
    [`atScope() and assignedTo('${principalId}')`, group, [group]],
    [`assignedTo('${principalId}') and atScope()`, `${group}/providers/Microsoft.X/y/z`, [group]],
    [`principalId eq '${randomUUID()}'`, group, []],
  ] as const) {
    const { json } = await list(filter, scope);
    t.same(json.value.map((each: { properties: { scope: string } }) => each.properties.scope).sort(), found);
  }
  for (const filter of [
    "roleDefinitionId eq 'x'",
    `principalId eq '${principalId}' and roleDefinitionId eq 'x'`,
    "principalId ne 'x'",
    'atScope() or atScope()',
    "principalId eq 'a' and principalId eq 'b'",
  ]) {
    const { status, json } = await list(filter);
    t.equal(status, 400, filter);
    t.match(json.error, { code: 'UnsupportedQuery', message: filter });
  }
});

t.test('custom roles, through @azure/arm-authorization', async t => {
  const emulator = await startTestEmulator(t);
  const { httpClient, world } = emulator;
  const client = new AuthorizationManagementClient(emulator.administrator, subscriptionId, {
    httpClient,
    retryOptions: { maxRetries: 0 },
  });
  const name = randomUUID();
  const principalId = freshPrincipal(emulator);
  const vault = world.vaults['demo-vault']?.id ?? '';
  const definition = {
    roleName: 'Secret Lister',
    description: 'Sees names, not values',
    assignableScopes: [group],
    permissions: [
      {
        actions: ['Microsoft.KeyVault/vaults/read'],
        dataActions: ['Microsoft.KeyVault/vaults/secrets/*'],
        notDataActions: ['Microsoft.KeyVault/vaults/secrets/getSecret/action'],
      },
    ],
  };
  const made = await client.roleDefinitions.createOrUpdate(group, name, definition);
  t.match(made, { roleName: 'Secret Lister', roleType: 'CustomRole' });
  t.equal((await client.roleDefinitions.get(group, name)).description, 'Sees names, not values');
  const found = [];
  for await (const each of client.roleDefinitions.list(group, { filter: "type eq 'CustomRole'" }))
    found.push(each.roleName);
  t.same(found, ['Slipway Deployer', 'Secret Lister']);

  const assigned = await client.roleAssignments.create(group, randomUUID(), {
    roleDefinitionId: made.id ?? '',
    principalId,
  });
  t.ok(can(world, principalId, 'Microsoft.KeyVault/vaults/read', vault));
  t.ok(canData(world, principalId, 'Microsoft.KeyVault/vaults/secrets/readMetadata/action', vault));
  t.notOk(canData(world, principalId, 'Microsoft.KeyVault/vaults/secrets/getSecret/action', vault));

  await t.rejects(client.roleDefinitions.delete(group, name), { code: 'RoleDefinitionHasAssignments' });
  await client.roleAssignments.delete(group, assigned.name ?? '');
  await client.roleDefinitions.delete(group, name);
  await t.rejects(client.roleDefinitions.get(group, name), { code: 'RoleDefinitionDoesNotExist' });

  for (const [id, wrong, code] of [
    [roles.owner, definition, 'RoleDefinitionIsBuiltIn'],
    [randomUUID(), { ...definition, roleName: 'owner' }, 'RoleDefinitionWithSameNameExists'],
    [randomUUID(), { ...definition, assignableScopes: [] }, 'InvalidRoleDefinition'],
    [randomUUID(), { ...definition, permissions: [] }, 'InvalidRoleDefinition'],
  ] as const)
    await t.rejects(client.roleDefinitions.createOrUpdate(group, id, wrong as typeof definition), { code });
});
