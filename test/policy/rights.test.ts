import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { decideAgain, type StageParts } from '../../src/deployments/stages/stage.ts';
import { bind } from '../../src/policy/bind.ts';
import { type Ask, decide } from '../../src/policy/decide.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import { actForUser, callerAgain, callerOf } from '../../src/policy/principals.ts';
import type { Caller } from '../../src/schemas/principal.ts';
import type { DeploymentRow } from '../../src/store/deployments.ts';
import { temporaryDirectory } from '../support/service.ts';

const path = join(import.meta.dirname, '../../src/policy/embedded.yaml');
const embedded = loadPolicy(path);
const client = '00000000-0000-0000-0000-0000000d0001';
const group = '11111111-1111-1111-1111-111111111111';
const app = { oid: 'o1', sub: 's1', azp: client, idtyp: 'app', exp: 4_000_000_000 };

const withGroup = structuredClone(embedded);
withGroup.policy.teams.demo?.principals.push(
  { issuer: 'embedded', group, permissions: ['read'] },
  { issuer: 'embedded', subject: 's1', permissions: ['logs'] },
  { issuer: 'github', repositoryId: '1', ownerId: '2', permissions: ['deploy'] },
);

t.test('a token counts by what its holder cannot choose', async t => {
  const teamsOf = (issuer: string, claims: object) =>
    callerOf(withGroup, issuer, { ...claims })?.teams ?? null;
  t.same(teamsOf('embedded', { oid: 'o2', sub: 's1', exp: 1 }), {}, 'at Entra ID sub names nobody');
  t.equal(teamsOf('embedded', { sub: 's1', exp: 1 }), null);
  t.same(teamsOf('embedded', { oid: 'o2', groups: [group], exp: 1 }), { demo: ['read'] });
  const overage = { oid: 'o2', groups: [group], _claim_names: { groups: 'src1' }, exp: 1 };
  t.same(teamsOf('embedded', overage), {}, 'with groups left out none counts, whatever stands beside');
  t.same(teamsOf('embedded', { oid: 'o2', groups: group, exp: 1 }), {}, 'groups that are no list');
  const run = { sub: 'repo:o/r', repository_id: '1', repository_owner_id: '2', event_name: 'push', exp: 1 };
  t.same(teamsOf('github', run), { demo: ['deploy'] });
  for (const event of ['pull_request', 'pull_request_target', 'workflow_run'])
    t.same(teamsOf('github', { ...run, event_name: event }), {}, `${event} is set off from outside`);
  t.same(teamsOf('github', { ...run, repository_id: 1 }), {}, 'a number is no id');
});

t.test('a build run counts as its entry pins it', async t => {
  const workflow = `o/deploy/.github/workflows/deploy.yml@${'a'.repeat(40)}`;
  const run = {
    sub: 'repo:o/r',
    repository_id: '1',
    repository_owner_id: '2',
    ref: 'refs/heads/main',
    job_workflow_ref: workflow,
    event_name: 'workflow_dispatch',
    exp: 1,
  };
  const teamsOf = (entry: object, claims: object = {}) => {
    const loaded = structuredClone(embedded);
    const ids = { issuer: 'github', repositoryId: '1', ownerId: '2' };
    loaded.policy.teams.demo?.principals.push({ ...ids, permissions: ['deploy'], ...entry });
    return callerOf(loaded, 'github', { ...run, ...claims })?.teams;
  };
  const all = { demo: ['deploy'] };
  const pinned = { workflow, ref: 'refs/heads/main' };
  t.same(teamsOf(pinned), all);
  for (const other of [
    { job_workflow_ref: 'o/deploy/.github/workflows/deploy.yml@refs/heads/main' },
    { job_workflow_ref: workflow.replace('a', 'b') },
    { job_workflow_ref: `evil/${workflow}` },
    { job_workflow_ref: workflow.toUpperCase() },
    { job_workflow_ref: `${workflow} ` },
    { job_workflow_ref: [workflow] },
    { job_workflow_ref: undefined },
    { ref: 'refs/heads/other' },
    { ref: 'refs/tags/main' },
    { ref: undefined },
    { event_name: 'issue_comment' },
    { event_name: ['push'] },
  ])
    t.same(teamsOf(pinned, other), {}, JSON.stringify(other));
  t.same(teamsOf({ events: ['pull_request'] }, { event_name: 'pull_request' }), all, 'where it is listed');
  t.same(teamsOf({ events: ['pull_request'] }), {}, 'and only what is listed');
  t.same(teamsOf({ events: ['push'] }, { event_name: undefined }), {}, 'a run that does not say what it is');
});

