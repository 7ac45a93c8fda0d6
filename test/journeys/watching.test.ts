import t from 'tap';
import { testDatabaseUrl } from '../support/database.ts';
import { eventually, startDemoWorld } from '../support/demo-world.ts';
import { createCaller, requestFor, startProcess } from '../support/service.ts';

/** What a person sees of a deployment: events as they come, its health later on, and what its containers write. */
const world = await startDemoWorld(t);
const service = await startProcess(t, ['src/main.ts'], { ...world.env, ...(await testDatabaseUrl(t)) });
const token = await world.token();
const ask = createCaller(service.url, token);
const asOther = createCaller(service.url, await world.token('other'));
const later = { headers: { prefer: 'respond-async' } };

/** One that runs and then does what is told. */
async function deploy(name: string, steps: object[], more = {}) {
  await world.control('POST', 'lives', { group: name, steps });
  return (await ask('POST', '/deployments', { body: requestFor(name, more), ...later })).json;
}

const begun = '2026-11-24T08:00:00Z';
const runs = {
  name: 'app',
  currentState: { state: 'Running', startTime: begun, detailStatus: '' },
  restartCount: 0,
};
const waited = { headers: { prefer: 'wait=40' } };
const running = { afterMs: 0, provisioningState: 'Succeeded', state: 'Running', containers: [runs] };
const crashes = {
  afterMs: 60_000,
  containers: [
    {
      ...runs,
      restartCount: 4,
      currentState: { state: 'Waiting', detailStatus: 'CrashLoopBackOff' },
      previousState: { state: 'Terminated', startTime: begun, finishTime: begun, exitCode: 3 },
      events: [{ name: 'Killing', message: 'Killing container with id app', type: 'Normal', count: 1 }],
    },
  ],
};

