import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ContainerGroup,
  ContainerInstanceManagementClient,
  type ImageRegistryCredential,
} from '@azure/arm-containerinstance';
import t from 'tap';
import { assignRole } from '../../src/emulator/arm/role-assignments.ts';
import { roles } from '../../src/emulator/arm/role-definitions.ts';
import { demo } from '../../src/emulator/demo-ids.ts';
import { demoIdentity } from '../../src/emulator/demo-world.ts';
import { putImage } from '../../src/emulator/registry/images.ts';
import { type Answer, startTestEmulator, type TestEmulator } from '../support/emulator.ts';

const arm = 'https://management.azure.com';
const armScope = `${arm}/.default`;
const acr = 'myregistry.azurecr.io';
const { subscriptionId, resourceGroup } = demo;
const provider = 'providers/Microsoft.ContainerInstance';
const groupPath = (name: string) =>
  `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}/${provider}/containerGroups/${name}`;
const urlOf = (name: string, version = '2023-05-01') => `${arm}${groupPath(name)}?api-version=${version}`;
const requests = { cpu: 1, memoryInGB: 1.5 };

function clientOf(emulator: TestEmulator): ContainerInstanceManagementClient {
  return new ContainerInstanceManagementClient(emulator.administrator, subscriptionId, {
    httpClient: emulator.httpClient,
    retryOptions: { maxRetries: 0 },
  });
}

function passwordOf({ world }: TestEmulator, host: string, username: string): string {
  return world.registries[host]?.users[username]?.password ?? '';
}

const adminLogin = (emulator: TestEmulator): ImageRegistryCredential => ({
  server: acr,
  username: 'myregistry',
  password: passwordOf(emulator, acr, 'myregistry'),
});

/** As the SDK takes it. */
function flat(image: string, more: Partial<ContainerGroup> = {}): ContainerGroup {
  return {
    location: 'eastus',
    osType: 'Linux',
    containers: [{ name: 'app', image, resources: { requests } }],
    ...more,
  };
}

/** As the wire takes it. */
function body(image: string, properties: Record<string, unknown> = {}, more: Record<string, unknown> = {}) {
  return {
    location: 'eastus',
    ...more,
    properties: {
      osType: 'Linux',
      containers: [{ name: 'app', properties: { image, resources: { requests } } }],
      ...properties,
    },
  };
}

interface Wire {
  emulator: TestEmulator;
  put(name: string, body: object, version?: string): Promise<Answer>;
  get(name: string, version?: string): Promise<Answer>;
  ask(method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', url: string, body?: object): Promise<Answer>;
}

async function wireTo(emulator: TestEmulator): Promise<Wire> {
  const token = await emulator.token('administrator', armScope);
  const ask: Wire['ask'] = (method, url, sent) =>
    emulator.ask(url, { method, token, ...(sent ? { body: sent } : {}) });
  return {
    emulator,
    ask,
    put: (name, sent, version) => ask('PUT', urlOf(name, version), sent),
    get: (name, version) => ask('GET', urlOf(name, version)),
  };
}

async function eventually<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  for (let left = 300; left > 0; left -= 1) {
    const found = await look();
    if (found !== undefined) return found;
    await sleep(20);
  }
  throw new Error(`waited in vain for ${what}`);
}

const settled = (wire: Wire, name: string) =>
  eventually(`${name} to settle`, async () => {
    const { json } = await wire.get(name);
    return /Succeeded|Failed/.test(json.properties?.provisioningState) ? json : undefined;
  });

type Event = { name: string; message: string; count: number; type: string };
const eventsOf = (group: {
  properties: { containers: { properties: { instanceView?: { events?: Event[] } } }[] };
}) => group.properties.containers[0]?.properties.instanceView?.events ?? [];

