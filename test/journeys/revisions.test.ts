import t from 'tap';
import { testDatabaseUrl } from '../support/database.ts';
import { eventually, startDemoWorld } from '../support/demo-world.ts';
import { createCaller, requestFor, startProcess } from '../support/service.ts';

const world = await startDemoWorld(t);
const env = { ...world.env, ...(await testDatabaseUrl(t)) };
const service = await startProcess(t, ['src/main.ts'], env);
const ask = createCaller(service.url, await world.token());
const asOther = createCaller(service.url, await world.token('other'));

const acr = 'myregistry.azurecr.io';
const groupPath =
  '/subscriptions/00000000-0000-0000-0000-00000000bbbb/resourceGroups/my-resource-group/providers/Microsoft.ContainerInstance/containerGroups/';
const wait = { prefer: 'wait=40' };
const any = { ...wait, 'if-match': '*' };

interface StoredGroup {
  name: string;
  tags: Record<string, string>;
  properties: { containers: { name: string; properties: Record<string, unknown> }[] };
}

async function groupOf(name: string): Promise<StoredGroup | undefined> {
  const { containerGroups } = (await world.control('GET', 'world')) as {
    containerGroups: Record<string, StoredGroup>;
  };
  return Object.values(containerGroups).find(group => group.name === name);
}

const callsOf = async (method: string, name: string) =>
  (await world.journal()).filter(
    entry => entry.method === method && entry.path.includes(`/containerGroups/${name}`) && entry.status > 0,
  );

async function deploy(name: string, more = {}) {
  const answer = await ask('POST', '/deployments', { body: requestFor(name, more), headers: wait });
  t.match(answer, { status: 200, json: { status: 'Running' } }, `${name} runs`);
  return answer;
}

t.test('a new image, by name: all else is kept, and the history says who, what and how it ended', async t => {
  const sidecar = { name: 'sidecar', image: `${acr}/my-app:v1.0` };
  const app = {
    name: 'app',
    image: `${acr}/my-app:v1.0`,
    ports: [{ port: 80 }],
    environmentVariables: [
      { name: 'LOG_LEVEL', value: 'info' },
      { name: 'DB', secretName: 'orders-db' },
    ],
    resources: { requests: { cpu: 0.5, memoryInGB: 1 } },
  };
  const { json: first } = await deploy('web', { containers: [app, sidecar] });
  const { status, json } = await ask('POST', `/deployments/${first.id}/images`, {
    body: { app: `${acr}/web-app:1.4.2` },
    headers: wait,
  });
  t.equal(status, 200, JSON.stringify(json));
  t.match(json, { id: first.id, status: 'Running', revision: 2, liveRevision: 2, settled: true });
  t.match(json.spec.containers, [
    { name: 'app', image: `${acr}/web-app:1.4.2`, ports: [{ port: 80 }], resources: app.resources },
    sidecar,
  ]);
  const group = await groupOf('web');
  t.match(group?.tags, { 'slipway-deployment': first.id, 'slipway-revision': '2' });
  const [stored] = group?.properties.containers ?? [];
  t.match(stored?.properties.environmentVariables, [
    { name: 'LOG_LEVEL', value: 'info' },
    { name: 'DB', secureValue: /./ },
  ]);

  const { json: history } = await ask('GET', `/deployments/${first.id}/revisions`);
  t.match(history.value, [
    {
      number: 2,
      kind: 'Update',
      outcome: 'Succeeded',
      operation: json.operation,
      createdBy: first.createdBy,
    },
    { number: 1, kind: 'Create', outcome: 'Succeeded', credentials: [{ secretVersion: /./ }] },
  ]);
  t.not(history.value[0].images[0].digest, history.value[1].images[0].digest);
  t.equal(history.value[0].images[1].digest, history.value[1].images[1].digest);
  t.match((await ask('GET', `/deployments/web/revisions/1`)).status, 400);
  t.match((await ask('GET', `/deployments/demo:web/revisions/1`)).json, { number: 1 });
  t.match(await ask('GET', `/deployments/demo:web/revisions/3`), { status: 404 });
  t.match(await asOther('GET', `/deployments/${first.id}/revisions`), { status: 404 });
  const page = (await ask('GET', `/deployments/${first.id}/revisions?maxpagesize=1`)).json;
  t.match((await ask('GET', page.nextLink)).json.value, [{ number: 1 }]);
  t.match(await ask('GET', `/operations/${json.operation}`), {
    json: { kind: 'Update', revision: 2, status: 'Succeeded' },
  });
  const unknown = await ask('POST', `/deployments/${first.id}/images`, { body: { nobody: 'nginx:1' } });
  t.match(unknown, { status: 400, json: { errors: [{ pointer: '/nobody' }] } });
});

