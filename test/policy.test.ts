import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { Value } from 'typebox/value';
import { canonicalRegistry } from '../src/hosts.ts';
import { bind, type SecretProperties } from '../src/policy/bind.ts';
import { type Ask, decide } from '../src/policy/decide.ts';
import { matchesGlob, secretGlobsMeet } from '../src/policy/glob.ts';
import { loadPolicy, PolicyError } from '../src/policy/load.ts';
import { callerOf } from '../src/policy/principals.ts';
import { IdentityId, RegistryServer, SecretName } from '../src/schemas/names.ts';
import type { Caller } from '../src/schemas/principal.ts';
import { temporaryDirectory } from './support/service.ts';

const embeddedPath = join(import.meta.dirname, '../src/policy/embedded.yaml');
const embedded = loadPolicy(embeddedPath);
const text = readFileSync(embeddedPath, 'utf8');

const caller = (...teams: string[]): Caller => ({
  principal: { issuer: 'embedded', subject: 'someone' },
  teams: Object.fromEntries(teams.map(team => [team, ['deploy' as const]])),
  expiresAt: 0,
});
const image = (host: string, repository: string, tag: string | null = '1', index = 0) => ({
  pointer: `/containers/${index}/image`,
  host,
  repository,
  tag,
  digest: null,
});
const acr = 'myregistry.azurecr.io';
const ask = (more: Partial<Ask> = {}): Ask => ({
  images: [image(acr, 'my-app')],
  credentials: [],
  workloadSecrets: [],
  workloadIdentities: [],
  publicAddress: false,
  ...more,
});
const by = (
  server: string,
  credential: { secretName?: string; identity?: string; vault?: string },
  index = 0,
) => ({ pointer: `/imageRegistryCredentials/${index}`, server, ...credential });
const identity = (name: string) =>
  `/subscriptions/00000000-0000-0000-0000-00000000bbbb/resourceGroups/my-resource-group/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`;

function deny(asked: Partial<Ask>, who = caller('demo')) {
  const decision = decide(embedded, who, ask(asked));
  return decision.allowed
    ? { code: 'allowed', pointer: '', detail: JSON.stringify(decision.plan) }
    : decision;
}

function plan(asked: Partial<Ask>, loaded = embedded) {
  const decision = decide(loaded, caller('demo'), ask(asked));
  if (!decision.allowed) throw new Error(`${decision.code}: ${decision.detail}`);
  return decision.plan;
}

t.test('the embedded policy loads, passes its own tests, and has one digest whatever its layout', async t => {
  t.match(embedded.digest, /^[0-9a-f]{64}$/);
  const path = join(temporaryDirectory(t), 'policy.json');
  writeFileSync(path, JSON.stringify(embedded.policy, null, 4));
  t.equal(loadPolicy(path).digest, embedded.digest);
  const turned = Object.fromEntries(Object.entries(embedded.policy).reverse());
  writeFileSync(path, JSON.stringify(turned));
  t.equal(loadPolicy(path).digest, embedded.digest, 'the order of members says nothing');
  writeFileSync(path, JSON.stringify({ ...turned, expect: [] }));
  t.not(loadPolicy(path).digest, embedded.digest, 'its content does');
});

function refusal(path: string): PolicyError {
  try {
    loadPolicy(path);
  } catch (error) {
    if (error instanceof PolicyError) return error;
    throw error;
  }
  throw new Error(`${path} was loaded`);
}

/** The first line, counted from one, where two texts differ. */
function changedLine(before: string, after: string): number {
  const lines = before.split('\n');
  return after.split('\n').findIndex((line, index) => line !== lines[index]) + 1;
}

