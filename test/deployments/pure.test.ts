import fc from 'fast-check';
import t from 'tap';
import type { ContainerGroupState } from '../../src/azure/container-groups.ts';
import { containerGroupBody, ownerTag } from '../../src/deployments/container-group.ts';
import { newEvents, observe, viewOf } from '../../src/deployments/observe.ts';
import { askOf, checkSpec, fillDefaults, readImages, sizeOf } from '../../src/deployments/spec.ts';
import { mayMove, moves } from '../../src/deployments/states.ts';
import { settledStatuses, statuses } from '../../src/schemas/deployment.ts';
import type { DeploymentRequest } from '../../src/schemas/request.ts';
import { Secret } from '../../src/secret.ts';

const request = (more: Partial<DeploymentRequest> = {}): DeploymentRequest => ({
  name: 'web',
  containers: [{ image: 'myregistry.azurecr.io/web:1' }],
  ...more,
});

t.test('the smallest request is filled in with what ACI and the contract say', async t => {
  const spec = fillDefaults(request({ ipAddress: { type: 'Public', ports: [{ port: 80 }] } }));
  t.match(spec, {
    containers: [{ name: 'web', resources: { requests: { cpu: 1, memoryInGB: 1.5 } } }],
    osType: 'Linux',
    restartPolicy: 'Always',
    imagePinning: 'digest',
    timeoutSeconds: 1800,
    ipAddress: { ports: [{ port: 80, protocol: 'TCP' }] },
  });
  t.same(fillDefaults(spec), spec, 'filling in twice changes nothing: the record can be posted back');
  t.same(sizeOf(spec), { cpu: 1, memoryInGB: 1.5 });
});

t.test('rules between members are judged with their places', async t => {
  const cases: [string, Partial<DeploymentRequest>, string][] = [
    [
      'two containers need names',
      { containers: [{ image: 'a' }, { name: 'b', image: 'b' }] },
      '/containers/0/name',
    ],
    [
      'a name twice',
      {
        containers: [
          { name: 'b', image: 'a' },
          { name: 'b', image: 'b' },
        ],
      },
      '/containers/1/name',
    ],
    [
      'a variable with neither',
      { containers: [{ image: 'a', environmentVariables: [{ name: 'X' }] }] },
      '/containers/0/environmentVariables/0',
    ],
    [
      'a variable with both',
      { containers: [{ image: 'a', environmentVariables: [{ name: 'X', value: '1', secretName: 's' }] }] },
      '/containers/0/environmentVariables/0',
    ],
    [
      'a variable twice',
      {
        containers: [
          {
            image: 'a',
            environmentVariables: [
              { name: 'X', value: '1' },
              { name: 'X', value: '2' },
            ],
          },
        ],
      },
      '/containers/0/environmentVariables/1/name',
    ],
    [
      'a credential with neither',
      { imageRegistryCredentials: [{ server: 'ghcr.io' }] },
      '/imageRegistryCredentials/0',
    ],
    ['a private address', { ipAddress: { type: 'Private', ports: [{ port: 80 }] } }, '/ipAddress/type'],
  ];
  for (const [name, more, pointer] of cases)
    t.throws(
      () => checkSpec(fillDefaults(request(more))),
      { code: 'InvalidRequest', extras: { errors: [{ pointer }] } },
      name,
    );
  t.doesNotThrow(() => checkSpec(fillDefaults(request())));
});

t.test('images are read with help where they are malformed', async t => {
  t.throws(() => readImages(request({ containers: [{ image: 'myregistry.azurecr.io/My-App:v1' }] })), {
    code: 'UppercaseRepository',
    message: /my-app/,
  });
  t.throws(() => readImages(request({ containers: [{ image: 'https://ghcr.io/a/b' }] })), {
    code: 'InvalidImageReference',
    message: /\/containers\/0\/image/,
  });
});

t.test('policy is asked for hosts in their one form, and for nothing else', async t => {
  const spec = fillDefaults(
    request({
      containers: [{ image: 'nginx', environmentVariables: [{ name: 'DB', secretName: 'orders-db' }] }],
      imageRegistryCredentials: [{ server: 'Index.Docker.io', secretName: 'hub' }],
    }),
  );
  t.match(askOf(spec, readImages(spec)), {
    images: [{ host: 'docker.io', repository: 'library/nginx', tag: 'latest', digest: null }],
    credentials: [{ server: 'docker.io', secretName: 'hub' }],
    workloadSecrets: [
      { pointer: '/containers/0/environmentVariables/0/secretName', secretName: 'orders-db' },
    ],
    publicAddress: false,
  });
});

t.test('a settled status is left by a new change alone, and nothing leaves Deleted', async t => {
  for (const status of settledStatuses) {
    const allowed =
      status === 'Deleted' ? [] : status === 'Running' ? ['Succeeded', 'Failed', 'Deleting'] : ['Deleting'];
    t.same(moves[status], allowed, status);
  }
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...statuses), { maxLength: 30 }), path => {
      let now: (typeof statuses)[number] = 'Accepted';
      let deleted = false;
      for (const next of path) {
        if (!mayMove(now, next)) continue;
        if (deleted && next !== 'Deleted') return false;
        now = next;
        deleted = now === 'Deleted';
      }
      return true;
    }),
  );
});

