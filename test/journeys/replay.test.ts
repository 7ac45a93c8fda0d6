import { randomUUIDv7 } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { testDatabaseUrl } from '../support/database.ts';
import { eventually, startDemoWorld } from '../support/demo-world.ts';
import { type Recorded, recordCalls, replay } from '../support/recorder.ts';
import { type Answer, createCaller, requestFor, startProcess } from '../support/service.ts';

/**
 * Every request of a session of team `demo`, sent again by team `other` and by nobody. What is another team's answers as
 * what does not exist: the same request is sent with names and ids that nobody has, and both answers must be equal.
 */
const world = await startDemoWorld(t);
const service = await startProcess(t, ['src/main.ts'], { ...world.env, ...(await testDatabaseUrl(t)) });
const { ask, recorded } = recordCalls(createCaller(service.url, await world.token()));
const asDemo = createCaller(service.url, await world.token());
const asOther = createCaller(service.url, await world.token('other'));
const asNobody = createCaller(service.url, null);

const image = 'myregistry.azurecr.io/my-app:v1.0';
const identity =
  '/subscriptions/00000000-0000-0000-0000-00000000bbbb/resourceGroups/my-resource-group/providers/Microsoft.ManagedIdentity/userAssignedIdentities/aci-acr-identity';
const later = { headers: { prefer: 'respond-async' } };
const settled = (id: string) =>
  eventually(`${id} to be settled`, async () => {
    const { json } = await asDemo('GET', `/deployments/${id}`);
    return json.settled && json;
  });

/** All that a team does; ids of the document's operations that are left out are told. */
async function session(): Promise<void> {
  await ask('GET', '/me');
  const key = { 'idempotency-key': 'replayed-key', prefer: 'respond-async' };
  const running = {
    body: requestFor('replay-running', { labels: { release: 'replay-label' } }),
    headers: key,
  };
  const { json: first } = await ask('POST', '/deployments', running);
  await ask('POST', '/deployments', running);
  await ask('POST', '/deployments', { ...running, body: requestFor('replay-reused') });
  const byIdentity = requestFor('replay-identity', {
    imageRegistryCredentials: [{ server: 'myregistry.azurecr.io', identity }],
  });
  const { json: second } = await ask('POST', '/deployments', { body: byIdentity, ...later });
  const explicit = { team: 'demo', target: 'demo', location: 'eastus' };
  const { json: third } = await ask('POST', '/deployments', {
    body: requestFor('replay-explicit', explicit),
    ...later,
  });
  const wrong = {
    containers: [{ image: 'ghcr.io/myorg/log-forwarder:2.0.1' }],
    imageRegistryCredentials: [{ server: 'ghcr.io', secretName: 'ghcr-wrong' }],
  };
  await ask('POST', '/deployments', { body: requestFor('replay-refused', wrong) });
  await ask('POST', '/deployments', { body: { name: 'Replay_Invalid', containers: [] } });
  for (const { id } of [first, second, third]) await settled(id);

  await ask('GET', '/deployments');
  await ask('GET', '/deployments?team=demo&target=demo&status=Running');
  for (const filter of [
    'name=replay-running',
    'secretName=acr-admin',
    'label=release%3Dreplay-label',
    `identity=${encodeURIComponent(identity)}`,
    `createdBy=${first.createdBy.client}`,
    `image=${encodeURIComponent(image)}`,
  ])
    await ask('GET', `/deployments?${filter}`);
  const page = await ask('GET', '/deployments?maxpagesize=1');
  await ask('GET', page.json.nextLink);
  for (const ref of [first.id, 'demo:replay-running', second.id, third.id, 'demo:replay-refused']) {
    const { headers } = await ask('GET', `/deployments/${ref}`);
    await ask('GET', `/deployments/${ref}`, { headers: { 'if-none-match': headers.get('etag') ?? '' } });
    await ask('GET', `/deployments/${ref}`, { headers: { prefer: 'wait=1' } });
    await ask('HEAD', `/deployments/${ref}`);
    await ask('PUT', `/deployments/${ref}`, { body: requestFor('replay-running') });
    const events = await ask('GET', `/deployments/${ref}/events?maxpagesize=2`);
    if (events.json.nextLink) await ask('GET', events.json.nextLink);
    await ask('GET', `/deployments/${ref}/events`, { headers: { accept: 'text/event-stream' } });
  }
  await ask('GET', `/deployments/${first.id}/containers/app/logs`);
  await ask('GET', '/deployments/demo:replay-refused/containers/app/logs?follow=true');
  await ask('GET', `/deployments/${first.id}/containers/nobody/logs`);
  for (const operation of [first.operation, second.operation, third.operation]) {
    await ask('GET', `/operations/${operation}`);
    await ask('GET', `/operations/${operation}/wait?timeout=1`);
  }
  await changes(first.id);
  const deletion = { 'idempotency-key': 'replayed-deletion', prefer: 'respond-async' };
  await ask('DELETE', `/deployments/${second.id}`, { headers: deletion });
  await ask('DELETE', `/deployments/${second.id}`, { headers: deletion });
  await ask('DELETE', '/deployments/demo:replay-explicit', later);
  for (const { id } of [second, third]) await settled(id);
  await ask('DELETE', `/deployments/${second.id}`);
  for (const path of ['/options', '/credentials']) {
    await ask('GET', path);
    await ask('GET', `${path}?team=demo`);
  }
  for (const credential of [{ secretName: 'acr-admin' }, { identity }]) {
    const body = { server: 'myregistry.azurecr.io', image, ...credential };
    await ask('POST', '/credentials/test', { body });
  }
  for (const path of ['/events', '/events?team=demo&maxpagesize=3']) await ask('GET', path);
  await ask('GET', '/audit');
  await ask('GET', '/audit?team=demo');
  await ask('GET', '/no-such-address');
}

