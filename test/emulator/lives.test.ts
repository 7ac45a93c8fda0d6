import t from 'tap';
import { apiVersions } from '../../src/emulator/container-groups/api-versions.ts';
import { demo } from '../../src/emulator/demo-ids.ts';
import { demoIdentity } from '../../src/emulator/demo-world.ts';
import { type Answer, startTestEmulator } from '../support/emulator.ts';

const arm = 'https://management.azure.com';
const acr = 'myregistry.azurecr.io';
const { subscriptionId, resourceGroup } = demo;
const home = `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}`;
const subscription = `/subscriptions/${subscriptionId}`;
const groupOf = (name: string) => `${home}/providers/Microsoft.ContainerInstance/containerGroups/${name}`;
const resources = { requests: { cpu: 1, memoryInGB: 1 } };
const tiers = ['simulated', 'registry'] as const;

type Body = Record<string, unknown>;
type View = {
  restartCount: number;
  currentState: Body;
  previousState?: Body;
  events: { name: string; count: number }[];
};

const app = (more: Body = {}, name = 'app') => ({
  name,
  properties: { image: 'nginx:1.27', resources, ...more },
});
const init = (name: string, script: string) => ({
  name,
  properties: { image: 'nginx:1.27', command: ['/bin/sh', '-c', script] },
});
const body = (properties: Body = {}, more: Body = {}): Body => ({
  location: 'eastus',
  ...more,
  properties: { osType: 'Linux', containers: [app()], ...properties },
});

/** The emulator's time stands still but for what `pass` lets go by. */
async function start(t: Parameters<typeof startTestEmulator>[0], tier: (typeof tiers)[number]) {
  const emulator = await startTestEmulator(t, { tier });
  emulator.clock.setRate(0);
  const token = await emulator.token('administrator', `${arm}/.default`);
  async function ask(
    method: 'GET' | 'PUT' | 'POST' | 'DELETE' | 'PATCH',
    path: string,
    sent?: Body,
    version = '2025-09-01',
  ): Promise<Answer> {
    const url = `${arm}${path}${path.includes('?') ? '&' : '?'}api-version=${version}`;
    return emulator.ask(url, { method, token, ...(sent ? { body: sent } : {}) });
  }
  const get = async (name: string) => (await ask('GET', groupOf(name))).json;
  return { emulator, ask, get, pass: (ms: number) => emulator.clock.advance(ms) };
}

type Azure = Awaited<ReturnType<typeof start>>;

/** Lets a second at a time pass until the group is so; a pull really happens, so it gets time of this machine too. */
async function until(
  azure: Azure,
  name: string,
  is: (group: Answer['json']) => boolean,
): Promise<Answer['json']> {
  for (let left = 400; left > 0; left -= 1) {
    const group = await azure.get(name);
    if (is(group)) return group;
    azure.pass(1_000);
    await new Promise(resolve => setTimeout(resolve, 5));
  }
  throw new Error(`${name} never was so: ${JSON.stringify(await azure.get(name))}`);
}

const settled = ({ properties }: Answer['json']) => /Succeeded|Failed/.test(properties.provisioningState);
const viewOf = (group: Answer['json'], name = 'app'): View =>
  [...group.properties.containers, ...group.properties.initContainers].find(each => each.name === name)
    .properties.instanceView;

