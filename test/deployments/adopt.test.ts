import t from 'tap';
import type { GroupDocument } from '../../src/azure/group-documents.ts';
import { adoptedSpec } from '../../src/deployments/adopted-spec.ts';
import { askOf, readImages } from '../../src/deployments/spec.ts';
import { adopt } from '../../src/deployments/stages/adopt.ts';
import type { StageParts } from '../../src/deployments/stages/stage.ts';
import { decide } from '../../src/policy/decide.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import { callerOf } from '../../src/policy/principals.ts';
import type { DeploymentRow } from '../../src/store/deployments.ts';

const loaded = loadPolicy('src/policy/embedded.yaml');
const id = '01a20d3c-cff5-7c00-bee3-cc46323ba9f0';
const asked = { name: 'older', team: 'demo', target: 'demo' };

/** As Resource Manager tells it. */
function documentWith(more: object = {}, tags: Record<string, string> = { owner: 'ann' }): GroupDocument {
  return {
    tags,
    content: {
      id: '/subscriptions/x/containerGroups/older',
      name: 'older',
      type: 'Microsoft.ContainerInstance/containerGroups',
      location: 'eastus',
      properties: {
        sku: 'Standard',
        isCreatedFromStandbyPool: false,
        provisioningState: 'Succeeded',
        provisioningTimeoutInSeconds: 1800,
        isCustomProvisioningTimeout: false,
        containers: [
          {
            name: 'app',
            properties: {
              image: 'docker.io/library/nginx:1.27',
              ports: [],
              environmentVariables: [],
              instanceView: { restartCount: 3 },
              resources: { requests: { cpu: 1, memoryInGB: 1.5 } },
            },
          },
        ],
        initContainers: [],
        osType: 'Linux',
        restartPolicy: 'Always',
        instanceView: { events: [], state: 'Running' },
        ...more,
      },
    },
  };
}

function rowOf(document: GroupDocument): DeploymentRow {
  const spec = adoptedSpec(asked, document);
  const caller = callerOf(loaded, 'embedded', {
    oid: 'an-app',
    azp: '00000000-0000-0000-0000-0000000d0001',
    idtyp: 'app',
    exp: 4_000_000_000,
  });
  if (!caller) throw new Error('the claims name nobody');
  const ask = askOf(spec, readImages(spec));
  const decision = decide(loaded, caller, ask);
  if (!decision.allowed) throw new Error(decision.detail);
  const plan = { plan: decision.plan, ask, caller };
  const row = { id, team: 'demo', name: 'older', revision: 1, status: 'Adopting', spec, plan };
  return row as unknown as DeploymentRow;
}

/** Runs the stage over what Azure shows now; what it tags is kept. */
async function run(row: DeploymentRow, shown: GroupDocument | null) {
  const tagged: Record<string, string>[] = [];
  const documents: StageParts['documents'] = {
    read: async () => shown,
    tag: async (_place, tags) => void tagged.push(tags),
  };
  const parts = {
    documents,
    policy: () => loaded,
    clock: { now: () => new Date() },
  } as unknown as StageParts;
  return { move: await adopt(row, parts, AbortSignal.timeout(10_000)), tagged };
}

t.test('it tags first and goes on once the group shows the tag, however often it is begun', async t => {
  const document = documentWith();
  const row = rowOf(document);
  const first = await run(row, document);
  t.match(first.move, { to: 'Adopting', againInMs: 0 });
  t.same(first.tagged, [{ owner: 'ann', 'slipway-team': 'demo', 'slipway-deployment': id }]);
  const second = await run(row, documentWith({}, { ...first.tagged[0] }));
  t.match(second.move, { to: 'Provisioning', patch: { liveRevision: 1, images: [{ container: 'app' }] } });
  t.same(second.tagged, []);
  t.match((await run(row, documentWith({}, { 'SLIPWAY-Deployment': id }))).move, { to: 'Provisioning' });
});

t.test('what is no longer what was judged is left as it is, and the name let go', async t => {
  const row = rowOf(documentWith());
  const image = [{ name: 'app', properties: { image: 'ghcr.io/evil/app:1' } }];
  for (const [what, shown] of [
    ['gone', null],
    ["another's", documentWith({}, { 'slipway-deployment': 'somebody' })],
    ['another image', documentWith({ containers: image })],
    ['other tags', documentWith({}, { owner: 'bob' })],
    ['what cannot be said', documentWith({ sku: 'Confidential' })],
  ] as const) {
    const { move, tagged } = await run(row, shown);
    t.match(
      move,
      { to: 'Failed', patch: { holdsName: false, failure: { code: 'ContainerGroupExists' } } },
      what,
    );
    t.same(tagged, [], what);
  }
});

t.test('a right that was withdrawn in between ends it before Azure is asked to change anything', async t => {
  const row = rowOf(documentWith());
  const none = { ...row, plan: { ...row.plan, caller: { principal: {}, teams: {}, expiresAt: 0 } } };
  const { move, tagged } = await run(none, documentWith());
  t.match(move, { to: 'Failed', patch: { holdsName: false, failure: { code: 'PolicyRevoked' } } });
  t.same(tagged, []);
});

t.test('every member that a deployment cannot say is refused by its name', async t => {
  const secret = {
    name: 'app',
    properties: {
      image: 'nginx',
      resources: { requests: { cpu: 1, memoryInGB: 1, gpu: { count: 1, sku: 'V100' } } },
    },
  };
  for (const [name, more] of [
    ['sku', { sku: 'Confidential' }],
    ['extensions', { extensions: [{ name: 'vk' }] }],
    ['encryptionProperties', { encryptionProperties: { keyName: 'k' } }],
    ['somethingNew', { somethingNew: true }],
    ['gpu', { containers: [secret] }],
    ['volumes', { volumes: [{ name: 'share', azureFile: { shareName: 'abc', storageAccountName: 'acc' } }] }],
    ['volumes', { volumes: [{ name: 'files', secret: { 'a.txt': '' } }] }],
    [
      'diagnostics',
      { diagnostics: { logAnalytics: { workspaceId: '00000000-0000-0000-0000-000000000000' } } },
    ],
  ] as const)
    t.throws(
      () => adoptedSpec(asked, documentWith(more)),
      { code: 'ContainerGroupNotAdoptable', message: new RegExp(name) },
      `${name}: ${JSON.stringify(more)}`,
    );
  t.match(adoptedSpec(asked, documentWith({ volumes: [{ name: 'scratch', emptyDir: {} }] })), {
    volumes: [{ name: 'scratch', emptyDir: {} }],
    keepFailed: true,
  });
});