t.test("Azure's own client creates a group, follows it, reads its log and deletes it", async t => {
  const emulator = await startTestEmulator(t);
  const client = clientOf(emulator);
  const created = await client.containerGroups.beginCreateOrUpdateAndWait(
    resourceGroup,
    'app-1',
    flat(`${acr}/my-app:v1.0`, {
      tags: { a: 'b' },
      imageRegistryCredentials: [adminLogin(emulator)],
      ipAddress: { type: 'Public', ports: [{ port: 80 }], dnsNameLabel: 'app-1-label' },
    }),
    { updateIntervalInMs: 50 },
  );
  t.match(created, {
    id: groupPath('app-1'),
    name: 'app-1',
    type: 'Microsoft.ContainerInstance/containerGroups',
    location: 'eastus',
    tags: { a: 'b' },
    provisioningState: 'Succeeded',
    sku: 'Standard',
    instanceView: { state: 'Running' },
    ipAddress: { fqdn: 'app-1-label.eastus.azurecontainer.io', ip: /^\d+\.\d+\.\d+\.\d+$/ },
    imageRegistryCredentials: [{ server: acr, username: 'myregistry' }],
    containers: [{ instanceView: { restartCount: 0, currentState: { state: 'Running', startTime: Date } } }],
  });
  const events = created.containers[0]?.instanceView?.events ?? [];
  t.same(
    events.map(({ name }) => name),
    ['Pulling', 'Pulled', 'Started'],
  );
  t.match(
    events[0]?.message,
    /^pulling image "myregistry\.azurecr\.io\/my-app@sha256:[0-9a-f]{64}"$/,
    'ACI finds the digest',
  );
  t.notMatch(JSON.stringify(created), passwordOf(emulator, acr, 'myregistry'));

  const { content = '' } = await client.containers.listLogs(resourceGroup, 'app-1', 'app');
  t.ok(content.trim().split('\n').length > 1);
  const tail = await client.containers.listLogs(resourceGroup, 'app-1', 'app', { tail: 1, timestamps: true });
  t.match(tail.content, /^\d{4}-\d\d-\d\dT[^\n]+\n$/);
  await t.rejects(client.containers.listLogs(resourceGroup, 'app-1', 'other'), /not found/);

  const listed: ContainerGroup[] = [];
  for await (const each of client.containerGroups.list()) listed.push(each);
  for await (const each of client.containerGroups.listByResourceGroup(resourceGroup)) listed.push(each);
  t.same(
    listed.map(({ name }) => name),
    ['app-1', 'app-1'],
  );
  t.notMatch(JSON.stringify(listed), 'instanceView', 'lists have no instance view');

  const tagged = await client.containerGroups.update(resourceGroup, 'app-1', { tags: { c: 'd' } });
  t.same(tagged.tags, { c: 'd' });
  const deleted = await client.containerGroups.beginDeleteAndWait(resourceGroup, 'app-1', {
    updateIntervalInMs: 50,
  });
  t.match(deleted, { name: 'app-1', provisioningState: 'Succeeded', instanceView: { state: 'Running' } });
  await t.rejects(client.containerGroups.get(resourceGroup, 'app-1'), {
    statusCode: 404,
    code: 'ResourceNotFound',
  });
  await client.containerGroups.beginDeleteAndWait(resourceGroup, 'app-1');

  const pulls = emulator.journal
    .since(0)
    .filter(({ host, path }) => host === acr && path.includes('/manifests/v1.0'));
  t.ok(
    pulls.some(({ status, caller }) => status === 200 && caller === 'myregistry'),
    'the registry was really asked',
  );
});