t.test('PUT and PATCH ask for what was read; a change in between is not overwritten', async t => {
  const { json: first, headers } = await deploy('patched');
  const path = `/deployments/${first.id}`;
  const etag = headers.get('etag') ?? '';
  t.match(await ask('PATCH', path, { body: { labels: { a: '1' } } }), { status: 428 });
  t.match(await ask('PUT', path, { body: first.spec }), { status: 428 });
  const patched = await ask('PATCH', path, {
    body: { labels: { a: '1' }, timeoutSeconds: 900 },
    headers: { ...wait, 'if-match': etag, 'content-type': 'application/merge-patch+json' },
  });
  t.match(patched, { status: 200, json: { revision: 2, spec: { labels: { a: '1' }, timeoutSeconds: 900 } } });
  const late = await ask('PATCH', path, { body: { labels: { b: '2' } }, headers: { 'if-match': etag } });
  t.match(late, { status: 412, json: { code: 'PreconditionFailed' } });
  const removed = await ask('PATCH', path, { body: { labels: null }, headers: any });
  t.match(removed, { status: 200, json: { revision: 3, status: 'Running' } });
  t.notOk('labels' in removed.json.spec);
  const put = await ask('PUT', path, {
    body: { ...removed.json.spec, labels: { c: '3' } },
    headers: { ...wait, 'if-match': removed.headers.get('etag') ?? '' },
  });
  t.match(put, { status: 200, json: { revision: 4, spec: { labels: { c: '3' } } } });
  t.match((await groupOf('patched'))?.tags, { c: '3', 'slipway-revision': '4' });

  for (const [body, pointer] of [
    [{ name: 'other' }, '/name'],
    [{ team: 'other' }, '/team'],
    [{ containers: [] }, '/containers'],
    [{ containers: null }, ''],
    [{ unknown: 1 }, '/unknown'],
    [{ restartPolicy: 'Sometimes' }, '/restartPolicy'],
  ] as const)
    t.match(
      await ask('PATCH', path, { body, headers: any }),
      { status: 400, json: { code: 'InvalidRequest', errors: [{ pointer }] } },
      JSON.stringify(body),
    );
  const secret = {
    containers: [{ image: 'x', environmentVariables: [{ name: 'A', value: `ghp_${'a1B2'.repeat(9)}` }] }],
  };
  t.match(await ask('PATCH', path, { body: secret, headers: any }), {
    status: 400,
    json: { code: 'SecretInRequest' },
  });
  t.match(await asOther('PATCH', path, { body: {}, headers: any }), { status: 404 });
  t.equal((await callsOf('PUT', 'patched')).length, 2, 'what was refused never reached Azure');
});

t.test('what no container notices restarts none: an end put off, labels, how a change is made', async t => {
  const { json: first } = await deploy('put-off', { labels: { release: '1', old: 'x' } });
  const path = `/deployments/${first.id}`;
  const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
  const body = { expiresAt, labels: { release: '2', old: null }, keepFailed: true };
  const patched = await ask('PATCH', path, { body, headers: any });
  t.match(patched, {
    status: 200,
    json: {
      ...{ status: 'Running', revision: 2, liveRevision: 2, images: first.images },
      ...{ credentials: first.credentials, spec: { expiresAt, labels: { release: '2' } } },
    },
  });
  const { tags } = (await groupOf('put-off')) ?? {};
  t.match(tags, { release: '2', 'slipway-revision': '2', 'slipway-deployment': first.id });
  t.notOk('old' in (tags ?? {}), 'a label that was taken away is no tag any more');
  t.equal((await callsOf('PUT', 'put-off')).length, 1);
  t.match((await ask('GET', `${path}/revisions`)).json.value, [
    { number: 2, kind: 'Update', outcome: 'Succeeded', images: first.images },
    { number: 1, outcome: 'Succeeded' },
  ]);

  const back = await ask('POST', `${path}/rollback`, { headers: any });
  t.match(back.json, { revision: 3, spec: { expiresAt } }, 'when it ends is not gone back on');
  const past = { expiresAt: '2020-01-01T00:00:00Z' };
  for (const refused of [
    await ask('PATCH', path, { body: past, headers: any }),
    await ask('POST', '/deployments', { body: requestFor('over', past) }),
  ])
    t.match(refused, { status: 400, json: { errors: [{ pointer: '/expiresAt', detail: /in the past/ }] } });

  t.equal(await world.asAdministrator('DELETE', `${groupPath}put-off?api-version=2023-05-01`), 200);
  const anew = await ask('PATCH', path, { body: { expiresAt: null }, headers: any });
  t.match(anew.json, { status: 'Running', revision: 4, liveRevision: 4 }, 'what is gone is made again');
  t.equal((await callsOf('PUT', 'put-off')).length, 3);
});

