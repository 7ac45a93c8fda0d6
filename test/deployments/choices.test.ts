import { join } from 'node:path';
import t from 'tap';
import { AzureError } from '../../src/azure/failure.ts';
import type { SecretVersion } from '../../src/azure/vault.ts';
import { createCredentialList } from '../../src/deployments/credential-list.ts';
import { createOptions } from '../../src/deployments/options.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import type { Caller } from '../../src/schemas/principal.ts';

const embedded = loadPolicy(join(import.meta.dirname, '../../src/policy/embedded.yaml'));
const now = new Date('2026-11-24T08:00:00Z');
const day = 24 * 3_600_000;

const demo: Caller = {
  principal: { issuer: 'embedded', subject: 's' },
  teams: { demo: ['deploy', 'read'] },
  expiresAt: 4_000_000_000,
};
const both: Caller = { ...demo, teams: { demo: ['read'], other: ['read'] } };
const operator: Caller = { ...demo, teams: {}, operator: true };
const loggingOnly: Caller = { ...demo, teams: { other: ['logs'], demo: ['read'] } };

function startOptions(policy = embedded) {
  const used = async () => ({ groups: 3, cpu: 4.5, memoryInGB: 0.30000000000000004, deploysPerHour: 61 });
  return createOptions({ policy: () => policy, used, clock: { now: () => now, wait: async () => {} } });
}

t.test('options are all that the team may choose, the defaults first', async t => {
  const options = await startOptions()(demo, undefined);
  t.equal(options.team, 'demo');
  t.same(options.permissions, ['deploy', 'read']);
  t.same(options.targets, [
    {
      name: 'demo',
      locations: ['eastus', 'westeurope'],
      network: { public: true, subnets: [] },
      workspaces: [],
      storageAccounts: [],
      limits: { containers: 60, cpu: 31, memoryInGB: 240 },
    },
  ]);
  t.same(options.workloadSecrets, [{ secretName: 'orders-db', vault: 'demo-vault' }]);
  t.match(options.identities, [/orders-identity$/]);
  const [acr, hub, library] = options.registries;
  t.match(acr, { server: 'myregistry.azurecr.io', repositories: null, tags: 'any', anonymous: false });
  t.match(acr?.credentials[0], { identity: /aci-acr-identity$/, boundBy: 'policy', default: true });
  t.equal(acr?.credentials.filter(credential => credential.default).length, 1);
  t.notOk(
    acr?.credentials.some(({ identity }) => identity?.endsWith('orders-identity')),
    'none of the workload',
  );
  t.notOk(JSON.stringify(options).includes('other'), "nothing of another team's");
  t.match(hub?.credentials[0], { secretName: 'dockerhub-pull', boundBy: 'tags', default: true });
  t.match(library, { repositories: ['library/**'], anonymous: true });
});

t.test('what policy binds elsewhere is not offered, nor an identity for other registries', async t => {
  const loaded = structuredClone(embedded);
  const { policy } = loaded;
  policy.bindings = [
    { vault: 'demo-vault', secret: 'ACR-admin', registry: 'myregistry.azurecr.io' },
    { vault: 'demo-vault', secret: 'ghcr-pull', registry: 'ghcr.io' },
  ];
  for (const vault of Object.values(policy.vaults ?? {})) vault.ownersBind = false;
  const { registries } = await startOptions(loaded)(demo, 'demo');
  const names = (server: string) =>
    registries.find(entry => entry.server === server)?.credentials.map(one => one.secretName ?? one.identity);
  t.same(names('ghcr.io'), ['ghcr-pull']);
  t.match(names('myregistry.azurecr.io'), [/aci-acr-identity$/, /fresh-identity$/, 'acr-admin']);
  t.same(names('registry.mycompany.com'), [], 'nothing binds a secret to it');
});

