import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { testDatabaseUrl } from '../support/database.ts';
import { eventually, startDemoWorld } from '../support/demo-world.ts';
import { createCaller, requestFor, startProcess, temporaryDirectory } from '../support/service.ts';

const embedded = readFileSync(join(import.meta.dirname, '../../src/policy/embedded.yaml'), 'utf8');
const withoutSecret = embedded.replace('        acr-admin,\n', '');
const withoutVault = embedded
  .replace('vaults: [demo-vault]', 'vaults: []')
  .replace('  demo-vault: { url: "https://demo-vault.vault.azure.net", ownersBind: true }\n', '')
  .replaceAll(/, credential: (?:dockerhub-pull|ghcr-pull|company-registry|gone-pull)/g, '')
  .replace(/^expect:.*/ms, '');
const withoutTeam = withoutVault.replace(/client: 00000000-0000-0000-0000-0000000d0001/, 'subject: nobody');

const path = join(temporaryDirectory(t), 'policy.yaml');
const write = (text: string) => {
  writeFileSync(`${path}.draft`, text);
  renameSync(`${path}.draft`, path);
};
// It starts without the vault: what reaches Azure has to follow too.
write(withoutVault);

const world = await startDemoWorld(t);
const env = { ...world.env, ...(await testDatabaseUrl(t)), SLIPWAY_POLICY: path };
const start = () => startProcess(t, ['src/main.ts'], env);
let service = await start();
const token = await world.token();
const ask = (...args: Parameters<ReturnType<typeof createCaller>>) =>
  createCaller(service.url, token)(...args);
const ready = async () => (await ask('GET', '/readyz')).json;
const deploy = (name: string) =>
  ask('POST', '/deployments', { body: requestFor(name), headers: { prefer: 'wait=30' } });
const digests = new Set<string>();
const follow = (what: string) =>
  eventually(what, async () => {
    const { policyDigest } = await ready();
    return !digests.has(policyDigest) && digests.add(policyDigest);
  });

t.test('a policy that changes while the service runs is what decides, and where Azure is called', async t => {
  await follow('the policy of the start');
  t.match(await deploy('early'), { status: 403, json: { code: 'CredentialNotAvailable' } });
  write(embedded);
  await follow('the change of the file');
  t.match(await deploy('in-time'), { status: 200, json: { status: 'Running' } });
  write(withoutSecret);
  await follow('the withdrawal');
  const since = (await world.journal()).at(-1)?.seq ?? 0;
  t.match(await deploy('late'), { status: 403, json: { code: 'CredentialNotAvailable' } });
  t.same(await world.calls(since), [], 'and Azure is not asked');
});

t.test('one that cannot be used keeps the old one, and is told; the service stays ready', async t => {
  const before = await ready();
  t.equal(before.policyReason, undefined);
  write(embedded.replace('vaults: [demo-vault]', 'vaults: [no-vault]'));
  const { policyReason, policyDigest, status } = await eventually('the refusal', async () => {
    const answer = await ready();
    return answer.policyReason && answer;
  });
  t.same([policyReason, policyDigest, status], ['invalid', before.policyDigest, 'ok']);
  t.match(service.said(), /policy\.yaml:\d+: \/teams\/demo\/vaults\/0 names a vault 'no-vault'/);
  t.match(await ask('GET', '/me'), { status: 200 });
});

t.test('an old file does not come back by a start, but by SIGHUP', async t => {
  await service.stop();
  write(embedded);
  service = await start();
  const { policyDigest, policyReason } = await ready();
  t.equal(policyReason, 'superseded');
  t.match(await deploy('not-yet'), { status: 403 });
  service.child.kill('SIGHUP');
  await eventually('the reload', async () => (await ready()).policyReason === undefined);
  t.not((await ready()).policyDigest, policyDigest);
  t.match(await deploy('again'), { status: 200, json: { status: 'Running' } });
});

t.test('who is taken out of the policy is nobody from then on, whatever token he holds', async t => {
  t.equal((await ask('GET', '/me')).json.teams.length, 1);
  write(withoutTeam);
  await follow('the change of the file');
  t.match(await ask('GET', '/me'), { status: 403, json: { code: 'PermissionDenied' } });
  t.match(await deploy('stranger'), { status: 403, json: { code: 'PermissionDenied' } });
});