t.test('a failed image leaves what was live, and rollback goes back on the digests of then', async t => {
  const { json: first } = await deploy('rolled');
  const path = `/deployments/${first.id}`;
  const missing = await ask('POST', `${path}/images`, { body: { app: `${acr}/my-app:never` } });
  t.match(missing, { status: 422, json: { code: 'ImageNotFound' } });
  t.match((await ask('GET', path)).json, {
    status: 'Failed',
    revision: 2,
    liveRevision: 1,
    health: 'Healthy',
  });
  t.match((await groupOf('rolled'))?.tags, { 'slipway-revision': '1' });

  const second = await ask('POST', `${path}/images`, {
    body: { app: `${acr}/web-app:1.4.2` },
    headers: wait,
  });
  t.match(second.json, { status: 'Running', revision: 3, liveRevision: 3 });
  const back = await ask('POST', `${path}/rollback`, { headers: wait });
  t.match(
    back.json,
    { status: 'Running', revision: 4, liveRevision: 4, images: first.images },
    JSON.stringify(back.json),
  );
  t.match((await ask('GET', `/operations/${back.json.operation}`)).json, {
    kind: 'Rollback',
    status: 'Succeeded',
  });
  const forth = await ask('POST', `${path}/rollback`, { body: { revision: 3 }, headers: wait });
  t.match(forth.json, { status: 'Running', revision: 5, images: second.json.images });
  t.match(await ask('POST', `${path}/rollback`, { body: { revision: 99 } }), {
    status: 422,
    json: { code: 'NoRevisionToRollBackTo' },
  });
  const outcomes = (await ask('GET', `${path}/revisions`)).json.value.map(
    ({ kind, outcome }: { kind: string; outcome: string }) => [kind, outcome],
  );
  t.same(outcomes, [
    ['Rollback', 'Succeeded'],
    ['Rollback', 'Succeeded'],
    ['Update', 'Succeeded'],
    ['Update', 'Failed'],
    ['Create', 'Succeeded'],
  ]);
  const again = await ask('POST', `${path}/redeploy`, { headers: wait });
  t.match(again.json, { status: 'Running', revision: 6, spec: forth.json.spec });
});

t.test(
  'what Azure cannot change in place is foreseen; where it is allowed the group is made anew',
  async t => {
    const { json: first } = await deploy('resized');
    const path = `/deployments/${first.id}`;
    const bigger = {
      containers: [{ ...first.spec.containers[0], resources: { requests: { cpu: 2, memoryInGB: 3 } } }],
    };
    t.match(await ask('PATCH', path, { body: bigger, headers: any }), {
      status: 422,
      json: { code: 'RequiresReplacement', errors: [{ pointer: '/containers/*/resources' }] },
    });
    t.equal((await callsOf('PUT', 'resized')).length, 1, 'Azure was not asked');
    const replaced = await ask('PATCH', `${path}?allowReplace=true`, { body: bigger, headers: any });
    t.match(
      replaced.json,
      { status: 'Running', revision: 2, liveRevision: 2 },
      JSON.stringify(replaced.json),
    );
    t.same(
      (await callsOf('DELETE', 'resized')).map(({ status }) => status),
      [200],
    );
    t.same(
      (await callsOf('PUT', 'resized')).map(({ status }) => status),
      [201, 201],
    );
    const events = (await ask('GET', `${path}/events`)).json.value.map(({ type }: { type: string }) => type);
    t.ok(events.includes('Replacing'));
  },
);