t.test('a policy that cannot be used says where, by line', async t => {
  const directory = temporaryDirectory(t);
  const cases: [string, string, string, RegExp][] = [
    [
      'an unknown member',
      'vaults: [demo-vault]',
      'vaults: [demo-vault]\n    colour: red',
      /:18: \/teams\/demo\/colour is not a member/,
    ],
    ['a vault that is not there', 'vaults: [demo-vault]', 'vaults: [no-vault]', /'no-vault'/],
    ['a target that is not there', 'targets: [demo]', 'targets: [nowhere]', /'nowhere'/],
    [
      'an unknown issuer',
      'issuer: embedded,\n          client: 00000000-0000-0000-0000-0000000d0001',
      'issuer: nobody,\n          client: 00000000-0000-0000-0000-0000000d0001',
      /'nobody'/,
    ],
    ['a wildcard in a host', 'server: registry.mycompany.com', 'server: "*.mycompany.com"', /server/],
    [
      'one secret, two kinds',
      'workloadSecrets: [orders-db]',
      'workloadSecrets: [ghcr-pull]',
      /one or the other/,
    ],
    ['a default that is not there', 'credential: company-registry', 'credential: never-was', /'never-was'/],
    [
      'globs that can name one secret both ways',
      'workloadSecrets: [orders-db]',
      'workloadSecrets: ["*-pull"]',
      /'\*-pull' and the registry secret 'dockerhub-pull'/,
    ],
    ['a name that objects are born with', 'targets: [demo]', 'targets: [constructor]', /'constructor'/],
    [
      'a wildcard as registry',
      '  myregistry.azurecr.io:',
      '  "*.azurecr.io":',
      /azurecr\.io is not a member/,
    ],
    [
      'another name of Docker Hub',
      'server: docker.io, repositories: ["library',
      'server: index.docker.io, repositories: ["library',
      /is written 'docker\.io'/,
    ],
    [
      'two issuers of one name',
      '\nteams:\n',
      '\n  - { name: embedded, issuer: "https://evil.example", audience: a }\nteams:\n',
      /second entry for 'embedded'/,
    ],
    [
      'an id that is none',
      'userAssignedIdentities/orders-identity',
      'virtualMachines/x',
      /user-assigned identity/,
    ],
    [
      'its own test fails',
      'server: evil.example, decision: deny',
      'server: evil.example, decision: allow',
      /expects allow, and the policy says deny/,
    ],
  ];
  for (const [name, from, to, message] of cases) {
    t.ok(text.includes(from), name);
    const path = join(directory, `${name.replaceAll(' ', '-')}.yaml`);
    const content = text.replace(from, to);
    writeFileSync(path, content);
    const error = refusal(path);
    t.match(error.message, message, name);
    t.ok(
      error.faults.some(({ place }) => place === `${path}:${changedLine(text, content)}`),
      `${name}: line ${changedLine(text, content)} is among ${error.faults.map(({ place }) => place)}`,
    );
  }
  const broken = join(directory, 'broken.yaml');
  writeFileSync(broken, 'version: 1\nteams: [\n');
  t.throws(() => loadPolicy(broken), { message: /broken\.yaml:\d/ });
  t.throws(() => loadPolicy(join(directory, 'absent.yaml')), { message: /cannot be read/ });
});

t.test('a directory of files is one policy; what two files give is refused with its place', async t => {
  const directory = join(temporaryDirectory(t), 'policy');
  mkdirSync(directory);
  const { teams, ...rest } = embedded.policy;
  writeFileSync(join(directory, 'a.json'), JSON.stringify({ ...rest, teams: { demo: teams.demo } }));
  writeFileSync(join(directory, 'b.json'), JSON.stringify({ teams: { other: teams.other } }));
  t.equal(loadPolicy(directory).digest, embedded.digest);
  const twice: [string, string][] = [
    ['teams', 'demo'],
    ['targets', 'demo'],
    ['vaults', 'demo-vault'],
    ['registries', 'myregistry.azurecr.io'],
  ];
  const third = join(directory, 'c.yaml');
  for (const [map, name] of twice) {
    writeFileSync(third, `${map}:\n  ${name}: {}\n`);
    t.same(refusal(directory).faults, [
      {
        place: `${third}:2`,
        message: `/${map}/${name} stands in ${join(directory, 'a.json')}:1 too: give it once`,
      },
    ]);
  }
  writeFileSync(third, 'version: 2\n');
  t.match(refusal(directory).faults, [{ place: `${third}:1`, message: /^\/version stands in .*a\.json:1/ }]);
  writeFileSync(third, 'version: 1\nteams: []\n');
  t.match(refusal(directory).faults, [{ place: `${third}:2`, message: /^\/teams stands in .*a\.json:1/ }]);
  writeFileSync(third, 'issuers:\n  - { name: embedded, issuer: "https://evil.example", audience: a }\n');
  t.match(refusal(directory).faults, [{ place: `${third}:2`, message: /second entry for 'embedded'/ }]);
  writeFileSync(third, 'teams:\n  third:\n    principals: []\n    targets: [demo]\n    vaults: [nowhere]\n');
  t.match(refusal(directory).faults, [{ place: `${third}:5`, message: /'nowhere'/ }]);
  writeFileSync(
    join(directory, 'c.yaml'),
    'bindings:\n  - { vault: nowhere, secret: a, registry: ghcr.io }\n',
  );
  t.throws(() => loadPolicy(directory), { message: /c\.yaml:2: .*'nowhere'/ });
  const empty = join(directory, 'empty');
  mkdirSync(empty);
  t.throws(() => loadPolicy(empty), { message: /empty: holds no \.yaml/ });
});

