import t from 'tap';
import { testDatabaseUrl } from '../support/database.ts';
import { eventually, startDemoWorld } from '../support/demo-world.ts';
import { type ForeignGroup, putForeignGroup } from '../support/foreign-group.ts';
import { createCaller, requestFor, startProcess } from '../support/service.ts';
import { slipway } from '../support/slipway.ts';

const world = await startDemoWorld(t);
const service = await startProcess(t, ['src/main.ts'], { ...world.env, ...(await testDatabaseUrl(t)) });
const token = await world.token();
const ask = createCaller(service.url, token);
const asOther = createCaller(service.url, await world.token('other'));

const identityOf = (name: string) =>
  `/subscriptions/00000000-0000-0000-0000-00000000bbbb/resourceGroups/my-resource-group/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`;
const attached = (name: string) => ({
  type: 'UserAssigned',
  userAssignedIdentities: { [identityOf(name)]: {} },
});
const acr = 'myregistry.azurecr.io';
const credentials = [{ server: acr, secretName: 'acr-admin' }];
const canary = 'canary-value-of-a-container';

const putForeign = (name: string, more: ForeignGroup = {}) => putForeignGroup(world, name, more);

const adopt = (body: object, headers: Record<string, string> = { prefer: 'wait=30' }) =>
  ask('POST', '/deployments/adopt', { body, headers });
/** Azure pulls the image meanwhile, and a group that moves is refused. */
const adoptSettled = (body: object, headers?: Record<string, string>) =>
  eventually('a group that is settled', async () => {
    const answer = await adopt(body, headers);
    return / is (?:Pending|Creating|Waiting)[^;]*; adopt it once/.test(answer.text) ? null : answer;
  });
const callsTo = async (name: string, method: string) =>
  (await world.journal()).filter(
    call => call.method === method && call.path.includes(`/containerGroups/${name}`),
  );

t.test('a running group is taken over as it is: tagged, followed, and never put', async t => {
  await putForeign('older', { tags: { owner: 'ann' } });
  t.match(await ask('POST', '/deployments', { body: requestFor('older') }), {
    status: 409,
    json: { code: 'ContainerGroupExists' },
  });
  const before = (await callsTo('older', 'PUT')).length;
  const key = { 'idempotency-key': 'adopt-older', prefer: 'wait=30' };
  const { status, json } = await adoptSettled({ target: 'demo', name: 'older' }, key);
  t.equal(status, 200, JSON.stringify(json));
  t.match(json, {
    status: 'Running',
    team: 'demo',
    name: 'older',
    revision: 1,
    liveRevision: 1,
    spec: {
      location: 'eastus',
      labels: { owner: 'ann' },
      keepFailed: true,
      containers: [
        {
          name: 'app',
          image: 'docker.io/library/nginx:1.27',
          environmentVariables: [{ name: 'LOG_LEVEL', value: 'info' }],
        },
      ],
      ipAddress: { type: 'Public' },
    },
    images: [{ requested: 'docker.io/library/nginx:1.27', verifiedWith: 'none' }],
    health: 'Healthy',
  });
  t.match((await ask('GET', `/operations/${json.operation}`)).json, { kind: 'Adopt', status: 'Succeeded' });
  t.equal((await callsTo('older', 'PUT')).length, before);
  t.equal((await callsTo('older', 'PATCH')).length, 1);

  const again = await adopt({ target: 'demo', name: 'older' }, key);
  t.match(again, { status: 200, json: { id: json.id } });
  t.equal(again.headers.get('idempotency-replayed'), 'true');
  t.match(await adopt({ target: 'demo', name: 'older' }), {
    status: 409,
    json: { code: 'DeploymentExists' },
  });

  const gone = await ask('DELETE', `/deployments/${json.id}`, { headers: { prefer: 'wait=30' } });
  t.match(gone, { status: 200, json: { status: 'Deleted' } });
  t.equal((await callsTo('older', 'DELETE')).length, 1);
});