t.test('onExisting makes POST an upsert; the same key gives the same operation', async t => {
  const { json: first } = await deploy('upsert');
  const body = requestFor('upsert', { onExisting: 'replace', labels: { v: '2' } });
  const headers = { ...wait, 'idempotency-key': 'upsert-2' };
  const second = await ask('POST', '/deployments', { body, headers });
  t.match(second.json, { id: first.id, status: 'Running', revision: 2, spec: { labels: { v: '2' } } });
  const replayed = await ask('POST', '/deployments', { body, headers });
  t.match(replayed.json, { revision: 2 });
  t.equal(replayed.headers.get('idempotency-replayed'), 'true');
  t.match(
    await ask('POST', '/deployments', { body: requestFor('upsert') }),
    { status: 409, json: { code: 'DeploymentExists' } },
    'without it the name is taken',
  );
  const made = await ask('POST', '/deployments', {
    body: requestFor('upsert-new', { onExisting: 'replace' }),
    headers: { ...wait, 'idempotency-key': 'upsert-new' },
  });
  t.match(made.json, { status: 'Running', revision: 1 });
  const again = await ask('POST', '/deployments', {
    body: requestFor('upsert-new', { onExisting: 'replace' }),
    headers: { ...wait, 'idempotency-key': 'upsert-new' },
  });
  t.match(again.json, { id: made.json.id, revision: 1 });

  const key = { 'if-match': second.headers.get('etag') ?? '', 'idempotency-key': 'patch-3', ...wait };
  const patch = { body: { labels: { v: '3' } }, headers: key };
  const third = await ask('PATCH', `/deployments/${first.id}`, patch);
  t.match(third.json, { revision: 3 });
  t.match(
    await ask('PATCH', `/deployments/${first.id}`, patch),
    { status: 200, json: { revision: 3 } },
    'though its ETag is no longer the present one',
  );
});

/** The next group of this name fails where Azure makes it. */
const failing = (group: string) =>
  world.control('POST', 'lives', {
    group,
    steps: [
      { afterMs: 0, provisioningState: 'Pending', state: 'Pending' },
      {
        afterMs: 200,
        provisioningState: 'Failed',
        state: 'Failed',
        containers: [
          {
            name: 'app',
            currentState: { state: 'Terminated', exitCode: 1, detailStatus: 'Error' },
            restartCount: 0,
            events: [
              { name: 'Failed', message: 'Error: failed to start container', type: 'Warning', count: 1 },
            ],
          },
        ],
      },
    ],
  });

t.test('onFailure: rollback takes back what failed, and the operation is Failed all the same', async t => {
  const good = { name: 'app', image: `${acr}/my-app:v1.0` };
  const { json: first } = await deploy('undone', { containers: [good], onFailure: 'rollback' });
  const bad = { ...good, image: `${acr}/web-app:1.4.2` };
  await failing('undone');
  const changed = await ask('PATCH', `/deployments/${first.id}`, {
    body: { containers: [bad] },
    headers: any,
  });
  t.match(
    changed.json,
    { status: 'Running', revision: 3, liveRevision: 3, spec: { containers: [good] } },
    JSON.stringify(changed.json),
  );
  const operation = changed.headers.get('operation-location') ?? '';
  t.match((await ask('GET', operation)).json, {
    kind: 'Update',
    status: 'Failed',
    revision: 2,
    failure: { stage: 'Provisioning' },
  });
  t.match(await ask('GET', `${operation}/wait`), { status: 422 });
  t.match((await groupOf('undone'))?.tags, { 'slipway-revision': '3' });
  const outcomes = (await ask('GET', `/deployments/${first.id}/revisions`)).json.value;
  t.match(outcomes, [
    { number: 3, kind: 'Rollback', outcome: 'Succeeded', images: first.images },
    { number: 2, outcome: 'Failed' },
    { number: 1, outcome: 'Succeeded' },
  ]);
});