t.test('what is denied has its code and place', async t => {
  const ghcr = image('ghcr.io', 'myorg/app');
  const cases: [string, Partial<Ask>, string, string, RegExp][] = [
    ['another team', { team: 'other' }, 'PermissionDenied', '/team', /other/],
    ['no team', { team: 'nobody' }, 'PermissionDenied', '/team', /nobody/],
    ["another team's target", { target: 'other' }, 'TargetNotAllowed', '/target', /may use demo/],
    ['no target', { target: 'never' }, 'TargetNotAllowed', '/target', /may use demo/],
    ['another location', { location: 'mars' }, 'TargetNotAllowed', '/location', /eastus, westeurope/],
    [
      'a credential for no image',
      { credentials: [by('ghcr.io', { secretName: 'ghcr-pull' })] },
      'InvalidRequest',
      '/imageRegistryCredentials/0/server',
      /no image/,
    ],
    [
      'two for one',
      { credentials: [by(acr, { secretName: 'acr-admin' }), by(acr, { secretName: 'acr-sp' }, 1)] },
      'InvalidRequest',
      '/imageRegistryCredentials/1/server',
      /second/,
    ],
    [
      'an uncovered registry',
      { images: [image('unheard.example', 'a')] },
      'RegistryCredentialMissing',
      '/containers/0/image',
      /unheard\.example/,
    ],
    [
      'two images that policy pulls in two ways',
      { images: [image('docker.io', 'library/nginx'), image('docker.io', 'myusername/app', '1', 1)] },
      'RegistryCredentialMissing',
      '/containers/0/image',
      /no one credential .* docker\.io/,
    ],
    [
      'a repository that policy has no default for',
      { images: [image('docker.io', 'theirs/app')] },
      'RegistryNotAllowed',
      '/containers/0/image',
      /may use myusername\/\*\*, library\/\*\*/,
    ],
    [
      'a registry that is not allowed',
      {
        images: [image('evil.example', 'a')],
        credentials: [by('evil.example', { secretName: 'ghcr-pull' })],
      },
      'RegistryNotAllowed',
      '/imageRegistryCredentials/0/server',
      /may use/,
    ],
    [
      'a repository that is not allowed',
      { images: [image('ghcr.io', 'theirs/app')], credentials: [by('ghcr.io', { secretName: 'ghcr-pull' })] },
      'RegistryNotAllowed',
      '/containers/0/image',
      /myorg/,
    ],
    [
      "another team's secret",
      { images: [ghcr], credentials: [by('ghcr.io', { secretName: 'other-pull' })] },
      'CredentialNotAvailable',
      '/imageRegistryCredentials/0/secretName',
      /may use acr-admin/,
    ],
    [
      'a workload secret as password',
      { images: [ghcr], credentials: [by('ghcr.io', { secretName: 'orders-db' })] },
      'CredentialNotAvailable',
      '/imageRegistryCredentials/0/secretName',
      /registry secret/,
    ],
    [
      'a password as variable',
      { workloadSecrets: [{ pointer: '/x', secretName: 'acr-admin' }] },
      'CredentialNotAvailable',
      '/x',
      /workload secret/,
    ],
    [
      'another vault',
      { images: [ghcr], credentials: [by('ghcr.io', { secretName: 'ghcr-pull', vault: 'other-vault' })] },
      'CredentialNotAvailable',
      '/imageRegistryCredentials/0/secretName',
      /./,
    ],
    [
      "another team's identity",
      { credentials: [by(acr, { identity: identity('other-identity') })] },
      'IdentityNotAvailable',
      '/imageRegistryCredentials/0/identity',
      /aci-acr-identity/,
    ],
    [
      'a workload identity to pull',
      { credentials: [by(acr, { identity: identity('orders-identity') })] },
      'IdentityNotAvailable',
      '/imageRegistryCredentials/0/identity',
      /./,
    ],
    [
      'a pull identity for the workload',
      { workloadIdentities: [{ pointer: '/y', id: identity('aci-acr-identity') }] },
      'IdentityNotAvailable',
      '/y',
      /orders-identity/,
    ],
    [
      'an identity for another registry',
      { images: [ghcr], credentials: [by('ghcr.io', { identity: identity('aci-acr-identity') })] },
      'IdentityNotAvailable',
      '/imageRegistryCredentials/0/identity',
      /./,
    ],
    [
      'no identity at all',
      { credentials: [by(acr, { identity: '/subscriptions/x/../y' })] },
      'InvalidRequest',
      '/imageRegistryCredentials/0/identity',
      /ARM id/,
    ],
  ];
  for (const [name, asked, code, pointer, detail] of cases)
    t.match(deny(asked), { code, pointer, detail }, name);
  t.match(deny({}, caller()), { code: 'PermissionDenied' }, 'a caller without a team');
  t.match(
    deny({}, caller('demo', 'other')),
    { code: 'InvalidRequest', pointer: '/team', detail: /demo, other/ },
    'two teams, none named',
  );
  const reader: Caller = { ...caller(), teams: { demo: ['read'] } };
  t.match(deny({}, reader), { code: 'PermissionDenied' }, 'who may only read');
});