t.test(
  'what a deployment cannot say, or policy does not allow, is refused, and the group left alone',
  async t => {
    const secure = [{ name: 'DB_KEY', secureValue: canary }];
    const plain = [{ name: 'CONNECTION', value: `ghp_${'a1B2'.repeat(9)}` }];
    const cases: [string, ForeignGroup, number, string, RegExp][] = [
      [
        'has-secret',
        { container: { environmentVariables: secure } },
        409,
        'ContainerGroupNotAdoptable',
        /exactly one of value/,
      ],
      [
        'own-identity',
        { identity: { type: 'SystemAssigned' } },
        409,
        'ContainerGroupNotAdoptable',
        /identity/,
      ],
      [
        'holds-token',
        { container: { environmentVariables: plain } },
        400,
        'SecretInRequest',
        /environmentVariables/,
      ],
      ['pull-only', { identity: attached('fresh-identity') }, 403, 'IdentityNotAvailable', /fresh-identity/],
      [
        'claimed',
        { tags: { 'Slipway-Deployment': 'of-another-slipway' } },
        409,
        'ContainerGroupExists',
        /of-another-slipway/,
      ],
      ['odd-tag', { tags: { 'a tag with blanks': 'x' } }, 409, 'ContainerGroupNotAdoptable', /labels/],
    ];
    for (const [name, group, status, code, detail] of cases) {
      await putForeign(name, group);
      const answer = await adoptSettled({ target: 'demo', name });
      t.match(answer, { status, json: { code } }, `${name}: ${answer.text}`);
      t.match(answer.text, detail, name);
      t.notMatch(answer.text, canary);
      t.same(await callsTo(name, 'PATCH'), [], name);
      t.equal((await ask('GET', `/deployments/demo:${name}`)).status, 404);
    }
    t.match(await adopt({ target: 'demo', name: 'no-such' }), { status: 404, json: { code: 'NotFound' } });
  },
);

t.test('a target of others is refused before Azure is asked', async t => {
  const seq = (await world.journal()).at(-1)?.seq ?? 0;
  for (const body of [
    { target: 'other', name: 'older' },
    { target: 'no-such', name: 'older' },
    { team: 'other', target: 'other', name: 'older' },
  ])
    t.equal((await adopt(body)).status, 403);
  t.equal(
    (await asOther('POST', '/deployments/adopt', { body: { target: 'demo', name: 'older' } })).status,
    403,
  );
  t.same(await world.calls(seq), []);
  t.equal((await adopt({ target: 'demo', name: 'older', password: 'x' })).status, 400);
});

t.test('slipway adopt does it from the command line, with the credential by reference', async t => {
  await putForeign('private', {
    container: { image: `${acr}/my-app:v1.0` },
    identity: attached('aci-acr-identity'),
    properties: { imageRegistryCredentials: [{ server: acr, identity: identityOf('aci-acr-identity') }] },
  });
  const env = { SLIPWAY_URL: service.url, SLIPWAY_TOKEN: token };
  const args = ['adopt', '--target', 'demo', '--name', 'private'];
  // Whoever does not name the credential is told so, once the group runs.
  const settled = await adoptSettled({
    target: 'demo',
    name: 'private',
    imageRegistryCredentials: [{ server: 'ghcr.io', secretName: 'ghcr-pull' }],
  });
  t.equal(settled.status, 400);
  const { code, out, err } = await slipway([...args, '--secret', `${acr}=acr-admin`], env);
  t.equal(code, 0, err);
  t.match(out, /^demo:private {2}Running {2}Healthy\n {2}id {8}[0-9a-f-]{36}$/m);
  const { json } = await ask('GET', '/deployments/demo:private');
  t.match(json, { credentials, spec: { imageRegistryCredentials: credentials } });
  t.match(await slipway(args, env), { code: 2, err: /^DeploymentExists: / });
  t.match(await slipway(['adopt', '--name', 'private'], env), { code: 2, err: /--target is missing/ });
  t.match(await slipway([...args, '--secret', 'acr-admin'], env), { code: 2, err: /SERVER=REFERENCE/ });
  const nowhere = { SLIPWAY_URL: undefined, SLIPWAY_DATA: '/nowhere', XDG_CONFIG_HOME: '/nowhere' };
  t.match(await slipway(args, nowhere), { code: 2, err: /^SLIPWAY_URL is not set/ });
});