t.test('PUT is answered at once, with where to look', async t => {
  const emulator = await startTestEmulator(t);
  const wire = await wireTo(emulator);
  const sent = body(`${acr}/my-app:v1.0`, {
    imageRegistryCredentials: [adminLogin(emulator)],
    restartPolicy: 'Always',
    volumes: [{ name: 'files', secret: { key: 'aHVzaA==' } }],
  });
  sent.properties.containers[0] = {
    ...sent.properties.containers[0],
    name: 'app',
    properties: {
      image: `${acr}/my-app:v1.0`,
      resources: { requests },
      environmentVariables: [
        { name: 'OPEN', value: 'shown' },
        { name: 'SHUT', secureValue: 'hush' },
      ],
    } as never,
  };
  const created = await wire.put('wire-1', sent);
  t.equal(created.status, 201);
  const { headers } = created;
  t.notOk(headers['retry-after'], 'no Retry-After unless asked for');
  t.notOk(headers.location);
  for (const window of ['pt1h', 'pt5m'])
    t.match(headers[`x-ms-ratelimit-remaining-subscription-resource-requests-${window}`], /^\d+$/);
  t.match(headers['x-ms-ratelimit-remaining-subscription-writes'], /^\d+$/);
  const operation = String(headers['azure-asyncoperation']);
  t.match(
    operation,
    new RegExp(
      `^${arm}/subscriptions/${subscriptionId}/${provider}/locations/eastus/operations/[0-9a-f-]{36}\\?api-version=2018-06-01&t=\\d+&c=[^&]+&s=[^&]+&h=[^&]+$`,
    ),
  );
  t.ok(operation.length > 1_000, 'a long address, as clients must bear');
  t.same(created.json, {
    properties: {
      sku: 'Standard',
      provisioningState: 'Pending',
      provisioningTimeoutInSeconds: 1800,
      isCustomProvisioningTimeout: false,
      containers: [
        {
          name: 'app',
          properties: {
            image: `${acr}/my-app:v1.0`,
            ports: [],
            environmentVariables: [{ name: 'OPEN', value: 'shown' }, { name: 'SHUT' }],
            resources: { requests },
          },
        },
      ],
      initContainers: [],
      imageRegistryCredentials: [{ server: acr, username: 'myregistry', isDelegatedIdentity: false }],
      restartPolicy: 'Always',
      osType: 'Linux',
      volumes: [{ name: 'files', secret: {} }],
      instanceView: { events: [], state: 'Pending' },
    },
    id: groupPath('wire-1'),
    name: 'wire-1',
    type: 'Microsoft.ContainerInstance/containerGroups',
    location: 'eastus',
  });

  const first = await wire.ask('GET', operation);
  t.same(Object.keys(first.json).sort(), ['id', 'properties', 'startTime', 'status']);
  t.match(first.json, { id: groupPath('wire-1'), status: 'Pending', properties: { events: [] } });
  t.match(await wire.put('wire-1', sent), {
    status: 409,
    json: {
      error: {
        code: 'ContainerGroupTransitioning',
        message: "The container group 'wire-1' is still transitioning, please retry later.",
      },
    },
  });
  const seen = new Set<string>();
  const last = await eventually('the end of the operation', async () => {
    const { json } = await wire.ask('GET', operation);
    seen.add(json.status);
    return json.status === 'Succeeded' ? json : undefined;
  });
  t.ok(seen.has('Creating'));
  t.same(
    last.properties.events.map(({ name }: Event) => name),
    ['Pulling', 'Pulled', 'Started'],
  );

  const updated = await wire.put(
    'wire-1',
    body(`${acr}/web-app:latest`, { imageRegistryCredentials: [adminLogin(emulator)] }),
  );
  t.equal(updated.status, 200);
  t.equal(updated.json.properties.provisioningState, 'Pending');
  t.notOk(updated.json.properties.restartPolicy, 'an unsent policy is not filled in');
  t.notOk(updated.json.properties.volumes, 'PUT replaces the whole group');
  t.not(updated.headers['azure-asyncoperation'], operation);
  t.equal((await wire.ask('GET', operation)).json.status, 'Succeeded', 'what an operation came to stays');
  t.equal((await wire.ask('GET', operation.replace(/operations\/[^?]+/, 'operations/nowhere'))).status, 404);

  t.test('a path and members may come in any case', async t => {
    await settled(wire, 'wire-1');
    const lower = await wire.ask(
      'GET',
      urlOf('wire-1').replace('resourceGroups', 'resourcegroups').replace('my-res', 'MY-res'),
    );
    t.equal(lower.json.id, groupPath('wire-1'));
    const shouted = await wire.put('wire-2', {
      LOCATION: 'East US',
      Properties: {
        OSTYPE: 'Linux',
        Containers: [
          {
            NAME: 'app',
            properties: { IMAGE: 'nginx:1.27', Resources: { requests: { CPU: 1, memoryingb: 1 } } },
          },
        ],
      },
    });
    t.match(shouted, {
      status: 201,
      json: { location: 'East US', properties: { containers: [{ name: 'app' }] } },
    });
  });

  t.test('an operation on the address that was asked stays there', async t => {
    const token = await emulator.token('administrator', armScope);
    const answer = await emulator.ask(`${emulator.url}${groupPath('wire-3')}?api-version=2023-05-01`, {
      method: 'PUT',
      token,
      body: body('nginx:1.27'),
    });
    t.match(answer.headers['azure-asyncoperation'], emulator.url);
  });

  const nobody = await emulator.token('demo-client', armScope);
  t.match(await emulator.ask(urlOf('wire-1'), { token: nobody }), {
    status: 403,
    json: { error: { code: 'AuthorizationFailed' } },
  });
});

