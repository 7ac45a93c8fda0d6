import fc from 'fast-check';
import t from 'tap';
import { createContainerGroups } from '../../src/azure/container-groups.ts';
import { AzureError } from '../../src/azure/failure.ts';
import { createGroupDocuments, type GroupDocument } from '../../src/azure/group-documents.ts';
import { containerGroupBody } from '../../src/deployments/container-group.ts';
import { differences } from '../../src/deployments/group-diff.ts';
import { fixedOf, masked, shapeOfBody, shapeOfDocument } from '../../src/deployments/group-shape.ts';
import { mergePatch } from '../../src/deployments/merge-patch.ts';
import { needsReplacement } from '../../src/deployments/replacement.ts';
import { fillDefaults, type Spec } from '../../src/deployments/spec.ts';
import { workspaceKey } from '../../src/deployments/spec-rules/secrets.ts';
import { demo } from '../../src/emulator/demo-ids.ts';
import { startTestEmulator, type TestEmulator } from '../support/emulator.ts';

const place = { subscription: demo.subscriptionId, resourceGroup: demo.resourceGroup, name: 'planned' };

const bodyOf = (spec: Spec, secrets: Record<string, string> = { [workspaceKey]: 'key' }) =>
  containerGroupBody({
    ...{ deployment: 'the-id', revision: 1, team: 'demo', spec },
    plan: { workloadIdentities: [], subnets: (spec.subnetIds ?? []).map(({ id }) => id) },
    images: [],
    credentials: [],
    workload: new Map(Object.entries(secrets).map(([pointer, value]) => [pointer, { reveal: () => value }])),
  });

function predict(document: GroupDocument | null, spec: Spec) {
  if (!document) return 'create';
  if (needsReplacement(fixedOf(document), spec).length > 0) return 'replace';
  return differences(shapeOfDocument(document), shapeOfBody(bodyOf(spec))).length > 0 ? 'inPlace' : 'none';
}

const some = <T>(...values: T[]) => fc.constantFrom(...values);
const mostly = <T>(usual: T, ...others: T[]) =>
  fc.oneof({ weight: 6, arbitrary: fc.constant(usual) }, { weight: 2, arbitrary: some(...others) });

/** So many of them are fixed that a pair seldom differs in one alone, were they drawn as often. */
const rarely = <T>(usual: T, ...others: T[]) =>
  fc.oneof({ weight: 24, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: some(...others) });

const workspace = (number: number) => ({
  logAnalytics: {
    workspaceId: `00000000-0000-0000-0000-00000000000${number}`,
    workspaceKeySecretName: 'workspace-key',
  },
});

const subnet = (name: string) => ({
  id: `/subscriptions/${demo.subscriptionId}/resourceGroups/${demo.resourceGroup}/providers/Microsoft.Network/virtualNetworks/net/subnets/${name}`,
});

const container = (name: string) =>
  fc.record(
    {
      name: fc.constant(name),
      image: mostly('nginx:1.27', 'nginx:latest'),
      resources: mostly(
        { requests: { cpu: 1, memoryInGB: 1.5 } },
        { requests: { cpu: 0.5, memoryInGB: 1 } },
        { requests: { cpu: 1, memoryInGB: 1.5 }, limits: { cpu: 2 } },
      ),
      ports: some([{ port: 80 }], [{ port: 80 }, { port: 443 }], [{ port: 53, protocol: 'UDP' as const }]),
      environmentVariables: some([{ name: 'A', value: '1' }], [{ name: 'A', value: '2' }], []),
      command: some(['/bin/server'], ['/bin/server', '-v']),
      livenessProbe: some({ httpGet: { path: '/', port: 80 } }, { exec: { command: ['true'] } }),
    },
    { requiredKeys: ['name', 'image', 'resources'] },
  );

const specs = fc
  .record(
    {
      name: fc.constant('planned'),
      location: rarely('eastus', 'westeurope'),
      containers: rarely(['app'], ['app', 'sidecar'], ['sidecar', 'app'], ['other']).chain(names =>
        fc.tuple(...names.map(container)),
      ),
      osType: rarely('Linux' as const, 'Windows'),
      restartPolicy: rarely('Always' as const, 'OnFailure', 'Never'),
      labels: some({}, { release: '1' }, { release: '2', by: 'ci' }),
      ipAddress: some(
        { type: 'Public' as const, ports: [{ port: 80 }] },
        { type: 'Public' as const, ports: [{ port: 80 }], dnsNameLabel: 'planned-here' },
      ),
      volumes: some([{ name: 'scratch', emptyDir: {} }]),
      zones: rarely(['1'], ['2'], undefined),
      priority: rarely('Regular' as const, 'Spot', undefined),
      diagnostics: rarely(workspace(1), workspace(2), undefined),
      subnetIds: rarely([subnet('one')], [subnet('two')], undefined),
    },
    {
      requiredKeys: [
        ...(['name', 'location', 'containers', 'osType', 'restartPolicy'] as const),
        ...(['zones', 'priority', 'diagnostics', 'subnetIds'] as const),
      ],
    },
  )
  .map(spec => fillDefaults(JSON.parse(JSON.stringify(spec)) as Spec));

