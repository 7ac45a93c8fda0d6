import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SecretClient, type SetSecretOptions } from '@azure/keyvault-secrets';
import t from 'tap';
import { secretBind } from '../../src/commands/secret-bind.ts';
import { type Finding, findingsOf, missingSecrets } from '../../src/commands/secret-findings.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import { startTestEmulator } from '../support/emulator.ts';
import { temporaryDirectory } from '../support/service.ts';
import { slipway } from '../support/slipway.ts';

const data = temporaryDirectory(t);
const emulator = await startTestEmulator(t, { dataDir: join(data, 'azure') });
const env = {
  SLIPWAY_DATA: data,
  SLIPWAY_POLICY: undefined,
  AZURE_TENANT_ID: undefined,
  AZURE_CLIENT_ID: undefined,
};
const vault = new SecretClient('https://demo-vault.vault.azure.net', emulator.administrator, {
  httpClient: emulator.httpClient,
});
const day = 86_400_000;
const canary = 'canary-4711-of-the-vault';
const embedded = readFileSync('src/policy/embedded.yaml', 'utf8');

/** A newer version: Key Vault counts in seconds. */
async function store(name: string, options: SetSecretOptions = {}): Promise<string> {
  emulator.clock.advance(60_000);
  const { properties } = await vault.setSecret(name, canary, options);
  return properties.version ?? '';
}

/** The words that a shell makes of a line, with an `az` that tells what it was given and read. */
function runWithAz(script: string, input: string) {
  const directory = join(data, 'bin');
  mkdirSync(directory, { recursive: true });
  const az = join(directory, 'az');
  writeFileSync(az, '#!/bin/sh\nfor word in "$@"; do printf "%s\\0" "$word"; done\nprintf "stdin:"; cat\n');
  chmodSync(az, 0o755);
  const { stdout } = spawnSync('/bin/sh', ['-c', script], {
    env: { PATH: `${directory}:/usr/bin:/bin` },
    input,
    encoding: 'utf8',
  });
  return stdout.split('\0');
}

