import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { get } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { parse } from 'yaml';
import { administrator } from '../../src/emulator/demo-ids.ts';
import { startDemoWorld } from '../support/demo-world.ts';
import { createCaller, requestFor, startProcess, temporaryDirectory } from '../support/service.ts';
import { slipway } from '../support/slipway.ts';
import { storedValue, storeVersion } from '../support/stored-secrets.ts';

const root = join(import.meta.dirname, '../..');

async function run(file: string, args: string[], env: Record<string, string | undefined>) {
  const child = spawn(file, args, {
    cwd: root,
    env: { ...process.env, NODE_OPTIONS: undefined, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [out, err, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return { code, out, err };
}

const world = await startDemoWorld(t);
const service = await startProcess(t, ['src/main.ts'], world.env);
const token = await world.token();
const ask = createCaller(service.url, token);
/** As in a shell beside `npm start`. */
const beside = {
  ...{ SLIPWAY_URL: service.url, SLIPWAY_DATA: world.data, XDG_CONFIG_HOME: temporaryDirectory(t) },
  ...{ SLIPWAY_TOKEN: undefined, SLIPWAY_LOGIN: undefined, SLIPWAY_AUDIENCE: undefined },
  ...{ GITHUB_ACTIONS: undefined, CI: undefined, TF_BUILD: undefined, GITLAB_CI: undefined },
};

/** What became of each revision, and what Azure has in the end. */
async function lifeOf(name: string) {
  const { value } = (await ask('GET', `/deployments?name=${name}`)).json;
  const { json } = await ask('GET', `/deployments/${value[0].id}/revisions`);
  const group = `/subscriptions/00000000-0000-0000-0000-00000000bbbb/resourceGroups/my-resource-group/providers/Microsoft.ContainerInstance/containerGroups/${name}`;
  return {
    status: value[0].status,
    revisions: json.value
      .map((each: { kind: string; outcome: string }) => `${each.kind} ${each.outcome}`)
      .reverse(),
    live: await world.readArm(`${group}?api-version=2023-05-01`),
  };
}

const wholeLife = {
  status: 'Deleted',
  revisions: ['Create Succeeded', 'Update Succeeded', 'Update Failed', 'Rollback Succeeded'],
  live: { error: { code: 'ResourceNotFound' } },
};

t.test('a service lives by nothing but curl', async t => {
  const { code, out, err } = await run('examples/life-with-curl.sh', [], { ...beside, SLIPWAY_TOKEN: token });
  t.equal(code, 0, out + err);
  t.match(out.split('\n'), [
    'myregistry.azurecr.io/my-app:v1.0 runs',
    'myregistry.azurecr.io/web-app:1.4.2 runs',
    /^refused: myregistry\.azurecr\.io has no web-app:not-there\./,
    'myregistry.azurecr.io/my-app:v1.0 runs again',
    'it is gone',
  ]);
  t.match(await lifeOf('life-with-curl'), wholeLife);
});

t.test('a service lives by the command line', async t => {
  const SLIPWAY = `${process.execPath} bin/slipway.js`;
  const { code, out, err } = await run('examples/life-with-slipway.sh', [], { ...beside, SLIPWAY });
  t.equal(code, 0, out + err);
  t.match(out, /^Possible: create\./);
  t.match(out, /^demo:life-with-slipway {2}Running {2}Healthy$[\s\S]*^ {2}revision {2}2 \(live\)$/m);
  t.match(
    out,
    /^4 +Rollback +Succeeded .*\n3 +Update +Failed .*\n2 +Update +Succeeded .*\n1 +Create +Succeeded /m,
  );
  t.match(out, /^app: started$/m, 'its log');
  t.match(err, /^ImageNotFound: myregistry\.azurecr\.io has no web-app:not-there\./m);
  t.match(err, /^\d\d:\d\d:\d\d {2}Every container runs$/m, 'progress');
  t.match(await lifeOf('life-with-slipway'), wholeLife);
});

t.test("the tutorial's files are imported and run, once their secrets are in the vault", async t => {
  const files = join(root, 'test/support/azure-files');
  const sub = '00000000-0000-0000-0000-00000000bbbb';
  const secrets = ['--secret', 'myregistry.azurecr.io=acr-admin', '--secret', 'ghcr.io=ghcr-pull'];
  const home = temporaryDirectory(t);
  for (const [file, name, more] of [
    ['registry-credentials', 'my-private-app', secrets.slice(0, 2)],
    ['managed-identity', 'my-app-with-identity', ['--set', `sub-id=${sub}`]],
    ['several-registries', 'multi-registry-app', secrets],
  ] as const) {
    const path = join(home, `${file}.yaml`);
    copyFileSync(join(files, `${file}.yaml`), path);
    const line = `"$0" bin/slipway.js import ${path} ${more.join(' ')} | "$0" bin/slipway.js deploy -f - --wait --output json`;
    const { code, out, err } = await run('sh', ['-c', line, process.execPath], beside);
    t.equal(code, 0, err);
    t.match(JSON.parse(out), { operation: { status: 'Succeeded' }, deployment: { name, status: 'Running' } });
  }
});

t.test('it exits as it went: busy, denied, still going, away', async t => {
  await world.control('POST', 'faults', {
    host: 'management.azure.com',
    method: 'PUT',
    times: 1,
    delayMs: 4_000,
  });
  const slow = await slipway(
    ['deploy', '--name', 'slow', '--image', 'myregistry.azurecr.io/my-app:v1.0', '--wait', '--timeout', '0'],
    beside,
  );
  t.match(slow, { code: 4, err: /still going: slipway wait [0-9a-f-]{36} goes on/ });
  const busy = await slipway(['images', 'demo:slow', 'slow=myregistry.azurecr.io/web-app:1.4.2'], beside);
  t.match(busy, { code: 6, err: /^DeploymentBusy: / }, busy.err);
  const queued = slipway(['redeploy', 'demo:slow', '--on-busy', 'queue', '--wait'], beside);
  t.match(await slipway(['wait', 'demo:slow'], beside), { code: 0 });
  t.match(await queued, { code: 0 });
  const foreign = await slipway(
    [
      'deploy',
      '--name',
      'foreign',
      '--image',
      'ghcr.io/myorg/log-forwarder:2.0.1',
      '--secret',
      'ghcr.io=other-pull',
    ],
    beside,
  );
  t.match(foreign, { code: 3, err: /^CredentialNotAvailable: / });
  t.match(await slipway(['get', 'other:slow'], beside), { code: 2, err: /^NotFound: / });
});

t.test('an application signs in to Entra ID by its secret, and nothing of it is shown', async t => {
  const env = {
    ...{ ...beside, SLIPWAY_DATA: undefined, SLIPWAY_AUDIENCE: '00000000-0000-0000-0000-00000000dddd' },
    ...{ AZURE_TENANT_ID: '00000000-0000-0000-0000-00000000aaaa', AZURE_CLIENT_ID: administrator.clientId },
    ...{ AZURE_CLIENT_SECRET: administrator.secret, AZURE_FEDERATED_TOKEN_FILE: undefined },
    ...{ SLIPWAY_HOSTS: world.env.SLIPWAY_HOSTS, SLIPWAY_CA: world.env.SLIPWAY_CA },
  };
  const login = await slipway(['login'], env);
  // The demo's policy grants the administrator nothing: he was signed in, and told so.
  t.match(login, { code: 3, err: /^PermissionDenied: / }, login.err);
  const wrong = await slipway(['login'], { ...env, AZURE_CLIENT_SECRET: 'made-up-secret' });
  t.match(wrong, { code: 3, err: /^NotSignedIn: Entra ID gave no token/ });
  for (const { out, err } of [login, wrong])
    t.notMatch(out + err, /emulator-admin|made-up-secret|ey[\w-]{20}/);
});

/** The platform's agent of a container, which speaks plain http, before the embedded Azure; its address. */
async function identityAgent(t: { teardown(done: () => unknown): unknown }): Promise<string> {
  const ca = readFileSync(world.env.SLIPWAY_CA ?? '');
  const { hostname: host, port } = new URL(world.azure.url);
  const agent = createServer((asked, answer) => {
    const headers = { ...asked.headers, host: '169.254.169.254' };
    get({ host, port, ca, path: asked.url, headers }, told => {
      answer.writeHead(told.statusCode ?? 502, told.headers);
      told.pipe(answer);
    });
  });
  agent.listen(0, '127.0.0.1');
  await once(agent, 'listening');
  t.teardown(() => agent.close());
  return `127.0.0.1:${(agent.address() as AddressInfo).port}`;
}

t.test('where Azure runs the program it signs in as the identity that is attached there', async t => {
  const home =
    '/subscriptions/00000000-0000-0000-0000-00000000bbbb/resourceGroups/my-resource-group/providers';
  const userAssignedIdentities = [`${home}/Microsoft.ManagedIdentity/userAssignedIdentities/orders-identity`];
  const { json } = await ask('POST', '/deployments', {
    body: requestFor('with-identity', { identity: { userAssignedIdentities } }),
    headers: { prefer: 'wait=40' },
  });
  t.equal(json.status, 'Running', JSON.stringify(json.failure));
  const inside = {
    ...{ ...beside, SLIPWAY_DATA: undefined, SLIPWAY_AUDIENCE: '00000000-0000-0000-0000-00000000dddd' },
    ...{ AZURE_TENANT_ID: undefined, AZURE_CLIENT_ID: undefined, AZURE_CLIENT_SECRET: undefined },
    ...{
      SLIPWAY_HOSTS: `169.254.169.254=${await identityAgent(t)},${world.env.SLIPWAY_HOSTS}`,
      SLIPWAY_CA: world.env.SLIPWAY_CA,
    },
    IDENTITY_ENDPOINT: 'http://169.254.169.254/msi/token',
  };
  const whoami = await slipway(['login'], {
    ...inside,
    IDENTITY_HEADER: json.containerGroup.id.toLowerCase(),
  });
  // The demo's policy grants the identity nothing: it was signed in, and told so.
  t.match(whoami, { code: 3, err: /^PermissionDenied: / }, whoami.err);
  const foreign = await slipway(['login'], { ...inside, IDENTITY_HEADER: 'somewhere-else' });
  t.match(foreign, { code: 3, err: /^NotSignedIn: Entra ID gave no token/ }, foreign.err);
  for (const { out, err } of [whoami, foreign]) t.notMatch(out + err, /ey[\w-]{20}/);
});

t.test('credentials are listed, tried, found where they are used, and rotated', async t => {
  const cli = (...args: string[]) => slipway(args, beside);
  const image = 'docker.io/myusername/my-private-app:1.0.0';
  const reference = ['--secret', 'docker.io=dockerhub-pull', '--image', image];
  t.match(await cli('deploy', '--name', 'pulls', ...reference, '--wait'), { code: 0 });
  const listed = await cli('credentials');
  t.equal(listed.code, 0);
  t.match(listed.out, /^demo +registry +dockerhub-pull +docker\.io +Healthy$/m);
  t.match(listed.out, /^demo +workload +orders-db +Healthy$/m);

  const tried = ['credentials', 'test', '--server', 'docker.io', '--image', image];
  t.match(await cli(...tried, '--secret', 'dockerhub-pull'), {
    code: 0,
    out: /^It can pull .*, which is sha256:/,
  });
  const ghcr = [
    '--server',
    'ghcr.io',
    '--secret',
    'ghcr-wrong',
    '--image',
    'ghcr.io/myorg/log-forwarder:2.0.1',
  ];
  t.match(await cli('credentials', 'test', ...ghcr), { code: 1, err: /^RegistryAuthenticationFailed: / });
  t.match(await cli(...tried), { code: 2, err: /^Say which credential/ });

  const value = storedValue(world, 'dockerhub-pull');
  await storeVersion(world, 'dockerhub-pull', { value, registry: 'docker.io', username: 'myusername' });
  t.match(await cli('credentials', 'usages', 'dockerhub-pull'), {
    code: 0,
    out: /^[0-9a-f]{32} {2}current *\n[0-9a-f]{32} {2}in use +demo:pulls\n$/m,
  });
  const rotated = await cli('credentials', 'rotate', 'dockerhub-pull', '--wait');
  t.match(rotated, { code: 0, out: 'Succeeded\n  pulls  Succeeded\n' }, rotated.err);
  const usages = await cli('credentials', 'usages', 'dockerhub-pull', '--output', 'json');
  t.match(JSON.parse(usages.out).versions, [{ current: true, deployments: [{}] }, { safeToRevoke: true }]);
  t.match(await cli('credentials', 'rotate', 'other-pull'), { code: 3, err: /^CredentialNotAvailable: / });
});

t.test('what has to be made anew is, where that is said', async t => {
  const args = ['deploy', '--name', 'resized', '--image', 'myregistry.azurecr.io/my-app:v1.0', '--wait'];
  t.match(await slipway(args, beside), { code: 0 });
  const replacing = [...args, '--on-existing', 'replace', '--location', 'westeurope'];
  t.match(await slipway(replacing, beside), { code: 2, err: /^RequiresReplacement: .*\/location/ });
  const replaced = await slipway([...replacing, '--allow-replace'], beside);
  t.match(replaced, { code: 0, out: /revision {2}2 \(live\)/ }, replaced.err);
});

t.test('events are followed to their end', async t => {
  await ask('POST', '/deployments', { body: requestFor('followed'), headers: { prefer: 'respond-async' } });
  const { code, out } = await slipway(['events', 'demo:followed', '-f'], beside);
  t.equal(code, 0);
  t.match(out, /The deployment was accepted\n.*Every container runs\n$/s);
  const listed = await slipway(['events', 'demo:followed', '--output', 'json'], beside);
  const seqs = listed.out
    .trim()
    .split('\n')
    .map(line => JSON.parse(line).seq);
  t.same(
    seqs,
    seqs.map((_, at) => at + 1),
  );
});

t.test('the GitHub action passes its inputs on as data, and runs', async t => {
  const action = parse(readFileSync(join(root, 'action.yml'), 'utf8'));
  t.equal(action.runs.using, 'composite');
  const steps: { run?: string; env?: Record<string, string>; uses?: string; shell?: string }[] =
    action.runs.steps;
  for (const { run: script, uses, shell } of steps) {
    t.equal(uses, undefined, 'no action of others');
    t.equal(shell, 'bash');
    t.notMatch(script, '${{', 'an input in a script would be a command');
  }
  const passed = steps.flatMap(({ env }) => Object.values(env ?? {}));
  for (const name of Object.keys(action.inputs))
    t.ok(passed.includes(`\${{ inputs.${name} }}`), `${name} is passed on`);

  const deploy = steps.at(-1);
  const inputs: Record<string, string> = {
    ...Object.fromEntries(
      Object.entries(action.inputs as Record<string, { default?: string }>).map(([name, each]) => [
        name,
        each.default ?? '',
      ]),
    ),
    ...{ url: service.url, name: 'acted', images: 'app=myregistry.azurecr.io/my-app:v1.0\n\n' },
  };
  const env = Object.fromEntries(
    Object.entries(deploy?.env ?? {}).map(([name, value]) => [
      name,
      value.replace(/\$\{\{ inputs\.([\w-]+) \}\}/g, (_whole, input: string) => inputs[input] ?? ''),
    ]),
  );
  const output = join(temporaryDirectory(t), 'output');
  const github = { GITHUB_ACTION_PATH: root, GITHUB_OUTPUT: output, SLIPWAY_LOGIN: 'embedded' };
  const hostile = await run('bash', ['-euo', 'pipefail', '-c', deploy?.run ?? ''], {
    ...{ ...beside, ...env, ...github },
    INPUT_NAME: '$(touch hacked)',
  });
  t.match(hostile, { code: 2, err: /^InvalidRequest/ });
  const ran = await run('bash', ['-euo', 'pipefail', '-c', deploy?.run ?? ''], {
    ...beside,
    ...env,
    ...github,
  });
  t.equal(ran.code, 0, ran.err);
  t.match(readFileSync(output, 'utf8'), /^deployment=[0-9a-f-]{36}\nstatus=Running\n/m);
});
