import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { testDatabaseUrl } from '../support/database.ts';
import { startDemoWorld } from '../support/demo-world.ts';
import { createCaller, requestFor, startProcess, temporaryDirectory } from '../support/service.ts';
import { seedStore } from '../support/store-template.ts';

const world = await startDemoWorld(t);
const workflow = `o/deploy/.github/workflows/deploy.yml@${'a'.repeat(40)}`;
const policy = join(world.data, 'policy.yaml');
const embedded = readFileSync('src/policy/embedded.yaml', 'utf8');
writeFileSync(
  policy,
  embedded.replace(
    '\nteams:\n  demo:\n    principals:\n',
    `  - { name: runs, issuer: "https://token.actions.githubusercontent.com", audience: "https://deploy.example", singleUse: true }
operators: [{ issuer: runs, subject: operator }]
portals: [{ issuer: embedded, client: 00000000-0000-0000-0000-0000000d0001, teams: [demo], actsForUsers: true }]
teams:
  demo:
    principals:
      - { issuer: runs, repositoryId: "1", ownerId: "2", workflow: "${workflow}", permissions: [deploy, read] }
`,
  ),
);
const env = { ...world.env, ...(await testDatabaseUrl(t)), SLIPWAY_POLICY: policy };
const service = await startProcess(t, ['src/main.ts'], env);
const portal = createCaller(service.url, await world.token());
const other = createCaller(service.url, await world.token('other'));

async function signedByRuns(subject: string, claims: object = {}) {
  const audience = 'https://deploy.example';
  const asked = { subject, audience, claims };
  const { token } = (await world.control('POST', 'assertion', asked)) as { token: string };
  return createCaller(service.url, token);
}
const operator = await signedByRuns('operator');

t.test('a portal deploys for its users, and who reads the record knows for whom', async t => {
  const me = await portal('GET', '/me', { headers: { 'on-behalf-of': 'corp|ada' } });
  t.match(me.json, { onBehalfOf: 'corp|ada', actsForUsersIn: ['demo'], operator: false });
  const post = (user: string, name: string) =>
    portal('POST', '/deployments', {
      body: requestFor(name),
      headers: { 'on-behalf-of': user, 'idempotency-key': 'one', prefer: 'wait=30' },
    });
  const ada = await post('corp|ada', 'of-ada');
  t.match(ada, { status: 200, json: { status: 'Running', onBehalfOf: 'corp|ada' } });
  t.match(ada.json.createdBy, { issuer: 'embedded', client: '00000000-0000-0000-0000-0000000d0001' });
  const bob = await post('corp|bob', 'of-bob');
  t.match(bob, { status: 200, json: { name: 'of-bob', onBehalfOf: 'corp|bob' } }, 'his key is his own');

  const list = async (user: string) => {
    const { json } = await portal('GET', `/deployments?onBehalfOf=${encodeURIComponent(user)}`);
    return json.value.map(({ name }: { name: string }) => name);
  };
  t.same(await list('corp|ada'), ['of-ada']);
  t.same(await list('corp|eve'), []);
  t.match(await other('GET', '/me', { headers: { 'on-behalf-of': 'corp|ada' } }), {
    status: 403,
    json: { code: 'PermissionDenied', detail: /On-Behalf-Of is for portals/ },
  });
  t.match(await portal('GET', '/me', { headers: { 'on-behalf-of': 'ada' } }), {
    status: 400,
    json: { code: 'InvalidRequest', errors: [{ pointer: 'On-Behalf-Of' }] },
  });
  const { json: audit } = await operator('GET', '/audit?action=create&team=demo');
  t.same(
    audit.value.map(({ onBehalfOf }: { onBehalfOf: string }) => onBehalfOf),
    ['corp|bob', 'corp|ada'],
  );
  const gone = await portal('DELETE', `/deployments/${bob.json.id}`, {
    headers: { 'on-behalf-of': 'corp|eve' },
  });
  t.equal(gone.status, 202);
  const { json: deletions } = await operator('GET', '/audit?action=delete');
  t.match(deletions.value, [{ onBehalfOf: 'corp|eve', target: 'of-bob' }]);
});