t.test('a secret is of one kind, however its name is spelled', async t => {
  const loose = structuredClone(embedded);
  const demo = loose.policy.teams.demo;
  if (!demo) throw new Error('no team');
  // Such a policy does not load; `decide` does not rely on it. Key Vault compares names without case.
  demo.registrySecrets = ['Orders-Pull', '*-both'];
  demo.workloadSecrets = ['orders-*'];
  const asked = (more: Partial<Ask>) => {
    const decision = decide(loose, caller('demo'), ask(more));
    return decision.allowed ? 'allowed' : decision.code;
  };
  for (const secretName of ['orders-pull', 'ORDERS-PULL', 'Orders-Pull', 'orders-both']) {
    const variable = { workloadSecrets: [{ pointer: '/x', secretName }] };
    t.equal(asked(variable), 'CredentialNotAvailable', `${secretName} as variable`);
    const password = { credentials: [by(acr, { secretName })] };
    t.equal(asked(password), 'CredentialNotAvailable', `${secretName} as password`);
  }
  t.equal(asked({ workloadSecrets: [{ pointer: '/x', secretName: 'Orders-DB' }] }), 'allowed');
  t.equal(asked({ credentials: [by(acr, { secretName: 'ghcr-BOTH' })] }), 'allowed');
});

t.test('what one may not use and what does not exist answer alike', async t => {
  const secret = (secretName: string) =>
    deny({ images: [image('ghcr.io', 'myorg/app')], credentials: [by('ghcr.io', { secretName })] });
  t.same(
    { ...secret('other-pull'), detail: secret('other-pull').detail.replace('other-pull', 'X') },
    { ...secret('never-was'), detail: secret('never-was').detail.replace('never-was', 'X') },
  );
  const team = (name: string) => deny({ team: name });
  t.equal(team('other').detail.replace('other', 'X'), team('nobody').detail.replace('nobody', 'X'));
});

