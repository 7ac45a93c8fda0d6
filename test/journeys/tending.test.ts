import t from 'tap';
import { testDatabaseUrl } from '../support/database.ts';
import { eventually, startDemoWorld } from '../support/demo-world.ts';
import { createCaller, requestFor, startProcess } from '../support/service.ts';
import { storedValue } from '../support/stored-secrets.ts';

const world = await startDemoWorld(t);
const env = { ...world.env, ...(await testDatabaseUrl(t)), SLIPWAY_COMPARE_SECONDS: '1' };
const service = await startProcess(t, ['src/main.ts'], env);
const ask = createCaller(service.url, await world.token());

const wait = { prefer: 'wait=40' };
const armGroup = (name: string) =>
  `/subscriptions/00000000-0000-0000-0000-00000000bbbb/resourceGroups/my-resource-group/providers/Microsoft.ContainerInstance/containerGroups/${name}?api-version=2023-05-01`;

async function deploy(name: string, more = {}) {
  const { json } = await ask('POST', '/deployments', { body: requestFor(name, more), headers: wait });
  t.match(json, { status: 'Running', conditions: [] }, `${name} runs`);
  return json;
}

interface Told {
  conditions: { type: string; message: string; diff?: object[] }[];
}

const told = (id: string, type: string) =>
  eventually(`${type} of ${id}`, async () => {
    const { json } = await ask('GET', `/deployments/${id}`);
    return (json as Told).conditions.find(each => each.type === type) && json;
  });

const putsOf = async (name: string) =>
  (await world.journal()).filter(({ method, path }) => method === 'PUT' && path.includes(`/${name}?`)).length;

t.test('what was changed behind our back is told with the difference, and not put back', async t => {
  const { id } = await deploy('drifting', { labels: { release: '1' } });
  const group = (await world.readArm(armGroup('drifting'))) as {
    location: string;
    tags: object;
    properties: { containers: { name: string; properties: { environmentVariables: object[] } }[] };
  };
  const { containers } = group.properties;
  const changed = {
    location: group.location,
    tags: { ...group.tags, release: '2', 'cost-center': '7' },
    properties: {
      osType: 'Linux',
      restartPolicy: 'Always',
      containers: containers.map(({ name, properties: { environmentVariables: _, ...properties } }) => ({
        name,
        properties: {
          ...properties,
          instanceView: undefined,
          image: 'nginx:1.27',
          environmentVariables: [{ name: 'BY_HAND', value: '1' }],
        },
      })),
    },
  };
  t.equal(await world.asAdministrator('PUT', armGroup('drifting'), changed), 200);
  const json = await told(id, 'Drifted');
  const [drift] = json.conditions;
  t.match(drift.diff, [
    { path: '/containers/app/environmentVariables/BY_HAND', live: '1' },
    { path: '/containers/app/image', live: 'nginx:1.27', wanted: /my-app@sha256/ },
    { path: '/imageRegistryCredentials/myregistry.azurecr.io/username', wanted: 'myregistry' },
    { path: '/tags/release', live: '2', wanted: '1' },
  ]);
  t.match(json, { status: 'Running', settled: true, revision: 1 });
  const before = await putsOf('drifting');
  const events = (await ask('GET', `/deployments/${id}/events`)).json.value;
  t.equal(events.filter(({ type }: { type: string }) => type === 'Drifted').length, 1, 'told once');
  t.equal(await putsOf('drifting'), before, 'nothing is put back');
  const again = await ask('POST', `/deployments/${id}/redeploy`, { headers: wait });
  t.match(again.json, { status: 'Running', revision: 2 }, 'unless it is asked for');
  await eventually(
    'no drift',
    async () => (await ask('GET', `/deployments/${id}`)).json.conditions.length === 0,
  );
});

t.test('a group that was deleted behind our back is told, and made again when asked for', async t => {
  const { id } = await deploy('vanishing');
  t.equal(await world.asAdministrator('DELETE', armGroup('vanishing')), 200);
  t.match(await told(id, 'Drifted'), { status: 'Running', conditions: [{ message: /was deleted/ }] });
  t.match((await ask('POST', `/deployments/${id}/redeploy`, { headers: wait })).json, {
    status: 'Running',
    liveRevision: 2,
  });
});

t.test('a group is deleted when its time is over', async t => {
  const expiresAt = new Date(Date.now() + 5_000).toISOString();
  const { id } = await deploy('expiring', { expiresAt });
  const { json } = await eventually('the deletion', async () => {
    const answer = await ask('GET', `/deployments/${id}`);
    return answer.json.status === 'Deleted' && answer;
  });
  t.match((await ask('GET', `/operations/${json.operation}`)).json, { kind: 'Delete', status: 'Succeeded' });
  t.match((await world.readArm(armGroup('expiring'))) as object, { error: { code: 'ResourceNotFound' } });
  const types = (await ask('GET', `/deployments/${id}/events`)).json.value.map(
    ({ type }: { type: string }) => type,
  );
  t.ok(types.includes('Expired'));
});

t.test('a secret that nears its end, or has a newer version, shows on the deployment', async t => {
  const tags = { 'slipway-registry': 'ghcr.io', 'slipway-username': 'myghuser' };
  const store = (...secrets: object[]) =>
    world.control('POST', 'world', { secrets: secrets.map(each => ({ vault: 'demo-vault', ...each })) });
  const ghcr = requestFor('conditional', {
    containers: [
      {
        name: 'app',
        image: 'ghcr.io/myorg/log-forwarder:2.0.1',
        environmentVariables: [{ name: 'DB_PASSWORD', secretName: 'orders-db' }],
      },
    ],
    imageRegistryCredentials: [{ server: 'ghcr.io', secretName: 'ghcr-pull' }],
  });
  const value = storedValue(world, 'ghcr-pull');
  const { id } = (await ask('POST', '/deployments', { body: ghcr, headers: wait })).json;
  await store({ name: 'ghcr-pull', value: 'ghp-of-another-version', tags });
  t.match(await told(id, 'CredentialRotated'), { conditions: [{ message: /ghcr-pull/ }] });

  const inDays = (days: number) => Math.floor(Date.now() / 1000) + days * 86_400;
  await store(
    { name: 'ghcr-pull', value, tags, expires: inDays(10) },
    { name: 'orders-db', value: 'of-another-day', expires: inDays(20) },
  );
  t.match((await ask('POST', `/deployments/${id}/redeploy`, { headers: wait })).json, { status: 'Running' });
  const { conditions } = await told(id, 'CredentialExpiring');
  t.match(conditions, [{ type: 'CredentialExpiring', message: /'ghcr-pull'.*; .*'orders-db'/ }]);
  t.match(conditions, { length: 1 }, 'what was rotated is deployed');
});
