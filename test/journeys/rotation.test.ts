import t from 'tap';
import { testDatabaseUrl } from '../support/database.ts';
import { eventually, startDemoWorld } from '../support/demo-world.ts';
import { createCaller, requestFor, startProcess } from '../support/service.ts';
import { storedValue, storeVersion } from '../support/stored-secrets.ts';

const world = await startDemoWorld(t);
const env = { ...world.env, ...(await testDatabaseUrl(t)) };
const service = await startProcess(t, ['src/main.ts'], env);
const ask = createCaller(service.url, await world.token());
const asOther = createCaller(service.url, await world.token('other'));

const acr = 'myregistry.azurecr.io';
const wait = { prefer: 'wait=48' };
const secret = '/credentials/acr-admin';

const store = (value: string, username: string) =>
  storeVersion(world, 'acr-admin', { value, registry: acr, username });

const putsOf = async () =>
  (await world.journal()).filter(({ method, path }) => method === 'PUT' && path.includes('/containerGroups/'))
    .length;

interface Version {
  version: string;
  current: boolean;
  safeToRevoke: boolean;
  deployments: { name: string }[];
}

const versions = async (): Promise<Version[]> => (await ask('GET', `${secret}/usages`)).json.versions;

const names = Array.from({ length: 10 }, (_, index) => `group-${index}`);
const admin = storedValue(world, 'acr-admin');
const token = storedValue(world, 'acr-token');

t.test('one secret is rotated under ten groups: all of them, or none', async t => {
  // The registry's token may pull all but this one.
  await world.control('POST', 'world', { images: [{ host: acr, repository: 'special', tag: '1' }] });
  const small = { requests: { cpu: 0.1, memoryInGB: 0.1 } };
  await Promise.all(
    names.map(async (name, index) => {
      const image = index === 4 ? `${acr}/special:1` : `${acr}/my-app:v1.0`;
      const body = requestFor(name, { containers: [{ name: 'app', image, resources: small }] });
      const { json } = await ask('POST', '/deployments', { body, headers: wait });
      t.match(json, { status: 'Running' }, JSON.stringify(json.failure ?? json));
    }),
  );
  const [first] = await versions();
  t.match(first, { current: true, safeToRevoke: false });
  t.same(first?.deployments.map(({ name }) => name).sort(), names);

  await store(token, 'slipway-pull');
  const puts = await putsOf();
  const vain = await ask('POST', `${secret}/rotate`, { headers: wait });
  t.match(vain, {
    status: 200,
    json: {
      kind: 'Rotate',
      deployment: null,
      status: 'Failed',
      failure: { detail: /cannot be used for group-4: nothing was touched/ },
      rotation: { secretName: 'acr-admin', deployments: [] },
    },
  });
  t.equal(await putsOf(), puts, 'nothing was touched');
  t.match(await versions(), [
    { current: true, deployments: [] },
    { version: first?.version, safeToRevoke: false, deployments: { length: 10 } },
  ]);

  await store(`${admin}`, 'myregistry');
  const headers = { ...wait, 'idempotency-key': 'rotate-1' };
  const started = await ask('POST', `${secret}/rotate`, { headers: { ...headers, prefer: 'respond-async' } });
  t.equal(started.status, 202);
  const ended = await eventually(
    'the rotation',
    async () => {
      const { json } = await ask('GET', `/operations/${started.json.id}`);
      return json.endedAt && json;
    },
    90_000,
  );
  t.match(ended, { status: 'Succeeded' }, JSON.stringify(ended.failure));
  t.same(
    ended.rotation.deployments
      .map(({ name, outcome }: { name: string; outcome: string }) => [name, outcome])
      .sort(),
    names.map(name => [name, 'Succeeded']),
  );
  t.match(await versions(), [
    { current: true, deployments: { length: 10 }, safeToRevoke: false },
    { safeToRevoke: true, deployments: [] },
    { version: first?.version, safeToRevoke: true, deployments: [] },
  ]);
  t.equal(await putsOf(), puts + 10, 'each was put once');
  const again = await ask('POST', `${secret}/rotate`, { headers });
  t.match(again.json, { id: started.json.id }, 'the same key, the same operation');
  t.equal(again.headers.get('idempotency-replayed'), 'true');
  const nothing = await ask('POST', `${secret}/rotate`, { headers: wait });
  t.match(nothing.json, { status: 'Succeeded', rotation: { deployments: [] } }, 'nothing is behind');
  t.match((await ask('GET', '/deployments/demo:group-0')).json, {
    revision: 2,
    liveRevision: 2,
    status: 'Running',
  });
});

