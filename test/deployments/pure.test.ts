import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { stateOf } from '../../src/azure/container-group-state.ts';
import type { ContainerGroupState } from '../../src/azure/container-groups.ts';
import { containerGroupBody, ownerTag } from '../../src/deployments/container-group.ts';
import { identityAcls, isIsolated } from '../../src/deployments/identity-acls.ts';
import { newEvents, observe, viewOf } from '../../src/deployments/observe.ts';
import {
  askOf,
  checkSpec,
  fillDefaults,
  imagePointer,
  readImages,
  sizeOf,
} from '../../src/deployments/spec.ts';
import { secretsOf } from '../../src/deployments/spec-rules/secrets.ts';
import { mayMove, moves } from '../../src/deployments/states.ts';
import { heldBack } from '../../src/deployments/steady.ts';
import { settledStatuses, statuses } from '../../src/schemas/deployment.ts';
import type { DeploymentRequest } from '../../src/schemas/request.ts';
import { unsupportedProperties, whyUnknown } from '../../src/schemas/unsupported.ts';
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

t.test(
  'what has come up again after a crash counts only after a while, and what lasts as long as was asked',
  t => {
    const group = (restartCount: number, startTime: string, exitCode = 1) =>
      stateOf({
        location: 'eastus',
        osType: 'Linux',
        containers: [
          {
            name: 'app',
            image: 'x',
            resources: { requests: { cpu: 1, memoryInGB: 1 } },
            instanceView: {
              restartCount,
              currentState: { state: 'Running', startTime: new Date(startTime) },
              ...(restartCount > 0 ? { previousState: { state: 'Terminated', exitCode } } : {}),
            },
          },
        ],
      });
    type Row = Parameters<typeof heldBack>[1];
    const row = (spec: object, intent = {}, status = 'Provisioning') =>
      ({
        spec: { restartPolicy: 'Always', ...spec },
        intent: { kind: 'Create', ...intent },
        status,
      }) as unknown as Row;
    const at = (seconds: number) => new Date(Date.UTC(2026, 10, 24, 8, 0, seconds));
    const first = at(0).toISOString();
    t.equal(heldBack(group(0, first), row({}), at(0)), null, 'at once where nothing else was asked');
    t.equal(heldBack(group(1, first), row({}), at(0))?.leftMs, 10_000, 'after a crash');
    t.equal(heldBack(group(1, first, 0), row({}), at(0)), null, 'after an orderly end');
    const before = { started: {}, eventsUntil: null };
    t.equal(
      heldBack(group(1, first), row({}, { before }), at(0)),
      null,
      'not for what was before the change',
    );
    t.equal(heldBack(group(1, first), row({ restartPolicy: 'OnFailure' }), at(0)), null, 'a job is followed');
    const asked = row({ steadySeconds: 30 });
    const held = heldBack(group(0, first), asked, at(0));
    t.match(held, {
      leftMs: 30_000,
      patch: { waitingFor: { reason: 'Steady', until: at(30).toISOString() } },
    });
    const { intent } = held?.patch ?? {};
    t.equal(heldBack(group(0, first), { ...asked, ...(intent ? { intent } : {}) }, at(29))?.leftMs, 1_000);
    t.equal(heldBack(group(0, first), { ...asked, ...(intent ? { intent } : {}) }, at(30)), null);
    t.equal(
      heldBack(group(0, at(20).toISOString()), { ...asked, ...(intent ? { intent } : {}) }, at(30))?.leftMs,
      30_000,
      'a restart begins it anew',
    );
    t.end();
  },
);

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
  ];
  for (const [name, more, pointer] of cases)
    t.throws(
      () => checkSpec(fillDefaults(request(more))),
      { code: 'InvalidRequest', extras: { errors: [{ pointer }] } },
      name,
    );
  t.doesNotThrow(() => checkSpec(fillDefaults(request())));
});

const cased = (more: Partial<DeploymentRequest>, port = 80): DeploymentRequest =>
  request({ containers: [{ name: 'web', image: 'a', ports: [{ port }] }], ...more });
const subnetIds = [{ id: '/subscriptions/s/resourceGroups/g/providers/x' }];
const only = (more: object) => ({ containers: [{ name: 'web', image: 'a', ...more }] });
const sized = (cpu: number, memoryInGB: number) => ({ resources: { requests: { cpu, memoryInGB } } });
const mounting = (...volumeMounts: { name: string; mountPath: string }[]) => ({
  ...only({ volumeMounts }),
  volumes: [{ name: 'cache', emptyDir: {} }],
});

