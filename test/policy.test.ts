import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { Value } from 'typebox/value';
import { canonicalRegistry } from '../src/hosts.ts';
import { bind, type SecretProperties } from '../src/policy/bind.ts';
import { type Ask, decide } from '../src/policy/decide.ts';
import { matchesGlob } from '../src/policy/glob.ts';
import { loadPolicy, PolicyError } from '../src/policy/load.ts';
import { callerOf } from '../src/policy/principals.ts';
import type { Caller } from '../src/schemas/principal.ts';
import { IdentityId, RegistryServer, SecretName } from '../src/schemas/request.ts';
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
});

t.test('a policy that cannot be used says where, by line', async t => {
  const directory = temporaryDirectory(t);
  const line = (content: string, part: string) => content.slice(0, content.indexOf(part)).split('\n').length;
  const cases: [string, string, string, RegExp][] = [
    [
      'an unknown member',
      'vaults: [demo-vault]',
      'vaults: [demo-vault]\n    colour: red',
      /colour|additional/i,
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
    t.throws(() => loadPolicy(path), { name: 'PolicyError', message }, name);
    try {
      loadPolicy(path);
    } catch (error) {
      const lines =
        error instanceof PolicyError
          ? error.faults.map(({ place }) => Number(place.slice(path.length + 1)))
          : [];
      t.ok(
        lines.some(found => Math.abs(found - line(content, to)) <= 12),
        `${name}: line ${lines} near ${line(content, to)}`,
      );
    }
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
  writeFileSync(join(directory, 'c.yaml'), 'teams:\n  demo: {}\n');
  t.throws(() => loadPolicy(directory), { message: /c\.yaml:2: teams 'demo' stands in another file too/ });
  writeFileSync(
    join(directory, 'c.yaml'),
    'bindings:\n  - { vault: nowhere, secret: a, registry: ghcr.io }\n',
  );
  t.throws(() => loadPolicy(directory), { message: /c\.yaml:2: .*'nowhere'/ });
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
    fc.record({ identity: fc.constantFrom(...identities) }),
  );
  const asks = fc.record({
    hosts: fc.uniqueArray(fc.constantFrom(...hosts), { minLength: 1, maxLength: 3 }),
    repository: fc.constantFrom('my-app', 'myorg/app', 'myusername/app', 'library/nginx', 'x'),
    credentials: fc.array(fc.tuple(fc.constantFrom(...hosts), credential), { maxLength: 3 }),
    team: fc.constantFrom('demo', 'other', undefined),
  });
  let allowed = 0;
  fc.assert(
    fc.property(asks, ({ hosts: asked, repository, credentials, team }) => {
      const decision = decide(
        embedded,
        caller('demo'),
        ask({
          ...(team ? { team } : {}),
          images: asked.map((host, index) => image(host, repository, '1', index)),
          credentials: credentials.map(([server, more], index) => by(server, more, index)),
        }),
      );
      if (!decision.allowed) return true;
      allowed += 1;
      const demo = policy.teams.demo;
      return (
        decision.plan.team === 'demo' &&
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
    }),
    { numRuns: 5_000 },
  );
  t.ok(allowed > 100, `${allowed} of 5,000 were allowed`);
});

interface Hostile {
  baseline: Record<string, string>;
  equivalents: Record<string, string[]>;
  registryServers: string[];
  secretNames: string[];
  identityIds: string[];
}

t.test('hostile names are refused by their grammar or by policy', async t => {
  const hostile: Hostile = JSON.parse(
    readFileSync(join(import.meta.dirname, 'vectors/hostile-inputs.json'), 'utf8'),
  );
  const refused = (asked: Partial<Ask>) => !decide(embedded, caller('demo'), ask(asked)).allowed;
  const same = new Set(Object.values(hostile.equivalents ?? {}).flat());
  for (const server of hostile.registryServers.filter(value => !same.has(value))) {
    const host = canonicalRegistry(server);
    t.ok(
      !Value.Check(RegistryServer, server) ||
        refused({ images: [image(host, 'a')], credentials: [by(host, { secretName: 'acr-admin' })] }),
      JSON.stringify(server),
    );
  }
  for (const secretName of hostile.secretNames)
    t.ok(
      !Value.Check(SecretName, secretName) || refused({ credentials: [by(acr, { secretName })] }),
      JSON.stringify(secretName),
    );
  for (const id of hostile.identityIds.filter(value => !same.has(value)))
    t.ok(
      !Value.Check(IdentityId, id) || refused({ credentials: [by(acr, { identity: id })] }),
      JSON.stringify(id),
    );
});