t.test('from the stream of a deployment one learns how it went, and when it is over', async t => {
  const { id } = await deploy('watched', [running]);
  const asStream = { headers: { accept: 'text/event-stream' } };
  const { text, status } = await ask('GET', `/deployments/${id}/events`, asStream);
  t.equal(status, 200);
  const ids = [...text.matchAll(/^id: (\d+)$/gm)].map(([, seq]) => Number(seq));
  t.same(
    ids,
    ids.map((_, index) => index + 1),
  );
  t.match(text, /"type":"Running"/);
  t.match(text, /"source":"Arm","type":"Succeeded","message":"Container group 'watched' is Succeeded"/);
  t.match(text, /event: end\ndata: \{"status":"Running"/);
  const back = { headers: { ...asStream.headers, 'last-event-id': String(ids.length) } };
  t.equal((await ask('GET', `/deployments/${id}/events`, back)).status, 204);
  const team = (await ask('GET', '/events?team=demo&maxpagesize=1000')).json.value;
  t.same(
    team.filter((event: { deployment: string }) => event.deployment === id).length,
    ids.length,
    "and the team's order has them all",
  );
});

t.test('a crash that comes later shows, and so does a group that somebody deletes', async t => {
  const [crashing, deleted] = [
    await deploy('crashing', [running, crashes]),
    await deploy('deleted', [running]),
  ];
  const settled = (id: string) =>
    eventually('it to run', async () => {
      const { json } = await ask('GET', `/deployments/${id}`);
      return json.settled && json;
    });
  for (const { id } of [crashing, deleted])
    t.match(await settled(id), { status: 'Running', health: 'Healthy' });
  await world.control('POST', 'clock', { advanceMs: 60_000 });
  const { containerGroup } = await settled(deleted.id);
  await world.asAdministrator('DELETE', `${containerGroup.id}?api-version=2025-09-01`);
  const becomes = (id: string, health: string) =>
    eventually(
      `it to be ${health}`,
      async () => {
        const { json } = await ask('GET', `/deployments/${id}`);
        return json.health === health && json;
      },
      120_000,
    );
  t.match(await becomes(crashing.id, 'Degraded'), { status: 'Running', settled: true });
  t.match(await becomes(deleted.id, 'Missing'), { status: 'Running', settled: true });
  const events = (await ask('GET', `/deployments/${crashing.id}/events`)).json.value;
  t.match(events.at(-1), { source: 'Slipway', type: 'Degraded', message: /exit code 3, restarted 4 times/ });
  const log = await ask('GET', `/deployments/${deleted.id}/containers/app/logs`);
  t.match(log, { status: 410, json: { code: 'LogsGone' } });
});

t.test('a container is read and followed', async t => {
  const { id } = await deploy('talking', [running]);
  const path = `/deployments/${id}/containers/app/logs`;
  const text = await eventually('it to write', async () => {
    const answer = await ask('GET', path);
    return answer.status === 200 && answer;
  });
  t.match(text.headers.get('content-type'), /^text\/plain/);
  t.match(text.text, /^app: started\napp: at work\n$/);
  t.match(
    (await ask('GET', `${path}?timestamps=true&tail=1`)).text,
    /^2026-11-24T08:00:00\S*Z app: at work\n$/,
  );
  const json = await ask('GET', path, { headers: { accept: 'application/x-ndjson' } });
  t.same(
    json.text
      .trim()
      .split('\n')
      .map(line => JSON.parse(line).line),
    ['app: started', 'app: at work'],
  );
  const controller = new AbortController();
  const answer = await fetch(`${service.url}${path}?follow=true&tail=1`, {
    headers: { authorization: `Bearer ${token}` },
    signal: controller.signal,
  });
  t.match(answer.headers.get('content-type'), /^text\/event-stream/);
  let heard = '';
  const decoder = new TextDecoder();
  for await (const chunk of answer.body ?? []) {
    heard += decoder.decode(chunk as Uint8Array, { stream: true });
    if (heard.includes('at work')) break;
  }
  controller.abort();
  t.notMatch(heard, /app: started/);
  t.match(heard, /^id: \S+\ndata: \{"at":"2026-11-24T08:00:00\S*Z","line":"app: at work"\}$/m);
  t.match(await ask('GET', `/deployments/${id}/containers/nobody/logs`), { status: 404 });
  t.match(await ask('GET', `${path}?follow=true`, { headers: { 'last-event-id': 'x' } }), { status: 400 });
  t.match(await asOther('GET', path), { status: 404 });
});

t.test('of a group that failed and was removed the last lines are kept', async t => {
  const ended = {
    ...running,
    containers: [
      {
        ...runs,
        currentState: { state: 'Terminated', startTime: begun, finishTime: begun, exitCode: 2 },
      },
    ],
  };
  const { id } = await deploy('failing', [ended], { restartPolicy: 'Never' });
  await eventually(
    'it to fail',
    async () => (await ask('GET', `/deployments/${id}`)).json.status === 'Failed',
  );
  const path = `/deployments/${id}/containers/app/logs`;
  const kept = await ask('GET', path);
  t.match(kept, { status: 200, text: /app: error: exiting with 2\n$/ });
  t.ok(kept.headers.get('last-modified'), 'and when they were');
  const followed = await ask('GET', `${path}?follow=true`);
  t.match(followed.text, /exiting with 2.*event: end\ndata: \{"reason":"the container group is gone/s);
  const last = [...followed.text.matchAll(/^id: (\S+)$/gm)].at(-1)?.[1] ?? '';
  t.equal((await ask('GET', `${path}?follow=true`, { headers: { 'last-event-id': last } })).status, 204);
});

t.test('a group that goes between the look at it and the look at its log is gone, not Azure', async t => {
  const { id } = await deploy('raced', [running]);
  const path = `/deployments/${id}/containers/app/logs`;
  await eventually('it to write', async () => (await ask('GET', path)).text.includes('at work'));
  await eventually('it to run', async () => (await ask('GET', `/deployments/${id}`)).json.settled);
  const code = 'ResourceNotFound';
  const response = { status: 404, body: { error: { code, message: 'The Resource was not found.' } } };
  const call = { host: 'management.azure.com', method: 'GET', path: '/containerGroups/raced/containers' };
  await world.control('POST', 'faults', { ...call, response, times: 1 });
  t.match(await ask('GET', path), { status: 410, json: { code: 'LogsGone' } });
});

t.test('of a group that is deleted or canceled the last lines are kept too', async t => {
  for (const [name, restartPolicy, end] of [
    ['farewell', 'Always', (id: string) => ask('DELETE', `/deployments/${id}`, waited)],
    ['recalled', 'Never', (id: string) => ask('POST', `/deployments/${id}/cancel`, waited)],
  ] as const) {
    const { id } = await deploy(name, [running], { restartPolicy });
    const path = `/deployments/${id}/containers/app/logs`;
    await eventually('it to write', async () => (await ask('GET', path)).text.includes('at work'));
    t.match(await end(id), { status: 200, json: { status: /^(?:Deleted|Canceled)$/ } });
    const kept = await ask('GET', path);
    t.match(kept, { status: 200, text: /^app: started\napp: at work\n/ }, name);
    t.ok(kept.headers.get('last-modified'));
    t.match((await ask('GET', `${path}?follow=true`)).text, /at work.*event: end/s);
  }
});

t.test('a container that has not started says so', async t => {
  const pulling = {
    afterMs: 0,
    provisioningState: 'Creating',
    state: 'Pending',
    containers: [{ name: 'app', currentState: { state: 'Waiting', detailStatus: 'ContainerCreating' } }],
  };
  const { id } = await deploy('waiting', [pulling]);
  const answer = await eventually('the group', async () => {
    const { json, status } = await ask('GET', `/deployments/${id}/containers/app/logs`);
    return json?.detail?.includes('ContainerCreating') && { json, status };
  });
  t.match(answer, { status: 409, json: { code: 'ContainerNotStarted' } });
});