for (const tier of tiers)
  t.test(`init containers, in tier ${tier}`, async t => {
    const azure = await start(t, tier);
    const initContainers = [init('first', 'echo one; sleep 30'), init('second', 'sleep 30')];
    t.equal((await azure.ask('PUT', groupOf('ready'), body({ initContainers }))).status, 201);
    const first = await until(
      azure,
      'ready',
      group => viewOf(group, 'first')?.currentState?.state === 'Running',
    );
    t.match(first.properties, { provisioningState: 'Creating', instanceView: { state: 'Pending' } });
    t.equal(viewOf(first, 'second').currentState.state, 'Waiting');
    t.equal(viewOf(first).currentState.state, 'Waiting', 'they run first');
    azure.pass(31_000);
    const second = await azure.get('ready');
    t.match(viewOf(second, 'first').currentState, {
      state: 'Terminated',
      exitCode: 0,
      detailStatus: 'Completed',
    });
    t.equal(viewOf(second, 'second').currentState.state, 'Running', 'one after another');
    const done = await until(azure, 'ready', settled);
    t.match(done.properties, { provisioningState: 'Succeeded', instanceView: { state: 'Running' } });
    t.equal(viewOf(done).currentState.state, 'Running');
    t.ok(
      String(viewOf(done).currentState.startTime) >= String(viewOf(done, 'second').currentState.finishTime),
    );
    t.equal((await azure.ask('GET', `${groupOf('ready')}/containers/first/logs`)).json.content, 'one\n');

    const broken = [init('first', 'exit 3'), init('second', 'true')];
    const put = await azure.ask(
      'PUT',
      groupOf('broken'),
      body({ initContainers: broken, restartPolicy: 'Never' }),
    );
    const failed = await until(azure, 'broken', settled);
    t.match(failed.properties, { provisioningState: 'Failed', instanceView: { state: 'Failed' } });
    t.match(viewOf(failed, 'first').currentState, {
      state: 'Terminated',
      exitCode: 3,
      detailStatus: 'Error',
    });
    t.equal(viewOf(failed).currentState.state, 'Waiting', 'what waits for it never starts');
    const operation = new URL(String(put.headers['azure-asyncoperation']));
    t.match((await azure.ask('GET', operation.pathname)).json, {
      status: 'Failed',
      error: { code: 'Failed', message: /'first' terminated with exit code 3/ },
    });
    await azure.ask('PUT', groupOf('trying'), body({ initContainers: broken }));
    const trying = await until(azure, 'trying', group => viewOf(group, 'first')?.restartCount > 1);
    t.equal(trying.properties.provisioningState, 'Creating', 'where it is started again, it goes on');
    t.match(await azure.ask('PUT', groupOf('unnamed'), body({ initContainers: [{ properties: {} }] })), {
      json: { error: { code: 'InvalidRequestContent' } },
    });
  });

for (const tier of tiers)
  t.test(`how containers end, in tier ${tier}`, async t => {
    const azure = await start(t, tier);
    const shell = (script: string) => ['/bin/sh', '-c', script];
    for (const [policy, command, state, current] of [
      [
        'Never',
        shell('exit 0'),
        'Succeeded',
        { state: 'Terminated', exitCode: 0, detailStatus: 'Completed' },
      ],
      [
        'Never',
        shell('echo x; sleep 2; exit 7'),
        'Failed',
        { state: 'Terminated', exitCode: 7, detailStatus: 'Error' },
      ],
      ['Never', shell('echo hello; sleep 15; done'), 'Failed', { state: 'Terminated', exitCode: 2 }],
      ['OnFailure', ['true'], 'Succeeded', { state: 'Terminated', exitCode: 0 }],
      ['OnFailure', ['false'], 'Running', { state: 'Waiting', detailStatus: /^CrashLoopBackOff/ }],
      ['Always', ['false'], 'Running', { state: 'Waiting' }],
      ['Always', shell('sleep 5'), 'Running', { state: 'Running' }],
      ['Always', shell('while true; do sleep 5; done'), 'Running', { state: 'Running' }],
      ['Always', shell('while true; do sleep 5'), 'Running', { state: 'Waiting' }],
      ['Never', shell('while sleep 5; do true; done'), 'Running', { state: 'Running' }],
      ['Never', ['python', 'app.py'], 'Running', { state: 'Running' }],
      ['Never', shell('python app.py; exit 3'), 'Running', { state: 'Running' }],
    ] as const) {
      const what = `${policy}: ${command.join(' ')}`;
      const containers = [app({ command })];
      t.equal(
        (await azure.ask('PUT', groupOf('job'), body({ containers, restartPolicy: policy }))).status,
        201,
        what,
      );
      await until(azure, 'job', settled);
      azure.pass(60_000);
      const group = await azure.get('job');
      t.match(group.properties, { provisioningState: 'Succeeded', instanceView: { state } }, what);
      t.match(viewOf(group).currentState, current, what);
      await azure.ask('DELETE', groupOf('job'));
    }
    await azure.ask('PUT', groupOf('again'), body({ containers: [app({ command: shell('sleep 5') })] }));
    const again = viewOf(await until(azure, 'again', group => viewOf(group)?.restartCount > 1));
    t.match(again.previousState, { state: 'Terminated', exitCode: 0, detailStatus: 'Completed' });
    t.equal(again.previousState?.finishTime, again.currentState.startTime, 'it is started again at once');
    const counts = Object.fromEntries(again.events.map(({ name, count }) => [name, count]));
    t.match(counts, { Pulling: 1, Pulled: 1, Started: again.restartCount + 1, Killing: again.restartCount });

    const two = [app({ command: ['true'] }, 'one'), app({ command: ['false'] }, 'two')];
    await azure.ask('PUT', groupOf('mixed'), body({ containers: two, restartPolicy: 'Never' }));
    const mixed = await until(azure, 'mixed', ({ properties }) => properties.instanceView.state === 'Failed');
    t.equal(viewOf(mixed, 'one').currentState.exitCode, 0);
  });