t.test('restart, stop and start are operations', async t => {
  const { json: first } = await deploy('verbs');
  const path = `/deployments/${first.id}`;
  const restarted = await ask('POST', `${path}/restart`, { headers: wait });
  t.match(
    restarted,
    { status: 200, json: { status: 'Running', revision: 1 } },
    JSON.stringify(restarted.json),
  );
  t.match((await ask('GET', restarted.headers.get('operation-location') ?? '')).json, {
    kind: 'Restart',
    status: 'Succeeded',
    steps: [{ phase: 'Restarting' }],
  });
  const stopped = await ask('POST', `${path}/stop`, { headers: wait });
  t.match(stopped.json, { status: 'Stopped', settled: true, containerGroup: { state: 'Stopped' } });
  const started = await ask('POST', `${path}/start`, { headers: wait });
  t.match(started.json, { status: 'Running', containerGroup: { state: 'Running' } });
  t.match(
    (await ask('POST', `${path}/start`, { headers: wait })).json,
    { status: 'Running' },
    'what runs is started',
  );
  for (const verb of ['restart', 'stop']) t.equal((await callsOf('POST', `verbs/${verb}`)).length, 1, verb);
  t.match(await asOther('POST', `${path}/stop`), { status: 404 });
  t.match((await ask('DELETE', path, { headers: wait })).json, { status: 'Deleted' });
  for (const verb of ['restart', 'stop', 'start', 'redeploy', 'rollback'])
    t.match((await ask('POST', `${path}/${verb}`)).status, /409|422/, verb);
  t.match(await ask('POST', `${path}/cancel`), { status: 409, json: { code: 'NotCancelable' } });
});

t.test('a restart whose image is gone says what Azure says of it', async t => {
  const { json: first } = await deploy('vanished');
  const path = '/v2/my-app/manifests/';
  const body = { errors: [{ code: 'MANIFEST_UNKNOWN', message: 'manifest unknown' }] };
  const gone = { host: 'myregistry.azurecr.io', path, times: 1_000, response: { status: 404, body } };
  await world.control('POST', 'faults', gone);
  t.teardown(() => world.control('DELETE', 'faults'));
  const restarted = await ask('POST', `/deployments/${first.id}/restart`, { headers: wait });
  t.match(restarted.json, { settled: true, failure: { code: 'ImageInaccessible' } });
});

t.test('a group that is still transitioning is waited for, whatever is asked of it', async t => {
  const { json: first } = await deploy('moving');
  const path = `/deployments/${first.id}`;
  const message = "The container group 'moving' is still transitioning, please retry later.";
  const refusal = { status: 409, body: { error: { code: 'ContainerGroupTransitioning', message } } };
  for (const [method, call, ended] of [
    ['PUT', () => ask('POST', `${path}/redeploy`, { headers: wait }), 'Running'],
    ['POST', () => ask('POST', `${path}/restart`, { headers: wait }), 'Running'],
    ['POST', () => ask('POST', `${path}/stop`, { headers: wait }), 'Stopped'],
    ['POST', () => ask('POST', `${path}/start`, { headers: wait }), 'Running'],
    ['DELETE', () => ask('DELETE', path, { headers: wait }), 'Deleted'],
  ] as const) {
    const fault = { host: 'management.azure.com', method, path: '/containerGroups/moving', times: 1 };
    await world.control('POST', 'faults', { ...fault, response: refusal });
    const { json, headers } = await call();
    t.match(json, { status: ended }, `${method} ${ended}: ${JSON.stringify(json.failure)}`);
    t.match((await ask('GET', headers.get('operation-location') ?? '')).json, { status: 'Succeeded' });
  }
  t.match(await world.control('GET', 'faults'), { value: [] }, 'each was met');
});

t.test('one at a time: fail, queue or supersede', async t => {
  const runUrl = 'https://ci.example/runs/7';
  const { json: first } = await deploy('busy', { source: { runUrl } });
  const path = `/deployments/${first.id}`;
  const labelled = (n: string) => ({ ...first.spec, labels: { n } });
  const slow = { host: 'management.azure.com', method: 'PUT', path: '/containerGroups/busy', delayMs: 4_000 };
  await world.control('POST', 'faults', slow);
  const later = { headers: { prefer: 'respond-async', 'if-match': '*' } };
  const running = await ask('PUT', path, { body: labelled('1'), ...later });
  t.equal(running.status, 202);
  const refused = await ask('PUT', path, { body: labelled('2'), ...later });
  t.match(refused, {
    status: 409,
    json: { code: 'DeploymentBusy', operation: `/operations/${running.json.operation}`, runUrl },
  });
  const queued = await ask('PUT', `${path}?onBusy=queue`, { body: labelled('3'), ...later });
  t.match(queued, { status: 202, json: { operation: running.json.operation } });
  const waiting = queued.headers.get('operation-location') ?? '';
  t.match((await ask('GET', waiting)).json, { status: 'NotStarted', revision: 3 });
  await world.control('DELETE', 'faults');
  t.match((await ask('GET', `${waiting}/wait`)).json, { status: 'Succeeded', revision: 3 });
  t.match((await ask('GET', path)).json, { liveRevision: 3, spec: { labels: { n: '3' } } });
  t.match((await ask('GET', `/operations/${running.json.operation}`)).json, { status: 'Succeeded' });

  await world.control('POST', 'faults', slow);
  const beaten = await ask('PUT', path, { body: labelled('4'), ...later });
  const winner = await ask('PUT', `${path}?onBusy=supersede`, { body: labelled('5'), ...later });
  t.equal(winner.status, 202, JSON.stringify(winner.json));
  await world.control('DELETE', 'faults');
  t.match((await ask('GET', `/operations/${beaten.json.operation}`)).json, {
    status: 'Canceled',
    failure: { code: 'Superseded' },
  });
  t.match((await ask('GET', `${winner.headers.get('operation-location')}/wait`)).json, {
    status: 'Succeeded',
  });
  t.match((await ask('GET', path)).json, {
    status: 'Running',
    liveRevision: 5,
    spec: { labels: { n: '5' } },
  });
  t.match((await groupOf('busy'))?.tags, { n: '5', 'slipway-revision': '5' });
});

