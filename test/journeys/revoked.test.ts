import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { testDatabaseUrl } from '../support/database.ts';
import { eventually, startDemoWorld } from '../support/demo-world.ts';
import { createCaller, requestFor, startProcess } from '../support/service.ts';

const world = await startDemoWorld(t);
const embedded = readFileSync(join(import.meta.dirname, '../../src/policy/embedded.yaml'), 'utf8');
const file = join(world.data, 'policy.yaml');
writeFileSync(file, embedded);
const service = await startProcess(t, ['src/main.ts'], {
  ...world.env,
  ...(await testDatabaseUrl(t)),
  SLIPWAY_POLICY: file,
});
const ask = createCaller(service.url, await world.token());
const digest = async () => (await ask('GET', '/me')).json.policyDigest;

/** The team may not use the secret any more, and the service was told. */
async function withdraw(secretName: string): Promise<void> {
  const before = await digest();
  writeFileSync(file, readFileSync(file, 'utf8').replace(`\n        ${secretName},`, ''));
  service.child.kill('SIGHUP');
  await eventually('the other policy', async () => (await digest()) !== before);
}

const acr = 'myregistry.azurecr.io';

/** What is out so that a stage waits, and how often the secret's value is read. */
const boundaries = [
  {
    before: 'Resolving',
    secretName: 'acr-admin',
    out: { host: 'demo-vault.vault.azure.net', path: '/secrets/acr-admin/[0-9a-f]{32}' },
    reads: 0,
  },
  {
    before: 'Submitting',
    secretName: 'acr-sp',
    // Each stage looks once for a foreign group of that name.
    out: { host: 'management.azure.com', path: '/containerGroups/revoked-acr-sp', after: 1 },
    reads: 1,
  },
];

for (const { before, secretName, out, reads } of boundaries)
  t.test(`a right withdrawn while ${before} waits fails the operation: 0 PUTs`, async t => {
    const path = `/secrets/${secretName}/[0-9a-f]{32}`;
    await world.control('POST', 'faults', { ...out, outage: true });
    const name = `revoked-${secretName}`;
    const imageRegistryCredentials = [{ server: acr, secretName }];
    const accepted = await ask('POST', '/deployments', {
      body: requestFor(name, { imageRegistryCredentials }),
      headers: { prefer: 'respond-async' },
    });
    t.equal(accepted.status, 202);
    const look = async () => (await ask('GET', `/deployments/${accepted.json.id}`)).json;
    const waiting = await eventually(`${before} to wait`, async () => {
      const found = await look();
      return found.status === before && found.waitingFor !== null && found;
    });
    t.match(waiting, { settled: false, failure: { retryable: true } });

    await withdraw(secretName);
    await world.control('DELETE', 'faults');
    const ended = await eventually('its end', async () => {
      const found = await look();
      return found.settled && found;
    });
    t.match(ended, { status: 'Failed', failure: { code: 'PolicyRevoked', stage: before } });
    t.match((await ask('GET', `/operations/${accepted.json.operation}`)).json, { status: 'Failed' });

    const calls = await world.journal();
    t.same(
      calls.filter(call => call.path.includes(name) && call.method === 'PUT'),
      [],
      '0 PUTs',
    );
    const values = calls.filter(call => new RegExp(path).test(call.path) && call.status === 200);
    t.equal(values.length, reads, 'the value is not read again');
  });
