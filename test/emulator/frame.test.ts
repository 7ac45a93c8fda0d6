import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect as dial } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { connect } from 'node:tls';
import t from 'tap';
import { administrator, demo } from '../../src/emulator/demo-ids.ts';
import { startEmulator } from '../../src/emulator/emulator.ts';
import { mapToPort, startTestEmulator, type TestEmulator } from '../support/emulator.ts';

const arm = 'https://management.azure.com';
const groupsUrl = `${arm}/subscriptions/${demo.subscriptionId}/resourceGroups?api-version=2021-04-01`;
const vaultSecret = (name: string) => `https://demo-vault.vault.azure.net/secrets/${name}?api-version=7.4`;
const control = (path: string) => `${arm}/_emulator/${path}`;
const entry = join(import.meta.dirname, '../../src/emulator/main.ts');
type Test = { teardown(done: () => unknown): unknown };

function temporaryDirectory(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'emulator-test-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

t.test('the door: Host says who is meant, a certificate stands for every name', async t => {
  const begun = performance.now();
  const emulator = await startTestEmulator(t);
  t.ok(performance.now() - begun < 2_000, 'it starts in under two seconds');

  t.test('each name has its own certificate of one authority, addresses and localhost too', async t => {
    for (const servername of [
      'login.microsoftonline.com',
      'demo-vault.vault.azure.net',
      'demo-vault.localhost',
      'localhost',
    ]) {
      const socket = connect({ host: '127.0.0.1', port: emulator.port, servername, ca: emulator.ca });
      await once(socket, 'secureConnect');
      t.match(socket.getPeerCertificate().subjectaltname ?? '', `DNS:${servername}`);
      socket.destroy();
    }
    const address = connect({ host: '127.0.0.1', port: emulator.port, ca: emulator.ca });
    await once(address, 'secureConnect');
    t.ok(address.authorized);
    address.destroy();
  });

  t.test('who does not trust the authority does not get in', async t => {
    const stranger = mapToPort(emulator.port, (await startTestEmulator(t)).ca);
    t.teardown(() => stranger.destroy());
    await t.rejects(stranger.request({ origin: arm, path: '/', method: 'GET' }), {
      code: /SELF_SIGNED|UNABLE_TO/,
    });
  });

  t.test('the host table names every host and says that there is no other', async t => {
    const entries = emulator.hosts.split(',');
    for (const host of [
      'login.microsoftonline.com',
      'management.azure.com',
      '*.vault.azure.net',
      'ghcr.io',
      'auth.docker.io',
    ])
      t.ok(entries.includes(`${host}=127.0.0.1:${emulator.port}`), host);
    t.equal(entries.at(-1), '*=none');
  });

  t.test('HOST:PORT is ARM, {vault}.localhost the vault, and each service is found by its path', async t => {
    const origin = emulator.url;
    const token = await emulator.token('administrator', 'https://management.azure.com/.default');
    const groups = await emulator.ask(groupsUrl.replace(arm, origin), { token });
    t.equal(groups.status, 200);
    const vaultToken = await emulator.token('administrator', 'https://vault.azure.net/.default');
    const secret = await emulator.ask(
      `https://demo-vault.localhost:${emulator.port}/secrets/orders-db?api-version=7.4`,
      {
        token: vaultToken,
      },
    );
    t.match(secret.json.id, new RegExp(`^https://demo-vault.localhost:${emulator.port}/secrets/orders-db/`));
    const discovery = await emulator.ask(`${origin}/${demo.tenantId}/v2.0/.well-known/openid-configuration`);
    t.equal(discovery.json.token_endpoint, `${origin}/${demo.tenantId}/oauth2/v2.0/token`);
    t.equal(
      discovery.json.issuer,
      `https://login.microsoftonline.com/${demo.tenantId}/v2.0`,
      'the issuer has no port',
    );
  });

  t.test('parameter names and paths may come percent-encoded and in any case', async t => {
    const token = await emulator.token('administrator', 'https://management.azure.com/.default');
    const encoded = await emulator.ask(
      `${arm}/SUBSCRIPTIONS/${demo.subscriptionId}/resourcegroups/MY-resource-group?api%2Dversion=2021-04-01`,
      { token },
    );
    t.equal(encoded.status, 200);
    t.equal(encoded.json.name, 'my-resource-group');
  });

  t.test('what nothing answers is 501 by name, and stands out in the journal', async t => {
    const before = emulator.journal.since(0).length;
    const host = await emulator.ask('https://registry.gone.example/v2/');
    t.equal(host.status, 501);
    t.match(host.json.error.message, 'registry.gone.example');
    t.equal((await emulator.ask('https://no-such-vault.vault.azure.net/secrets')).status, 501);
    const path = await emulator.ask(
      `${arm}/subscriptions/x/providers/Microsoft.Compute/virtualMachines?api-version=1`,
    );
    t.equal(path.status, 501);
    t.match(path.json.error.message, 'Microsoft.Compute/virtualMachines');
    t.equal(
      (await emulator.ask(`${arm}/~authorization/assignments?api-version=2022-04-01`)).status,
      501,
      'no way in behind',
    );
    t.ok(
      emulator.journal
        .since(0)
        .slice(before)
        .every(entry => entry.unexpected === true),
    );
  });
});

t.test('the journal tells every request, and no secret', async t => {
  const emulator = await startTestEmulator(t);
  await emulator.administrator.getToken('https://vault.azure.net/.default');
  const token = await emulator.token('demo-client', 'https://vault.azure.net/.default');
  const secret = vaultSecret('acr-admin');
  await emulator.ask(secret, { token });
  await emulator.ask(secret);
  await emulator.ask('https://ghcr.io/nowhere?refresh_token=hush&scope=repository:a:pull');
  await emulator.ask(control('world'));

  const { json } = await emulator.ask(control('journal'));
  t.match(
    json.value.map((entry: { host: string; method: string; path: string; status: number; caller: string }) =>
      [entry.host, entry.method, entry.path.split('?')[0], entry.status, entry.caller].join(' '),
    ),
    [
      `login.microsoftonline.com POST /${demo.tenantId}/oauth2/v2.0/token 200 ${administrator.clientId}`,
      `demo-vault.vault.azure.net GET /secrets/acr-admin 403 ${demo.demoClientId}`,
      'demo-vault.vault.azure.net GET /secrets/acr-admin 401 ',
      'ghcr.io GET /nowhere ',
    ],
    'control calls are left out',
  );
  const text = JSON.stringify(json);
  for (const hidden of [administrator.secret, token, 'hush']) t.notMatch(text, hidden);
  const later = await emulator.ask(control(`journal?since=${json.value[2].seq}`));
  t.equal(later.json.value.length, 1, 'since leaves out what was seen');
  await emulator.ask(`${emulator.url}/subscriptions`);
  t.equal(
    emulator.journal.since(0).at(-1)?.host,
    'management.azure.com',
    'HOST:PORT is told by the name that is meant',
  );
});

t.test('faults', async t => {
  const emulator = await startTestEmulator(t);
  const token = await emulator.token('administrator', 'https://management.azure.com/.default');
  const groups = () => emulator.ask(groupsUrl, { token });
  const whole = (await groups()).text;

  async function cause(t: Test, fault: object): Promise<string> {
    const { status, json } = await emulator.ask(control('faults'), { body: fault });
    if (status !== 200) throw new Error(JSON.stringify(json));
    t.teardown(() => emulator.ask(control('faults'), { method: 'DELETE' }));
    return json.id;
  }

  t.test('an answer in place of the real one, so many times and after so many', async t => {
    const id = await cause(t, {
      host: 'management.azure.com',
      method: 'get',
      path: '/resourceGroups\\?',
      times: 1,
      after: 1,
      response: {
        status: 429,
        headers: { 'retry-after': '7' },
        body: { error: { code: 'TooManyRequests' } },
      },
    });
    t.equal((await groups()).status, 200);
    const met = await groups();
    t.equal(met.status, 429);
    t.equal(met.headers['retry-after'], '7');
    t.equal(met.json.error.code, 'TooManyRequests');
    t.equal((await groups()).status, 200);
    t.same(
      emulator.journal
        .since(0)
        .filter(entry => entry.fault === id)
        .map(({ status }) => status),
      [429],
    );
  });

  t.test('a text is sent as it is, and HOST:PORT is met by the name that is meant', async t => {
    await cause(t, {
      host: 'management.azure.com:443',
      response: { status: 502, body: '<html>bad gateway</html>' },
    });
    const met = await emulator.ask(groupsUrl.replace(arm, emulator.url));
    t.equal(met.text, '<html>bad gateway</html>');
    t.equal(met.status, 502);
  });

  t.test('the newest meets first, and one may be ended', async t => {
    await cause(t, { host: 'management.azure.com', response: { status: 500 } });
    const id = await cause(t, { host: 'management.azure.com', response: { status: 503 } });
    t.equal((await groups()).status, 503);
    t.equal((await emulator.ask(control(`faults/${id}`), { method: 'DELETE' })).status, 204);
    t.equal((await groups()).status, 500);
    t.equal((await emulator.ask(control(`faults/${id}`), { method: 'DELETE' })).status, 404);
  });

  for (const effect of [{ reset: true }, { outage: true }])
    t.test(`a closed connection: ${Object.keys(effect)}`, async t => {
      const id = await cause(t, { host: 'management.azure.com', times: 1, ...effect });
      await t.rejects(groups(), { code: /UND_ERR_SOCKET|ECONNRESET/ });
      t.equal((await groups()).status, 200);
      t.same(
        emulator.journal
          .since(0)
          .filter(({ fault }) => fault === id)
          .map(({ status }) => status),
        [0],
      );
    });

  t.test('a delay before the request is handled', async t => {
    await cause(t, { host: 'management.azure.com', delayMs: 150 });
    const begun = performance.now();
    t.equal((await groups()).text, whole);
    t.ok(performance.now() - begun >= 145);
  });

  t.test('the real answer cut short: the request was handled', async t => {
    await cause(t, { host: 'management.azure.com', method: 'PUT', truncateAt: 10 });
    const url = groupsUrl.replace('resourceGroups?', 'resourceGroups/cut-short?');
    await t.rejects(emulator.ask(url, { method: 'PUT', token, body: { location: 'eastus' } }));
    t.equal((await emulator.ask(url, { token })).status, 200);
  });

  t.test('the real answer drop by drop', async t => {
    await cause(t, { host: 'management.azure.com', dripBytesPerSecond: 2_000 });
    const begun = performance.now();
    const { text } = await groups();
    t.equal(JSON.parse(text).value.length, 3);
    t.ok(performance.now() - begun > (text.length / 2_000) * 800, 'at that pace');
  });

  t.test('an error that echoes the whole request, secrets and all', async t => {
    await cause(t, { host: 'login.microsoftonline.com', echoRequest: { status: 400 } });
    const { status, json } = await emulator.ask(
      `https://login.microsoftonline.com/${demo.tenantId}/oauth2/v2.0/token`,
      {
        method: 'POST',
        headers: { authorization: 'Basic aHVzaA==' },
        body: 'client_secret=canary-in-body',
      },
    );
    t.equal(status, 400);
    t.match(json.error.message, /authorization: Basic aHVzaA==(?:.|\s)*client_secret=canary-in-body/);
  });

  t.test('Docker Hub is one registry by whatever name', async t => {
    await cause(t, { host: 'docker.io', response: { status: 429 } });
    t.equal((await emulator.ask('https://registry-1.docker.io/v2/')).status, 429);
    t.not((await emulator.ask('https://ghcr.io/v2/')).status, 429);
  });

  t.test('what is no fault is refused with a sentence', async t => {
    for (const [fault, sentence] of [
      [{ response: { status: 500 } }, /'host'/],
      [{ host: 'x' }, /exactly one of response/],
      [{ host: 'x', reset: true, outage: true }, /exactly one/],
      [{ host: 'x', reset: true, tiems: 1 }, /exactly one.*tiems/],
      [{ host: 'x', response: { status: 42 } }, /status from 200/],
      [{ host: 'x', path: '(', reset: true }, /regular expression/],
      [{ host: 'x', delayMs: -1 }, /'delayMs'/],
    ] as const) {
      const { status, json } = await emulator.ask(control('faults'), { body: fault });
      t.equal(status, 400);
      t.match(json.error.message, sentence);
    }
  });
});

t.test('the control surface', async t => {
  const emulator = await startTestEmulator(t);

  t.test('the clock jumps and runs faster, never backwards', async t => {
    const before = emulator.clock.now();
    await emulator.ask(control('clock'), { body: { advanceMs: 3_600_000 } });
    t.ok(emulator.clock.now() - before >= 3_600_000);
    t.equal((await emulator.ask(control('clock'), { body: { rate: 100 } })).status, 200);
    t.equal((await emulator.ask(control('clock'), { body: { advanceMs: -1 } })).status, 400);
    t.equal((await emulator.ask(control('clock'), { body: {} })).status, 400);
    await emulator.ask(control('clock'), { body: { rate: 1 } });
  });

  t.test('the world is shown with every secret masked, its SHA-256 beside it', async t => {
    const { text, json } = await emulator.ask(`https://ghcr.io/_emulator/world`);
    const canaries = [
      ...Object.values(emulator.world.registries).flatMap(({ users }) =>
        Object.values(users).map(user => user.password),
      ),
      ...Object.values(emulator.world.vaults).flatMap(({ secrets }) =>
        Object.values(secrets).flatMap(({ versions }) => versions.map(({ value }) => value)),
      ),
      ...Object.values(emulator.world.principals).flatMap(({ secrets }) => secrets),
    ];
    t.ok(canaries.length > 20);
    t.same(
      canaries.filter(canary => text.includes(canary)),
      [],
    );
    const version = json.vaults['demo-vault'].secrets['acr-admin'].versions[0];
    t.equal(version.value, '***');
    t.match(version.valueSha256, /^[0-9a-f]{64}$/);
    t.equal(version.valueSha256, json.registries['myregistry.azurecr.io'].users.myregistry.passwordSha256);
    t.equal(version.tags['slipway-registry'], 'myregistry.azurecr.io');
  });

  t.test('what is added works at once; what cannot be read changes nothing', async t => {
    const added = await emulator.ask(control('world'), {
      body: {
        registries: [{ host: 'harbor.corp.example', users: { robot: { password: 'robot-password' } } }],
        images: [{ host: 'harbor.corp.example', repository: 'team/app', tag: '1' }],
        secrets: [
          {
            name: 'harbor-pull',
            value: 'robot-password',
            tags: { 'slipway-registry': 'harbor.corp.example' },
          },
        ],
        identities: [{ name: 'new-identity', principalId: '00000000-0000-0000-0000-0000000000a1' }],
        roleAssignments: [
          { role: 'AcrPull', principalId: '00000000-0000-0000-0000-0000000000a1', scope: '/subscriptions/x' },
        ],
        principals: [{ clientId: '00000000-0000-0000-0000-0000000000b1', displayName: 'ci', secrets: ['s'] }],
      },
    });
    t.equal(added.status, 200);
    t.ok(added.json.registries['harbor.corp.example'].repositories['team/app'].tags['1']);
    t.ok(emulator.hosts.includes('harbor.corp.example='));
    t.ok(await emulator.token('ci'));
    const refused = await emulator.ask(control('world'), {
      body: { registries: [{ host: 'half.example' }], secrets: [{ name: 'x' }] },
    });
    t.equal(refused.status, 400);
    t.match(refused.json.error.message, /secrets\[0\]\.value/);
    t.notOk(emulator.world.registries['half.example']);
    t.equal((await emulator.ask(control('world'), { body: { registry: [] } })).status, 400);
  });

  t.test('back to the demo world', async t => {
    const before = emulator.world.registries['ghcr.io']?.users.myghuser?.password;
    t.equal((await emulator.ask(control('world'), { method: 'DELETE' })).status, 204);
    t.notOk(emulator.world.registries['harbor.corp.example']);
    t.not(emulator.world.registries['ghcr.io']?.users.myghuser?.password, before, 'with new canaries');
  });

  t.test('tokens for the clients of the demo world', async t => {
    const { json } = await emulator.ask(control('token'), { body: { client: 'demo-client' } });
    const claims = JSON.parse(Buffer.from(json.token.split('.')[1], 'base64url').toString());
    t.match(claims, { azp: demo.demoClientId, aud: '00000000-0000-0000-0000-00000000dddd', idtyp: 'app' });
    t.equal((await emulator.ask(control('token'), { body: { client: 'nobody' } })).status, 400);
    t.equal((await emulator.ask(control('token'), { body: {} })).status, 400);
  });
});

t.test('a registry that is not ours is passed on to where it is', async t => {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    let size = 0;
    request.on('data', chunk => {
      size += chunk.length;
    });
    request.on('end', () => {
      seen.push(`${request.method} ${request.headers.host} ${request.url} ${size}`);
      response.writeHead(202, { 'docker-content-digest': 'sha256:1' }).end('theirs');
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const emulator = await startTestEmulator(t, {
    registries: {
      'harbor.corp.example': `http://127.0.0.1:${port}`,
      'dead.corp.example': 'http://127.0.0.1:1',
    },
  });
  const answer = await emulator.ask('https://harbor.corp.example/v2/team%2Fapp/blobs/uploads/?x=1', {
    method: 'PATCH',
    body: randomBytes(100_000),
    headers: { 'content-type': 'application/octet-stream' },
  });
  t.equal(answer.status, 202);
  t.equal(answer.text, 'theirs');
  t.equal(answer.headers['docker-content-digest'], 'sha256:1');
  t.same(seen, ['PATCH harbor.corp.example /v2/team%2Fapp/blobs/uploads/?x=1 100000']);
  t.equal((await emulator.ask('https://dead.corp.example/v2/')).status, 502);
  t.match(emulator.hosts, /harbor\.corp\.example=127\.0\.0\.1/);
});

t.test('what is kept under --data', async t => {
  t.test('a restart finds the same world, authority and keys', async t => {
    const dataDir = temporaryDirectory(t);
    const first = await startEmulator({ port: 0, dataDir });
    const token = await first.token('administrator', 'https://management.azure.com/.default');
    await first.close();
    const second = await startTestEmulator(t, { dataDir });
    t.equal(second.ca, first.ca);
    t.same(second.world, first.world);
    t.equal((await second.ask(groupsUrl, { token })).status, 200, 'tokens outlive it');
    t.notMatch(readFileSync(join(dataDir, 'world.json'), 'utf8'), String(first.port), 'no port is stored');
    t.equal(statSync(join(dataDir, 'world.json')).mode & 0o077, 0, 'for nobody else to read');
    const told = JSON.parse(readFileSync(join(dataDir, 'emulator.json'), 'utf8'));
    t.match(told, {
      port: second.port,
      url: second.url,
      hosts: second.hosts,
      caFile: 'ca.pem',
      slipwayClientId: demo.slipwayClientId,
    });
    t.equal(readFileSync(join(dataDir, 'slipway-identity.jwt'), 'utf8').split('.').length, 3);
  });

  t.test('what was answered is there after kill -9', async t => {
    const dataDir = temporaryDirectory(t);
    const first = await startProcess(t, ['--data', dataDir]);
    const asker = mapToPort(first.port, readFileSync(join(dataDir, 'ca.pem'), 'utf8'));
    t.teardown(() => asker.destroy());
    const token = await tokenFrom(asker, 'https://vault.azure.net/.default');
    const names = Array.from({ length: 20 }, (_, index) => `kept-${index}`);
    const statuses = await Promise.all(names.map(name => putSecret(asker, name, token)));
    first.child.kill('SIGKILL');
    t.same(new Set(statuses), new Set([200]));
    await once(first.child, 'exit');
    const second = await startTestEmulator(t, { dataDir });
    for (const name of names) t.equal((await second.ask(vaultSecret(name), { token })).json.value, name);
  });

  t.test('a file that cannot be read is told, not overwritten', async t => {
    const dataDir = temporaryDirectory(t);
    writeFileSync(join(dataDir, 'world.json'), '{"format":1,"wor');
    await t.rejects(startEmulator({ port: 0, dataDir }), {
      message: /world\.json cannot be read.*move it away/,
    });
    t.equal(readFileSync(join(dataDir, 'world.json'), 'utf8'), '{"format":1,"wor');
  });
});

t.test('the process', async t => {
  t.test('prints one line and ends with SIGTERM', async t => {
    const { child, said } = await startProcess(t, []);
    child.kill('SIGTERM');
    const [code] = await once(child, 'exit');
    t.equal(code, 0);
    t.match(said.join('\n'), /^azure emulator listening on https:\/\/127\.0\.0\.1:\d+$/);
  });

  t.test('ends with its parent, even one that was killed', async t => {
    const script = `
      const { spawn } = require('node:child_process');
      const child = spawn(process.execPath, [${JSON.stringify(entry)}, '--with-parent'], { stdio: ['pipe', 'inherit', 'ignore'] });
      console.log(child.pid);`;
    const parent = spawn(process.execPath, ['-e', script], {
      env: { ...process.env, EMULATOR_PORT: '0' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const said: string[] = [];
    for await (const line of createInterface({ input: parent.stdout })) if (said.push(line) === 2) break;
    const [, pid, port] = /^(\d+)\n.*:(\d+)$/.exec(said.join('\n'))?.map(Number) ?? [];
    if (!pid || !port) throw new Error(`the parent said ${said}`);
    t.ok(await listens(port));
    parent.kill('SIGKILL');
    const deadline = Date.now() + 5_000;
    // By its port: a process that nobody has reaped still has its id.
    while ((await listens(port)) && Date.now() < deadline) await new Promise(done => setTimeout(done, 20));
    const left = await listens(port);
    if (left) process.kill(pid, 'SIGKILL');
    t.notOk(left);
  });

  t.test('a wrong setting ends with a sentence', async t => {
    const taken = await startTestEmulator(t);
    const wrong = [
      [{ EMULATOR_PORT: 'x' }, [], /^EMULATOR_PORT is 'x': it must be a port/],
      [{ EMULATOR_TIER: 'moon' }, [], /^EMULATOR_TIER is 'moon'/],
      [{ EMULATOR_REGISTRIES: 'a.example' }, [], /^EMULATOR_REGISTRIES has 'a\.example'/],
      [{ EMULATOR_PORT: String(taken.port) }, [], /is taken: set EMULATOR_PORT/],
      [{ HOST: '192.0.2.77' }, [], /cannot listen on HOST 192\.0\.2\.77/],
      [{}, ['--dta', 'x'], /--dta.*It takes --data DIR/],
    ] as const;
    const ends = await Promise.all(wrong.map(([env, args]) => runToEnd(env, args)));
    for (const [index, [, , sentence]] of wrong.entries()) {
      t.equal(ends[index]?.code, 1);
      t.match(ends[index]?.errors, sentence);
      t.equal(ends[index]?.errors.trim().split('\n').length, 1);
    }
  });
});

async function startProcess(t: Test, args: string[]) {
  const child = spawn(process.execPath, [entry, ...args], {
    env: { ...process.env, EMULATOR_PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const said: string[] = [];
  const lines = createInterface({ input: child.stdout });
  lines.on('line', line => said.push(line));
  await once(lines, 'line');
  return { child, said, port: Number(/:(\d+)$/.exec(said[0] ?? '')?.[1]) };
}

async function runToEnd(env: Record<string, string>, args: readonly string[]) {
  const child = spawn(process.execPath, [entry, ...args], {
    env: { ...process.env, EMULATOR_PORT: '0', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', chunk => {
    errors += chunk;
  });
  const [code] = await once(child, 'close');
  return { code, errors };
}

function listens(port: number): Promise<boolean> {
  return new Promise(done => {
    const socket = dial(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      done(true);
    });
    socket.once('error', () => done(false));
  });
}

async function tokenFrom(asker: TestEmulator['dispatcher'], scope: string): Promise<string> {
  const { body } = await asker.request({
    origin: 'https://login.microsoftonline.com',
    path: `/${demo.tenantId}/oauth2/v2.0/token`,
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: administrator.clientId,
      client_secret: administrator.secret,
      scope,
    }).toString(),
  });
  return ((await body.json()) as { access_token: string }).access_token;
}

async function putSecret(asker: TestEmulator['dispatcher'], name: string, token: string): Promise<number> {
  const { statusCode, body } = await asker.request({
    origin: 'https://demo-vault.vault.azure.net',
    path: `/secrets/${name}?api-version=7.4`,
    method: 'PUT',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ value: name }),
  });
  await body.dump();
  return statusCode;
}