t.test('Slipway itself has exactly the rights to create, follow and delete', async t => {
  const emulator = await startTestEmulator(t);
  emulator.clock.setRate(20);
  const token = await emulator.token('slipway', armScope);
  const identity = demoIdentity('aci-acr-identity');
  const sent = body(
    `${acr}/my-app:v1.0`,
    { imageRegistryCredentials: [{ server: acr, identity }] },
    { identity: { type: 'UserAssigned', userAssignedIdentities: { [identity]: {} } } },
  );
  const created = await emulator.ask(urlOf('by-slipway'), { method: 'PUT', token, body: sent });
  t.equal(created.status, 201);
  const known = emulator.world.identities[identity.toLowerCase()];
  t.match(created.json.identity, {
    type: 'UserAssigned',
    tenantId: demo.tenantId,
    userAssignedIdentities: { [identity]: { clientId: known?.clientId, principalId: known?.principalId } },
  });
  const operation = String(created.headers['azure-asyncoperation']);
  await eventually('the pull with the identity', async () => {
    const { status, json } = await emulator.ask(operation, { token });
    t.equal(status, 200);
    return json.status === 'Succeeded' ? json : undefined;
  });
  const exchanged = emulator.journal.since(0).filter(({ path }) => path.startsWith('/oauth2/exchange'));
  t.ok(exchanged.length > 0 && exchanged.every(({ caller }) => caller === known?.clientId));
  t.equal((await emulator.ask(urlOf('by-slipway'), { method: 'DELETE', token })).status, 200);

  const own = demoIdentity('slipway');
  const linked = await emulator.ask(urlOf('own'), {
    method: 'PUT',
    token,
    body: body(
      'nginx:1.27',
      {},
      { identity: { type: 'UserAssigned', userAssignedIdentities: { [own]: {} } } },
    ),
  });
  t.equal(linked.status, 403);
  t.match(linked.json.error, {
    code: 'LinkedAuthorizationFailed',
    message: `does not have permission to perform action 'Microsoft.ManagedIdentity/userAssignedIdentities/assign/action' on the linked scope(s) '${own}'`,
  });
});

t.test('what cannot be changed in place, and who else is there already', async t => {
  const emulator = await startTestEmulator(t);
  emulator.clock.setRate(20);
  const wire = await wireTo(emulator);
  const address = { ipAddress: { type: 'Public', ports: [{ port: 80 }], dnsNameLabel: 'taken-label' } };
  await wire.put('first', body('nginx:1.27', address));
  await settled(wire, 'first');
  t.match((await wire.put('second', body('nginx:1.27', address))).json.error, {
    code: 'DnsNameLabelAlreadyTaken',
    message:
      "The DNS name label 'taken-label' in container group 'second' is not available. Try using a different label.",
  });
  const bigger = body('nginx:1.27', address);
  bigger.properties.containers = [
    {
      name: 'app',
      properties: { image: 'nginx:1.27', resources: { requests: { cpu: 2, memoryInGB: 1.5 } } },
    },
  ];
  for (const [what, sent] of [
    ['cpu', bigger],
    ['restart policy', body('nginx:1.27', { ...address, restartPolicy: 'Never' })],
    ['operating system', body('nginx:1.27', { ...address, osType: 'Windows' })],
  ] as const)
    t.match(
      await wire.put('first', sent),
      {
        status: 400,
        json: {
          error: {
            code: 'InvalidContainerGroupUpdate',
            message:
              "The updates on container group 'first' are invalid. If you are going to update the os type, restart policy, network profile, CPU, memory or GPU resources for a container group, you must delete it first and then create a new one.",
          },
        },
      },
      what,
    );
  const moved = await wire.put('first', { ...body('nginx:1.27', address), location: 'westeurope' });
  t.match(moved, { status: 409, json: { error: { code: 'InvalidResourceLocation' } } });

  const twice = await Promise.all([
    wire.put('race', body('nginx:1.27')),
    wire.put('race', body('nginx:1.27')),
  ]);
  t.same(twice.map(({ status }) => status).sort(), [201, 409], 'two at once make one group');
});