t.test('what is allowed is planned from policy: its own spelling, its defaults', async t => {
  t.match(plan({}), {
    team: 'demo',
    target: { name: 'demo', resourceGroup: 'my-resource-group', location: 'eastus' },
    quota: { groups: 500 },
  });
  t.equal(plan({ location: 'West Europe' }).target.location, 'westeurope');
  t.same(plan({}).registries, [
    {
      host: acr,
      repositories: ['my-app'],
      pointer: '/containers/0/image',
      kind: 'identity',
      id: identity('aci-acr-identity'),
      registryId:
        '/subscriptions/00000000-0000-0000-0000-00000000bbbb/resourceGroups/my-resource-group/providers/Microsoft.ContainerRegistry/registries/myregistry',
    },
  ]);
  t.match(plan({ images: [image('ghcr.io', 'myorg/app')] }).registries, [
    {
      kind: 'secret',
      secretName: 'ghcr-pull',
      vault: { name: 'demo-vault', url: 'https://demo-vault.vault.azure.net' },
    },
  ]);
  t.match(plan({ images: [image('docker.io', 'library/nginx')] }).registries, [{ kind: 'anonymous' }]);
  const shouted = identity('aci-acr-identity').toUpperCase().replace('/SUBSCRIPTIONS', '/subscriptions');
  t.match(
    plan({ credentials: [by(acr, { identity: shouted })] }).registries,
    [{ id: identity('aci-acr-identity') }],
    'the id is made anew from policy',
  );
  t.match(
    plan({
      workloadSecrets: [{ pointer: '/x', secretName: 'orders-db' }],
      workloadIdentities: [{ pointer: '/y', id: identity('orders-identity') }],
      publicAddress: true,
    }),
    { workloadSecrets: [{ secretName: 'orders-db' }], workloadIdentities: [identity('orders-identity')] },
  );
});

t.test('pinned tags, and targets without public addresses, are kept to', async t => {
  const strict = structuredClone(embedded);
  for (const registry of strict.policy.teams.demo?.registries ?? []) registry.tags = 'pinned';
  for (const target of Object.values(strict.policy.targets)) target.network = {};
  const refused = (asked: Partial<Ask>) => decide(strict, caller('demo'), ask(asked));
  t.match(refused({ images: [image(acr, 'my-app', 'latest')] }), {
    allowed: false,
    code: 'RegistryNotAllowed',
    detail: /tag other than latest/,
  });
  t.match(refused({ images: [{ ...image(acr, 'my-app', null), digest: 'sha256:1' }] }), { allowed: true });
  t.match(refused({ publicAddress: true }), {
    allowed: false,
    code: 'TargetNotAllowed',
    pointer: '/ipAddress/type',
  });
});

