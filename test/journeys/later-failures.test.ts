import t from 'tap';
import { testDatabaseUrl } from '../support/database.ts';
import { startDemoWorld } from '../support/demo-world.ts';
import { createCaller, requestFor, startProcess } from '../support/service.ts';

const world = await startDemoWorld(t);
const env = { ...world.env, ...(await testDatabaseUrl(t)) };
const service = await startProcess(t, ['src/main.ts'], env);
const ask = createCaller(service.url, await world.token());

const image = 'myregistry.azurecr.io/my-app:v1.0';
const texts: [string, string, string][] = [
  ['unauthorized', 'unauthorized: authentication required', 'RegistryAuthenticationFailed'],
  ['manifest-unknown', 'manifest unknown: manifest unknown', 'ImageNotFound'],
  ['no-such-host', 'dial tcp: lookup myregistry.azurecr.io: no such host', 'RegistryHostNotFound'],
  [
    'toomanyrequests',
    'toomanyrequests: You have reached your pull rate limit. You may increase the limit by authenticating and upgrading: https://www.docker.com/increase-rate-limit',
    'RegistryRateLimited',
  ],
];

t.test('what ACI reports in its events, after it accepted the group, is explained the same', async t => {
  for (const [name, text, code] of texts) {
    const message = `Failed to pull image "${image}": rpc error: code Unknown desc Error response from daemon: Get https://myregistry.azurecr.io/v2/my-app/manifests/v1.0: ${text}`;
    const events = [
      { name: 'Pulling', message: `pulling image "${image}"`, type: 'Normal', count: 1 },
      { name: 'Failed', message, type: 'Warning', count: 1 },
      { name: 'BackOff', message: `Back-off pulling image "${image}"`, type: 'Normal', count: 1 },
    ];
    const waiting = {
      name: 'app',
      currentState: { state: 'Waiting', detailStatus: 'ImagePullBackOff' },
      restartCount: 0,
      events,
    };
    await world.control('POST', 'lives', {
      group: name,
      steps: [
        { afterMs: 0, provisioningState: 'Pending', state: 'Pending' },
        { afterMs: 200, provisioningState: 'Creating', state: 'Pending', containers: [waiting] },
      ],
    });
    const { json } = await ask('POST', '/deployments', {
      body: requestFor(name),
      headers: { prefer: 'wait=30' },
    });
    t.match(json, { status: 'Failed', failure: { code, stage: 'Provisioning' } }, text);
    t.ok(json.failure.fixes.length > 0 && json.failure.evidence.length > 0, 'with evidence and a fix');
    const record = await ask('GET', `/deployments/${json.id}/events`);
    t.ok(
      record.json.value.some(({ message: said }: { message: string }) => said === message),
      "ACI's own words are on record",
    );
    const { containerGroups } = (await world.control('GET', 'world')) as {
      containerGroups: Record<string, { name: string }>;
    };
    t.notOk(
      Object.values(containerGroups).some(group => group.name === name),
      'the failed group is gone',
    );
  }
});

t.test('what ARM refuses in PUT is explained the same', async t => {
  for (const [name, ,] of texts.slice(0, 1)) {
    await world.control('POST', 'faults', {
      host: 'management.azure.com',
      method: 'PUT',
      path: '/containerGroups/',
      times: 1,
      response: {
        status: 400,
        body: {
          error: {
            code: 'InaccessibleImage',
            message: `The image '${image}' in container group '${name}' is not accessible. Please check the image and registry credential.`,
          },
        },
      },
    });
    const { json } = await ask('POST', '/deployments', {
      body: requestFor(`put-${name}`),
      headers: { prefer: 'wait=30' },
    });
    t.match(json, {
      status: 'Failed',
      failure: { code: 'ImageInaccessible', confidence: 'low', causes: Array, stage: 'Submitting' },
    });
  }
  await world.control('POST', 'faults', {
    host: 'management.azure.com',
    method: 'PUT',
    path: '/containerGroups/',
    times: 1,
    response: {
      status: 409,
      body: {
        error: {
          code: 'RegistryErrorResponse',
          message:
            "An error response is received from the docker registry 'index.docker.io'. Please retry later.",
        },
      },
    },
  });
  const { json } = await ask('POST', '/deployments', {
    body: requestFor('put-limited'),
    headers: { prefer: 'wait=30' },
  });
  t.match(json, { status: 'Failed', failure: { code: 'RegistryRateLimited', retryable: true } });
});

