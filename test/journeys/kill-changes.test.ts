import t, { type Test } from 'tap';
import { testDatabaseUrl } from '../support/database.ts';
import { type DemoWorld, eventually, startDemoWorld } from '../support/demo-world.ts';
import { type Answer, createCaller, requestFor, type Started, startProcess } from '../support/service.ts';
import { storedValue, storeVersion } from '../support/stored-secrets.ts';

type Ask = ReturnType<typeof createCaller>;

/** Each has a world of its own, and waits for most of its time. */
const beside = { buffered: true } as const;
t.jobs = 2;

/** A world, a service in it that may be killed, and one deployment that runs. */
async function begin(t: Test, more = {}) {
  const world = await startDemoWorld(t);
  const env = { ...world.env, ...(await testDatabaseUrl(t)) };
  const token = await world.token();
  let service: Started = await startProcess(t, ['src/main.ts'], env);
  let ask: Ask = createCaller(service.url, token);
  const { json } = await ask('POST', '/deployments', {
    body: requestFor('killed', more),
    headers: { prefer: 'wait=40' },
  });
  t.equal(json.status, 'Running', JSON.stringify(json.failure));
  return {
    world,
    id: json.id as string,
    ask: (...asked: Parameters<Ask>): Promise<Answer> => ask(...asked),
    async killAndRestart() {
      await service.stop('SIGKILL');
      await world.control('DELETE', 'faults');
      service = await startProcess(t, ['src/main.ts'], env);
      ask = createCaller(service.url, token);
    },
  };
}

const later = { prefer: 'respond-async', 'if-match': '*' };

const slow = (world: DemoWorld, method: string, path: string, more: object = { delayMs: 4_000 }) =>
  world.control('POST', 'faults', { host: 'management.azure.com', method, path, ...more, times: 1 });

const callsOf = async (world: DemoWorld, method: string, path: string, status?: number) =>
  (await world.journal()).filter(
    entry =>
      entry.method === method &&
      entry.path.includes(path) &&
      entry.status > 0 &&
      (status === undefined || entry.status === status),
  ).length;

async function groupsOf(world: DemoWorld) {
  const { containerGroups } = (await world.control('GET', 'world')) as {
    containerGroups: Record<string, { name: string; tags: Record<string, string> }>;
  };
  return Object.values(containerGroups).map(({ name, tags }) => [name, tags['slipway-revision']]);
}

const settled = async (ask: Ask, id: string) =>
  (await ask('GET', `/deployments/${id}`, { headers: { prefer: 'wait=45' } })).json;

const bigger = (image = 'myregistry.azurecr.io/my-app:v1.0') => ({
  containers: [{ name: 'app', image, resources: { requests: { cpu: 2, memoryInGB: 3 } } }],
});

for (const [moment, method, more] of [
  ['while the old group is deleted', 'DELETE', { delayMs: 4_000 }],
  ['before the new group is made', 'PUT', { delayMs: 4_000 }],
  ['after the new group is made, before its answer', 'PUT', { dripBytesPerSecond: 50 }],
] as const)
  t.test(`a kill -9 during a replacement, ${moment}: one group, of the new revision`, beside, async t => {
    const { world, id, ask, killAndRestart } = await begin(t);
    await slow(world, method, '/containerGroups/killed', more);
    const { json } = await ask('PATCH', `/deployments/${id}?allowReplace=true`, {
      body: bigger(),
      headers: later,
    });
    const seen = method === 'DELETE' ? 'Submitting' : 'the group to be gone';
    await eventually(seen, async () =>
      method === 'DELETE'
        ? (await ask('GET', `/deployments/${id}`)).json.status === 'Submitting'
        : (await callsOf(world, 'DELETE', '/containerGroups/killed', 200)) > 0,
    );
    if ('dripBytesPerSecond' in more)
      await eventually('the new group', async () => (await groupsOf(world)).length === 1);
    await killAndRestart();
    t.match(await settled(ask, id), { status: 'Running', revision: 2, liveRevision: 2 });
    t.match((await ask('GET', `/operations/${json.operation}`)).json, { status: 'Succeeded' });
    t.same(await groupsOf(world), [['killed', '2']]);
    t.ok((await callsOf(world, 'PUT', '/containerGroups/killed', 201)) <= 2, 'made once each');
  });

t.test('a kill -9 during a rollback: the revision that is wanted, once', beside, async t => {
  const { world, id, ask, killAndRestart } = await begin(t);
  const body = { app: 'myregistry.azurecr.io/web-app:1.4.2' };
  const two = await ask('POST', `/deployments/${id}/images`, { body, headers: { prefer: 'wait=40' } });
  t.match(two.json, { status: 'Running', liveRevision: 2 });
  await slow(world, 'PUT', '/containerGroups/killed', { dripBytesPerSecond: 50 });
  const { json } = await ask('POST', `/deployments/${id}/rollback`, { headers: later });
  await eventually('Azure to have it', async () => (await groupsOf(world))[0]?.[1] === '3');
  await killAndRestart();
  t.match(await settled(ask, id), {
    status: 'Running',
    liveRevision: 3,
    images: [{ requested: /my-app:v1.0/ }],
  });
  t.match((await ask('GET', `/operations/${json.operation}`)).json, {
    status: 'Succeeded',
    kind: 'Rollback',
  });
  t.equal(await callsOf(world, 'PUT', '/containerGroups/killed'), 3, 'put once for each revision');
});