t.test('a secret goes only where it is bound', async t => {
  const now = new Date('2026-11-24T09:00:00Z');
  const planned = {
    host: 'ghcr.io',
    repositories: ['myorg/app'],
    pointer: '/p',
    kind: 'secret' as const,
    vault: { name: 'demo-vault', url: 'https://demo-vault.vault.azure.net' },
    secretName: 'ghcr-pull',
  };
  const tags = { 'slipway-registry': 'ghcr.io', 'slipway-username': 'me' };
  const written = structuredClone(embedded);
  written.policy.bindings = [
    { vault: 'demo-vault', secret: 'ghcr-pull', registry: 'ghcr.io', username: 'me' },
  ];
  const narrow = structuredClone(written);
  for (const binding of narrow.policy.bindings ?? []) {
    binding.secret = 'GHCR-Pull';
    binding.repositories = ['theirs/**'];
  }
  const noOwners = structuredClone(embedded);
  for (const vault of Object.values(noOwners.policy.vaults ?? {})) vault.ownersBind = false;
  const look = (more: Partial<SecretProperties>, loaded = embedded) =>
    bind(loaded, planned, { version: 'v2', tags, enabled: true, ...more }, now);
  t.same(look({}), { bound: true, host: 'ghcr.io', username: 'me' }, 'by tags');
  t.same(look({ tags: {} }, written), { bound: true, host: 'ghcr.io', username: 'me' }, 'by policy');
  t.same(look({}, written), { bound: true, host: 'ghcr.io', username: 'me' }, 'by both');
  t.same(
    look({ tags: { 'slipway-registry': 'GHCR.IO' } }),
    { bound: true, host: 'ghcr.io', username: null },
    'hosts have no case',
  );
  const cases: [string, ReturnType<typeof look>, string, RegExp][] = [
    ['no tags', look({ tags: {} }), 'CredentialNotBoundToRegistry', /bound to no registry/],
    [
      'tags that a new version lost',
      look({ tags: {}, previous: { version: 'v1', tags } }),
      'CredentialNotBoundToRegistry',
      /version v2 has no tags, v1 was bound to ghcr\.io/,
    ],
    ['tags where owners may not bind', look({}, noOwners), 'CredentialNotBoundToRegistry', /no registry/],
    [
      'another host',
      look({ tags: { 'slipway-registry': 'evil.example' } }),
      'CredentialNotBoundToRegistry',
      /evil\.example, not to ghcr\.io/,
    ],
    [
      'policy and tags disagree on the host',
      look({ tags: { 'slipway-registry': 'docker.io' } }, written),
      'CredentialNotBoundToRegistry',
      /docker\.io/,
    ],
    [
      'policy and tags disagree on the user',
      look({ tags: { ...tags, 'slipway-username': 'you' } }, written),
      'CredentialNotBoundToRegistry',
      /one user by policy/,
    ],
    [
      'other repositories',
      look({ tags: { ...tags, 'slipway-repositories': 'theirs/**, myorg/other' } }),
      'CredentialNotBoundToRegistry',
      /myorg\/app/,
    ],
    [
      'other repositories by policy, in another spelling of the name',
      look({ tags: {} }, narrow),
      'CredentialNotBoundToRegistry',
      /theirs\/\*\* of ghcr\.io, not to myorg\/app/,
    ],
    ['expired', look({ expiresOn: now }), 'CredentialExpired', /expired at 2026/],
    [
      'not yet valid',
      look({ notBefore: new Date('2027-01-01') }),
      'CredentialNotYetValid',
      /valid from 2027/,
    ],
    ['disabled', look({ enabled: false }), 'CredentialDisabled', /disabled/],
  ];
  for (const [name, bound, code, detail] of cases) t.match(bound, { bound: false, code, detail }, name);
  t.same(
    look({ tags: { ...tags, 'slipway-repositories': 'myorg/**' } }),
    { bound: true, host: 'ghcr.io', username: 'me' },
    'repositories narrowed',
  );
});

t.test('a token speaks for whom policy names, and for nobody else', async t => {
  const loaded = structuredClone(embedded);
  const demo = loaded.policy.teams.demo;
  if (!demo) throw new Error('no team');
  const group = '11111111-1111-1111-1111-111111111111';
  demo.principals.push(
    { issuer: 'embedded', group, permissions: ['read'] },
    { issuer: 'embedded', subject: 'the-user', permissions: ['logs'] },
    { issuer: 'github', repositoryId: '1', ownerId: '2', environment: 'production', permissions: ['deploy'] },
  );
  const base = { oid: 'someone', exp: 1 };
  const app = { ...base, azp: '00000000-0000-0000-0000-0000000d0001', idtyp: 'app' };
  t.match(callerOf(loaded, 'embedded', app), {
    principal: { issuer: 'embedded', subject: 'someone', client: app.azp },
    teams: { demo: ['deploy', 'read', 'logs', 'cancel', 'delete'] },
  });
  t.same(callerOf(loaded, 'embedded', { ...app, idtyp: 'user' })?.teams, {}, 'an app by azp must be an app');
  t.same(callerOf(loaded, 'another', app)?.teams, {}, 'by another issuer it is nobody');
  t.same(callerOf(loaded, 'embedded', { ...base, groups: [group.toUpperCase()] })?.teams, { demo: ['read'] });
  t.same(
    callerOf(loaded, 'embedded', { ...base, _claim_names: { groups: 'src1' } })?.teams,
    {},
    'with too many groups none counts',
  );
  t.same(callerOf(loaded, 'embedded', { ...base, oid: 'the-user' })?.teams, { demo: ['logs'] });
  const github = {
    sub: 'repo:o/r',
    exp: 1,
    repository_id: '1',
    repository_owner_id: '2',
    environment: 'production',
  };
  t.same(callerOf(loaded, 'github', github)?.teams, { demo: ['deploy'] });
  t.same(
    callerOf(loaded, 'github', { ...github, repository_owner_id: '3' })?.teams,
    {},
    'a recycled name has another owner',
  );
  t.same(callerOf(loaded, 'github', { ...github, environment: 'test' })?.teams, {});
  t.equal(callerOf(loaded, 'embedded', { exp: 1 }), null, 'who is nobody is nobody');
});