t.test('what the workload was given is frozen as well: its versions are known, and rotated', async t => {
  const database = '/credentials/orders-db';
  const usages = async () => (await ask('GET', `${database}/usages`)).json.versions;
  const store = (more: object) =>
    world.control('POST', 'world', {
      secrets: [{ vault: 'demo-vault', name: 'orders-db', value: 'of-another-day', tags: {}, ...more }],
    });
  const body = requestFor('with-database', {
    containers: [
      {
        name: 'app',
        image: `${acr}/my-app:v1.0`,
        environmentVariables: [
          { name: 'LOG_LEVEL', value: 'info' },
          { name: 'DB_PASSWORD', secretName: 'orders-db' },
        ],
        volumeMounts: [{ name: 'files', mountPath: '/files' }],
      },
    ],
    volumes: [{ name: 'files', secret: { 'db.txt': { secretName: 'orders-db' } } }],
  });
  const { json } = await ask('POST', '/deployments', { body, headers: wait });
  const pointers = ['/containers/0/environmentVariables/1/secretName', '/volumes/0/secret/db.txt/secretName'];
  t.match(json, {
    status: 'Running',
    workloadSecrets: [{ vault: 'demo-vault', secretName: 'orders-db', pointers }],
  });
  const [first] = await usages();
  t.match(first, { version: json.workloadSecrets[0].secretVersion, current: true, safeToRevoke: false });
  t.match(first, { deployments: [], workloads: [{ name: 'with-database', revision: 1, pointers }] });
  t.match((await ask('POST', '/deployments/plan', { body })).json, { workloadSecrets: [{ pointers }] });

  await store({ enabled: false });
  const vain = await ask('POST', `${database}/rotate`, { headers: wait });
  t.match(vain.json, {
    status: 'Failed',
    failure: { code: 'CredentialDisabled', detail: /with-database: nothing was touched/ },
    rotation: { deployments: [] },
  });
  await store({});
  t.match(await usages(), [
    { current: true, workloads: [], safeToRevoke: false },
    { safeToRevoke: true },
    { version: first.version, workloads: { length: 1 }, safeToRevoke: false },
  ]);
  t.match((await ask('POST', `${database}/rotate`, { headers: wait })).json, {
    status: 'Succeeded',
    rotation: { deployments: [{ name: 'with-database', outcome: 'Succeeded' }] },
  });
  const [newest, , old] = await usages();
  t.match(newest, { current: true, workloads: [{ name: 'with-database', revision: 2 }] });
  t.match(old, { version: first.version, workloads: [], safeToRevoke: true });
  t.match((await ask('GET', `/deployments/${json.id}/revisions`)).json.value, [
    { number: 2, workloadSecrets: [{ secretVersion: newest.version }] },
    { number: 1, workloadSecrets: [{ secretVersion: first.version }] },
  ]);
});

t.test('what the team may not use, and what does not exist, answer alike', async t => {
  for (const name of ['acr-admin', 'nobody-has-this']) {
    for (const [method, path] of [
      ['GET', 'usages'],
      ['POST', 'rotate'],
    ] as const)
      t.match(await asOther(method, `/credentials/${name}/${path}`), {
        status: 403,
        json: { code: 'CredentialNotAvailable' },
      });
  }
  t.match(await ask('GET', '/credentials/..%2Fx/usages'), { status: 400 });
});
