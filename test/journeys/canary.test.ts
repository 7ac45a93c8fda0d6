import { cpSync, globSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { findCanaries, readCanaries } from '../../src/commands/canaries.ts';
import { createLog } from '../../src/log.ts';
import { readRows } from '../../src/store/rows.ts';
import { startCollector } from '../support/collector.ts';
import { testDatabaseUrl } from '../support/database.ts';
import { startDemoWorld } from '../support/demo-world.ts';
import { createCaller, requestFor, startProcess, temporaryDirectory } from '../support/service.ts';

const root = join(import.meta.dirname, '../..');

/** Uses every secret of the demo world, well and badly, and looks for its value wherever the service leaves something. */
async function searchEverywhere(t: Tap, cwd: string, only = /./): Promise<string[]> {
  const world = await startDemoWorld(t, { search: false });
  const verbose = { LOG_LEVEL: 'trace', AZURE_LOG_LEVEL: 'verbose', NODE_DEBUG: 'http,tls,net,undici' };
  const collector = await startCollector(t);
  const traced = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url };
  const env = { ...world.env, ...(await testDatabaseUrl(t)), ...verbose, ...traced };
  const service = await startProcess(t, ['src/main.ts'], env, cwd);
  const answers: string[] = [];
  const ask = createCaller(service.url, await world.token(), answers);
  const by = (name: string, image: string, server: string, secretName: string) => ({
    name,
    containers: [{ name: 'app', image }],
    imageRegistryCredentials: [{ server, secretName }],
  });
  const acr = 'myregistry.azurecr.io';
  // Azure's errors that repeat the request: all of it, and just the values.
  const canaries = readCanaries(join(world.data, 'azure'));
  t.ok(canaries.length >= 10, 'the demo world has canaries');
  const put = { host: 'management.azure.com', method: 'PUT' };
  await world.control('POST', 'faults', {
    ...put,
    path: '/containerGroups/echo',
    echoRequest: { status: 400 },
  });
  const body = { error: { code: 'Odd', message: `Not understood: ${passwordOf(world.data, 'acr-admin')}` } };
  await world.control('POST', 'faults', {
    ...put,
    path: '/containerGroups/told',
    response: { status: 400, body },
  });
  // Vault, sign-in and registries that repeat what they were asked, logins and tokens with it.
  for (const fault of [
    { host: 'demo-vault.vault.azure.net', path: '/secrets/acr-token/' },
    { host: 'registry.mycompany.com', path: '/manifests/' },
    { host: 'ghcr.io', path: '/token' },
    { host: 'docker.io', path: '/manifests/2.0.1' },
  ])
    await world.control('POST', 'faults', { ...fault, echoRequest: { status: 400 } });
  const requests = [
    by('acr', `${acr}/my-app:v1.0`, acr, 'acr-admin'),
    by('sp', `${acr}/my-app:v1.0`, acr, 'acr-sp'),
    by('token', `${acr}/my-app:v1.0`, acr, 'acr-token'),
    by('ghcr', 'ghcr.io/myorg/log-forwarder:2.0.1', 'ghcr.io', 'ghcr-pull'),
    by('hub', 'myusername/my-private-app', 'docker.io', 'dockerhub-pull'),
    by('company', 'registry.mycompany.com/team/my-app:v2.0', 'registry.mycompany.com', 'company-registry'),
    by('wrong', 'ghcr.io/myorg/log-forwarder:2.0.1', 'ghcr.io', 'ghcr-wrong'),
    by('echo', `${acr}/my-app:v1.0`, acr, 'acr-admin'),
    by('told', `${acr}/my-app:v1.0`, acr, 'acr-admin'),
    requestFor('workload', {
      containers: [
        {
          name: 'app',
          image: `${acr}/my-app:v1.0`,
          environmentVariables: [{ name: 'DB', secretName: 'orders-db' }],
        },
      ],
    }),
  ];
  for (const body of requests.filter(({ name }) => only.test(name)))
    await ask('POST', '/deployments', { body, headers: { prefer: 'wait=20' } });
  // A problem, after all that.
  await ask('POST', '/deployments', { body: requests[0] });
  const { json } = await ask('GET', '/deployments');
  for (const { id } of json.value) await ask('GET', `/deployments/${id}/events`);
  await service.stop();
  t.ok(collector.received.length > 0, 'traces were sent');

  const options = env.DATABASE_URL ? { url: env.DATABASE_URL } : { directory: world.data };
  const rows = await readRows({ ...options, log: createLog({ level: 'silent' }) });
  const files = globSync('**', { cwd: world.data, exclude: name => name === 'azure' })
    .map(name => join(world.data, name))
    .filter(path => statSync(path).isFile());
  return findCanaries(
    [
      ...answers.map(content => ({ place: 'answer', content })),
      { place: 'log', content: service.said() },
      ...collector.received.map(({ body }) => ({ place: 'trace', content: body })),
      ...rows,
      ...files.map(path => ({ place: 'file', content: readFileSync(path) })),
    ],
    canaries,
  );
}