t.test('globs match as the slow way says, and no glob is slow', async t => {
  const slow = (glob: string, path: string): boolean => {
    if (glob === '') return path === '';
    if (glob.startsWith('**')) return slow(glob.slice(2), path) || (path !== '' && slow(glob, path.slice(1)));
    if (glob.startsWith('*'))
      return slow(glob.slice(1), path) || (path !== '' && path[0] !== '/' && slow(glob, path.slice(1)));
    return path !== '' && path[0] === glob[0] && slow(glob.slice(1), path.slice(1));
  };
  const letters = (alphabet: string[], maxLength: number) =>
    fc.array(fc.constantFrom(...alphabet), { maxLength }).map(parts => parts.join(''));
  fc.assert(
    fc.property(
      letters(['a', 'b', '/', '*', '**'], 6),
      letters(['a', 'b', '/'], 7),
      (glob, path) => matchesGlob(glob, path) === slow(glob, path),
    ),
  );
  const texts = ['', 'a', 'b'];
  for (const shorter of texts) if (shorter.length < 6) texts.push(...['a', 'b'].map(more => shorter + more));
  const meeting = new Map<boolean, number>();
  fc.assert(
    fc.property(letters(['a', 'b', '*'], 3), letters(['a', 'B', '*'], 3), (left, right) => {
      const meet = texts.some(text => slow(left, text) && slow(right.toLowerCase(), text));
      meeting.set(meet, (meeting.get(meet) ?? 0) + 1);
      return secretGlobsMeet(left, right) === meet;
    }),
    { numRuns: 300 },
  );
  t.ok((meeting.get(true) ?? 0) > 10 && (meeting.get(false) ?? 0) > 10, 'both answers were tried');
  t.notOk(matchesGlob(`${'**a'.repeat(60)}b`, 'a'.repeat(250)));
});

t.test('no request gets out of its policy, whatever it asks', async t => {
  const { policy } = embedded;
  const hosts = [
    acr,
    'docker.io',
    'ghcr.io',
    'registry.mycompany.com',
    'registry.gone.example',
    'evil.example',
  ];
  const secrets = [...(policy.teams.demo?.registrySecrets ?? []), 'other-pull', 'orders-db', 'never'];
  const identities = ['aci-acr-identity', 'fresh-identity', 'orders-identity', 'other-identity'].map(
    identity,
  );
  const credential = fc.oneof(
    fc.record({ secretName: fc.constantFrom(...secrets) }),
    fc.record({
      secretName: fc.constantFrom(...secrets),
      vault: fc.constantFrom('demo-vault', 'other-vault', 'never-vault'),
    }),
    fc.record({ identity: fc.constantFrom(...identities) }),
  );
  const asks = fc.record({
    hosts: fc.uniqueArray(fc.constantFrom(...hosts), { minLength: 1, maxLength: 2 }),
    repository: fc.constantFrom('my-app', 'myorg/app', 'myusername/app', 'library/nginx', 'x'),
    // 'asked': the image's own registry, else nearly every ask would name one in vain.
    credentials: fc.array(
      fc.tuple(fc.constantFrom('asked', 'asked', 'asked', 'asked', ...hosts), credential),
      { maxLength: 2 },
    ),
    team: fc.constantFrom('demo', 'other', undefined),
    target: fc.constantFrom('demo', undefined, undefined, 'other'),
    workload: fc.option(fc.constantFrom('orders-db', 'orders-db', 'acr-admin', 'other-pull')),
    workloadIdentity: fc.option(fc.constantFrom(...identities, identity('orders-identity'))),
  });
  let allowed = 0;
  fc.assert(
    fc.property(
      asks,
      ({ hosts: asked, repository, credentials, team, target, workload, workloadIdentity }) => {
        const decision = decide(
          embedded,
          caller('demo'),
          ask({
            ...(team ? { team } : {}),
            ...(target ? { target } : {}),
            workloadSecrets: workload ? [{ pointer: '/x', secretName: workload }] : [],
            workloadIdentities: workloadIdentity ? [{ pointer: '/y', id: workloadIdentity }] : [],
            images: asked.map((host, index) => image(host, repository, '1', index)),
            credentials: credentials.map(([server, more], index) =>
              by(server === 'asked' ? (asked[index] ?? acr) : server, more, index),
            ),
          }),
        );
        if (!decision.allowed) return true;
        allowed += 1;
        const demo = policy.teams.demo;
        return (
          decision.plan.team === 'demo' &&
          decision.plan.target.resourceGroup === 'my-resource-group' &&
          decision.plan.workloadSecrets.every(
            ({ secretName, vault }) => secretName === 'orders-db' && vault.name === 'demo-vault',
          ) &&
          decision.plan.workloadIdentities.every(id => id === identity('orders-identity')) &&
          decision.plan.registries.every(planned => {
            const entries = (demo?.registries ?? []).filter(({ server }) => server === planned.host);
            const mine =
              planned.kind === 'secret'
                ? demo?.registrySecrets?.includes(planned.secretName) && planned.vault.name === 'demo-vault'
                : planned.kind === 'identity'
                  ? demo?.identities?.some(({ id, use }) => id === planned.id && use === 'pull')
                  : entries.some(({ anonymous }) => anonymous);
            return entries.length > 0 && asked.includes(planned.host) && Boolean(mine);
          })
        );
      },
    ),
    { numRuns: 5_000 },
  );
  t.ok(allowed > 50, `${allowed} of 5,000 were allowed`);
});