t.test('an operator reads everything and does nothing; a portal works in its teams', async t => {
  const loaded = structuredClone(embedded);
  const portal = '00000000-0000-0000-0000-0000000d0009';
  const [operatorGroup, narrowClient] = [group.replaceAll('1', '2'), portal.replace(/9$/, '8')];
  loaded.policy.operators = [{ issuer: 'embedded', group: operatorGroup }];
  loaded.policy.portals = [
    { issuer: 'embedded', client: portal, teams: ['demo'], actsForUsers: true },
    { issuer: 'embedded', client: narrowClient, teams: ['demo', 'other'], permissions: ['read'] },
  ];
  loaded.policy.teams.other?.principals.push({ issuer: 'embedded', client: portal, permissions: ['read'] });
  const of = (claims: object) => callerOf(loaded, 'embedded', { oid: 'o', exp: 1, ...claims });
  const operator = of({ groups: [operatorGroup] });
  t.match(operator, { operator: true, claims: { groups: [operatorGroup] } });
  t.same(operator?.teams, {}, 'no team is his');
  t.notMatch(of({ groups: [group] }), { operator: true });

  const web = of({ azp: portal, idtyp: 'app' });
  const every = ['deploy', 'read', 'logs', 'cancel', 'delete'];
  t.same(web?.teams, { demo: every, other: ['read'] });
  t.same(web?.actsForUsersIn, ['demo'], 'what it is as a principal is not for its users');
  t.match(of({ azp: narrowClient, idtyp: 'app' }), { teams: { demo: ['read'], other: ['read'] } });
  t.equal(of({ azp: narrowClient, idtyp: 'app' })?.actsForUsersIn, undefined);
  t.same(of({ azp: portal, idtyp: 'user' })?.teams, {}, 'a user who came through it is no portal');
  if (!web) throw new Error('nobody');

  const acting = actForUser(web, 'corp|ada');
  t.match(acting, { onBehalfOf: 'corp|ada', principal: { client: portal } });
  t.same(acting.teams, { demo: every });
  const stored: Caller = JSON.parse(JSON.stringify(acting));
  t.same(callerAgain(loaded, stored), acting, 'asked again, the same');
  const without = structuredClone(loaded);
  for (const entry of without.policy.portals ?? []) entry.actsForUsers = false;
  t.same(callerAgain(without, stored).teams, {}, 'it may no longer act for users');
});

t.test('a right that is withdrawn after a deployment was accepted ends it', async t => {
  const caller = callerOf(withGroup, 'embedded', { ...app, groups: ['1', group], email: 'x@y.example' });
  if (!caller) throw new Error('nobody');
  t.same(
    caller.claims,
    { oid: 'o1', sub: 's1', azp: client, idtyp: 'app', groups: [group] },
    'what policy looks at',
  );
  const stored: Caller = JSON.parse(JSON.stringify(caller));
  t.same(callerAgain(withGroup, stored), caller, 'asked again, the same');

  const ask = {
    images: [{ pointer: '/i', host: 'myregistry.azurecr.io', repository: 'my-app', tag: '1', digest: null }],
    credentials: [],
    workloadSecrets: [],
    workloadIdentities: [],
    publicAddress: false,
  };
  const accepted = decide(embedded, caller, ask);
  if (!accepted.allowed) throw new Error(accepted.detail);
  const { plan } = accepted;
  const place = { team: 'demo', target: 'demo', location: 'eastus' };
  const again = (loaded: typeof embedded, who: Caller = stored) =>
    decideAgain(
      { status: 'Resolving', ...place, plan: { plan, ask, caller: who } } as unknown as DeploymentRow,
      { policy: () => loaded } as unknown as StageParts,
    );
  t.match(again(embedded), { allowed: true });
  const without = structuredClone(withGroup);
  const demo = without.policy.teams.demo;
  if (demo) demo.principals = demo.principals.filter(principal => principal.client === undefined);
  t.match(again(without), { allowed: false, failure: { code: 'PolicyRevoked' } }, 'the principal is gone');
  const reading = structuredClone(embedded);
  for (const principal of reading.policy.teams.demo?.principals ?? []) principal.permissions = ['read'];
  t.match(again(reading), { allowed: false, failure: { code: 'PolicyRevoked' } }, 'he may only read now');
  const { claims: _, ...bare } = stored;
  t.match(again(embedded, bare), { allowed: false }, 'a record without claims has no rights left');
});

