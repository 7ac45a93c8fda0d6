import { ContainerInstanceManagementClient } from '@azure/arm-containerinstance';
import type { HttpClient } from '@azure/core-rest-pipeline';
import { SecretClient } from '@azure/keyvault-secrets';
import t from 'tap';
import { createContainerGroups } from '../../src/azure/container-groups.ts';
import { createAzureCredential } from '../../src/azure/credential.ts';
import { AzureError } from '../../src/azure/failure.ts';
import { createRoles } from '../../src/azure/roles.ts';
import { createTransport } from '../../src/azure/transport.ts';
import { createVault } from '../../src/azure/vault.ts';
import { administrator, demo } from '../../src/emulator/demo-ids.ts';
import { demoIdentity } from '../../src/emulator/demo-world.ts';
import { Secret } from '../../src/secret.ts';
import { startTestEmulator, type TestEmulator } from '../support/emulator.ts';

/** Each guard of the pipeline, and beside it what the SDKs do without: a guard that is not needed is no guard. */

const vaultUrl = 'https://demo-vault.vault.azure.net';
const vaultHost = 'demo-vault.vault.azure.net';
const armHost = 'management.azure.com';
const loginHost = 'login.microsoftonline.com';
const evil = 'evil.example';
const { subscriptionId: subscription, resourceGroup, tenantId } = demo;
const place = { subscription, resourceGroup, name: 'web' };
const home = `/subscriptions/${subscription}/resourceGroups/${resourceGroup}/providers`;

type Test = Parameters<typeof startTestEmulator>[0];

/** Every host there is leads to the emulator, whose journal has what was asked. */
async function start(t: Test) {
  const emulator = await startTestEmulator(t);
  const transport = createTransport({ dispatcher: emulator.dispatcher, vaults: () => [vaultUrl] });
  const clientSecret = new Secret(administrator.secret);
  t.teardown(() => clientSecret[Symbol.dispose]());
  const credential = createAzureCredential(
    { tenantId, clientId: administrator.clientId, clientSecret },
    transport,
  );
  const since = emulator.journal.since(0).at(-1)?.seq ?? 0;
  return {
    emulator,
    guarded: {
      vault: createVault({ credential, transport }),
      groups: createContainerGroups({ credential, transport }),
      roles: createRoles({ credential, transport }),
    },
    unguarded: unguarded(emulator, emulator.httpClient),
    asked: (host: string) =>
      emulator.journal
        .since(since)
        .filter(entry => entry.host === host)
        .map(({ method, path }) => `${method} ${path.replace(/\?.*/, '')}`),
  };
}

function unguarded({ administrator: credential }: TestEmulator, httpClient: HttpClient) {
  const options = { httpClient, retryOptions: { maxRetries: 0 } };
  return {
    vault: new SecretClient(vaultUrl, credential, options),
    arm: new ContainerInstanceManagementClient(credential, subscription, options),
  };
}

async function failureOf(asking: Promise<unknown>): Promise<AzureError> {
  const error: unknown = await asking.then(
    () => new Error('nothing was thrown'),
    thrown => thrown,
  );
  if (error instanceof AzureError) return error;
  throw error;
}

async function readAll(pages: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of pages);
}

t.test('a next page on a foreign host is not asked for', async t => {
  const { emulator, guarded, unguarded, asked } = await start(t);
  const page = (nextLink: string) => ({ status: 200, body: { value: [], nextLink } });
  const next = `https://${evil}${home}/Microsoft.ContainerInstance/containerGroups`;
  emulator.faults.add({ host: armHost, path: '/containerGroups', response: page(next) });
  await readAll(unguarded.arm.containerGroups.list()).catch(() => undefined);
  t.not(asked(evil).length, 0, 'the SDK goes where it is sent');

  const before = asked(evil).length;
  emulator.faults.add({
    host: armHost,
    path: '/roleAssignments',
    response: page(`https://${evil}/roleAssignments`),
  });
  emulator.faults.add({
    host: vaultHost,
    path: '/versions',
    response: page(`https://${evil}/secrets/acr-admin/versions`),
  });
  const registryId = `${home}/Microsoft.ContainerRegistry/registries/myregistry`;
  const role = guarded.roles.pullRole({ identityId: demoIdentity('aci-acr-identity'), registryId });
  await role.catch(() => undefined);
  t.notMatch(await guarded.vault.properties(vaultUrl, 'acr-admin').catch(error => error), { length: 1 });
  t.equal(asked(evil).length, before, 'Slipway does not');
  t.ok(
    asked(armHost).some(path => path.endsWith('/roleAssignments')),
    'the page was read',
  );
});