interface Hostile {
  baseline: { registryServer: string; secretName: string; identityId: string };
  equivalents: { registryServers: string[]; identityIds: string[] };
  registryServers: string[];
  secretNames: string[];
  identityIds: string[];
}

t.test(
  'hostile names are refused by their grammar or by policy, and what equals the good one is not',
  async t => {
    const { baseline, equivalents, ...hostile }: Hostile = JSON.parse(
      readFileSync(join(import.meta.dirname, 'vectors/hostile-inputs.json'), 'utf8'),
    );
    const { registryServer, secretName, identityId } = baseline;
    const loaded = structuredClone(embedded);
    const demo = loaded.policy.teams.demo;
    if (!demo) throw new Error('no team');
    demo.registrySecrets = [secretName];
    demo.identities = [{ id: identityId, use: 'pull' }];
    demo.registries = [{ server: registryServer }];
    const pulling = (host: string, credential: { secretName?: string; identity?: string }) => ({
      images: [image(host, 'a')],
      credentials: [by(host, credential)],
    });
    const passes = (server: string, credential: { secretName?: string; identity?: string }) => {
      if (!Value.Check(RegistryServer, server)) return false;
      if (!Value.Check(SecretName, credential.secretName ?? secretName)) return false;
      if (!Value.Check(IdentityId, credential.identity ?? identityId)) return false;
      const host = canonicalRegistry(server);
      return decide(
        loaded,
        caller('demo'),
        ask({ images: [image(host, 'a')], credentials: [by(host, credential)] }),
      ).allowed;
    };
    for (const server of [registryServer, ...equivalents.registryServers])
      t.ok(passes(server, { secretName }), `${server} is good`);
    for (const server of hostile.registryServers)
      t.notOk(passes(server, { secretName }), JSON.stringify(server));
    for (const name of hostile.secretNames)
      t.notOk(passes(registryServer, { secretName: name }), JSON.stringify(name));
    for (const identity of hostile.identityIds)
      t.notOk(passes(registryServer, { identity }), JSON.stringify(identity));
    // The grammar takes one spelling of `/subscriptions/` but for its first letter; policy takes every case.
    for (const identity of [identityId, ...equivalents.identityIds])
      t.match(
        decide(loaded, caller('demo'), ask(pulling(registryServer, { identity }))),
        { allowed: true, plan: { registries: [{ id: identityId }] } },
        `${identity} is good`,
      );
  },
);
