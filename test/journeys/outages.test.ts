import t from 'tap';
import { testDatabaseUrl } from '../support/database.ts';
import { startDemoWorld } from '../support/demo-world.ts';
import { createCaller, requestFor, startProcess } from '../support/service.ts';

const world = await startDemoWorld(t);
const service = await startProcess(t, ['src/main.ts'], { ...world.env, ...(await testDatabaseUrl(t)) });
const ask = createCaller(service.url, await world.token());

// Entra ID first: once there is a token nobody asks for one.
const outages = [
  ['login.microsoftonline.com', 'IdentityOutage', 'EntraUnavailable'],
  ['management.azure.com', 'ArmOutage', 'ArmUnavailable'],
  ['demo-vault.vault.azure.net', 'VaultOutage', 'VaultUnavailable'],
  ['myregistry.azurecr.io', 'RegistryOutage', 'RegistryUnreachable'],
] as const;

/** What was read of a vault of late is good for a while. */
const company = {
  containers: [{ name: 'app', image: 'registry.mycompany.com/team/my-app:v2.0' }],
  imageRegistryCredentials: [{ server: 'registry.mycompany.com', secretName: 'company-registry' }],
};

for (const [host, reason, code] of outages)
  t.test(`while ${host} is out deployments wait and the API goes on`, async t => {
    // Callers are signed in by what it publishes.
    const method = reason === 'IdentityOutage' ? { method: 'POST' } : {};
    await world.control('POST', 'faults', { host, ...method, outage: true });
    const name = reason.toLowerCase();
    const unread = reason === 'VaultOutage' ? company : {};
    const accepted = await ask('POST', '/deployments', { body: requestFor(name, unread) });
    t.match(accepted, {
      status: 202,
      json: { status: 'Resolving', settled: false, waitingFor: { reason, since: String, until: String } },
    });
    t.match(accepted.json.failure, { code, retryable: true }, 'what was met is told');

    const path = `/deployments/${accepted.json.id}`;
    const reads = ['/readyz', '/livez', '/deployments?maxpagesize=5', path, `${path}/events`];
    for (const read of reads) t.equal((await ask('GET', read)).status, 200, read);
    const other = await ask('POST', '/deployments', {
      body: requestFor(`${name}-too`),
      headers: { prefer: 'respond-async' },
    });
    t.equal(other.status, 202);

    await world.control('DELETE', 'faults');
    for (const { json } of [accepted, other])
      t.match((await ask('GET', `/deployments/${json.id}`, { headers: { prefer: 'wait=60' } })).json, {
        status: 'Running',
        waitingFor: null,
        failure: null,
      });
  });

t.test('one answer of a registry that is too late is asked for again', async t => {
  await world.control('POST', 'faults', {
    host: 'myregistry.azurecr.io',
    path: '/v2/',
    times: 1,
    delayMs: 20_000,
  });
  const { json } = await ask('POST', '/deployments', {
    body: requestFor('late-registry'),
    headers: { prefer: 'wait=60' },
  });
  t.match(json, { status: 'Running', failure: null });
});

t.test(
  'a registry that stays out is told after the time of its deployment, and what it refuses at once',
  async t => {
    await world.control('POST', 'faults', {
      host: 'myregistry.azurecr.io',
      response: { status: 503, body: 'x' },
    });
    const { json } = await ask('POST', '/deployments', {
      body: requestFor('registry-gone', { timeoutSeconds: 2 }),
      headers: { prefer: 'wait=60' },
    });
    t.match(json, {
      status: 'Failed',
      failure: { code: 'RegistryUnavailable', retryable: true, detail: /tried again for 2 seconds/ },
    });
    await world.control('DELETE', 'faults');
    const refused = await ask('POST', '/deployments', {
      body: requestFor('registry-refuses', {
        containers: [{ name: 'app', image: 'myregistry.azurecr.io/my-app:none' }],
      }),
    });
    t.match(refused, { status: 422, json: { code: 'ImageNotFound' } });
  },
);