t.test('cancel leaves nothing of a first revision, and what is live of a later one', async t => {
  const slow = {
    host: 'management.azure.com',
    method: 'PUT',
    path: '/containerGroups/canceled',
    delayMs: 1_000,
    times: 1,
  };
  await world.control('POST', 'faults', slow);
  const later = { prefer: 'respond-async' };
  const first = await ask('POST', '/deployments', { body: requestFor('canceled'), headers: later });
  const path = `/deployments/${first.json.id}`;
  await eventually('Submitting', async () => (await ask('GET', path)).json.status === 'Submitting');
  const canceled = await ask('POST', `${path}/cancel`, { headers: wait });
  t.match(
    canceled.json,
    { status: 'Canceled', liveRevision: null, settled: true },
    JSON.stringify(canceled.json),
  );
  t.match((await ask('GET', `/operations/${first.json.operation}`)).json, {
    status: 'Canceled',
    failure: { code: 'Canceled' },
  });
  t.equal(await groupOf('canceled'), undefined);
  const { json: second } = await deploy('canceled');
  t.not(second.id, first.json.id, 'the name is free again');

  await world.control('POST', 'faults', {
    host: 'demo-vault.vault.azure.net',
    method: 'GET',
    path: '/secrets/acr-admin',
    delayMs: 1_500,
    times: 2,
  });
  const update = await ask('POST', `/deployments/${second.id}/redeploy`, { headers: later });
  const undone = await ask('POST', `/deployments/${second.id}/cancel`, { headers: wait });
  t.match(undone.json, { status: 'Canceled', revision: 2, liveRevision: 1 }, JSON.stringify(undone.json));
  t.match((await ask('GET', `/operations/${update.json.operation}`)).json, { status: 'Canceled' });
  t.match((await groupOf('canceled'))?.tags, { 'slipway-revision': '1' });
  t.match((await ask('GET', `/deployments/${second.id}/revisions/2`)).json, { outcome: 'Canceled' });
  t.match((await ask('POST', `/deployments/${second.id}/redeploy`, { headers: wait })).json, {
    status: 'Running',
    liveRevision: 3,
  });
});

t.test('a group that is made anew is not given up between the old and the new one', async t => {
  const { json: first } = await deploy('anew');
  const path = `/deployments/${first.id}`;
  const later = { prefer: 'respond-async', 'if-match': '*' };
  const slow = { host: 'management.azure.com', path: '/containerGroups/anew', delayMs: 3_000, times: 1 };
  await world.control('POST', 'faults', { ...slow, method: 'DELETE' });
  const [container] = first.spec.containers;
  const containers = [{ ...container, resources: { requests: { cpu: 2, memoryInGB: 2 } } }];
  const replacing = await ask('PATCH', `${path}?allowReplace=true`, { body: { containers }, headers: later });
  await eventually('Submitting', async () => (await ask('GET', path)).json.status === 'Submitting');
  t.match(await ask('POST', `${path}/cancel`), { status: 409, json: { code: 'NotCancelable' } });
  for (const verb of ['restart?force=true', 'stop?', 'redeploy?allowReplace=true'])
    t.match(
      await ask('POST', `${path}/${verb}&onBusy=supersede`),
      { status: 409, json: { code: 'DeploymentBusy' } },
      verb,
    );
  const body = { app: `${acr}/web-app:1.4.2` };
  t.match(
    await ask('POST', `${path}/images`, { body }),
    { status: 409, json: { code: 'DeploymentBusy' } },
    'what is under way is in the way, not what it replaces',
  );
  const queued = await ask('POST', `${path}/images?onBusy=queue`, { body, headers: later });
  t.equal(queued.status, 202, queued.text);
  const wait = `${queued.headers.get('operation-location')}/wait`;
  t.match((await ask('GET', wait)).json, { status: 'Succeeded', revision: 3 });
  t.match((await ask('GET', `/operations/${replacing.json.operation}`)).json, { status: 'Succeeded' });
  t.match((await ask('GET', path)).json, {
    status: 'Running',
    liveRevision: 3,
    spec: { containers: [{ resources: { requests: { cpu: 2 } } }] },
  });

  await world.control('POST', 'faults', { ...slow, method: 'DELETE' });
  const [one, two] = [
    await ask('DELETE', path, { headers: later }),
    await ask('DELETE', path, { headers: later }),
  ];
  t.match([one.status, two.status], [202, 202]);
  t.equal(one.headers.get('operation-location'), two.headers.get('operation-location'), 'deleted once');
  t.match((await ask('DELETE', path, { headers: { prefer: 'wait=40' } })).status, /200|204/);
});

