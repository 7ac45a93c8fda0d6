import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t from 'tap';
import { demo } from '../../src/emulator/demo-ids.ts';
import { createDemoWorld } from '../../src/emulator/demo-world.ts';
import { loadWorld, openPersistence } from '../../src/emulator/persistence.ts';
import type { World } from '../../src/emulator/world.ts';
import { mapToPort, startTestEmulator } from '../support/emulator.ts';

function temporaryDirectory(t: { teardown(done: () => void): unknown }): string {
  const directory = mkdtempSync(join(tmpdir(), 'emulator-world-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function kept(directory: string, world: World) {
  const persistence = openPersistence(world, directory, loadWorld(directory));
  persistence.changed();
  await persistence.flush();
  return persistence;
}

const addGroup = (world: World, name: string, location = 'eastus') => {
  const id = `/subscriptions/s/resourcegroups/${name}`;
  world.resourceGroups[id] = { id, name, subscriptionId: 's', location, tags: {} };
  return id;
};
const logs = (directory: string) => readdirSync(directory).filter(name => name.startsWith('world.log'));

t.test('a change costs its own length, not that of the world', async t => {
  const directory = temporaryDirectory(t);
  const world = createDemoWorld();
  const persistence = await kept(directory, world);
  const copy = readFileSync(join(directory, 'world.json'), 'utf8');
  t.same(logs(directory), [], 'the first write is a copy');
  persistence.changed('resourceGroups', addGroup(world, 'one'));
  await persistence.flush();
  persistence.changed();
  await persistence.flush();
  addGroup(world, 'two');
  persistence.changed();
  await persistence.flush();
  t.equal(readFileSync(join(directory, 'world.json'), 'utf8'), copy, 'the copy is left alone');
  const [log = ''] = logs(directory);
  const lines = readFileSync(join(directory, log), 'utf8').trim().split('\n');
  t.same(
    lines.map(line => JSON.parse(line).length),
    [1, 1],
    'what did not change is not written',
  );
  t.equal(statSync(join(directory, log)).mode & 0o077, 0, 'for nobody else to read');
  t.same(loadWorld(directory)?.world, world);
  await persistence.close();
});

t.test('what is gone stays gone', async t => {
  const directory = temporaryDirectory(t);
  const world = createDemoWorld();
  const persistence = await kept(directory, world);
  const ids = ['named', 'found'].map(name => addGroup(world, name));
  persistence.changed();
  await persistence.flush();
  for (const [index, id] of ids.entries()) {
    delete world.resourceGroups[id];
    if (index === 0) persistence.changed('resourceGroups', id);
    else persistence.changed();
    await persistence.flush();
  }
  await persistence.close();
  t.same(loadWorld(directory)?.world, world);
  t.notOk(loadWorld(directory)?.world.resourceGroups[ids[0] ?? '']);
});

t.test('a kill in the middle of a write loses only what nobody was told is kept', async t => {
  const directory = temporaryDirectory(t);
  const world = createDemoWorld();
  const persistence = await kept(directory, world);
  persistence.changed('resourceGroups', addGroup(world, 'told'));
  await persistence.close();
  const [log = ''] = logs(directory);
  appendFileSync(join(directory, log), '[["resourceGroups","/torn",{"id":"/to');
  const found = loadWorld(directory);
  t.same(found?.world, world);
  if (!found) throw new Error('there is a world');
  const next = openPersistence(found.world, directory, found);
  next.changed('resourceGroups', addGroup(found.world, 'later'));
  await next.close();
  t.same(loadWorld(directory)?.world, found.world, 'and what comes after the torn line is kept');

  const damaged = readFileSync(join(directory, log), 'utf8').replace('"told"', 'told');
  writeFileSync(join(directory, log), damaged);
  t.throws(() => loadWorld(directory), { message: /world\.json cannot be read.*move it away/ });
});

t.test('a long log becomes a new copy, and a log of an older copy is none', async t => {
  const directory = temporaryDirectory(t);
  const world = createDemoWorld();
  const persistence = await kept(directory, world);
  const id = addGroup(world, 'grows');
  const before = statSync(join(directory, 'world.json')).ino;
  for (let left = 12; left > 0; left -= 1) {
    const group = world.resourceGroups[id];
    if (group) group.tags = { large: String(left).repeat(400_000) };
    persistence.changed('resourceGroups', id);
    await persistence.flush();
  }
  t.not(statSync(join(directory, 'world.json')).ino, before);
  t.equal(logs(directory).length, 1);
  t.ok(statSync(join(directory, logs(directory)[0] ?? '')).size < 4_000_000, 'the old log is gone');
  t.same(loadWorld(directory)?.world, world);
  const number = Number(logs(directory)[0]?.split('.').at(-1));
  writeFileSync(join(directory, `world.log.${number - 1}`), '[["resourceGroups","/old",{"id":"/old"}]]\n');
  t.same(loadWorld(directory)?.world, world);
  await persistence.close();
});

t.test('a world of the format before is read', async t => {
  const directory = temporaryDirectory(t);
  const world = createDemoWorld();
  for (const { repositories } of Object.values(world.registries))
    for (const name of Object.keys(repositories)) delete repositories[name];
  writeFileSync(join(directory, 'world.json'), JSON.stringify({ format: 1, world }));
  const found = loadWorld(directory);
  t.same(found?.world, world);
  if (!found) throw new Error('there is a world');
  const persistence = openPersistence(found.world, directory, found);
  persistence.changed('resourceGroups', addGroup(found.world, 'new'));
  await persistence.close();
  t.same(loadWorld(directory)?.world, found.world);
});

t.test('a write that failed is made up for by the next', async t => {
  const directory = temporaryDirectory(t);
  const world = createDemoWorld();
  const persistence = await kept(directory, world);
  const id = addGroup(world, 'impossible');
  const cycle: Record<string, unknown> = {};
  cycle.itself = cycle;
  Object.assign(world.resourceGroups[id] ?? {}, { tags: cycle });
  persistence.changed('resourceGroups', addGroup(world, 'lost with it'));
  persistence.changed('resourceGroups', id);
  await t.rejects(async () => persistence.flush());
  Object.assign(world.resourceGroups[id] ?? {}, { tags: {} });
  await persistence.flush();
  t.same(loadWorld(directory)?.world, world);
  await persistence.close();
});

const arm = 'https://management.azure.com';
const entry = join(import.meta.dirname, '../../src/emulator/main.ts');
const home = `/subscriptions/${demo.subscriptionId}/resourceGroups/${demo.resourceGroup}`;
const urlOf = (name: string) =>
  `${arm}${home}/providers/Microsoft.ContainerInstance/containerGroups/${name}?api-version=2025-09-01`;
const group = (image: string) => ({
  location: 'eastus',
  properties: {
    osType: 'Linux',
    containers: [{ name: 'app', properties: { image, resources: { requests: { cpu: 1, memoryInGB: 1 } } } }],
  },
});

t.test('groups that were being made when it was killed are made', async t => {
  const directory = temporaryDirectory(t);
  const child = spawn(process.execPath, [entry, '--data', directory], {
    env: { ...process.env, EMULATOR_PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  const dispatcher = mapToPort(
    Number(String(line).split(':').at(-1)),
    readFileSync(join(directory, 'ca.pem'), 'utf8'),
  );
  t.teardown(() => dispatcher.destroy());
  const ask = async (method: 'POST' | 'PUT' | 'DELETE', url: string, body: object, token = '') => {
    const {
      statusCode,
      headers,
      body: answer,
    } = await dispatcher.request({
      ...{ origin: arm, path: url.slice(arm.length), method, body: JSON.stringify(body) },
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    });
    return { status: statusCode, headers, text: await answer.text() };
  };
  const { text } = await ask('POST', `${arm}/_emulator/token`, {
    client: 'administrator',
    scope: `${arm}/.default`,
  });
  const { token } = JSON.parse(text);
  await ask('POST', `${arm}/_emulator/clock`, { rate: 0 });
  const names = Array.from({ length: 30 }, (_, index) => `group-${index}`);
  const made = await Promise.all(names.map(name => ask('PUT', urlOf(name), group('nginx:1.27'), token)));
  t.same(new Set(made.map(({ status }) => status)), new Set([201]));
  t.equal((await ask('DELETE', urlOf('group-0'), {}, token)).status, 200);
  child.kill('SIGKILL');
  await once(child, 'exit');

  const after = await startTestEmulator(t, { dataDir: directory });
  after.clock.setRate(20);
  t.equal((await after.ask(urlOf('group-0'), { token })).status, 404, 'what was deleted stays so');
  for (const [index, name] of names.entries()) {
    if (index === 0) continue;
    const operation = new URL(String(made[index]?.headers['azure-asyncoperation']));
    for (let status = 'Pending'; status !== 'Succeeded'; ) {
      ({ status } = (await after.ask(`${arm}${operation.pathname}${operation.search}`, { token })).json);
      if (status !== 'Succeeded') await new Promise(resolve => setTimeout(resolve, 10));
    }
    t.match((await after.ask(urlOf(name), { token })).json.properties, {
      provisioningState: 'Succeeded',
      instanceView: { state: 'Running' },
    });
  }
});