t.test('an expectation without a repository speaks of any that the team may pull', async t => {
  const file = join(temporaryDirectory(t), 'policy.yaml');
  const load = (line: string) => {
    writeFileSync(file, `${readFileSync(path, 'utf8')}  - ${line}\n`);
    return loadPolicy(file);
  };
  t.ok(load('{ team: demo, secret: ghcr-pull, server: ghcr.io, decision: allow }'));
  t.throws(() => load('{ team: demo, secret: ghcr-pull, server: ghcr.io, decision: deny }'), {
    message: /expects deny, and the policy says allow/,
  });
  t.throws(() => load('{ team: demo, secret: ghcr-pull, server: evil.example, decision: allow }'), {
    message: /the policy says deny \(RegistryNotAllowed/,
  });
});

t.test('where tags do not count, those of a version before explain nothing', async t => {
  const planned = {
    host: 'ghcr.io',
    repositories: ['myorg/a'],
    pointer: '/p',
    kind: 'secret' as const,
    vault: { name: 'demo-vault', url: 'https://demo-vault.vault.azure.net' },
    secretName: 'ghcr-pull',
  };
  const closed = structuredClone(embedded);
  for (const vault of Object.values(closed.policy.vaults ?? {})) vault.ownersBind = false;
  const previous = { version: 'v1', tags: { 'slipway-registry': 'ghcr.io' } };
  const of = (loaded: typeof embedded) =>
    bind(loaded, planned, { version: 'v2', tags: {}, enabled: true, previous }, new Date());
  t.match(of(embedded), { bound: false, detail: /v1 was bound to ghcr\.io/ });
  t.match(of(closed), { bound: false, detail: /is bound to no registry\.$/ });
});

const text = readFileSync(path, 'utf8');
const issuer = 'https://login.microsoftonline.com/00000000-0000-0000-0000-00000000aaaa/v2.0';
const audience = 'audience: 00000000-0000-0000-0000-00000000dddd';
const before = (more: string) => ['\nteams:\n  demo', `\n${more}\nteams:\n  demo`] as const;

t.test('a policy is refused where its words would let others in or lead nowhere', async t => {
  const file = join(temporaryDirectory(t), 'policy.yaml');
  const portal = 'issuer: embedded, client: 00000000-0000-0000-0000-00000000dddd';
  const second = `  - { name: second, issuer: "${issuer}", audience: 00000000-0000-0000-0000-00000000eeee }`;
  const cases: (readonly [string, string, RegExp])[] = [
    ['demo-vault.vault.azure.net', 'demo-vault.vault.evil.example', /\/vaults\/demo-vault\/url/],
    ['server: registry.gone.example', 'server: 10.0.0.1', /registries\/5\/server/],
    [issuer, issuer.replace(/0.*a/, 'common'), /issuers\/0\/issuer must name one tenant/],
    [issuer, issuer.replace('aaaa', 'AAAA'), /issuers\/0\/issuer must name one tenant/],
    [issuer, issuer.replace('login.microsoftonline.com', 'sts.windows.net'), /must name one tenant/],
    [audience, 'audience: api://slipway', /issuers\/0\/audience must be the API's client id/],
    [audience, audience.toUpperCase().replace('AUDIENCE', 'audience'), /issuers\/0\/audience/],
    ['\nteams:\n  demo', `\n${second}\nteams:\n  demo`, /issuers\/1\/issuer is the address of another/],
    [
      ...before('operators: [{ issuer: nobody, group: 00000000-0000-0000-0000-00000000dddd }]'),
      /issuer 'nobody'/,
    ],
    [...before('operators: [{ issuer: embedded }]'), /operators\/0 names nobody/],
    [
      ...before("operators: [{ issuer: embedded, repositoryId: '1' }]"),
      /operators\/0 needs repositoryId and ownerId together/,
    ],
    [...before('portals: [{ issuer: embedded, teams: [demo] }]'), /portals\/0 names nobody/],
    [...before(`portals: [{ ${portal}, teams: [] }]`), /portals\/0\/teams/],
    [
      ...before(`portals: [{ ${portal}, teams: [demo], workflow: o/r/.github/workflows/a.yml }]`),
      /portals\/0\/workflow/,
    ],
    [
      ...before(`portals: [{ ${portal}, teams: [demo, nobody] }]`),
      /portals\/0\/teams\/1 names a team 'nobody'/,
    ],
    ['credential: ghcr-pull', 'credential: aci-acr-identity', /for other registries than ghcr\.io/],
    [
      'vaults: [demo-vault]',
      'vaults: [demo-vault, other-vault]',
      /'dockerhub-pull' is a secret, and the team has 2/,
    ],
  ];
  for (const [from, to, message] of cases) {
    t.ok(text.includes(from), from);
    writeFileSync(file, text.replace(from, to));
    t.throws(() => loadPolicy(file), { name: 'PolicyError', message }, to);
  }
});

t.test('what policy alone can tell is told without a look into the vault', async t => {
  const loaded = structuredClone(embedded);
  const { policy } = loaded;
  const host = 'ghcr.io';
  policy.bindings = [
    { vault: 'demo-vault', secret: 'acr-sp', registry: 'myregistry.azurecr.io' },
    { vault: 'demo-vault', secret: 'ghcr-pull', registry: host, repositories: ['myorg/a'] },
  ];
  policy.teams.demo?.registries?.push({ server: host, repositories: ['myorg/prod/**'], tags: 'pinned' });
  const demo: Caller = {
    principal: { issuer: 'embedded', subject: 's' },
    teams: { demo: ['deploy'] },
    expiresAt: 0,
  };
  const ask = (
    repository: string,
    credential: Partial<Ask['credentials'][number]>,
    tag: string | null = '1',
    from = loaded,
  ) =>
    decide(from, demo, {
      images: [{ pointer: '/i', host, repository, tag, digest: null }],
      credentials: [{ pointer: '/c', server: host, ...credential }],
      workloadSecrets: [],
      workloadIdentities: [],
      publicAddress: false,
    });
  const code = 'CredentialNotBoundToRegistry';
  const pull = { secretName: 'GHCR-pull' };
  t.match(ask('myorg/a', pull), { allowed: true });
  t.match(ask('myorg/b', pull), { code, detail: /bound to myorg\/a of ghcr\.io, not to myorg\/b/ });
  t.match(ask('myorg/a', { secretName: 'Acr-SP' }), {
    code,
    pointer: '/c/secretName',
    detail: /not to ghcr\.io/,
  });
  const wrong = { secretName: 'ghcr-wrong' };
  t.match(ask('myorg/a', wrong), { allowed: true }, 'its tags decide');
  const closed = structuredClone(loaded);
  for (const vault of Object.values(closed.policy.vaults ?? {})) vault.ownersBind = false;
  t.match(ask('myorg/a', wrong, '1', closed), { code, detail: /tags do not count in vault 'demo-vault'/ });
  t.match(ask('myorg/a', pull, '1', closed), { allowed: true });

  t.match(ask('myorg/prod/a', wrong, 'latest'), { code: 'RegistryNotAllowed', detail: /other than latest/ });
  t.match(ask('myorg/prod/a', wrong, '1'), { allowed: true });
  t.match(ask('myorg/a', wrong, 'latest'), { allowed: true });
  const both = { ...pull, identity: policy.teams.demo?.identities?.[0]?.id ?? '' };
  t.match(ask('myorg/a', both), { code: 'InvalidRequest', pointer: '/c', detail: /exactly one/ });
  t.match(ask('myorg/a', {}), { code: 'InvalidRequest', pointer: '/c' });
  const two = structuredClone(loaded);
  two.policy.teams.demo?.vaults?.push('other-vault');
  t.match(ask('myorg/a', pull, '1', two), {
    code: 'InvalidRequest',
    detail: /one of demo-vault, other-vault/,
  });
  t.match(ask('myorg/a', { ...pull, vault: 'demo-vault' }, '1', two), { allowed: true });
});

const home = '/subscriptions/00000000-0000-0000-0000-00000000bbbb/resourceGroups/my-resource-group/providers';
const identityOf = (name: string) => `${home}/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`;
const demoCaller: Caller = {
  principal: { issuer: 'embedded', subject: 's' },
  teams: { demo: ['deploy'] },
  expiresAt: 0,
};
const pulling = (host: string, repository: string, pointer = '/containers/0/image') => ({
  pointer,
  host,
  repository,
  tag: '1',
  digest: null,
});
const decideFor = (loaded: typeof embedded, more: Partial<Ask> = {}) =>
  decide(loaded, demoCaller, {
    images: [pulling('ghcr.io', 'myorg/a')],
    credentials: [],
    workloadSecrets: [],
    workloadIdentities: [],
    publicAddress: false,
    ...more,
  });
function planFor(loaded: typeof embedded, more: Partial<Ask> = {}) {
  const decision = decideFor(loaded, more);
  if (!decision.allowed) throw new Error(decision.detail);
  return decision.plan;
}

t.test('networks and data are reached only where the target names them, in its own spelling', async t => {
  const subnet = `${home}/Microsoft.Network/virtualNetworks/net/subnets/aci`;
  const guid = 'AAAAAAAA-2222-3333-4444-555555555555';
  const workspace = `${home}/Microsoft.OperationalInsights/workspaces/logs`;
  const open = structuredClone(embedded);
  const { demo } = open.policy.targets;
  if (!demo) throw new Error('no target');
  demo.network = { subnets: [subnet] };
  demo.workspaces = [guid, workspace];
  demo.storageAccounts = ['files', `${home}/Microsoft.Storage/storageAccounts/morefiles`];
  const at = (id: string) => [{ pointer: '/p', id }];
  const named = (name: string) => [{ pointer: '/p', name }];

  t.same(planFor(open, { subnets: at(subnet.toLowerCase()) }).subnets, [subnet]);
  const dotted = subnet.replace('/net/', '/net.prod/');
  demo.network.subnets?.push(dotted);
  t.same(planFor(open, { subnets: at(dotted.toLowerCase()) }).subnets, [dotted], 'a network may have dots');
  t.same(planFor(open).subnets, [], 'also where a stored plan asked before there were any');
  const denied = { allowed: false, code: 'TargetNotAllowed', pointer: '/p' };
  const refused: [Partial<Ask>, RegExp][] = [
    [{ subnets: at(subnet.replace('aci', 'other')) }, /Subnet 'other' of 'net'/],
    [{ subnets: at(subnet.replace('bbbb', 'cccc')) }, /it has .*subnets\/aci/],
    [{ workspaces: at(guid.replace('A', 'B')) }, /it has AAAAAAAA/],
    [{ workspaces: at(workspace.replace('logs', 'logs2')) }, /workspace/],
    [{ storageAccounts: named('evenmore') }, /it has files, morefiles/],
  ];
  for (const [ask, detail] of refused) t.match(decideFor(open, ask), { ...denied, detail });
  const allowed: Partial<Ask>[] = [
    { workspaces: at(guid.toLowerCase()) },
    { workspaces: at(workspace.toUpperCase()) },
    { storageAccounts: named('files') },
    { storageAccounts: named('morefiles') },
  ];
  for (const ask of allowed) {
    t.match(decideFor(open, ask), { allowed: true });
    t.match(decideFor(embedded, ask), denied, 'nothing where the target says nothing');
  }
  t.match(decideFor(embedded, { subnets: at(subnet) }), denied);
  for (const id of [
    `${subnet}/..`,
    `${subnet}/x`,
    subnet.replace('/subnets/aci', ''),
    subnet.replace('net/', '../'),
  ])
    t.match(
      decideFor(open, { subnets: at(id) }),
      { allowed: false, code: 'InvalidRequest', pointer: '/p' },
      id,
    );
});

t.test("a plan has policy's spelling of a secret, whatever the caller's was", async t => {
  const loose = structuredClone(embedded);
  if (loose.policy.teams.demo) loose.policy.teams.demo.workloadSecrets = ['Orders-DB', 'web-*'];
  const workload = (secretName: string) =>
    planFor(loose, { workloadSecrets: [{ pointer: '/x', secretName }] }).workloadSecrets[0]?.secretName;
  t.equal(workload('ORDERS-db'), 'Orders-DB');
  t.equal(workload('Web-API'), 'web-api', 'a glob has no spelling for it: lower case');
  const credentials = [{ pointer: '/c', server: 'ghcr.io', secretName: 'GHCR-Pull' }];
  t.match(planFor(embedded, { credentials }).registries, [{ kind: 'secret', secretName: 'ghcr-pull' }]);
});

t.test('whether a secret is bound is said before whether it is valid', async t => {
  const planned = planFor(embedded).registries[0];
  if (planned?.kind !== 'secret') throw new Error('no secret');
  const now = new Date();
  const look = (tags: Record<string, string>, more: { enabled?: boolean; expiresOn?: Date } = {}) =>
    bind(embedded, planned, { version: 'v1', enabled: true, tags, ...more }, now);
  const tags = { 'slipway-registry': 'ghcr.io' };
  for (const invalid of [{ expiresOn: now }, { enabled: false }]) {
    t.match(look({}, invalid), { bound: false, code: 'CredentialNotBoundToRegistry' });
    t.match(look({ 'slipway-registry': 'docker.io' }, invalid), { code: 'CredentialNotBoundToRegistry' });
  }
  t.match(look(tags, { expiresOn: now }), { bound: false, code: 'CredentialExpired' });
  t.match(look(tags, { enabled: false }), { bound: false, code: 'CredentialDisabled' });
});

t.test('an identity serves both uses only where policy lists it for both', async t => {
  const both = structuredClone(embedded);
  both.policy.teams.demo?.identities?.push({
    id: identityOf('aci-acr-identity').toLowerCase().replace('resourcegroups', 'resourceGroups'),
    use: 'workload',
  });
  const workloadIdentities = [{ pointer: '/y', id: identityOf('aci-acr-identity') }];
  t.match(decideFor(embedded, { workloadIdentities }), { allowed: false, code: 'IdentityNotAvailable' });
  t.match(decideFor(both, { workloadIdentities }), { allowed: true });
  t.match(
    decideFor(both, { workloadIdentities: [{ pointer: '/y', id: identityOf('fresh-identity') }] }),
    { allowed: false, code: 'IdentityNotAvailable' },
    'the others stay what they were',
  );
});

t.test(
  'a default credential covers init containers too, and names its vault where there are several',
  async t => {
    const acr = 'myregistry.azurecr.io';
    const init = pulling(acr, 'tool', '/initContainers/0/image');
    t.match(planFor(embedded, { images: [pulling('ghcr.io', 'myorg/a'), init] }).registries, [
      { kind: 'secret', secretName: 'ghcr-pull' },
      { kind: 'identity', id: identityOf('aci-acr-identity'), pointer: '/initContainers/0/image' },
    ]);
    t.match(decideFor(embedded, { images: [{ ...init, host: 'quay.io' }] }), {
      allowed: false,
      code: 'RegistryCredentialMissing',
      pointer: '/initContainers/0/image',
    });
    const bare = structuredClone(embedded);
    for (const registry of bare.policy.teams.demo?.registries ?? []) delete registry.credential;
    t.match(
      decideFor(bare),
      { allowed: false, code: 'RegistryCredentialMissing' },
      'an entry without a default',
    );

    const file = join(temporaryDirectory(t), 'policy.yaml');
    const load = (change: (text: string) => string) => {
      writeFileSync(file, change(readFileSync(path, 'utf8')));
      return loadPolicy(file);
    };
    const second = (text: string) =>
      text
        .replace('vaults: [demo-vault]', 'vaults: [demo-vault, other-vault]')
        .replaceAll(
          /credential: ((?:dockerhub|ghcr|gone)-pull|company-registry) \}/g,
          'credential: $1, vault: demo-vault }',
        )
        .replaceAll('{ team: demo, secret:', '{ team: demo, vault: demo-vault, secret:');
    const several = load(second);
    t.match(planFor(several).registries, [{ secretName: 'ghcr-pull', vault: { name: 'demo-vault' } }]);
    t.throws(() => load(text => second(text).replaceAll('vault: demo-vault }', 'vault: third }')), {
      message: /is in no vault of the team: 'third'/,
    });
    t.throws(
      () =>
        load(text =>
          text.replace('registrySecrets:\n      [', 'registrySecrets:\n      [ aci-acr-identity,'),
        ),
      {
        message: /is the name of a registry secret and of a pull identity/,
      },
    );
    t.throws(
      () =>
        load(text => text.replace('network: { public: true }', 'network: { subnets: [/subscriptions/x] }')),
      {
        message: /subnets\/0 is not the id of a subnet/,
      },
    );
  },
);