t.test('a job runs to its end: exit codes and last lines are in the operation', async t => {
  const job = requestFor('job-result', {
    restartPolicy: 'Never',
    containers: [
      { name: 'job', image: `${acr}/my-app:v1.0`, command: ['/bin/sh', '-c', 'echo one; sleep 1; echo two'] },
    ],
  });
  const { json, headers } = await ask('POST', '/deployments', { body: job, headers: wait });
  t.match(json, { status: 'Succeeded', settled: true }, JSON.stringify(json));
  t.match((await ask('GET', headers.get('operation-location') ?? '')).json, {
    status: 'Succeeded',
    result: { containers: [{ name: 'job', exitCode: 0, log: ['one', 'two'] }] },
  });
  const crash = { ...job, name: 'job-fails', containers: [{ name: 'job', image: `${acr}/job:crash` }] };
  const failed = await ask('POST', '/deployments', { body: crash, headers: wait });
  t.match((await ask('GET', failed.headers.get('operation-location') ?? '')).json, {
    status: 'Failed',
    failure: { code: 'ContainerCrashed' },
    result: { containers: [{ exitCode: 1 }] },
  });
});

t.test('where it has to last, what crashes soon after it came up never counts as running', async t => {
  const running = (startTime: string, more = {}) => ({
    name: 'app',
    currentState: { state: 'Running', startTime },
    restartCount: 0,
    ...more,
  });
  const previousState = { state: 'Terminated', exitCode: 3 };
  const again = running('2026-11-24T08:00:02Z', { restartCount: 1, previousState });
  const waiting = { state: 'Waiting', detailStatus: 'CrashLoopBackOff' };
  await world.control('POST', 'lives', {
    group: 'unsteady',
    steps: [
      {
        afterMs: 0,
        provisioningState: 'Succeeded',
        state: 'Running',
        containers: [running('2026-11-24T08:00:00Z')],
      },
      { afterMs: 1_500, containers: [again] },
      { afterMs: 3_000, containers: [{ ...again, currentState: waiting, restartCount: 2 }] },
    ],
  });
  const body = requestFor('unsteady', { steadySeconds: 60 });
  const { json } = await ask('POST', '/deployments', { body, headers: wait });
  t.match(json, { status: 'Failed', failure: { code: 'ContainerCrashed' } }, JSON.stringify(json));

  const later = { prefer: 'respond-async' };
  const { json: lasting } = await ask('POST', '/deployments', {
    body: requestFor('lasting', { steadySeconds: 2 }),
    headers: later,
  });
  await eventually(
    'it to run',
    async () =>
      (await ask('GET', `/deployments/${lasting.id}`)).json.containerGroup?.containers[0]?.state ===
      'Running',
  );
  const held = (await ask('GET', `/deployments/${lasting.id}`)).json;
  if (!held.settled) t.match(held, { status: 'Provisioning', waitingFor: { reason: 'Steady' } });
  const reached = (await ask('GET', `/deployments/${lasting.id}`, { headers: wait })).json;
  t.match(reached, { status: 'Running', waitingFor: null });
  const { startedAt, durationMs } = reached.timeline.find(
    ({ phase }: { phase: string }) => phase === 'Provisioning',
  );
  t.ok(durationMs >= 2_000, `since ${startedAt}`);
  for (const wrong of [
    { steadySeconds: 5, restartPolicy: 'Never' },
    { steadySeconds: 5, timeoutSeconds: 5 },
  ])
    t.match(await ask('POST', '/deployments', { body: requestFor('wrong', wrong as object) }), {
      status: 400,
      json: { errors: [{ pointer: '/steadySeconds' }] },
    });
});