/** All changes of a deployment that is there. */
async function changes(id: string): Promise<void> {
  const path = `/deployments/${id}`;
  const any = { headers: { prefer: 'wait=20', 'if-match': '*' } };
  await ask('PUT', path, { body: requestFor('replay-running'), ...any });
  await ask('PATCH', path, { body: { labels: { release: 'replay-label' } }, ...any });
  await ask('POST', `${path}/images`, { body: { app: image }, ...any });
  for (const verb of ['redeploy', 'rollback', 'restart', 'stop', 'start'])
    await ask('POST', `${path}/${verb}`, any);
  await ask('POST', `${path}/cancel`);
  await ask('GET', `${path}/revisions?maxpagesize=2`);
  await ask('GET', `${path}/revisions/1`);
  await ask('POST', '/deployments/adopt', { body: { name: 'replay-absent' } });
  await ask('POST', '/deployments/plan', { body: requestFor('replay-running') });
  await ask('GET', '/credentials/acr-admin/usages');
  await ask('POST', '/credentials/acr-admin/rotate', { headers: { prefer: 'wait=20' } });
  await ask('DELETE', '/deployments');
}

await session();

/** What only team demo has, beside the names that it gives: each with one of the same length that nobody has. */
const strangers = new Map([
  ['replay-', 'nobody-'],
  ['replayed-', 'nobodies-'],
  ['acr-admin', 'acr-nobod'],
  ['ghcr-wrong', 'ghcr-nobod'],
  ['aci-acr-identity', 'aci-nob-identity'],
  ['000000000d0001', '000000000d0009'],
]);
for (const { answer, path } of recorded)
  for (const [id] of `${path} ${answer.text}`.matchAll(
    /[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g,
  ))
    if (!strangers.has(id)) strangers.set(id, randomUUIDv7());

/** The same for what is nobody's. */
function asStranger(text: string): string {
  let changed = text.replaceAll(/(team=|target=|"team":"|"target":"|'|\/)demo\b(?!-)/g, '$1nope');
  for (const [own, foreign] of strangers) changed = changed.replaceAll(own, foreign);
  return changed;
}

/** What no answer to others may have, unless they sent it. */
const marks = [...strangers.keys(), '"demo"', 'demo-vault', ...addresses()];

function addresses(): string[] {
  const ips = recorded.flatMap(({ answer }) => answer.json?.containerGroup?.ipAddress?.ip ?? []);
  const versions = recorded.flatMap(
    ({ answer }) => answer.text.match(/(?<="secretVersion":")[0-9a-f]+/g) ?? [],
  );
  return [...new Set([...ips, ...versions])];
}

const sent = ({ path, body, headers }: Recorded) => JSON.stringify([path, body ?? null, headers ?? null]);
const tells = (request: Recorded, { text, headers }: Answer) =>
  marks.filter(
    mark => `${JSON.stringify([...headers])}${text}`.includes(mark) && !sent(request).includes(mark),
  );
const nameOf = ({ method, path }: Recorded) => `${method} ${path}`;

/** An answer without what differs from request to request. */
function comparable({ status, headers, text }: Answer) {
  const perRequest = ['date', 'x-request-id', 'ratelimit'];
  return {
    status,
    headers: [...headers].filter(([name]) => !perRequest.includes(name)),
    text: text.replaceAll(/urn:uuid:[0-9a-f-]{36}/g, 'urn:uuid:'),
  };
}

t.test('the session asked for everything that needs a token', async t => {
  const file = join(import.meta.dirname, '../../openapi/openapi.json');
  const { paths } = JSON.parse(readFileSync(file, 'utf8')) as {
    paths: Record<string, Record<string, { security?: unknown[] }>>;
  };
  const asked = (method: string, path: string) => {
    const pattern = new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/?]+')}(?:\\?|$)`);
    return recorded.some(one => one.method === method.toUpperCase() && pattern.test(one.path));
  };
  const missing = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([method, { security }]) => security === undefined && !asked(method, path))
      .map(([method]) => `${method.toUpperCase()} ${path}`),
  );
  t.same(missing, [], 'a new address is added to the session above');
  const outcomes = new Set(recorded.map(({ answer }) => answer.status));
  for (const status of [200, 202, 204, 304, 400, 403, 404, 405, 422]) t.ok(outcomes.has(status), `${status}`);
  t.ok(recorded.filter(({ answer }) => answer.status < 300).length > 40, 'most of it went well');
});

t.test('without a token each is 401, and tells nothing', async t => {
  for (const request of recorded) {
    const answer = await replay(asNobody, request);
    t.match(answer, { status: 401 }, nameOf(request));
    t.same(tells(request, answer), [], nameOf(request));
    t.same(comparable(answer), comparable(await replay(asNobody, request, asStranger)), nameOf(request));
  }
});

t.test('to the other team each answers as if nothing of it existed', async t => {
  const before = (await asDemo('GET', '/deployments?maxpagesize=100')).json;
  let refused = 0;
  for (const request of recorded) {
    const answer = await replay(asOther, request);
    t.same(tells(request, answer), [], `${nameOf(request)} ${answer.status}: nothing of demo's is told`);
    const stranger = await replay(asOther, request, asStranger);
    t.equal(answer.status, stranger.status, nameOf(request));
    // What the other team may do itself makes records of its own.
    if (answer.status < 400 && request.method !== 'GET') continue;
    const { status, headers, text } = comparable(answer);
    const expected = comparable(stranger);
    t.same(
      { status, headers, text: asStranger(text) },
      { ...expected, text: asStranger(expected.text) },
      nameOf(request),
    );
    if (status >= 400) refused += 1;
  }
  t.ok(refused > 50, `${refused} of ${recorded.length} were refused`);
  const after = (await asDemo('GET', '/deployments?maxpagesize=100')).json;
  t.same(after, before, "and demo's records are as they were");
});