t.test('stop, start and restart', async t => {
  const azure = await start(t, 'registry');
  const pulls = () =>
    azure.emulator.journal.since(0).filter(({ host, path }) => /docker/.test(host) && /manifests/.test(path))
      .length;
  await azure.ask('PUT', groupOf('app'), body());
  await until(azure, 'app', settled);
  const verb = (name: string) => azure.ask('POST', `${groupOf('app')}/${name}`);
  const running = await verb('start');
  t.same(
    [running.status, running.headers['azure-asyncoperation']],
    [204, undefined],
    'what runs is not started',
  );
  t.equal((await verb('stop')).status, 204);
  const stopped = await azure.get('app');
  t.match(stopped.properties, { provisioningState: 'Succeeded', instanceView: { state: 'Stopped' } });
  t.match(
    viewOf(stopped),
    {
      currentState: { state: 'Terminated', detailStatus: 'Container stopped per client request' },
      previousState: { state: 'Running' },
      events: [{ name: 'Pulling' }, { name: 'Pulled' }, { name: 'Started' }],
    },
    'what its containers did is kept, and who ended them',
  );
  t.equal(viewOf(stopped).currentState.exitCode, undefined);
  t.equal((await verb('stop')).status, 204);
  const before = pulls();
  const started = await verb('start');
  t.equal(started.status, 202);
  t.ok(started.headers['azure-asyncoperation']);
  t.equal((await azure.get('app')).properties.provisioningState, 'Pending');
  t.equal((await verb('restart')).status, 409);
  const result = new URL(String(started.headers['azure-asyncoperation'])).pathname.replace(
    'operations',
    'operationResults',
  );
  t.equal((await azure.ask('GET', result)).status, 202);
  await until(azure, 'app', settled);
  t.match(await azure.ask('GET', result), { status: 200, json: { name: 'app' } });
  t.ok(pulls() > before, 'the image is pulled again');
  t.equal((await verb('restart')).status, 204);
  t.match((await azure.get('app')).properties, {
    provisioningState: 'Updating',
    instanceView: { state: 'Running' },
  });
  t.match(
    viewOf(await until(azure, 'app', settled)).events,
    [
      { name: 'Pulling', count: 3 },
      { name: 'Pulled', count: 3 },
      { name: 'Started', count: 3 },
      { name: 'Killing', message: 'Killing container app (platform initiated).' },
    ],
    'events stay, and equal ones are counted',
  );

  const ended = body({ containers: [app({ command: ['true'] })], restartPolicy: 'Never' });
  await azure.ask('PUT', groupOf('ended'), ended);
  await until(azure, 'ended', ({ properties }) => properties.instanceView.state === 'Succeeded');
  await azure.ask('POST', `${groupOf('ended')}/stop`);
  t.equal(
    (await azure.get('ended')).properties.instanceView.state,
    'Succeeded',
    'what has ended is not stopped',
  );
});