t.test('plan says what would be done and what stands in the way, and does nothing', async t => {
  const plan = (body: object) => ask('POST', '/deployments/plan', { body });
  const fresh = await plan(requestFor('planned'));
  t.match(fresh, {
    status: 200,
    json: {
      possible: true,
      deployment: null,
      changeKind: 'create',
      images: [{ usable: true, image: { digest: /^sha256:/, verifiedWith: 'credential' } }],
      credentials: [{ secretName: 'acr-admin', secretVersion: /./ }],
      decisions: [{ subject: 'target' }, { subject: 'registry', name: acr, detail: /acr-admin/ }],
      quota: [{ which: 'groups', asked: 1, exceeded: false }],
      troubles: [],
    },
  });
  const { json: first } = await deploy('planned');
  t.match((await plan(first.spec)).json, { deployment: first.id, changeKind: 'none', diff: [] });
  const image = { containers: [{ ...first.spec.containers[0], image: `${acr}/web-app:1.4.2` }] };
  t.match((await plan({ ...first.spec, ...image })).json, {
    possible: true,
    changeKind: 'inPlace',
    effect: /restarts every container/,
    diff: [{ path: '/containers/app/image', live: /my-app@sha256/, wanted: /web-app@sha256/ }],
  });
  t.match((await plan({ ...first.spec, restartPolicy: 'Never' })).json, {
    changeKind: 'replace',
    replaces: ['/restartPolicy'],
    diff: [{ path: '/restartPolicy', live: 'Always', wanted: 'Never' }],
  });
  const two = [
    { name: 'app', image: `${acr}/my-app:never` },
    { name: 'other', image: `${acr}/my-app:v1.0` },
  ];
  t.match((await plan({ ...first.spec, containers: two })).json, {
    possible: false,
    images: [{ container: 'app', usable: false, failure: { code: 'ImageNotFound' } }, { usable: true }],
    troubles: [{ code: 'ImageNotFound', pointer: '/containers/0/image' }],
  });
  const since = (await world.journal()).at(-1)?.seq ?? 0;
  t.match((await plan(requestFor('planned', { target: 'nowhere' }))).json, {
    possible: false,
    changeKind: null,
    troubles: [{ code: 'TargetNotAllowed', pointer: '/target' }],
  });
  t.same(await world.calls(since), [], 'Azure was asked nothing');
  t.match(
    (
      await plan(
        requestFor('planned', { restartPolicy: 'Never', containers: [{ image: 'ghcr.io/Upper/case' }] }),
      )
    ).json,
    {
      possible: false,
      troubles: [{ pointer: '/containers/0/image' }],
    },
  );
  await world.control('POST', 'faults', { host: 'demo-vault.vault.azure.net', response: { status: 503 } });
  t.match((await plan(requestFor('planned'))).json, {
    possible: false,
    troubles: [{ code: 'AzureUnavailable' }],
    decisions: [{ subject: 'target' }, {}],
  });
  await world.control('DELETE', 'faults');
  t.match((await ask('GET', `/deployments/${first.id}`)).json, { revision: 1, status: 'Running' });
  t.equal((await callsOf('PUT', 'planned')).length, 1);
});

t.test('a password that was rotated since is not restarted with, unless by force', async t => {
  const { json: first } = await deploy('guarded');
  const tags = { 'slipway-registry': acr, 'slipway-username': 'myregistry' };
  const before = (await world.control('GET', 'world')) as { vaults?: object };
  t.ok(before);
  const value = 'a-new-password-of-the-registry';
  await world.control('POST', 'world', {
    secrets: [{ vault: 'demo-vault', name: 'acr-admin', value, tags }],
  });
  const refused = await ask('POST', `/deployments/${first.id}/restart`);
  t.match(refused, { status: 409, json: { code: 'StoredCredentialRotated' } });
  t.match((await ask('POST', `/deployments/${first.id}/restart?force=true`, { headers: wait })).json, {
    status: 'Running',
  });
});