/** What Azure stored, but for how it lives. */
function storedIn({ world }: TestEmulator): string {
  const [group] = Object.values(world.containerGroups);
  return JSON.stringify([group?.location, group?.tags, group?.properties]);
}

/** It rests, and time passes: Azure takes the next change. */
function settle({ world, clock }: TestEmulator): void {
  clock.advance(60_000);
  for (const group of Object.values(world.containerGroups)) group.life.stoppedAt = clock.now();
}

const pairs = 2_000;

t.test(`the kind of change that is predicted is what Azure then does, for ${pairs} pairs`, async t => {
  const emulator = await startTestEmulator(t);
  const options = { credential: emulator.administrator, transport: emulator.httpClient };
  const groups = createContainerGroups(options);
  const documents = createGroupDocuments(options);

  async function doneBy(spec: Spec, before: string): Promise<string> {
    try {
      const { created } = await groups.put(place, () => bodyOf(spec));
      if (created) return 'create';
      return storedIn(emulator) === before ? 'none' : 'inPlace';
    } catch (error) {
      if (!(error instanceof AzureError)) throw error;
      if (error.code === 'InvalidContainerGroupUpdate' || error.code === 'InvalidResourceLocation')
        return 'replace';
      throw error;
    }
  }

  const seen: Record<string, number> = {};
  const alone = new Set<string>();
  const wrong: unknown[] = [];
  // A walk: each spec is compared with the one before it, which now and then it repeats.
  let last: Spec | undefined;
  for (const [index, drawn] of fc.sample(specs, { numRuns: pairs, seed: 7 }).entries()) {
    const asked = index % 7 === 3 && last ? last : drawn;
    settle(emulator);
    const document = await documents.read(place);
    // What is made anew has an image for its system.
    const spec: Spec = document ? asked : { ...asked, osType: 'Linux' };
    const predicted = predict(document, spec);
    const done = await doneBy(spec, storedIn(emulator));
    if (predicted !== done) wrong.push({ predicted, done, spec, document });
    seen[done] = (seen[done] ?? 0) + 1;
    const [pointer, ...others] = document ? needsReplacement(fixedOf(document), spec) : [];
    if (pointer && others.length === 0) alone.add(pointer);
    if (done === 'replace') emulator.world.containerGroups = {};
    else last = spec;
  }
  t.same(wrong.slice(0, 2), [], `${wrong.length} were predicted wrongly`);
  for (const kind of ['create', 'inPlace', 'replace', 'none'])
    t.ok((seen[kind] ?? 0) > 50, `${kind}: ${seen[kind]}`);
  t.same(
    [...alone].sort(),
    [
      ...['/containers', '/containers/*/resources', '/diagnostics', '/location', '/osType', '/priority'],
      ...['/restartPolicy', '/subnetIds', '/zones'],
    ],
    'each was the only one that differed',
  );
});

t.test('what is compared holds no secret, and a secret that ARM does not show is no difference', async t => {
  const emulator = await startTestEmulator(t);
  const options = { credential: emulator.administrator, transport: emulator.httpClient };
  const spec = fillDefaults({
    name: 'planned',
    location: 'eastus',
    containers: [
      {
        name: 'app',
        image: 'nginx:1.27',
        environmentVariables: [{ name: 'DB', secretName: 'orders-db' }],
        volumeMounts: [{ name: 'keys', mountPath: '/keys' }],
      },
    ],
    volumes: [{ name: 'keys', secret: { key: { secretName: 'orders-key' } } }],
  });
  const secrets = {
    '/containers/0/environmentVariables/0/secretName': 'value-of-orders-db',
    '/volumes/0/secret/key/secretName': 'value-of-orders-key',
  };
  await createContainerGroups(options).put(place, () => bodyOf(spec, secrets));
  const document = await createGroupDocuments(options).read(place);
  if (!document) throw new Error('the group is there');
  const hidden = Object.fromEntries(Object.keys(secrets).map(pointer => [pointer, masked]));
  t.same(differences(shapeOfDocument(document), shapeOfBody(bodyOf(spec, hidden))), []);

  const plain = fillDefaults({
    ...spec,
    containers: [
      {
        ...spec.containers[0],
        name: 'app',
        image: 'nginx:1.27',
        environmentVariables: [{ name: 'DB', value: 'x' }],
      },
    ],
  });
  const found = differences(shapeOfDocument(document), shapeOfBody(bodyOf(plain, hidden)));
  t.same(found, [{ path: '/containers/app/environmentVariables/DB', live: masked, wanted: 'x' }]);
});

t.test('a merge patch is what RFC 7396 says', t => {
  // The examples of its appendix.
  for (const [target, patch, result] of [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ],
    [{ a: 'b' }, ['c'], ['c']],
    [{ a: 'foo' }, null, null],
    [{ a: 'foo' }, 'bar', 'bar'],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])
    t.same(mergePatch(target, patch), result, JSON.stringify([target, patch]));
  t.same(Object.keys(mergePatch({}, JSON.parse('{"__proto__":{"x":1}}')) as object), ['__proto__']);
  t.end();
});