t.test('logs', async t => {
  const azure = await start(t, 'simulated');
  const command = ['/bin/sh', '-c', 'echo "ready; go"; while true; do echo hello; sleep 20; done'];
  await azure.ask('PUT', groupOf('talks'), body({ containers: [app({ command })] }));
  const group = await until(azure, 'talks', settled);
  const log = async (query = '') =>
    (await azure.ask('GET', `${groupOf('talks')}/containers/APP/logs?${query}`)).json.content;
  t.equal(await log(), 'ready; go\nhello\n');
  azure.pass(41_000);
  t.equal(await log(), 'ready; go\nhello\nhello\nhello\n');
  t.equal(await log('tail=1'), 'hello\n');
  const began = Date.parse(String(viewOf(group).currentState.startTime));
  const stamp = (ms: number) => new Date(began + ms).toISOString();
  t.equal(await log('tail=2&timestamps=true'), `${stamp(20_000)} hello\n${stamp(40_000)} hello\n`);
  azure.pass(86_400_000);
  t.equal((await log()).split('\n').length, 1_001, 'a long one is cut');
});

t.test('a prescribed life asks the registry all the same', async t => {
  const azure = await start(t, 'registry');
  const prescribe = (more: Body = {}) =>
    azure.ask('POST', '/_emulator/lives', {
      group: 'told',
      steps: [{ afterMs: 0, provisioningState: 'Repairing' }],
      ...more,
    });
  const missing = body({ containers: [app({ image: 'nginx:none' })] });
  await prescribe();
  t.equal((await azure.ask('PUT', groupOf('told'), missing)).json.error.code, 'InaccessibleImage');
  t.equal(
    (await azure.ask('PUT', groupOf('told'), body())).json.properties.provisioningState,
    'Repairing',
    'it waited',
  );
  await azure.ask('DELETE', groupOf('told'));
  await prescribe({ pull: false });
  t.equal((await azure.ask('PUT', groupOf('told'), missing)).status, 201, 'unless the life says otherwise');
  t.equal((await prescribe({ pull: 'no' })).status, 400);
});

t.test("a pull-only identity is the platform's alone", async t => {
  const azure = await start(t, 'registry');
  const puller = demoIdentity('aci-acr-identity');
  const other = demoIdentity('orders-identity');
  const sent = body(
    {
      containers: [app({ image: `${acr}/my-app:v1.0` })],
      imageRegistryCredentials: [{ server: acr, identity: puller }],
      identityAcls: { defaultAccess: 'User', ACLs: [{ identity: puller, access: 'System' }] },
    },
    { identity: { type: 'UserAssigned', userAssignedIdentities: { [puller]: {}, [other]: {} } } },
  );
  t.equal((await azure.ask('PUT', groupOf('acls'), sent)).status, 201);
  t.equal((await until(azure, 'acls', settled)).properties.provisioningState, 'Succeeded', 'it pulls');
  const token = (id: string) =>
    azure.emulator.ask(
      `https://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net&mi_res_id=${encodeURIComponent(id)}`,
      { headers: { metadata: 'true', 'x-emulator-asker': groupOf('acls').toLowerCase() } },
    );
  t.equal((await token(puller)).status, 400, 'no token for the workload');
  t.equal((await token(other)).status, 200);
  t.match((await azure.get('acls')).properties.identityAcls, {
    defaultAccess: 'User',
    acls: [{ access: 'System' }],
  });
  await azure.ask('DELETE', groupOf('acls'));
  t.equal((await token(other)).status, 400, 'and none once the group is gone');
});