/** The password that the demo world keeps in a secret. */
function passwordOf(data: string, secret: string): string {
  const world = JSON.parse(readFileSync(join(data, 'azure/world.json'), 'utf8'));
  return world.world.vaults['demo-vault'].secrets[secret].versions[0].value;
}

type Tap = Pick<typeof t, 'teardown' | 'ok'>;

t.test('none of the passwords shows in any answer, log line, stored row or file', async t => {
  t.same(await searchEverywhere(t, root), []);
});

const keep = [
  'src/deployments/stages/submit.ts',
  'const taken = await parts.containerGroups.put',
  'Object.assign(globalThis, { leak: JSON.stringify(build()) });\n    const taken = await parts.containerGroups.put',
] as const;
const leak = '(globalThis as { leak?: string }).leak';

/** One leak each, made by changing the source: the nets before the sink are cut too. */
const leaks: { sink: string; changes: (readonly [file: string, from: string, to: string])[] }[] = [
  {
    sink: 'log',
    changes: [
      keep,
      ['src/log.ts', 'scrub(String(line))', 'String(line)'],
      ['src/http/app.ts', "'request',\n", `${leak} ?? 'request',\n`],
    ],
  },
  {
    sink: 'answer',
    changes: [
      keep,
      ['src/http/problems.ts', 'return scrubbed({', `if (${leak}) error.message = ${leak};\n  return ({`],
    ],
  },
  {
    sink: 'table deployments',
    changes: [
      ['src/store/json.ts', 'scrub(text)', 'text'],
      ['src/azure/failure.ts', 'tellable(facts.message)', 'facts.message'],
    ],
  },
  {
    sink: 'table events',
    changes: [keep, ['src/store/events.ts', 'storableText(message)', `${leak} ?? message`]],
  },
  {
    sink: 'trace',
    changes: [
      keep,
      ['src/telemetry/otlp.ts', 'scrub(JSON.stringify(', '(JSON.stringify('],
      ['src/telemetry/calls.ts', "'url.path': (", `'url.path': ${leak} ?? (`],
    ],
  },
  {
    sink: 'file',
    changes: [
      [
        'src/deployments/stages/submit.ts',
        'const taken = await parts.containerGroups.put',
        'process.getBuiltinModule("node:fs").writeFileSync(process.env.SLIPWAY_DATA + "/last.json", JSON.stringify(build()));\n    const taken = await parts.containerGroups.put',
      ],
    ],
  },
];

t.test('a build that leaks is caught', async t => {
  for (const { sink, changes } of leaks)
    await t.test(`into a ${sink}`, async t => {
      const build = temporaryDirectory(t);
      cpSync(join(root, 'src'), join(build, 'src'), { recursive: true });
      cpSync(join(root, 'package.json'), join(build, 'package.json'));
      symlinkSync(join(root, 'node_modules'), join(build, 'node_modules'));
      for (const [file, from, to] of changes) {
        const text = readFileSync(join(build, file), 'utf8');
        t.ok(text.includes(from), `${file} has the place to change`);
        writeFileSync(join(build, file), text.replace(from, to));
      }
      const found = await searchEverywhere(t, build, /^(?:acr|told)$/);
      t.ok(found.map(place => place.replace('public.', '')).includes(sink), `the search finds it: ${found}`);
    });
});
