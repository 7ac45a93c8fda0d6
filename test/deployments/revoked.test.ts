import { join } from 'node:path';
import t from 'tap';
import { askOf, fillDefaults, readImages } from '../../src/deployments/spec.ts';
import { resolve } from '../../src/deployments/stages/resolve.ts';
import type { Stage, StageParts, StoredPlan } from '../../src/deployments/stages/stage.ts';
import { submit } from '../../src/deployments/stages/submit.ts';
import { decide } from '../../src/policy/decide.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import type { Policy } from '../../src/policy/policy.ts';
import { callerOf } from '../../src/policy/principals.ts';
import type { DeploymentRow } from '../../src/store/deployments.ts';

const embedded = loadPolicy(join(import.meta.dirname, '../../src/policy/embedded.yaml'));
const acr = 'myregistry.azurecr.io';
const home =
  '/subscriptions/00000000-0000-0000-0000-00000000bbbb/resourceGroups/my-resource-group/providers/Microsoft.ManagedIdentity/userAssignedIdentities';

const before = structuredClone(embedded.policy);
before.bindings = [{ vault: 'demo-vault', secret: 'ghcr-pull', registry: 'ghcr.io', username: 'myghuser' }];
before.teams.demo?.targets.push('other');

const client = '00000000-0000-0000-0000-0000000d0001';
const caller = callerOf({ policy: before, digest: '' }, 'embedded', {
  oid: 'o',
  sub: 's',
  azp: client,
  idtyp: 'app',
  exp: 4_000_000_000,
});
if (!caller) throw new Error('nobody');

/** A deployment that was accepted while `before` was the policy; team, target, location and one credential are its defaults. */
function accepted(status: 'Resolving' | 'Submitting'): DeploymentRow {
  const spec = fillDefaults({
    name: 'app',
    containers: [
      {
        name: 'own',
        image: `${acr}/my-app:v1.0`,
        environmentVariables: [{ name: 'DB', secretName: 'orders-db' }],
      },
      { name: 'shared', image: 'ghcr.io/myorg/log-forwarder:2.0.1' },
    ],
    imageRegistryCredentials: [{ server: 'ghcr.io', secretName: 'ghcr-pull' }],
    identity: { userAssignedIdentities: [`${home}/orders-identity`] },
    ipAddress: { type: 'Public', ports: [{ port: 80 }] },
  });
  const ask = askOf(spec, readImages(spec));
  const decision = decide({ policy: before, digest: '' }, caller as NonNullable<typeof caller>, ask);
  if (!decision.allowed) throw new Error(decision.detail);
  const { plan } = decision;
  const { name: target, ...place } = plan.target;
  const filled = { ...spec, team: plan.team, target, location: place.location };
  const stored: StoredPlan = { plan, ask, caller: JSON.parse(JSON.stringify(caller)) };
  const row = { id: 'd', name: 'app', status, team: plan.team, target, ...place, spec: filled, plan: stored };
  return {
    ...row,
    revision: 1,
    retries: 0,
    intent: { kind: 'Create' },
    images: [],
    credentials: [],
    workloadSecrets: [],
  } as unknown as DeploymentRow;
}

/** Azure and registries that are down: what is asked of them is written down. */
function partsWith(policy: Policy) {
  const calls: string[] = [];
  const down = (name: string) =>
    new Proxy(
      {},
      {
        get: (_target, method) => async () => {
          calls.push(`${name}.${String(method)}`);
          throw new Error(`${name} is down`);
        },
      },
    );
  const parts = {
    vault: down('vault'),
    containerGroups: down('containerGroups'),
    roles: down('roles'),
    registry: down('registry'),
    looks: { isCrowded: async () => false },
    acrToken: async () => {
      calls.push('acrToken');
      throw new Error('no token');
    },
    policy: () => ({ policy, digest: '' }),
    clock: { now: () => new Date() },
    tenantId: '',
  };
  return { parts: parts as unknown as StageParts, calls };
}

type Demo = Policy['teams'][string];
const demo = (change: (team: Demo) => void) => (policy: Policy) => {
  const team = policy.teams.demo;
  if (team) change(team);
};
const embeddedClient = { issuer: 'embedded', client, permissions: ['deploy' as const] };