t.test('an operation on a foreign host is not followed', async t => {
  const { emulator, guarded, unguarded, asked } = await start(t);
  const operation = `https://${evil}/subscriptions/${subscription}/providers/Microsoft.ContainerInstance/locations/eastus/operations/1`;
  const body = {
    location: 'eastus',
    osType: 'Linux',
    containers: [{ name: 'app', image: 'a', resources: { requests: { cpu: 1, memoryInGB: 1.5 } } }],
  };
  emulator.faults.add({
    host: armHost,
    method: 'PUT',
    response: {
      status: 201,
      headers: { 'azure-asyncoperation': operation },
      body: { id: 'x', properties: {} },
    },
  });
  const signal = AbortSignal.timeout(10_000);
  await unguarded.arm.containerGroups
    .beginCreateOrUpdateAndWait(resourceGroup, 'web', body, { abortSignal: signal, updateIntervalInMs: 1 })
    .catch(() => undefined);
  t.not(asked(evil).length, 0, 'the SDK goes where it is sent');

  const before = asked(evil).length;
  await guarded.groups.put(place, () => body).catch(() => undefined);
  t.match(await failureOf(guarded.groups.operation(operation)), { code: 'CallRefused', retryable: false });
  t.equal(asked(evil).length, before, 'Slipway does not');
});

t.test('a name that is a path names something else to the SDKs, and nothing to Slipway', async t => {
  const { guarded, unguarded, asked } = await start(t);
  await unguarded.vault.getSecret('.').catch(() => undefined);
  t.match(asked(vaultHost), ['GET /secrets/'], 'the list of all secrets');
  await unguarded.arm.containerGroups.beginDelete(resourceGroup, '..').catch(() => undefined);
  t.ok(
    asked(armHost).some(call => /^DELETE .*Microsoft\.ContainerInstance\/$/.test(call)),
    "the provider's own path",
  );

  const before = [...asked(vaultHost), ...asked(armHost)].length;
  for (const name of ['.', '..']) {
    t.match(await failureOf(guarded.vault.value(vaultUrl, name, 'a'.repeat(32))), { retryable: false });
    t.match(await failureOf(guarded.groups.remove({ ...place, name })), { retryable: false });
  }
  t.equal([...asked(vaultHost), ...asked(armHost)].length, before);
});

t.test('an identity endpoint that is out for longer than a token lives ends no process', async t => {
  const { emulator, guarded, asked } = await start(t);
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  process.on('unhandledRejection', note);
  const [now, begun] = [Date.now, Date.now()];
  let ahead = 0;
  Date.now = () => now() + ahead;
  t.teardown(() => {
    Date.now = now;
    process.off('unhandledRejection', note);
  });
  const get = () => guarded.groups.get(place);
  t.equal(await get(), null);
  const tokens = asked(loginHost).length;
  const outage = emulator.faults.add({ host: loginHost, outage: true });
  for (const minutes of [40, 55, 61, 180]) {
    ahead = minutes * 60_000;
    const outcome = await get().catch((error: unknown) => error);
    if (minutes < 60) t.equal(outcome, null, `after ${minutes} minutes the old token serves`);
    else t.match(outcome, { kind: 'identity', retryable: true }, `after ${minutes} minutes it is told`);
  }
  t.ok(asked(loginHost).length > tokens, 'a new token was asked for');
  emulator.faults.end(outage);
  ahead = 0;
  t.equal(await get(), null, 'and it comes back');
  await new Promise(done => setTimeout(done, 50));
  t.same(unhandled, []);
  t.ok(begun <= Date.now());
});