t.test('a pull that fails shows in events, and goes on when it can', async t => {
  const emulator = await startTestEmulator(t);
  const wire = await wireTo(emulator);
  const image = `${acr}/my-app:v1.0`;
  const waiting = (name: string) =>
    eventually(`${name} to wait`, async () => {
      const { json } = await wire.get(name);
      return eventsOf(json).some(event => event.name === 'BackOff') ? json : undefined;
    });
  const said = (group: Parameters<typeof eventsOf>[0]) =>
    eventsOf(group).find(event => event.name === 'Failed')?.message ?? '';

  async function failing(name: string, fault: object): Promise<string> {
    await wire.put(name, body(image, { imageRegistryCredentials: [adminLogin(emulator)] }));
    emulator.faults.add(fault);
    const group = await waiting(name);
    t.match(group.properties, {
      provisioningState: 'Creating',
      instanceView: { state: 'Pending' },
      containers: [{ properties: { instanceView: { restartCount: 0, currentState: { state: 'Waiting' } } } }],
    });
    t.same(
      eventsOf(group).map(event => [event.name, event.type]),
      [
        ['Pulling', 'Normal'],
        ['Failed', 'Warning'],
        ['BackOff', 'Normal'],
      ],
    );
    emulator.faults.end();
    return said(group);
  }
  const refusing = (status: number, code: string, message: string) => ({
    host: acr,
    path: '/manifests/',
    response: { status, body: { errors: [{ code, message }] } },
  });
  const start =
    /^Failed to pull image "myregistry\.azurecr\.io\/my-app@sha256:[0-9a-f]{64}": rpc error: code Unknown desc Error response from daemon: /;
  for (const [name, fault, text] of [
    ['unknown', refusing(404, 'MANIFEST_UNKNOWN', 'manifest unknown'), 'manifest unknown'],
    [
      'limited',
      refusing(429, 'TOOMANYREQUESTS', 'You have reached your pull rate limit.'),
      'toomanyrequests: You have reached your pull rate limit.',
    ],
    ['broken', refusing(503, 'UNAVAILABLE', 'no'), '503'],
  ] as const) {
    const message = await failing(name, fault);
    t.match(message, start);
    t.match(message, text);
  }

  t.test('a password changed after PUT is noticed at the pull, and again when it is right', async t => {
    const login = adminLogin(emulator);
    await wire.put('rotated', body(image, { imageRegistryCredentials: [login] }));
    const user = emulator.world.registries[acr]?.users.myregistry;
    if (!user) throw new Error('the demo world has that user');
    user.password = 'rotated';
    t.match(said(await waiting('rotated')), `Get https://${acr}/v2/my-app/manifests/`);
    t.match(said(await waiting('rotated')), 'unauthorized: authentication required');
    user.password = login.password ?? '';
    emulator.clock.advance(60_000);
    t.match((await settled(wire, 'rotated')).properties, {
      provisioningState: 'Succeeded',
      instanceView: { state: 'Running' },
    });
  });

  t.test('a registry that is gone has no host', async t => {
    const gone = { ...emulator.world.registries[acr], host: 'short.azurecr.io' };
    Object.assign(emulator.world.registries, { 'short.azurecr.io': structuredClone(gone) });
    putImage(emulator.world, 'short.azurecr.io', 'app', '1', {});
    await wire.put(
      'hostless',
      body('short.azurecr.io/app:1', {
        imageRegistryCredentials: [{ ...adminLogin(emulator), server: 'short.azurecr.io' }],
      }),
    );
    delete emulator.world.registries['short.azurecr.io'];
    t.match(said(await waiting('hostless')), 'dial tcp: lookup short.azurecr.io: no such host');
  });

  t.test('after half an hour the provisioning has failed, in the words of its events', async t => {
    const created = await wire.put('late', body(image, { imageRegistryCredentials: [adminLogin(emulator)] }));
    emulator.faults.add(refusing(401, 'UNAUTHORIZED', 'authentication required'));
    await waiting('late');
    emulator.clock.advance(1_801_000);
    const { json } = await wire.ask('GET', String(created.headers['azure-asyncoperation']));
    t.match(json, { status: 'Failed', error: { code: 'Failed', message: /unauthorized/ } });
    t.match(
      json.error.message,
      "Subscription deployment didn't reach a successful provisioning state after '00:30:00'.",
    );
    emulator.faults.end();
  });
});