t.test("ACI's rules are known here before anything is accepted", async t => {
  const ports = [{ port: 80 }];
  const cases: [string, Partial<DeploymentRequest>, string, RegExp][] = [
    ['a private address', { ipAddress: { type: 'Private', ports } }, '/ipAddress/type', /needs a subnet/],
    [
      'a public address in a subnet',
      { ipAddress: { type: 'Public', ports }, subnetIds },
      '/ipAddress/type',
      /no Public/,
    ],
    [
      'a label of a private address',
      { ipAddress: { type: 'Private', ports, dnsNameLabel: 'label' }, subnetIds },
      '/ipAddress/dnsNameLabel',
      /Public address only/,
    ],
    [
      'a scope without a label',
      { ipAddress: { type: 'Public', ports, autoGeneratedDomainNameLabelScope: 'TenantReuse' } },
      '/ipAddress/autoGeneratedDomainNameLabelScope',
      /dnsNameLabel only/,
    ],
    [
      'a port that no container has',
      { ipAddress: { type: 'Public', ports: [{ port: 81 }] } },
      '/ipAddress/ports/0',
      /81\/TCP is among the ports of no container/,
    ],
    [
      'a port of the other protocol',
      { ipAddress: { type: 'Public', ports: [{ port: 80, protocol: 'UDP' }] } },
      '/ipAddress/ports/0',
      /80\/UDP/,
    ],
    [
      'a port twice outside',
      { ipAddress: { type: 'Public', ports: [{ port: 80 }, { port: 80 }] } },
      '/ipAddress/ports/1',
      /twice/,
    ],
    [
      'a port of two containers',
      {
        containers: [
          { name: 'a', image: 'a', ports },
          { name: 'b', image: 'b', ports },
        ],
      },
      '/containers/1/ports/0',
      /80\/TCP is used twice/,
    ],
    ['name servers without a subnet', { dnsConfig: { nameServers: ['10.0.0.1'] } }, '/dnsConfig', /subnet/],
    [
      'an init container of the same name',
      { initContainers: [{ name: 'web', image: 'a' }] },
      '/initContainers/0/name',
      /twice/,
    ],
    [
      'an init variable with neither',
      { initContainers: [{ name: 'i', image: 'a', environmentVariables: [{ name: 'X' }] }] },
      '/initContainers/0/environmentVariables/0',
      /exactly one/,
    ],
    [
      'too many containers',
      {
        containers: Array.from({ length: 31 }, (_, index) => ({
          name: `c${index}`,
          image: 'a',
          ...sized(0.1, 0.1),
        })),
        initContainers: Array.from({ length: 30 }, (_, index) => ({ name: `i${index}`, image: 'a' })),
      },
      '/initContainers',
      /at most 60/,
    ],
    [
      'a mount of nothing',
      mounting({ name: 'other', mountPath: '/x' }),
      '/containers/0/volumeMounts/0/name',
      /none of volumes/,
    ],
    [
      'an init mount of nothing',
      { initContainers: [{ name: 'i', image: 'a', volumeMounts: [{ name: 'other', mountPath: '/x' }] }] },
      '/initContainers/0/volumeMounts/0/name',
      /none of volumes/,
    ],
    [
      'a path twice',
      mounting({ name: 'cache', mountPath: '/x' }, { name: 'cache', mountPath: '/x/' }),
      '/containers/0/volumeMounts/1/mountPath',
      /twice/,
    ],
    ['a volume of no kind', { volumes: [{ name: 'cache' }] }, '/volumes/0', /exactly one/],
    [
      'a volume of two kinds',
      { volumes: [{ name: 'cache', emptyDir: {}, secret: { a: { secretName: 'b' } } }] },
      '/volumes/0',
      /exactly one of emptyDir, secret, azureFile/,
    ],
    [
      'a volume twice',
      {
        volumes: [
          { name: 'cache', emptyDir: {} },
          { name: 'cache', emptyDir: {} },
        ],
      },
      '/volumes/1/name',
      /twice/,
    ],
    [
      'limits below requests',
      only({ resources: { requests: { cpu: 2, memoryInGB: 1 }, limits: { cpu: 1, memoryInGB: 1 } } }),
      '/containers/0/resources/limits/cpu',
      /less than/,
    ],
    ['a probe of no kind', only({ livenessProbe: {} }), '/containers/0/livenessProbe', /exactly one/],
    [
      'a probe of two kinds',
      only({ readinessProbe: { exec: { command: ['a'] }, httpGet: { port: 80 } } }),
      '/containers/0/readinessProbe',
      /exactly one of exec and httpGet/,
    ],
    [
      'more than a group may have',
      {
        containers: [
          { name: 'a', image: 'a', ...sized(16, 1) },
          { name: 'b', image: 'b', ...sized(16, 1) },
        ],
      },
      '/containers',
      /more cpu together than the 31/,
    ],
    [
      'Spot with an address',
      { priority: 'Spot', ipAddress: { type: 'Public', ports } },
      '/ipAddress',
      /priority Spot/,
    ],
    ['Spot in a subnet', { priority: 'Spot', subnetIds }, '/subnetIds', /priority Spot/],
    [
      'a large Spot',
      { priority: 'Spot', ...only(sized(5, 8)) },
      '/containers',
      /4 that a group of priority Spot/,
    ],
    [
      'Windows with two containers',
      {
        osType: 'Windows',
        containers: [
          { name: 'a', image: 'a' },
          { name: 'b', image: 'b' },
        ],
      },
      '/containers',
      /one container/,
    ],
    [
      'Windows with volumes',
      { osType: 'Windows', volumes: [{ name: 'cache', emptyDir: {} }] },
      '/volumes',
      /on Windows/,
    ],
    [
      'Windows with an init container',
      { osType: 'Windows', initContainers: [{ name: 'i', image: 'a' }] },
      '/initContainers',
      /on Windows/,
    ],
    ["a label in Slipway's name", { labels: { 'Slipway-Team': 'x' } }, '/labels/Slipway-Team', /taken/],
    ['a label twice', { labels: { a: '1', A: '2' } }, '/labels/A', /no case/],
  ];
  for (const [name, more, pointer, detail] of cases)
    t.throws(
      () => checkSpec(fillDefaults(cased(more))),
      { code: 'InvalidRequest', extras: { errors: [{ pointer, detail }] } },
      name,
    );
  const fine: Partial<DeploymentRequest>[] = [
    { ipAddress: { type: 'Private', ports }, subnetIds, dnsConfig: { nameServers: ['10.0.0.1'] } },
    { priority: 'Spot', ...only(sized(4, 16)) },
    { osType: 'Windows' },
    mounting({ name: 'cache', mountPath: '/x' }, { name: 'cache', mountPath: '/y' }),
    only({ ports: [{ port: 53 }, { port: 53, protocol: 'UDP' }] }),
    only({ resources: { requests: { cpu: 1, memoryInGB: 1 }, limits: { memoryInGB: 1 } } }),
  ];
  for (const more of fine) t.doesNotThrow(() => checkSpec(fillDefaults(cased(more))), JSON.stringify(more));
});

