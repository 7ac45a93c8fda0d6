import { join } from 'node:path';
import t from 'tap';
import { AzureError } from '../../src/azure/failure.ts';
import { systemClock } from '../../src/clock.ts';
import { askOf, fillDefaults, readImages, type Spec } from '../../src/deployments/spec.ts';
import { resolve } from '../../src/deployments/stages/resolve.ts';
import type { Stage, StageParts } from '../../src/deployments/stages/stage.ts';
import { submit } from '../../src/deployments/stages/submit.ts';
import { decide } from '../../src/policy/decide.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import { callerOf } from '../../src/policy/principals.ts';
import type { DeploymentRequest } from '../../src/schemas/request.ts';
import { Secret, scrub } from '../../src/secret.ts';
import type { DeploymentRow } from '../../src/store/deployments.ts';

const policy = loadPolicy(join(import.meta.dirname, '../../src/policy/embedded.yaml'));
const password = 'a-password-that-was-resolved';

const claims = {
  azp: '00000000-0000-0000-0000-0000000d0001',
  idtyp: 'app',
  oid: 'someone',
  exp: 4_000_000_000,
};

/** A deployment as it was accepted. */
function rowOf(spec: Spec, status: string) {
  const caller = callerOf(policy, 'embedded', claims);
  const ask = askOf(spec, readImages(spec));
  const decision = caller && decide(policy, caller, ask);
  if (!decision?.allowed) throw new Error('the policy does not allow it');
  const { plan } = decision;
  const { target, team } = plan;
  return {
    id: 'id',
    name: 'web',
    status,
    team,
    target: target.name,
    location: target.location,
    spec,
    plan: { plan, ask, caller },
  };
}

/** The first stage over a vault that has one good secret, and another that ends as the test says. */
async function run(other: () => Promise<never[]>) {
  const spec = fillDefaults({
    name: 'web',
    containers: [
      { name: 'a', image: 'ghcr.io/myorg/app:1' },
      { name: 'b', image: 'registry.mycompany.com/team/app:1' },
    ],
  });
  const row = rowOf(spec, 'Resolving');
  const version = {
    version: '1',
    enabled: true,
    createdOn: new Date(),
    tags: { 'slipway-registry': 'ghcr.io', 'slipway-username': 'me' },
  };
  const parts = {
    policy: () => policy,
    clock: systemClock,
    containerGroups: { get: async () => null },
    vault: {
      properties: (_url: string, name: string) =>
        name === 'ghcr-pull' ? Promise.resolve([version]) : other(),
      value: async () => new Secret(password),
    },
  };
  return resolve(
    row as unknown as DeploymentRow,
    parts as unknown as StageParts,
    new AbortController().signal,
  );
}

const answer = (status: number, code: string) =>
  new AzureError({
    kind: 'vault',
    operation: 'list versions',
    status,
    code,
    message: 'no',
    retryAfterMs: null,
    requestId: null,
  });

t.test(
  'a secret that was resolved ends with its stage, also where another one is refused or the vault is out',
  async t => {
    t.match(await run(() => Promise.reject(answer(404, 'SecretNotFound'))), {
      to: 'Failed',
      patch: { failure: { code: 'SecretNotFound' } },
    });
    t.equal(scrub(password), password, 'after a refusal');
    await t.rejects(
      run(() => Promise.reject(answer(503, 'InternalError'))),
      { code: 'InternalError' },
    );
    t.equal(scrub(password), password, 'after an outage');
  },
);

const workloadValue = 'a-value-for-the-workload';