t.test('containers end as their image says, and the group with them', async t => {
  const emulator = await startTestEmulator(t);
  emulator.clock.setRate(20);
  const wire = await wireTo(emulator);
  const job = (tag: string, restartPolicy: string) =>
    body(`${acr}/job:${tag}`, { restartPolicy, imageRegistryCredentials: [adminLogin(emulator)] });
  const state = (group: Answer['json']) => group.properties.containers[0].properties.instanceView;
  const reaching = (name: string, done: (group: Answer['json']) => boolean) =>
    eventually(name, async () => {
      const { json } = await wire.get(name);
      return done(json) ? json : undefined;
    });

  for (const [name, tag, policy, groupState, exitCode, detail] of [
    ['done', 'ok', 'Never', 'Succeeded', 0, 'Completed'],
    ['failed', 'crash', 'Never', 'Failed', 1, 'Error'],
    ['done-too', 'ok', 'OnFailure', 'Succeeded', 0, 'Completed'],
  ] as const) {
    await wire.put(name, job(tag, policy));
    const group = await reaching(name, ({ properties }) => properties.instanceView.state === groupState);
    t.equal(group.properties.provisioningState, 'Succeeded', 'which says nothing of how it ended');
    t.match(state(group).currentState, {
      state: 'Terminated',
      exitCode,
      detailStatus: detail,
      startTime: String,
      finishTime: String,
    });
    const { json } = await wire.ask(
      'GET',
      `${arm}${groupPath(name)}/containers/app/logs?api-version=2023-05-01`,
    );
    t.ok(json.content.length > 0);
  }
  await wire.put('crashing', job('crash', 'Always'));
  const crashing = await reaching('crashing', group => state(group)?.restartCount >= 2);
  t.match(state(crashing), {
    currentState: { state: 'Waiting', detailStatus: /^CrashLoopBackOff/ },
    previousState: { state: 'Terminated', exitCode: 1, detailStatus: 'Error' },
  });
  t.ok(eventsOf(crashing).some(({ name }) => name === 'BackOff'));
  t.equal(crashing.properties.instanceView.state, 'Running');
});

t.test('start, stop and restart', async t => {
  const emulator = await startTestEmulator(t);
  const client = clientOf(emulator);
  const options = { updateIntervalInMs: 50 };
  emulator.clock.setRate(20);
  await client.containerGroups.beginCreateOrUpdateAndWait(
    resourceGroup,
    'again',
    flat(`${acr}/my-app:v1.0`, { imageRegistryCredentials: [adminLogin(emulator)] }),
    options,
  );
  await client.containerGroups.stop(resourceGroup, 'again');
  t.equal((await client.containerGroups.get(resourceGroup, 'again')).instanceView?.state, 'Stopped');
  await client.containerGroups.beginStartAndWait(resourceGroup, 'again', options);
  t.equal((await client.containerGroups.get(resourceGroup, 'again')).instanceView?.state, 'Running');
  await client.containerGroups.beginRestartAndWait(resourceGroup, 'again', options);
  await eventually('it to run again', async () => {
    const { instanceView } = await client.containerGroups.get(resourceGroup, 'again');
    return instanceView?.state === 'Running' ? true : undefined;
  });
  await client.containerGroups.stop(resourceGroup, 'again');
  const user = emulator.world.registries[acr]?.users.myregistry;
  if (user) user.password = 'rotated';
  await t.rejects(
    client.containerGroups.beginStartAndWait(resourceGroup, 'again', options),
    { statusCode: 400, code: 'InaccessibleImage' },
    'the stored password is used again',
  );
});