t.test('what ARM is sent holds the password, the owner and the pinned images', async t => {
  using password = new Secret('the-password');
  const spec = fillDefaults(
    request({
      location: 'eastus',
      labels: { release: '7' },
      containers: [
        {
          image: 'ghcr.io/a/b:1',
          environmentVariables: [
            { name: 'DB', secretName: 'orders-db' },
            { name: 'L', value: 'info' },
          ],
        },
      ],
    }),
  );
  const identity =
    '/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i';
  const body = containerGroupBody({
    deployment: 'the-id',
    team: 'demo',
    spec,
    images: [
      {
        container: 'web',
        requested: 'ghcr.io/a/b:1',
        resolved: 'ghcr.io/a/b@sha256:1',
        digest: 'sha256:1',
        pinned: true,
        verifiedWith: 'credential',
      },
    ],
    credentials: [
      {
        kind: 'secret',
        host: 'ghcr.io',
        vault: { name: 'v', url: 'https://v' },
        secretName: 's',
        version: '1',
        username: 'me',
        password,
      },
      { kind: 'identity', host: 'r.azurecr.io', id: identity, registryId: null },
      { kind: 'anonymous', host: 'docker.io' },
    ],
    workloadSecret: name => `value of ${name}`,
  });
  t.match(body, {
    location: 'eastus',
    tags: {
      release: '7',
      [ownerTag]: 'the-id',
      'slipway-team': 'demo',
      'slipway-image-web': 'ghcr.io/a/b:1',
    },
    identity: { type: 'UserAssigned', userAssignedIdentities: { [identity]: {} } },
    containers: [
      {
        name: 'web',
        image: 'ghcr.io/a/b@sha256:1',
        environmentVariables: [
          { name: 'DB', secureValue: 'value of orders-db' },
          { name: 'L', value: 'info' },
        ],
      },
    ],
    osType: 'Linux',
    restartPolicy: 'Always',
  });
  t.same(body.imageRegistryCredentials, [
    { server: 'ghcr.io', username: 'me', password: 'the-password' },
    { server: 'r.azurecr.io', identity },
  ]);
});

type Container = ContainerGroupState['containers'][number];
const container = (more: Partial<Container>): Container => ({
  name: 'web',
  restartCount: 0,
  events: [],
  ...more,
});
const group = (
  containers: Partial<Container>[],
  more: Partial<ContainerGroupState> = {},
): ContainerGroupState => ({
  id: '/g',
  tags: {},
  provisioningState: 'Succeeded',
  events: [],
  containers: containers.map(container),
  ...more,
});
const pullFailed = {
  name: 'Failed',
  message: 'Failed to pull image "x": unauthorized: authentication required',
  type: 'Warning',
  count: 1,
  lastTimestamp: '2026-11-24T08:00:00Z',
};

t.test('a look at the group is judged by its containers, not by what ARM says of it', async t => {
  const cases: [string, ContainerGroupState, DeploymentRequest['restartPolicy'], string][] = [
    ['all run', group([{ state: 'Running' }, { state: 'Running' }]), 'Always', 'running'],
    ['one waits', group([{ state: 'Running' }, { state: 'Waiting' }]), 'Always', 'moving'],
    ['none yet', group([]), 'Always', 'moving'],
    ['a job ended well', group([{ state: 'Terminated', exitCode: 0 }]), 'Never', 'completed'],
    [
      'a job ended well under OnFailure',
      group([{ state: 'Terminated', exitCode: 0 }]),
      'OnFailure',
      'completed',
    ],
    [
      'one ended, one runs',
      group([{ state: 'Terminated', exitCode: 0 }, { state: 'Running' }]),
      'Never',
      'running',
    ],
    [
      'Succeeded is not running: exit code 2',
      group([{ state: 'Terminated', exitCode: 2 }]),
      'Never',
      'crashed',
    ],
    [
      'a first restart is not yet a crash',
      group([{ state: 'Waiting', restartCount: 1, previousState: { state: 'Terminated', exitCode: 1 } }]),
      'Always',
      'moving',
    ],
    [
      'crash loop',
      group([
        {
          state: 'Waiting',
          detailStatus: 'CrashLoopBackOff: Back-off 10s',
          restartCount: 1,
          previousState: { state: 'Terminated', exitCode: 1 },
        },
      ]),
      'Always',
      'crashed',
    ],
    ['restarts', group([{ state: 'Terminated', exitCode: 1, restartCount: 3 }]), 'OnFailure', 'crashed'],
    ['cannot pull', group([{ state: 'Waiting', events: [pullFailed] }]), 'Always', 'pullFailed'],
    ['pulled in the end', group([{ state: 'Running', events: [pullFailed] }]), 'Always', 'running'],
    [
      'ARM gave up',
      group([{ state: 'Waiting' }], { provisioningState: 'Failed' }),
      'Always',
      'provisioningFailed',
    ],
  ];
  for (const [name, look, restartPolicy, kind] of cases)
    t.equal(observe(look, fillDefaults(request(restartPolicy ? { restartPolicy } : {}))).kind, kind, name);
});

t.test("Azure's events go on record once, in the order of their time", async t => {
  const early = { ...pullFailed, message: 'early', lastTimestamp: '2026-11-24T07:00:00Z' };
  const look = group([{ events: [pullFailed, early] }]);
  const first = newEvents(look, []);
  t.same(
    first.events.map(({ message }) => message),
    ['early', pullFailed.message],
  );
  t.match(first.events[0], { source: 'Aci', type: 'Failed', container: 'web' });
  t.same(newEvents(look, first.seenEvents).events, []);
  const again = group([{ events: [{ ...pullFailed, count: 2 }, early] }]);
  t.equal(newEvents(again, first.seenEvents).events.length, 1, 'a count that grew is news');
});

t.test('the record shows of the group what a caller needs', async t => {
  const look = group([{ state: 'Running' }], { ipAddress: { ip: '203.0.113.9' }, state: 'Running' });
  t.same(viewOf(look), {
    id: '/g',
    provisioningState: 'Succeeded',
    state: 'Running',
    ipAddress: { ip: '203.0.113.9' },
    containers: [{ name: 'web', state: 'Running', restartCount: 0, exitCode: null }],
  });
});