t.test('the quota is what is left, and never less than nothing', async t => {
  const loaded = structuredClone(embedded);
  const team = loaded.policy.teams.demo;
  if (!team) throw new Error('no team');
  team.quota = { groups: 20, cpu: 4, memoryInGB: 0.6, deploysPerHour: 60 };
  const { quota } = await startOptions(loaded)(demo, 'demo');
  t.same(quota, {
    groups: { limit: 20, used: 3, left: 17 },
    cpu: { limit: 4, used: 4.5, left: 0 },
    memoryInGB: { limit: 0.6, used: 0.3, left: 0.3 },
    deploysPerHour: { limit: 60, used: 61, left: 0 },
  });
  delete team.quota;
  t.same((await startOptions(loaded)(demo, 'demo')).quota.groups, { limit: null, used: 3, left: null });
});

t.test("another team's options answer as those of a team that does not exist", async t => {
  const optionsOf = startOptions();
  const refusal = async (caller: Caller, team: string | undefined) =>
    optionsOf(caller, team).then(
      () => null,
      ({ code, message }: { code: string; message: string }) =>
        `${code} ${message.replaceAll(team ?? '-', 'T')}`,
    );
  t.equal(await refusal(demo, 'other'), "PermissionDenied You may not read in team 'T'.");
  for (const team of ['nobody', 'constructor', '__proto__', 'toString'])
    t.equal(await refusal(demo, team), await refusal(demo, 'other'), team);
  t.equal(await refusal(loggingOnly, 'other'), await refusal(demo, 'other'), 'who may only see logs there');
  t.equal((await optionsOf(loggingOnly, undefined)).team, 'demo');
  t.match(await refusal(both, undefined), /InvalidRequest team: is missing; you may read in demo, other/);
  t.match(await refusal(operator, undefined), /PermissionDenied An operator reads records/);
  t.match(await refusal(operator, 'demo'), /PermissionDenied/);
});

const version = (more: Partial<SecretVersion> = {}): SecretVersion => ({
  version: '1'.repeat(32),
  tags: {},
  enabled: true,
  createdOn: new Date(0),
  ...more,
});
const bound = { tags: { 'slipway-registry': 'ghcr.io', 'slipway-username': 'me' } };
const failed = (status: number | null, code: string | null) =>
  new AzureError({
    kind: 'vault',
    operation: 'list versions',
    status,
    code,
    message: 'no',
    retryAfterMs: null,
    requestId: null,
  });

/** A vault that says of a secret what it is given, and a list whose time the test drives. */
function startList(secrets: Record<string, SecretVersion[] | Error>, policy = embedded) {
  const asked: string[] = [];
  const clock = { at: now.getTime(), now: () => new Date(clock.at), wait: async () => {} };
  const list = createCredentialList({
    policy: () => policy,
    clock,
    vault: {
      async properties(_url, name) {
        asked.push(name);
        const found = secrets[name] ?? failed(404, 'SecretNotFound');
        if (found instanceof Error) throw found;
        return found;
      },
    },
  });
  const one = async (name: string) =>
    (await list(demo, undefined)).find(({ secretName }) => secretName === name);
  return { list, one, asked, clock };
}