t.test('a life may be prescribed', async t => {
  const emulator = await startTestEmulator(t);
  const wire = await wireTo(emulator);
  const prescribe = (life: object) => wire.ask('POST', `${arm}/_emulator/lives`, life);
  const failure = {
    name: 'Failed',
    message: 'Failed to pull image "x": toomanyrequests: no',
    type: 'Warning',
    count: 3,
  };
  const answer = await prescribe({
    group: 'told',
    steps: [
      { afterMs: 0, provisioningState: 'Pending', state: 'Pending' },
      { afterMs: 60_000, provisioningState: 'Creating', events: [{ name: 'Thinking', message: 'hm' }] },
      {
        afterMs: 120_000,
        containers: [{ name: 'app', currentState: { state: 'Waiting' }, restartCount: 1, events: [failure] }],
      },
      { afterMs: 180_000, provisioningState: 'Failed', error: { code: 'Failed', message: 'as told' } },
    ],
  });
  t.equal(answer.status, 200);
  const created = await wire.put('told', body('nginx:1.27'));
  const operation = String(created.headers['azure-asyncoperation']);
  t.equal(created.json.properties.provisioningState, 'Pending');
  const begun = emulator.clock.now();
  emulator.clock.advance(61_000);
  const second = (await wire.get('told')).json;
  t.match(second.properties, { provisioningState: 'Creating', instanceView: { state: 'Pending' } });
  const [thinking] = second.properties.instanceView.events;
  t.match(thinking, { name: 'Thinking', message: 'hm', count: 1, type: 'Normal' });
  t.ok(
    Math.abs(Date.parse(thinking.firstTimestamp) - begun - 60_000) < 3_000,
    "an event gets its step's moment",
  );
  emulator.clock.advance(60_000);
  const third = (await wire.get('told')).json;
  t.equal(third.properties.provisioningState, 'Creating', 'what a step does not say keeps its value');
  t.match(third.properties.containers[0].properties.instanceView, {
    restartCount: 1,
    currentState: { state: 'Waiting' },
    events: [failure],
  });
  t.match(third.properties.instanceView.events, [{ name: 'Thinking' }]);
  emulator.clock.advance(3_600_000);
  t.match((await wire.ask('GET', operation)).json, {
    status: 'Failed',
    error: { code: 'Failed', message: 'as told' },
    properties: { events: [{ name: 'Thinking' }, failure] },
  });

  await wire.ask('DELETE', urlOf('told'));
  t.match((await wire.put('told', body('nginx:1.27'))).json.properties, { provisioningState: 'Pending' });
  emulator.clock.setRate(20);
  t.equal(
    (await settled(wire, 'told')).properties.provisioningState,
    'Succeeded',
    'only the next group lives so',
  );

  for (const wrong of [{}, { group: 'x' }, { group: 'x', steps: [] }, { group: 'x', steps: [{}] }])
    t.equal((await prescribe(wrong)).status, 400);
});

t.test('what a recording tells of a group is what comes back', async t => {
  const emulator = await startTestEmulator(t, { tier: 'simulated' });
  const wire = await wireTo(emulator);
  const directory = join(import.meta.dirname, '../vectors/aci-recordings');
  const recorded = '00000000-0000-0000-0000-000000000000';
  const files = readdirSync(directory).filter(
    file => !/standbypool/.test(file) && readFileSync(join(directory, file), 'utf8').includes('"PUT"'),
  );
  t.ok(files.length > 3);
  await wire.ask(
    'PUT',
    `${arm}/subscriptions/${recorded}/resourceGroups/clitest.rg000001?api-version=2021-04-01`,
    { location: 'westus' },
  );
  await wire.ask(
    'PUT',
    `${arm}/subscriptions/${recorded}/resourceGroups/clitest.rg000001/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cliaciidentity000005?api-version=2023-01-31`,
    { location: 'westus' },
  );
  for (const file of files) {
    const { exchanges, apiVersion } = JSON.parse(readFileSync(join(directory, file), 'utf8'));
    for (const { method, path, status, requestBody, responseBody } of exchanges) {
      if (method !== 'PUT') continue;
      const answer = await wire.ask('PUT', `${arm}${path}?api-version=${apiVersion}`, requestBody);
      t.equal(answer.status, status, file);
      t.same(shapeOf(answer.json), shapeOf(responseBody), `${file} at ${apiVersion}`);
      await wire.ask('DELETE', `${arm}${path}?api-version=${apiVersion}`);
    }
  }
});