t.test('bind prints lines that a shell gives to az word by word, whatever is in them', async t => {
  const username = `o'brien $(id) \`id\` "x"`;
  const { code, out, err } = await slipway([
    ...['secret', 'bind', '--vault', 'kv-payments', '--secret', 'hub', '--registry', 'Index.Docker.io'],
    ...['--username', username, '--repositories', 'myorg/** other/*', '--expires', '2027-01-31T00:00:00Z'],
  ]);
  t.equal(code, 0, err);
  t.same(runWithAz(out, 'the value'), [
    ...['keyvault', 'secret', 'set', '--vault-name', 'kv-payments', '--name', 'hub', '--file', '/dev/stdin'],
    ...['--expires', '2027-01-31T00:00:00Z', '--tags', 'slipway-registry=docker.io'],
    `slipway-username=${username}`,
    'slipway-repositories=myorg/**,other/*',
    'stdin:the value',
  ]);
  t.match(out, /^# Or, for the value that is there already: az keyvault secret set-attributes .* --tags/m);
  const bare = await slipway([
    'secret',
    'bind',
    '--vault',
    'kv-payments',
    '--secret',
    'x',
    '--registry',
    'ghcr.io',
  ]);
  t.match(bare.out, /^# No username is bound: the value must be \{"username"/m);
});

t.test('bind refuses what is no vault, secret, registry, user, glob or instant', async t => {
  const good = { vault: 'kv-payments', secret: 'hub', registry: 'ghcr.io' };
  for (const wrong of [
    { vault: 'a/b' },
    { vault: '-x' },
    { vault: 'https://kv.vault.azure.net' },
    { secret: '../x' },
    { secret: '' },
    { registry: 'https://ghcr.io' },
    { registry: 'ghcr.io/myorg' },
    { registry: 'user@ghcr.io' },
    { username: '' },
    { username: 'x'.repeat(257) },
    { username: 'two\nlines' },
    { repositories: 'UPPER' },
    { repositories: ' , ' },
    { expires: 'tomorrow' },
    { expires: '2027-02-31T99:00:00Z' },
    { password: 'no-such-option' },
  ]) {
    const args = Object.entries({ ...good, ...wrong }).map(([name, value]) => `--${name}=${value}`);
    await t.rejects(secretBind.run(args), /^--|Unknown option/m, JSON.stringify(wrong));
  }
  t.match(await slipway(['secret', 'bind', '--vault', 'kv']), {
    code: 2,
    err: /--vault 'kv' is not a vault's name|missing/,
  });
});

t.test('check names what is wrong in the vaults of the policy, and reads no value', async t => {
  const begun = emulator.journal.since(0).at(-1)?.seq ?? 0;
  const { code, out, err } = await slipway(['secret', 'check', '--output', 'json'], env);
  t.equal(code, 1, err);
  const { vaults, findings } = JSON.parse(out) as { vaults: string[]; findings: Finding[] };
  t.same(vaults, ['demo-vault', 'other-vault']);
  t.match(findings, [
    {
      vault: 'demo-vault',
      secret: 'ghcr-expired',
      code: 'Expired',
      command: /--tags slipway-registry=ghcr.io/,
    },
    { vault: 'demo-vault', secret: 'unbound', code: 'NotBound' },
  ]);
  t.equal(findings.length, 2);
  const asked = emulator.journal.since(begun).filter(({ host }) => host.endsWith('.vault.azure.net'));
  t.ok(asked.length > 2);
  t.same(
    asked.filter(({ path }) => !/^\/secrets(?:\/[\w-]+\/versions)?(?:\?|$)/.test(path)),
    [],
  );

  const text = await slipway(['secret', 'check', '--vault', 'other-vault'], env);
  t.match(text, { code: 0, out: 'All is well; 1 secrets of other-vault were looked at.\n' });
});

t.test('check finds lost tags, ends, switched off, unknown hosts and names without a secret', async t => {
  const tags = { 'slipway-registry': 'ghcr.io', 'slipway-username': "o'brien", owner: 'team a' };
  const before = await store('ghcr-pull', { tags });
  const lost = await store('ghcr-pull');
  const now = emulator.clock.now();
  await store('acr-admin', {
    tags: { 'slipway-registry': 'myregistry.azurecr.io' },
    expiresOn: new Date(now + 20 * day),
  });
  await store('acr-sp', { tags: { 'slipway-registry': 'registry.unknown.example' } });
  await store('acr-token', { tags: { 'slipway-registry': 'myregistry.azurecr.io' }, enabled: false });
  await store('orders-db', { notBefore: new Date(now + day) });
  await store('company-registry', { tags: { 'slipway-registry': 'ghcr.io' } });
  const policy = join(data, 'policy.yaml');
  writeFileSync(
    policy,
    `${embedded}
bindings:
  - { vault: demo-vault, secret: company-registry, registry: registry.mycompany.com }
  - { vault: demo-vault, secret: never-stored, registry: ghcr.io }
`.replace('workloadSecrets: [orders-db]', 'workloadSecrets: [orders-db, not-there, "of-no-name-*"]'),
  );
  const { code, out } = await slipway(['secret', 'check'], { ...env, SLIPWAY_POLICY: policy });
  t.equal(code, 1);
  for (const line of [
    `demo-vault/ghcr-pull: version ${lost} has no tags, ${before} was bound to ghcr.io (TagsLost)`,
    /^demo-vault\/acr-admin: version [0-9a-f]{32} expires at .* \(ExpiresSoon\)$/m,
    /^demo-vault\/acr-sp: version \w+ is bound to registry\.unknown\.example, which no team .* \(RegistryUnknown\)$/m,
    /^demo-vault\/acr-token: version \w+ is disabled \(Disabled\)$/m,
    /^demo-vault\/orders-db: version \w+ is valid from .* \(NotYetValid\)$/m,
    /^demo-vault\/company-registry: version \w+ is bound to ghcr\.io by its tags and to registry\.mycompany\.com by policy/m,
    "demo-vault/not-there: does not exist, and team 'demo' names it (SecretMissing)",
    'demo-vault/never-stored: does not exist, and a binding names it (SecretMissing)',
  ])
    t.match(out, line);
  t.notMatch(out, 'of-no-name');
  t.notMatch(out, canary);

  // What it prints puts it right.
  const [, command = ''] = /TagsLost\)\n *(.*)/.exec(out) ?? [];
  t.same(runWithAz(command, '').slice(-4, -1), [
    'slipway-registry=ghcr.io',
    "slipway-username=o'brien",
    'owner=team a',
  ]);

  const { out: rotate } = await slipway(
    ['secret', 'rotate', '--vault', 'demo-vault', '--secret', 'ghcr-pull'],
    env,
  );
  t.match(rotate, `# Version ${lost} has lost its tags; these are those of version ${before}.`);
  t.same(runWithAz(rotate, 'new').slice(-5), [
    '--tags',
    'slipway-registry=ghcr.io',
    "slipway-username=o'brien",
    'owner=team a',
    'stdin:new',
  ]);
  t.notMatch(rotate, canary);
  t.match(await slipway(['secret', 'rotate', '--vault', 'demo-vault', '--secret', 'acr-admin'], env), {
    out: /^# Version \w+ expires at .*; the new one will not, unless --expires says when\.$/m,
  });
  const nothing = await slipway(['secret', 'rotate', '--vault', 'demo-vault', '--secret', 'no-such'], env);
  t.match(nothing, { code: 1, err: /was not found/ });
  const elsewhere = await slipway(['secret', 'rotate', '--vault', 'kv-else', '--secret', 'x'], env);
  t.match(elsewhere, { code: 2, err: /The policy has no vault 'kv-else'; it has demo-vault, other-vault\./ });
});

t.test('a vault that cannot be read is found, and what lies in it is not called missing', async t => {
  const policy = join(data, 'gone.yaml');
  writeFileSync(policy, embedded.replaceAll('other-vault', 'gone-vault'));
  const { code, out } = await slipway(['secret', 'check', '--vault', 'gone-vault', '--output=json'], {
    ...env,
    SLIPWAY_POLICY: policy,
  });
  t.equal(code, 1);
  t.match(JSON.parse(out).findings, [{ vault: 'gone-vault', secret: null, code: 'VaultNotReadable' }]);
  t.equal(JSON.parse(out).findings.length, 1);
  t.match(await slipway(['secret', 'check', '--output', 'xml'], env), { code: 2, err: /there is json/ });
  const nothing = temporaryDirectory(t);
  const unset = await slipway(['secret', 'check'], { ...env, SLIPWAY_DATA: nothing });
  t.match(unset, { code: 1, err: /SLIPWAY_POLICY is not set/ });
});

t.test('30 days are the border, and a secret of several vaults may lie in any', async t => {
  const { policy } = loadPolicy('src/policy/embedded.yaml');
  const now = new Date('2026-11-24T10:00:00Z');
  const place = { key: 'demo-vault', name: 'demo-vault' };
  const codes = (ms: number) =>
    findingsOf(
      policy,
      place,
      'orders-db',
      [{ version: 'v', tags: {}, enabled: true, createdOn: now, expiresOn: new Date(now.getTime() + ms) }],
      now,
    ).map(({ code }) => code);
  t.same(codes(30 * day), ['ExpiresSoon']);
  t.same(codes(30 * day + 1), []);
  t.same(codes(1), ['ExpiresSoon']);
  t.same(codes(0), ['Expired']);

  const demo = policy.teams.demo;
  if (!demo) throw new Error('the embedded policy has a team demo');
  const several = {
    ...policy,
    teams: {
      demo: {
        ...demo,
        vaults: ['demo-vault', 'other-vault'],
        registrySecrets: ['A-Secret'],
        workloadSecrets: [],
      },
    },
  };
  const missing = (present: [string, string[]][]) =>
    missingSecrets(several, new Map(present.map(([key, names]) => [key, new Set(names)]))).map(
      ({ secret }) => secret,
    );
  t.same(
    missing([
      ['demo-vault', []],
      ['other-vault', []],
    ]),
    ['A-Secret'],
  );
  t.same(
    missing([
      ['demo-vault', []],
      ['other-vault', ['a-secret']],
    ]),
    [],
  );
  t.same(missing([['demo-vault', []]]), [], 'the other one was not read');
});