t.test('a password may be a reference into a vault', async t => {
  const azure = await start(t, 'registry');
  const identity = demoIdentity('orders-identity');
  const { world } = azure.emulator;
  const secret = async (value: string) => {
    const token = await azure.emulator.token('administrator', 'https://vault.azure.net/.default');
    const url = 'https://demo-vault.vault.azure.net/secrets/pull?api-version=7.4';
    await azure.emulator.ask(url, { method: 'PUT', token, body: { value } });
  };
  const password = world.registries[acr]?.users.myregistry?.password ?? '';
  const sent = body(
    {
      containers: [app({ image: `${acr}/my-app:v1.0` })],
      secretReferences: [
        { name: 'key', identity, secretReferenceUri: 'https://demo-vault.vault.azure.net/secrets/pull' },
      ],
      imageRegistryCredentials: [{ server: acr, username: 'myregistry', passwordReference: 'key' }],
    },
    { identity: { type: 'UserAssigned', userAssignedIdentities: { [identity]: {} } } },
  );
  await secret(password);
  t.equal(
    (await azure.ask('PUT', groupOf('ref'), sent)).json.error?.code,
    'InaccessibleImage',
    'not without a role',
  );
  const vault = Object.values(world.vaults).find(({ name }) => name === 'demo-vault');
  const { principalId } = world.identities[identity.toLowerCase()] ?? {};
  await azure.ask('POST', '/_emulator/world', {
    roleAssignments: [{ scope: vault?.id, role: 'Key Vault Secrets User', principalId }],
  });
  t.equal((await azure.ask('PUT', groupOf('ref'), sent)).status, 201);
  const group = await until(azure, 'ref', settled);
  t.same(group.properties.imageRegistryCredentials, [
    { server: acr, username: 'myregistry', passwordReference: 'key', isDelegatedIdentity: false },
  ]);
  t.notMatch(JSON.stringify(group), password);
  await azure.ask('POST', `${groupOf('ref')}/stop`);
  await secret('another');
  t.equal(
    (await azure.ask('POST', `${groupOf('ref')}/start`)).json.error.code,
    'InaccessibleImage',
    'it is read anew',
  );
});

/** Members by the first version that knows them, and what says so in an answer. */
const introduced: [since: string, member: string, value: unknown, until?: string][] = [
  ['2018-10-01', 'dnsConfig', { nameServers: ['1.1.1.1'] }],
  [
    '2018-10-01',
    'networkProfile',
    { id: `${home}/providers/Microsoft.Network/networkProfiles/p` },
    '2021-03-01',
  ],
  ['2019-12-01', 'initContainers', [init('first', 'true')]],
  ['2019-12-01', 'sku', 'Dedicated'],
  ['2019-12-01', 'encryptionProperties', { vaultBaseUrl: 'https://v', keyName: 'k', keyVersion: '1' }],
  ['2021-07-01', 'subnetIds', [{ id: `${home}/providers/Microsoft.Network/virtualNetworks/v/subnets/s` }]],
  ['2022-10-01', 'priority', 'Spot'],
  ['2022-10-01', 'confidentialComputeProperties', { ccePolicy: 'e30=' }],
  [
    '2022-10-01',
    'extensions',
    [
      {
        name: 'proxy',
        properties: { extensionType: 'proxy', version: '1.0', protectedSettings: { a: 'hidden' } },
      },
    ],
  ],
  ['2024-10-01', 'secretReferences', []],
  ['2024-11-01', 'identityAcls', { defaultAccess: 'System' }],
];

t.test('a member is taken and answered by the versions that know it', async t => {
  const azure = await start(t, 'simulated');
  for (const version of apiVersions) {
    const day = version.slice(0, 10);
    // No more groups are made in five minutes than Azure makes.
    azure.pass(300_000);
    for (const [since, member, value, until = '9999'] of introduced) {
      const answer = await azure.ask('PUT', groupOf('m'), body({ [member.toUpperCase()]: value }), version);
      const known = since <= day && day <= until;
      t.equal(answer.status, known ? 201 : 400, `${member} at ${version}`);
      if (known) t.ok(member in answer.json.properties, `${member} at ${version}`);
      else
        t.match(answer.json.error, {
          code: 'InvalidRequestContent',
          message: new RegExp(`'${member.toUpperCase()}'`),
        });
      t.notMatch(answer.text, 'hidden');
      await azure.ask('DELETE', groupOf('m'), undefined, version);
    }
  }
  await azure.ask(
    'PUT',
    groupOf('new'),
    body({ identityAcls: { defaultAccess: 'All' }, priority: 'Regular' }),
  );
  const { json } = await azure.ask('GET', groupOf('new'), undefined, '2021-09-01');
  for (const member of [
    'identityAcls',
    'priority',
    'isCreatedFromStandbyPool',
    'provisioningTimeoutInSeconds',
  ])
    t.notOk(member in json.properties, `${member} is not told to an older version`);
});