/** The stages over a vault that has the secrets of `versions`, and a group that is there already or not. */
async function runWith(
  stage: Stage,
  more: Partial<DeploymentRequest>,
  {
    versions,
    present = false,
    found = [],
  }: { versions: Record<string, object>; present?: boolean; found?: object[] },
) {
  const spec = fillDefaults({
    name: 'web',
    containers: [{ image: 'myregistry.azurecr.io/my-app:v1.0' }],
    ...more,
  });
  const row = {
    ...rowOf(spec, 'Submitting'),
    revision: 1,
    images: [],
    credentials: [{ server: 'myregistry.azurecr.io', identity: '/the/pull/identity' }],
    workloadSecrets: found,
  };
  const read: string[] = [];
  const bodies: unknown[] = [];
  const parts = {
    policy: () => policy,
    clock: systemClock,
    looks: { isCrowded: async () => false, firstInMs: async () => 0 },
    containerGroups: {
      get: async () => (present ? { tags: { 'slipway-deployment': 'id' } } : null),
      isIsolated: async () => true,
      put: async (_place: unknown, build: () => unknown) => {
        bodies.push(build());
        return { created: true, operationUrl: null, isolated: false };
      },
    },
    vault: {
      properties: async (_url: string, name: string) => {
        read.push(`properties of ${name}`);
        const version = versions[name];
        return version ? [{ version: '1', enabled: true, createdOn: new Date(), tags: {}, ...version }] : [];
      },
      value: async (_url: string, name: string) => {
        read.push(`value of ${name}`);
        return new Secret(workloadValue);
      },
    },
  };
  const signal = new AbortController().signal;
  const move = await stage(row as unknown as DeploymentRow, parts as unknown as StageParts, signal);
  return { move, read, bodies };
}

const twice = {
  containers: [
    {
      image: 'myregistry.azurecr.io/my-app:v1.0',
      environmentVariables: [
        { name: 'A', secretName: 'orders-db' },
        { name: 'B', secretName: 'ORDERS-DB' },
      ],
    },
  ],
  volumes: [{ name: 'files', secret: { a: { secretName: 'orders-db' } } }],
};

t.test(
  'a secret of the workload is read once, sent in each of its places, and ends with the stage',
  async t => {
    const { move, read, bodies } = await runWith(submit, twice, { versions: { 'orders-db': {} } });
    t.match(move, { to: 'Provisioning', patch: { credentials: [{ isolated: false }] } });
    t.same(read, ['properties of orders-db', 'value of orders-db']);
    t.match(bodies, [
      {
        containers: [
          { environmentVariables: [{ secureValue: workloadValue }, { secureValue: workloadValue }] },
        ],
        volumes: [{ secret: { a: Buffer.from(workloadValue).toString('base64') } }],
      },
    ]);
    t.equal(scrub(workloadValue), workloadValue, 'nothing of it is kept');
  },
);

t.test(
  'a secret of the workload that cannot be used ends the deployment in its first stage, unread',
  async t => {
    const cases: [object, string][] = [
      [{}, 'SecretNotFound'],
      [{ 'orders-db': { enabled: false } }, 'CredentialDisabled'],
      [{ 'orders-db': { expiresOn: new Date(0) } }, 'CredentialExpired'],
      [{ 'orders-db': { notBefore: new Date('2999-01-01') } }, 'CredentialNotYetValid'],
      [{ 'orders-db': { tags: { 'slipway-registry': 'ghcr.io' } } }, 'SecretBoundToRegistry'],
    ];
    for (const [versions, code] of cases)
      for (const [stage, name] of [
        [resolve, 'Resolving'],
        [submit, 'Submitting'],
      ] as const) {
        const { move, read, bodies } = await runWith(stage, twice, { versions: { ...versions } });
        const target = '/containers/0/environmentVariables/0/secretName';
        t.match(move, { to: 'Failed', patch: { failure: { code, stage: name, target }, holdsName: false } });
        t.same(read, ['properties of orders-db'], 'its value is not read');
        t.same(bodies, []);
      }
  },
);

t.test('the version that was found at first is the one that is sent, or none', async t => {
  const found = [{ vault: 'demo-vault', secretName: 'orders-db', secretVersion: 'first', pointers: [] }];
  const same = await runWith(submit, twice, { versions: { 'orders-db': { version: 'first' } }, found });
  t.equal(same.move.to, 'Provisioning', JSON.stringify(same.move.patch?.failure));
  const gone = await runWith(submit, twice, { versions: { 'orders-db': { version: 'second' } }, found });
  t.match(gone.move.patch?.failure, { code: 'SecretNotFound', detail: /has no version first any more/ });
  t.same(gone.read, ['properties of orders-db'], 'no other is read');
});

t.test('a group whose answer was lost is not put again, and is asked whether it isolates', async t => {
  const { move, bodies, read } = await runWith(submit, twice, { versions: {}, present: true });
  t.match(move, { to: 'Provisioning', patch: { credentials: [{ isolated: true }] } });
  t.same([...bodies, ...read], []);
});
