import { readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { testDatabaseUrl } from '../support/database.ts';
import { eventually, startDemoWorld } from '../support/demo-world.ts';
import { startNode, temporaryDirectory } from '../support/service.ts';

const root = join(import.meta.dirname, '../..');
const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8');

/** What the image starts, as its file says it. */
function words(instruction: string): string[] {
  const [, list] = new RegExp(`^${instruction} (\\[.*\\])$`, 'm').exec(dockerfile) ?? [];
  return JSON.parse(list ?? '[]');
}
const [program, ...flags] = words('ENTRYPOINT');
const world = await startDemoWorld(t);
const env = { ...world.env, ...(await testDatabaseUrl(t)) };
const inspector = /Debugger listening/;

/** In a directory of its own, where whatever it leaves shows. */
async function start(t: Parameters<typeof temporaryDirectory>[0], args: string[]) {
  const cwd = temporaryDirectory(t);
  for (const name of ['src', 'node_modules', 'package.json']) symlinkSync(join(root, name), join(cwd, name));
  const before = readdirSync(cwd);
  const service = await startNode(t, [...args, ...words('CMD')], env, cwd);
  return { service, left: () => readdirSync(cwd).filter(name => !before.includes(name)) };
}

t.test('as the image starts it, no signal opens an inspector or leaves a file', async t => {
  t.equal(program, 'node');
  for (const signal of ['SIGUSR1', 'SIGUSR2', 'SIGABRT'] as const)
    await t.test(signal, async t => {
      const { service, left } = await start(t, flags);
      service.child.kill(signal);
      // Turns of its loop, in which an inspector would have opened; or it ends by the signal.
      for (let n = 0; n < 50; n += 1) await fetch(`${service.url}/livez`).catch(() => undefined);
      await service.stop();
      t.notMatch(service.said(), inspector);
      t.same(left(), [], 'no core, no report, no heap snapshot');
    });
});

t.test('without the flags of the image, a signal opens an inspector', async t => {
  const { service } = await start(t, ['--inspect-port=127.0.0.1:0', '--import', './src/require-node.js']);
  service.child.kill('SIGUSR1');
  t.ok(await eventually('the inspector', async () => inspector.test(service.said())));
  await service.stop();
});

t.test('the image runs as nobody, and what is composed from it leaves no core', async t => {
  t.match(dockerfile, /^USER 65532:65532$/m);
  t.match(readFileSync(join(root, 'docker-compose.yml'), 'utf8'), /ulimits: \{ core: 0 \}/);
});
