import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { startNode, temporaryDirectory } from '../support/service.ts';

const root = join(import.meta.dirname, '../..');
const unreachable = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|ENOTCACHED/;

// What npm starts finds the Node of this test first.
const path = [dirname(process.execPath), process.env.PATH].join(delimiter);

async function run(file: string, args: string[], cwd: string, env: Record<string, string | undefined> = {}) {
  try {
    // tap adds its hooks to every child, and the compiler's launcher does not stand them.
    const { stdout, stderr } = await promisify(execFile)('env', ['-u', 'NODE_OPTIONS', file, ...args], {
      cwd,
      env: { ...process.env, DATABASE_URL: undefined, PATH: path, ...env },
    });
    return { code: 0, out: stdout, err: stderr };
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code?: number; stdout?: string; stderr?: string };
    return { code: code ?? null, out: stdout, err: stderr };
  }
}

/** A caller's program, in TypeScript, as it would stand beside the package. */
const program = `
import { createClient, type Deployment, RefusedCall } from 'slipway/client';
import document from 'slipway/openapi.json' with { type: 'json' };

const client = createClient({ url: process.env.SLIPWAY_URL ?? '', token: process.env.SLIPWAY_TOKEN ?? '' });
const found: Deployment[] = [];
for await (const deployment of client.each('listDeployments', { team: 'demo' })) found.push(deployment);
const refused = await client
  .createDeployment({ body: { name: 'web', containers: [{ image: 'myregistry.azurecr.io/my-app:v1.0' }] } })
  .catch((error: unknown) => (error instanceof RefusedCall ? error.code : error));
// @ts-expect-error: a request has no such member.
const misspelled: Parameters<typeof client.createDeployment>[0] = { body: { nam: 'web' } };
console.log(JSON.stringify({ title: document.info.title, names: found.map(({ name }) => name), refused, misspelled }));
`;

t.test(
  'packed and installed elsewhere, the command line, the emulator and the typed client work',
  async t => {
    const directory = temporaryDirectory(t);
    const packed = await run('npm', ['pack', '--silent', '--pack-destination', directory], root);
    t.equal(packed.code, 0, packed.err);
    const tarball = join(directory, packed.out.trim().split('\n').at(-1) ?? '');
    const contents = (await run('tar', ['-tzf', tarball], root)).out.trim().split('\n');
    for (const file of [
      'package.json',
      'LICENSE',
      'README.md',
      'bin/slipway.js',
      'dist/client/client.d.ts',
      'dist/policy/embedded.yaml',
      'openapi/openapi.json',
    ])
      t.ok(contents.includes(`package/${file}`), file);
    t.same(
      contents.filter(name => /\/(?:src|test|bench|node_modules)\/|(?<!\.d)\.ts$/.test(name)),
      [],
      'no TypeScript, and nothing that only we need',
    );

    writeFileSync(join(directory, 'package.json'), '{ "private": true, "type": "module" }');
    const quiet = ['--prefer-offline', '--no-audit', '--no-fund', '--omit=optional'];
    const installed = await run('npm', ['install', ...quiet, tarball], directory);
    if (unreachable.test(installed.err)) return t.pass('skipped', { skip: 'needs a package registry' });
    t.equal(installed.code, 0, installed.err);
    const own = join(directory, 'node_modules/slipway');

    const help = await run('npx', ['--no-install', 'slipway', 'help'], directory);
    t.match(help, { code: 0, out: /slipway deploy .*slipway import /s });
    t.match(
      await run(
        'npx',
        ['--no-install', 'slipway', 'policy', 'check', join(own, 'dist/policy/embedded.yaml')],
        directory,
      ),
      { code: 0, out: /can be used/ },
    );
    const emulator = await startNode(
      t,
      [join(directory, 'node_modules/.bin/slipway-emulator'), '--data', join(directory, 'world')],
      { EMULATOR_PORT: '0' },
      directory,
    );
    t.match(emulator.url, /^https:\/\/127\.0\.0\.1:\d+$/);
    await emulator.stop();

    const env = {
      SLIPWAY_DATA: join(directory, 'data'),
      PORT: '0',
      EMULATOR_PORT: '0',
      DATABASE_URL: undefined,
    };
    const service = await startNode(t, [join(own, 'dist/main.js'), '--embedded'], env, directory);
    const caller = { SLIPWAY_URL: service.url, SLIPWAY_DATA: env.SLIPWAY_DATA, XDG_CONFIG_HOME: directory };
    const deployed = await run(
      'npx',
      [
        '--no-install',
        'slipway',
        ...'deploy --name web --image myregistry.azurecr.io/my-app:v1.0 --wait'.split(' '),
      ],
      directory,
      caller,
    );
    t.match(deployed, { code: 0, out: /^demo:web {2}Running/ }, deployed.err);

    writeFileSync(join(directory, 'program.ts'), program);
    const types = ['--types', 'node', '--typeRoots', join(root, 'node_modules/@types')];
    const strict = ['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess'];
    // As Node resolves it, and as a bundler does; the package's own types are checked too.
    for (const modules of ['--module nodenext', '--module esnext --moduleResolution bundler']) {
      const options = [
        ...modules.split(' '),
        '--target',
        'esnext',
        '--resolveJsonModule',
        ...strict,
        ...types,
      ];
      const checked = await run(
        process.execPath,
        [join(root, 'node_modules/typescript/bin/tsc'), ...options, 'program.ts'],
        directory,
      );
      t.equal(checked.code, 0, `${modules}: ${checked.out}`);
    }
    const token = (await run(process.execPath, ['src/commands/token.ts'], root, caller)).out;
    const ran = await run(process.execPath, ['program.ts'], directory, { ...caller, SLIPWAY_TOKEN: token });
    t.equal(ran.code, 0, ran.err);
    t.match(JSON.parse(ran.out), { title: 'Slipway', names: ['web'], refused: 'DeploymentExists' });
    await service.stop();
  },
);

t.test('what the package runs is what the checkout runs', async t => {
  const { bin, files, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  t.same(Object.keys(bin), ['slipway', 'slipway-emulator']);
  t.notOk(files.includes('src'), 'its launcher takes what was built because the source is not there');
  t.match(exports['./client'], { types: /\.d\.ts$/ });
  t.match(await run(process.execPath, ['bin/slipway.js', 'help'], root), { code: 0, out: /slipway deploy / });
});