t.test('what Resource Manager says of its operation is on record, once', async t => {
  const failed = { code: 'ServiceUnavailable', message: 'No room for it in this region.' };
  await world.control('POST', 'lives', {
    group: 'without-room',
    steps: [
      { afterMs: 0, provisioningState: 'Pending', state: 'Pending' },
      { afterMs: 300, provisioningState: 'Failed', state: 'Failed', error: failed },
    ],
  });
  const { json } = await ask('POST', '/deployments', {
    body: requestFor('without-room', { timeoutSeconds: 30 }),
    headers: { prefer: 'wait=40' },
  });
  t.equal(json.status, 'Failed');
  const { value } = (await ask('GET', `/deployments/${json.id}/events`)).json;
  const told = value.filter(({ source }: { source: string }) => source === 'Arm');
  t.match(told[0], {
    type: 'OperationAccepted',
    message: "Azure Resource Manager accepted container group 'without-room'",
    data: { status: 201, operation: /^[\w-]+$/, requestId: String, provisioningState: 'Pending' },
  });
  const reasons = told.filter(({ type }: { type: string }) => type === 'OperationFailed');
  const { operation } = told[0].data;
  t.match(reasons, [
    { message: 'ServiceUnavailable: No room for it in this region.', data: { code: failed.code, operation } },
  ]);
  const states = told
    .map(({ type }: { type: string }) => type)
    .filter((type: string) => !/^Operation/.test(type));
  t.same(states.slice(-1), ['Failed'], 'and how far the group came');
  t.equal(new Set(states).size, states.length);
});

t.test('a failed group stays where the caller says so', async t => {
  await world.control('POST', 'lives', {
    group: 'kept',
    steps: [
      {
        afterMs: 0,
        provisioningState: 'Failed',
        state: 'Failed',
        events: [
          {
            name: 'FailedMount',
            message: 'Output: mount error(2): Permission denied',
            type: 'Warning',
            count: 1,
          },
        ],
      },
    ],
  });
  const { json } = await ask('POST', '/deployments', {
    body: requestFor('kept', { keepFailed: true }),
    headers: { prefer: 'wait=30' },
  });
  t.match(json, { status: 'Failed', failure: { code: 'MountFailed' }, health: 'Degraded' });
  const { containerGroups } = (await world.control('GET', 'world')) as {
    containerGroups: Record<string, { name: string }>;
  };
  t.ok(Object.values(containerGroups).some(group => group.name === 'kept'));
});

t.test('an outage of the vault or of ARM delays a deployment, and says so', async t => {
  await world.control('POST', 'faults', {
    host: 'demo-vault.vault.azure.net',
    response: { status: 503, body: 'no' },
  });
  // A secret that was not read before: what was read of late is good for a while.
  const unread = {
    containers: [{ name: 'app', image: 'registry.mycompany.com/team/my-app:v2.0' }],
    imageRegistryCredentials: [{ server: 'registry.mycompany.com', secretName: 'company-registry' }],
  };
  const accepted = await ask('POST', '/deployments', { body: requestFor('vault-out', unread) });
  t.equal(accepted.status, 202);
  t.match(accepted.json, { status: 'Resolving', waitingFor: { reason: 'VaultOutage' } });
  await world.control('DELETE', 'faults');
  t.match((await ask('GET', `/deployments/${accepted.json.id}`, { headers: { prefer: 'wait=45' } })).json, {
    status: 'Running',
    waitingFor: null,
  });
  const { value } = (await ask('GET', `/deployments/${accepted.json.id}/events`)).json;
  t.match(
    value.filter(({ type }: { type: string }) => type === 'Waiting'),
    [{ source: 'Slipway', message: /^Waits for VaultOutage until 2/, data: { reason: 'VaultOutage' } }],
    'who follows the events is told once',
  );

  await world.control('POST', 'faults', {
    host: 'management.azure.com',
    method: 'PUT',
    path: '/containerGroups/',
    times: 1,
    reset: true,
  });
  const { json } = await ask('POST', '/deployments', {
    body: requestFor('arm-out'),
    headers: { prefer: 'wait=45' },
  });
  t.match(json, { status: 'Running' });
});

t.test('a deployment that does not get there in time fails, and leaves no group behind', async t => {
  await world.control('POST', 'lives', {
    group: 'too-slow',
    steps: [{ afterMs: 0, provisioningState: 'Pending', state: 'Pending' }],
  });
  const { json } = await ask('POST', '/deployments', {
    body: requestFor('too-slow', { timeoutSeconds: 2 }),
    headers: { prefer: 'wait=30' },
  });
  t.match(json, { status: 'Failed', failure: { code: 'ProvisioningTimeout', confidence: 'low' } });
  const { containerGroups } = (await world.control('GET', 'world')) as {
    containerGroups: Record<string, { name: string }>;
  };
  t.notOk(Object.values(containerGroups).some(group => group.name === 'too-slow'));
});