t.test('a kill -9 while a failed change is undone: back on what ran, and Failed', beside, async t => {
  const { world, id, ask, killAndRestart } = await begin(t, { onFailure: 'rollback' });
  const body = { app: 'myregistry.azurecr.io/web-app:1.4.2' };
  await world.control('POST', 'lives', {
    group: 'killed',
    steps: [
      { afterMs: 0, provisioningState: 'Pending', state: 'Pending' },
      { afterMs: 200, provisioningState: 'Failed', state: 'Failed' },
    ],
  });
  const { json } = await ask('POST', `/deployments/${id}/images`, { body, headers: later });
  await eventually(
    'the undoing',
    async () => (await ask('GET', `/deployments/${id}`)).json.revision === 3,
    60_000,
  );
  await killAndRestart();
  t.match(await settled(ask, id), { status: 'Running', revision: 3, liveRevision: 3 });
  t.match((await ask('GET', `/operations/${json.operation}`)).json, {
    status: 'Failed',
    failure: { stage: 'Provisioning' },
  });
  t.same(await groupsOf(world), [['killed', '3']]);
});

t.test('a kill -9 during a cancel: nothing is left, and the other operation is Canceled', beside, async t => {
  const { world, id: other, ask, killAndRestart } = await begin(t);
  await slow(world, 'PUT', '/containerGroups/first', { delayMs: 500 });
  const { json } = await ask('POST', '/deployments', { body: requestFor('first'), headers: later });
  await eventually('Azure to have it', async () => (await groupsOf(world)).length === 2);
  await slow(world, 'DELETE', '/containerGroups/first');
  const cancel = await ask('POST', `/deployments/${json.id}/cancel`, { headers: later });
  t.equal(cancel.status, 202, cancel.text);
  await killAndRestart();
  t.match(await settled(ask, json.id), { status: 'Canceled', liveRevision: null });
  t.match((await ask('GET', `/operations/${json.operation}`)).json, { status: 'Canceled' });
  t.match((await ask('GET', cancel.headers.get('operation-location') ?? '')).json, { status: 'Succeeded' });
  t.same(await groupsOf(world), [['killed', '1']]);
  t.match((await ask('GET', `/deployments/${other}`)).json, { status: 'Running' });
});

t.test('a kill -9 during a restart: it is not sent twice', beside, async t => {
  const { world, id, ask, killAndRestart } = await begin(t);
  await slow(world, 'POST', '/restart', { dripBytesPerSecond: 1 });
  const { json } = await ask('POST', `/deployments/${id}/restart`, { headers: later });
  await eventually('Azure to have it', async () =>
    (await world.journal()).some(({ path }) => path.includes('/restart')),
  );
  await killAndRestart();
  t.match(await settled(ask, id), { status: 'Running', liveRevision: 1 });
  t.match((await ask('GET', `/operations/${json.operation}`)).json, { kind: 'Restart', status: 'Succeeded' });
});

t.test(
  'a kill -9 during a rotation, and before something expires: each to its end, once',
  beside,
  async t => {
    const expiresAt = new Date(Date.now() + 25_000).toISOString();
    const { world, id, ask, killAndRestart } = await begin(t, { expiresAt });
    const pull = {
      containers: [{ name: 'app', image: 'docker.io/myusername/my-private-app:1.0.0' }],
      imageRegistryCredentials: [{ server: 'docker.io', secretName: 'dockerhub-pull' }],
    };
    for (const name of ['one', 'two', 'three']) {
      const body = requestFor(name, pull);
      t.match((await ask('POST', '/deployments', { body, headers: { prefer: 'wait=40' } })).json, {
        status: 'Running',
      });
    }
    const value = storedValue(world, 'dockerhub-pull');
    await storeVersion(world, 'dockerhub-pull', { value, registry: 'docker.io', username: 'myusername' });
    const started = await ask('POST', '/credentials/dockerhub-pull/rotate', { headers: later });
    t.equal(started.status, 202, started.text);
    await killAndRestart();
    const ended = await eventually('the rotation', async () => {
      const { json } = await ask('GET', `/operations/${started.json.id}`);
      return json.endedAt && json;
    });
    t.match(ended, { status: 'Succeeded' }, JSON.stringify(ended.failure));
    await eventually(
      'the end',
      async () => (await ask('GET', `/deployments/${id}`)).json.status === 'Deleted',
      60_000,
    );
    t.same((await groupsOf(world)).map(([name]) => name).sort(), ['one', 'three', 'two']);
  },
);