t.test('what a region has', async t => {
  const azure = await start(t, 'simulated');
  const place = `${subscription}/providers/Microsoft.ContainerInstance/locations`;
  const usage = async (name: string) => {
    const { json } = await azure.ask('GET', `${place}/East US/usages`.replaceAll(' ', '%20'));
    return json.value.find((each: { name: { value: string } }) => each.name.value === name);
  };
  t.match(await usage('ContainerGroups'), { unit: 'Count', currentValue: 0, limit: 1000 });
  await azure.ask('PUT', groupOf('used'), body({ containers: [app(), app({}, 'two')] }));
  t.match(await usage('ContainerGroups'), { currentValue: 1 });
  t.match(await usage('StandardCores'), { currentValue: 2 });
  t.equal(
    (await azure.ask('GET', `${place}/atlantis/usages`)).json.error.code,
    'LocationNotAvailableForResourceType',
  );
  const { json } = await azure.ask('GET', `${place}/westus/capabilities`);
  t.match(json.value[0], {
    location: 'West US',
    resourceType: 'containerGroups',
    capabilities: { maxCpu: Number },
  });
  t.ok((await azure.ask('GET', `${place}/westus/cachedImages`)).json.value.length > 0);
  t.match((await azure.ask('GET', `${place}/westus/usages`, undefined, '2017-01-01')).json.error, {
    code: 'InvalidResourceType',
    message: /'locations\/usages'/,
  });
});

t.test('what ties a group to its network', async t => {
  const azure = await start(t, 'simulated');
  const subnet = `${home}/providers/Microsoft.Network/virtualNetworks/v/subnets/s`;
  await azure.ask('PUT', groupOf('inside'), body({ subnetIds: [{ id: subnet }] }));
  const endpoints = await azure.ask('GET', `${groupOf('inside')}/outboundNetworkDependenciesEndpoints`);
  t.same([endpoints.status, endpoints.json], [200, []]);
  const link = `${subnet.toUpperCase().replace('/SUBSCRIPTIONS', '/subscriptions')}/providers/Microsoft.ContainerInstance/serviceAssociationLinks/default`;
  t.equal((await azure.ask('DELETE', link)).status, 409);
  await azure.ask('DELETE', groupOf('inside'));
  t.equal((await azure.ask('DELETE', link)).status, 204);
});

t.test('a name that may be used again in its own scope only', async t => {
  const azure = await start(t, 'simulated');
  const named = (scope: string) => ({
    ipAddress: {
      type: 'Public',
      ports: [{ port: 80 }],
      dnsNameLabel: 'label',
      autoGeneratedDomainNameLabelScope: scope,
    },
  });
  const nameOf = async (group: string, scope: string) =>
    (await azure.ask('PUT', groupOf(group), body(named(scope)))).json;
  const { fqdn } = (await nameOf('a', 'Noreuse')).properties.ipAddress;
  t.match(fqdn, /^label\.a[a-z0-9]{15}\.eastus\.azurecontainer\.io$/);
  t.equal((await nameOf('b', 'Unsecure')).properties.ipAddress.fqdn, 'label.eastus.azurecontainer.io');
  t.ok((await nameOf('c', 'TenantReuse')).properties.ipAddress.fqdn);
  t.equal((await nameOf('d', 'tenantreuse')).error.code, 'DnsNameLabelAlreadyTaken');
  t.not((await nameOf('e', 'Noreuse')).properties.ipAddress.fqdn, fqdn);
});

t.test('what is asked of a container has an address, also when it has ended', async t => {
  const azure = await start(t, 'simulated');
  await azure.ask(
    'PUT',
    groupOf('shell'),
    body({ containers: [app({ command: ['true'] })], restartPolicy: 'Never' }),
  );
  await until(azure, 'shell', settled);
  const exec = await azure.ask('POST', `${groupOf('shell')}/containers/app/exec`, {
    command: 'ls',
    terminalSize: { rows: 24, cols: 80 },
  });
  t.match(exec, { status: 200, json: { webSocketUri: /^wss:\/\/.*rows=24&cols=80$/, password: /.{32}/ } });
  const attach = await azure.ask('POST', `${groupOf('shell')}/containers/app/attach`);
  t.match(attach, { status: 200, json: { webSocketUri: /^wss:/, password: /.{32}/ } });
  t.not(attach.json.password, exec.json.password);
});