t.test('what is not supported is refused with a reason, and the README lists it', async t => {
  const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8');
  for (const name of unsupportedProperties) {
    t.match(whyUnknown(name), 'does not support', name);
    t.ok(readme.includes(`\`${name}\``), `the README lists ${name}`);
  }
  t.match(whyUnknown('secureValue'), 'name it with secretName');
  t.match(whyUnknown('properties'), 'one level up');
  t.equal(whyUnknown('constructor'), 'is not known here');
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
  const changes = ['Accepted', 'Restarting', 'Stopping', 'Starting', 'Deleting'];
  for (const status of settledStatuses) {
    const allowed = status === 'Running' ? ['Succeeded', 'Failed', 'Resolving', ...changes] : changes;
    t.same(moves[status], status === 'Deleted' ? [] : allowed, status);
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
  using database = new Secret('value of orders-db');
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
    revision: 1,
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
    plan: { workloadIdentities: [], subnets: [] },
    workload: new Map([['/containers/0/environmentVariables/0/secretName', database]]),
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

t.test(
  "what ARM is sent has policy's values where it resolved them, and each secret in its place",
  async t => {
    const spec = fillDefaults(
      request({
        initContainers: [
          { name: 'prepare', image: 'b', environmentVariables: [{ name: 'X', secretName: 's' }] },
        ],
        volumes: [
          { name: 'config', secret: { 'a.json': { secretName: 's', vault: 'v' } } },
          {
            name: 'files',
            azureFile: {
              shareName: 'share',
              storageAccountName: 'account',
              storageAccountKeySecretName: 's',
              vault: 'v',
              readOnly: true,
            },
          },
          { name: 'scratch', emptyDir: {} },
        ],
        identity: { userAssignedIdentities: ['/as/the/caller/spelled/it'] },
        subnetIds: [{ id: '/as/the/caller/spelled/it', name: 'inside' }],
        diagnostics: { logAnalytics: { workspaceId: 'w', workspaceKeySecretName: 's', vault: 'v' } },
      }),
    );
    const pointers = [
      '/initContainers/0/environmentVariables/0/secretName',
      '/volumes/0/secret/a.json/secretName',
      '/volumes/1/azureFile/storageAccountKeySecretName',
      '/diagnostics/logAnalytics/workspaceKeySecretName',
    ];
    t.same(
      secretsOf(spec).map(({ pointer }) => pointer),
      pointers,
    );
    const values = pointers.map((pointer, index): [string, Secret] => [
      pointer,
      new Secret(`value-${index}`),
    ]);
    const parts = {
      revision: 1,
      deployment: 'id',
      team: 'demo',
      spec,
      plan: { workloadIdentities: ['/policy/orders'], subnets: ['/policy/subnet'] },
      images: [],
      credentials: [],
      workload: new Map(values),
    };
    const body = containerGroupBody(parts);
    for (const [, value] of values) value[Symbol.dispose]();
    t.match(body, {
      identity: { userAssignedIdentities: { '/policy/orders': {} } },
      subnetIds: [{ id: '/policy/subnet', name: 'inside' }],
    });
    t.same(body.identityAcls, undefined, 'nothing pulls with an identity');
    t.match(body.initContainers, [{ environmentVariables: [{ name: 'X', secureValue: 'value-0' }] }]);
    t.same(body.volumes, [
      { name: 'config', secret: { 'a.json': Buffer.from('value-1').toString('base64') } },
      {
        name: 'files',
        azureFile: {
          shareName: 'share',
          storageAccountName: 'account',
          readOnly: true,
          storageAccountKey: 'value-2',
        },
      },
      { name: 'scratch', emptyDir: {} },
    ]);
    t.same(body.diagnostics, { logAnalytics: { workspaceId: 'w', workspaceKey: 'value-3' } });
    t.notMatch(JSON.stringify(body), '/as/the/caller/spelled/it');
    t.throws(() => containerGroupBody({ ...parts, workload: new Map() }), { message: /was not resolved/ });
  },
);

t.test('who may use an identity of a group is said where one only pulls', async t => {
  const acl = (identity: string, access: string) => ({ identity, access });
  t.same(identityAcls({ workload: [], pull: ['/p'] }), {
    defaultAccess: 'System',
    acls: [acl('/p', 'System')],
  });
  t.same(identityAcls({ workload: ['/w', '/B'], pull: ['/p', '/b'] })?.acls, [
    acl('/p', 'System'),
    acl('/w', 'User'),
    acl('/B', 'All'),
  ]);
  t.equal(identityAcls({ workload: ['/w'], pull: [] }), undefined);
  t.equal(
    identityAcls({ workload: ['/b'], pull: ['/B'] }),
    undefined,
    'the same for both: nothing to keep apart',
  );
  t.equal(isIsolated('/p', { workload: ['/w'] }, true), true);
  t.equal(isIsolated('/p', { workload: ['/w'] }, false), false);
  t.equal(isIsolated('/P', { workload: ['/p'] }, true), false);
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
    ['cannot pull', group([{ state: 'Waiting', events: [pullFailed] }]), 'Always', 'startFailed'],
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

t.test('an init container that cannot be pulled or does not end well is seen', async t => {
  const spec = fillDefaults(
    request({ initContainers: [{ name: 'prepare', image: 'ghcr.io/a/prepare:1' }], restartPolicy: 'Never' }),
  );
  const waiting = group([{ state: 'Waiting' }]);
  const withInit = (more: Partial<Container>) => ({
    ...waiting,
    initContainers: [container({ name: 'prepare', ...more })],
  });
  t.match(observe(withInit({ events: [pullFailed] }), spec), {
    kind: 'startFailed',
    container: { name: 'prepare' },
  });
  t.match(observe(withInit({ state: 'Terminated', exitCode: 3 }), spec), {
    kind: 'crashed',
    container: { name: 'prepare' },
  });
  t.equal(observe(withInit({ state: 'Terminated', exitCode: 0 }), spec).kind, 'moving');
  t.match(newEvents(withInit({ events: [pullFailed] }), []).events, [{ container: 'prepare' }]);
  t.same(
    readImages(spec).map(({ container, pointer }) => [container, pointer]),
    [
      ['web', '/containers/0/image'],
      ['prepare', '/initContainers/0/image'],
    ],
  );
  t.equal(imagePointer(spec, 'prepare'), '/initContainers/0/image');
  t.equal(imagePointer(spec, 'web'), '/containers/0/image');
  t.equal(imagePointer(spec, undefined), '/containers/0/image');
  const told = stateOf({
    id: '/g',
    osType: 'Linux',
    containers: [],
    initContainers: [
      { name: 'prepare', instanceView: { currentState: { state: 'Terminated', exitCode: 3 } } },
    ],
  });
  t.match(told.initContainers, [{ name: 'prepare', state: 'Terminated', exitCode: 3 }]);
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