t.test('an operator reads what every team has, and does nothing', async t => {
  const mine = await other('POST', '/deployments', {
    body: {
      name: 'of-other',
      containers: [{ image: 'myregistry.azurecr.io/my-app:v1.0' }],
    },
    headers: { prefer: 'respond-async' },
  });
  t.equal(mine.status, 202, mine.text);
  t.match((await operator('GET', '/me')).json, { operator: true, teams: [] });
  const { json } = await operator('GET', '/deployments');
  const teams = new Set(json.value.map(({ team }: { team: string }) => team));
  t.same([...teams].sort(), ['demo', 'other']);
  const [{ id, operation }] = json.value;
  for (const path of [`/deployments/${id}`, `/deployments/${id}/events`, `/operations/${operation}`])
    t.equal((await operator('GET', path)).status, 200, path);
  const asking = async (method: string, path: string, body?: unknown) => {
    const caller = await signedByRuns('operator', { jti: `${method} ${path}` });
    return caller(method, path, body === undefined ? {} : { body });
  };
  t.match(await asking('POST', '/deployments', requestFor('his')), {
    status: 403,
    json: { code: 'PermissionDenied' },
  });
  t.equal((await asking('DELETE', `/deployments/${id}`)).status, 403);
  for (const path of ['/options', '/options?team=demo', '/credentials'])
    t.match(await operator('GET', path), { status: 403, json: { code: 'PermissionDenied' } }, path);
});

t.test('a pinned run deploys, once with each token', async t => {
  const run = {
    repository_id: '1',
    repository_owner_id: '2',
    event_name: 'push',
    job_workflow_ref: workflow,
  };
  const branch = workflow.replace(/@.*/, '@refs/heads/main');
  const unpinned = await signedByRuns('repo:o/r', { ...run, jti: 'a', job_workflow_ref: branch });
  t.match(await unpinned('GET', '/me'), {
    status: 403,
    json: { detail: /grants nothing to subject 'repo:o\/r'/ },
  });
  const pinned = await signedByRuns('repo:o/r', { ...run, jti: 'b' });
  t.match((await pinned('GET', '/me')).json, { teams: [{ team: 'demo', permissions: ['deploy', 'read'] }] });
  const post = () =>
    pinned('POST', '/deployments', { body: requestFor('once'), headers: { prefer: 'wait=30' } });
  t.equal((await post()).status, 200);
  t.match(await post(), { status: 401, json: { detail: /has made its one change/ } });
  t.equal((await pinned('GET', '/deployments')).status, 200, 'it still reads');
});

t.test(
  'a form learns what may be chosen, and how each credential is, also while the vault is out',
  async t => {
    const options = await portal('GET', '/options?team=demo');
    t.equal(options.status, 200, options.text);
    const { groups } = options.json.quota;
    t.equal(groups.limit, 500);
    t.ok(groups.used >= 1);
    t.equal(groups.left, 500 - groups.used);
    t.match(await portal('GET', '/options?team=other'), { status: 403, json: { code: 'PermissionDenied' } });
    t.equal((await portal('GET', '/options?colour=red')).status, 400);

    const before = (await world.journal()).length;
    await world.control('POST', 'faults', {
      host: 'demo-vault.vault.azure.net',
      response: { status: 503, body: { error: { code: 'ServiceUnavailable', message: 'out' } } },
    });
    const out = await portal('GET', '/credentials?team=demo');
    t.equal(out.status, 200, out.text);
    const named = (list: typeof out) =>
      list.json.value.map(({ secretName, identity = '', health }: Record<string, string | undefined>) => [
        secretName ?? identity.split('/').at(-1),
        health,
      ]);
    t.same(Object.fromEntries(named(out))['ghcr-pull'], 'Unknown');
    await world.control('DELETE', 'faults');
    t.same(named(await other('GET', '/credentials')), [
      ['other-pull', 'Healthy'],
      ['other-identity', 'Unknown'],
    ]);
    const calls = (await world.journal())
      .slice(before)
      .filter(({ host }) => host.endsWith('.vault.azure.net'));
    t.ok(calls.length > 0);
    const others = calls.filter(({ path }) => !path.split('?')[0]?.endsWith('/versions'));
    t.same(others, [], 'no value was read');
  },
);

t.test("an emulator's policy does not start beside the real Azure", async t => {
  const directory = temporaryDirectory(t);
  await seedStore(directory);
  const hosts = String(world.env.SLIPWAY_HOSTS).replace(/management\.azure\.com=[^,]*,/, '');
  const alone = { ...env, SLIPWAY_HOSTS: hosts.replace(',*=none', ''), SLIPWAY_DATA: directory };
  await t.rejects(startProcess(t, ['src/main.ts'], alone), {
    message: /leads login\.microsoftonline\.com .* and not management/,
  });
});