const withdrawals: Record<string, (policy: Policy) => void> = {
  'the team': policy => {
    delete policy.teams.demo;
  },
  'the membership': demo(team => team.principals.pop()),
  'the permission': demo(team => {
    for (const principal of team.principals) principal.permissions = ['read'];
  }),
  'the membership, and another one is given': policy => {
    policy.teams.demo?.principals.pop();
    const gift = structuredClone(policy.teams.demo);
    if (gift) policy.teams.gift = { ...gift, principals: [embeddedClient] };
  },
  'the target, and another one is the default': demo(team => team.targets.shift()),
  'the target, which is another resource group now': ({ targets }) => {
    if (targets.demo) targets.demo.resourceGroup = 'other-resource-group';
  },
  'the location, and another one is the default': ({ targets }) => targets.demo?.locations.shift(),
  'public addresses': ({ targets }) => {
    delete targets.demo?.network;
  },
  'the registry': demo(team => {
    team.registries = team.registries?.filter(({ server }) => server !== 'ghcr.io') ?? [];
  }),
  'the repository': demo(team => {
    for (const entry of team.registries ?? [])
      if (entry.server === 'ghcr.io') entry.repositories = ['ours/**'];
  }),
  'the secret': demo(team => {
    team.registrySecrets = ['acr-admin'];
  }),
  'the vault, and another one is the default': demo(team => {
    team.vaults = ['other-vault'];
  }),
  'the vault, which is another one now': ({ vaults = {} }) => {
    if (vaults['demo-vault']) vaults['demo-vault'].url = 'https://other-vault.vault.azure.net';
  },
  'the credential that was the default': demo(team => {
    for (const entry of team.registries ?? []) if (entry.server === acr) entry.credential = 'acr-sp';
  }),
  "the secret's binding": ({ bindings = [] }) => {
    for (const binding of bindings) binding.registry = acr;
  },
  "the workload's secret": demo(team => {
    delete team.workloadSecrets;
  }),
  "the workload's secret, which is one for registries now": demo(team => {
    delete team.workloadSecrets;
    team.registrySecrets?.push('orders-db');
  }),
  'the identity of the workload': demo(team => team.identities?.pop()),
  'the identity that pulls': demo(team => {
    for (const identity of team.identities ?? []) identity.registries = ['ghcr.io'];
  }),
};

const stages: ['Resolving' | 'Submitting', Stage][] = [
  ['Resolving', resolve],
  ['Submitting', submit],
];

for (const [status, stage] of stages)
  t.test(`a right withdrawn before ${status} ends the deployment, and nobody is asked`, async t => {
    const signal = AbortSignal.timeout(10_000);
    const untouched = partsWith(before);
    await t.rejects(stage(accepted(status), untouched.parts, signal), 'with its rights it goes on');
    t.ok(untouched.calls.length > 0, 'and asks Azure');
    for (const [what, withdraw] of Object.entries(withdrawals)) {
      const after = structuredClone(before);
      withdraw(after);
      const { parts, calls } = partsWith(after);
      const move = await stage(accepted(status), parts, signal);
      t.match(move, { to: 'Failed', patch: { failure: { code: 'PolicyRevoked', stage: status } } }, what);
      t.same(calls, [], `without ${what}: 0 calls`);
    }
  });

t.test(
  'what Azure took before a right was withdrawn is cleared away, and the name is kept until then',
  async t => {
    const after = structuredClone(before);
    delete after.teams.demo;
    const { parts } = partsWith(after);
    const tags = { 'slipway-deployment': 'd', 'slipway-revision': '1' };
    const group = { id: 'g', tags, events: [], containers: [] };
    const containerGroups = { ...parts.containerGroups, get: async () => group };
    const lost = { ...accepted('Submitting'), retries: 1 };
    const move = await submit(lost, { ...parts, containerGroups }, AbortSignal.timeout(10_000));
    t.match(move, {
      to: 'Submitting',
      againInMs: 0,
      patch: { failure: { code: 'PolicyRevoked' }, liveRevision: 1 },
    });
    t.equal(move.patch?.holdsName, undefined);
  },
);

t.test('a right that is given in between, or another default, does not disturb', async t => {
  const more = structuredClone(before);
  const team = more.teams.demo;
  if (!team) throw new Error('no team');
  more.teams.gift = { ...structuredClone(team), principals: [embeddedClient] };
  team.targets.reverse();
  more.targets.demo?.locations.reverse();
  team.registries?.push({ server: 'ghcr.io', credential: 'ghcr-wrong' });
  team.workloadSecrets = ['ORDERS-*'];
  const { parts, calls } = partsWith(more);
  await t.rejects(submit(accepted('Submitting'), parts, AbortSignal.timeout(10_000)));
  t.ok(calls.length > 0);
});