/** Values of ids that Azure made up are not ours; all else is compared as it is. */
function shapeOf(value: unknown, key = ''): unknown {
  if (/^(principalId|clientId|tenantId)$/.test(key)) return typeof value;
  if (Array.isArray(value)) return value.map(each => shapeOf(each));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, shapeOf(each, name)]));
}

t.test('a restart in the middle of a provisioning changes nothing', async t => {
  const dataDir = mkdtempSync(join(tmpdir(), 'emulator-groups-'));
  t.teardown(() => rmSync(dataDir, { recursive: true, force: true }));
  const before = await startTestEmulator({ teardown: () => {} }, { dataDir });
  const wire = await wireTo(before);
  const created = await wire.put(
    'kept',
    body(`${acr}/my-app:v1.0`, { imageRegistryCredentials: [adminLogin(before)] }),
  );
  t.equal(created.json.properties.provisioningState, 'Pending');
  await before.dispatcher.destroy();
  await before.close();

  const after = await startTestEmulator(t, { dataDir });
  const group = await settled(await wireTo(after), 'kept');
  t.match(group.properties, { provisioningState: 'Succeeded', instanceView: { state: 'Running' } });
  const operation = new URL(String(created.headers['azure-asyncoperation']));
  const { json } = await (await wireTo(after)).ask('GET', `${arm}${operation.pathname}${operation.search}`);
  t.match(json, { status: 'Succeeded', id: groupPath('kept') });
});

t.test('in tier simulated no registry is asked', async t => {
  const emulator = await startTestEmulator(t, { tier: 'simulated' });
  emulator.clock.setRate(20);
  const wire = await wireTo(emulator);
  t.equal((await wire.put('anything', body('nowhere.example/app:1'))).status, 201);
  t.equal((await settled(wire, 'anything')).properties.instanceView.state, 'Running');
  t.equal(
    (await wire.put('ill-formed', body('https://nowhere.example/app:1'))).json.error.code,
    'InaccessibleImage',
  );
  t.same(
    emulator.journal.since(0).filter(({ host }) => host !== 'management.azure.com'),
    [],
  );
});

t.test('quota, roles and identities hold from one group to the next', async t => {
  const emulator = await startTestEmulator(t, { tier: 'simulated' });
  const wire = await wireTo(emulator);
  const big = (cpu: number) => ({
    location: 'westeurope',
    properties: {
      osType: 'Linux',
      containers: [
        { name: 'app', properties: { image: 'nginx', resources: { requests: { cpu, memoryInGB: 1 } } } },
      ],
    },
  });
  t.equal((await wire.put('most', big(999))).status, 201);
  t.match((await wire.put('more', big(2))).json.error, {
    code: 'ContainerGroupQuotaReached',
    message: /Limit: '1000', Usage: '999' Requested: '2'\.$/,
  });
  t.equal((await wire.put('more', { ...big(2), location: 'eastus' })).status, 201, 'each region has its own');
  await wire.ask('DELETE', urlOf('most'));
  t.equal((await wire.put('again', big(2))).status, 201);

  const id = demoIdentity('orders-identity');
  const sent = body(
    'nginx',
    {},
    { identity: { type: 'UserAssigned', userAssignedIdentities: { [id]: {} } } },
  );
  const reader = emulator.world.principals[demo.demoClientId];
  if (!reader) throw new Error('the demo world has that client');
  assignRole(emulator.world, reader.principalId, roles.slipwayDeployer, `/subscriptions/${subscriptionId}`);
  const token = await emulator.token('demo-client', armScope);
  t.equal(
    (await emulator.ask(urlOf('linked'), { method: 'PUT', token, body: sent })).json.error.code,
    'LinkedAuthorizationFailed',
  );
  assignRole(emulator.world, reader.principalId, roles.identityOperator, id);
  t.equal((await emulator.ask(urlOf('linked'), { method: 'PUT', token, body: sent })).status, 201);
});