t.test('a credential tells where it may be used, until when, and what is wrong with it', async t => {
  const soon = new Date(now.getTime() + 29 * day);
  const { list, one, asked } = startList({
    'ghcr-pull': [version({ ...bound, expiresOn: new Date(now.getTime() + 31 * day) })],
    'ghcr-wrong': [version({ ...bound, expiresOn: soon })],
    'ghcr-expired': [version({ ...bound, expiresOn: now })],
    'acr-admin': [version({ ...bound, enabled: false })],
    'acr-sp': [version({ ...bound, notBefore: soon })],
    unbound: [version(), version({ version: '0'.repeat(32), ...bound })],
    'gone-pull': [version({ tags: { 'slipway-registry': 'evil.example' } })],
    'orders-db': [version({ expiresOn: soon })],
    'acr-token': failed(403, 'Forbidden'),
  });
  t.match(await one('ghcr-pull'), {
    team: 'demo',
    use: 'registry',
    vault: 'demo-vault',
    registries: ['ghcr.io'],
    username: 'me',
    version: '1'.repeat(32),
    expiresOn: '2026-12-25T08:00:00.000Z',
    health: 'Healthy',
    detail: null,
  });
  t.match(await one('ghcr-wrong'), { health: 'Expiring', detail: /expires at 2026-12-23/ });
  t.match(await one('ghcr-expired'), { health: 'Expired', registries: ['ghcr.io'] });
  t.match(await one('acr-admin'), { health: 'Disabled' });
  t.match(await one('acr-sp'), { health: 'NotYetValid', notBefore: soon.toISOString() });
  t.match(await one('unbound'), {
    health: 'Unbound',
    registries: [],
    detail: /has no tags, 0+ was bound to ghcr/,
  });
  t.match(await one('gone-pull'), { health: 'Unbound', detail: /is bound to evil\.example/ });
  t.match(await one('orders-db'), { use: 'workload', health: 'Expiring', registries: [], username: null });
  t.match(await one('company-registry'), { health: 'Missing', detail: 'The vault has no such secret.' });
  t.match(await one('acr-token'), { health: 'Unknown', detail: 'The vault did not answer.' });
  const all = await list(demo, 'demo');
  const identity = all.find(credential => credential.identity?.endsWith('aci-acr-identity'));
  t.match(identity, { use: 'registry', registries: ['myregistry.azurecr.io'], health: 'Unknown' });
  t.notOk(asked.includes('other-pull'), "another team's is not asked for");
});

t.test('an outage of the vault is Unknown, asked about once, and over when it is over', async t => {
  const secrets: Record<string, SecretVersion[] | Error> = Object.fromEntries(
    (embedded.policy.teams.demo?.registrySecrets ?? []).map(name => [name, failed(503, null)]),
  );
  const { list, one, asked, clock } = startList(secrets);
  const out = await list(demo, undefined);
  t.ok(out.every(({ health }) => health === 'Unknown'));
  t.ok(asked.length <= 8, `${asked.length} of ${out.length} were asked for`);
  await list(demo, undefined);
  t.ok(asked.length <= 8, 'and not again at once');
  secrets['ghcr-pull'] = [version(bound)];
  clock.at += 5_001;
  t.match(await one('ghcr-pull'), { health: 'Healthy' });
  const before = asked.filter(name => name === 'ghcr-pull').length;
  await list(demo, undefined);
  t.equal(asked.filter(name => name === 'ghcr-pull').length, before, 'it is kept for a while');
  secrets['ghcr-pull'] = [version({ ...bound, enabled: false })];
  clock.at += 30_001;
  t.match(await one('ghcr-pull'), { health: 'Disabled' }, 'and looked at anew');
});

t.test('a glob is told as it stands, and no vault is asked for it', async t => {
  const loaded = structuredClone(embedded);
  const team = loaded.policy.teams.demo;
  if (team) team.workloadSecrets = ['orders-*'];
  const { one, asked } = startList({}, loaded);
  t.match(await one('orders-*'), { use: 'workload', health: 'Unknown', detail: /matches/ });
  t.notOk(asked.includes('orders-*'));
});

t.test('credentials are those of the teams in which the caller may read', async t => {
  const { list } = startList({});
  const teams = async (caller: Caller, team?: string) => [
    ...new Set((await list(caller, team)).map(one => one.team)),
  ];
  t.same(await teams(both), ['demo', 'other']);
  t.same(await teams(both, 'other'), ['other']);
  t.same(await teams(loggingOnly), ['demo']);
  await t.rejects(list(demo, 'other'), {
    code: 'PermissionDenied',
    message: "You may not read in team 'other'.",
  });
  await t.rejects(list(operator, undefined), { code: 'PermissionDenied' });
});

t.test("a defect of ours is no outage of the vault's", async t => {
  const { list } = startList({ 'acr-admin': new TypeError('a defect') });
  await t.rejects(list(demo, undefined), { message: 'a defect' });
});
