import { execFile, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { eventually, startDemoWorld } from '../test/support/demo-world.ts';
import {
  type Answer,
  createCaller,
  requestFor,
  startCommand,
  temporaryDirectory,
} from '../test/support/service.ts';
import { seedStore } from '../test/support/store-template.ts';
import { later } from './kill-points.ts';
import { noLimits } from './limits.ts';
import { createFigure, type Figure, type Row } from './row.ts';
import { type Scope, within } from './scope.ts';

const points = [
  'changes are refused, and told why',
  'reads go on, and the process is ready',
  'with room again it goes on by itself',
  'what was accepted is there, and runs',
  'where the log itself meets the end the process ends, and the next has everything',
] as const;

/** The disk of the embedded store is full for a while: nothing is changed, nothing is lost, nobody has to do more than make room. */
export async function proveDisk(): Promise<Row[]> {
  const namespace = findNamespace();
  const figure = createFigure('a full disk under the embedded store', points.length);
  if (namespace)
    await within(scope => fillAndFree(scope, namespace, figure)).catch(error =>
      figure.missed('the disk', error),
    );
  else figure.skipped('neither root nor a user namespace may mount a file system here');
  return [figure.row()];
}

async function fillAndFree(scope: Scope, namespace: string[], figure: Figure): Promise<void> {
  const small = await startOnSmallDisk(scope, namespace);
  const accepted = await small.accept(['before-1', 'before-2', 'before-3']);
  small.fill();
  figure.reached(points[0], await refusedChanges(small));
  figure.reached(points[1], await unreadable(small));
  small.free();
  const after = await eventually('a change', () => small.accept(['after']).catch(() => sleep(500, null)));
  figure.reached(points[2]);
  figure.reached(points[3], await small.notRunning([...accepted, ...after]));
  figure.reached(points[4], await endOfLog(scope, namespace));
}

/** How a process gets mounts of its own here; null where it does not. */
function findNamespace(): string[] | null {
  const ways = [['--mount'], ['--user', '--map-root-user', '--mount']];
  const works = (way: string[]) =>
    spawnSync('unshare', [...way, 'mount', '-t', 'tmpfs', '-o', 'size=1m', 'none', '/mnt']).status === 0;
  return ways.find(works) ?? null;
}

type Small = Awaited<ReturnType<typeof startOnSmallDisk>>;

/** The service on a file system of 160 MB that is gone with it. */
async function startOnSmallDisk(scope: Scope, namespace: string[]) {
  const world = await startDemoWorld(scope, { search: false });
  await world.control('PATCH', 'limits', noLimits);
  const disk = join(world.data, 'disk');
  mkdirSync(disk);
  const mounted = `mount -t tmpfs -o size=160m none ${disk} && cp -a ${world.data}/store ${disk}`;
  const line = `${mounted} && exec "$0" --import ./src/require-node.js src/main.ts`;
  const env = { ...world.env, SLIPWAY_DATA: disk, DATABASE_URL: undefined, LOG_LEVEL: 'warn' };
  const started = await startCommand(
    scope,
    'unshare',
    [...namespace, 'sh', '-c', line, process.execPath],
    env,
  );
  // What only the process sees is seen through it.
  const filler = join(`/proc/${started.child.pid}/root`, disk, 'filler');
  const ask = createCaller(started.url, await world.token());
  return {
    ask,
    create: (name: string) => ask('POST', '/deployments', { body: requestFor(name), headers: later }),
    async accept(names: readonly string[]): Promise<string[]> {
      const answers = await Promise.all(names.map(name => this.create(name)));
      const refused = answers.find(({ status }) => status !== 202);
      if (refused) throw new Error(`${refused.status} ${refused.text}`);
      return answers.map(({ json }) => json.id);
    },
    fill: () => fill(filler),
    free: () => rmSync(filler),
    async notRunning(ids: readonly string[]): Promise<string[]> {
      const wait = { headers: { prefer: 'wait=45' } };
      const answers = await Promise.all(ids.map(id => ask('GET', `/deployments/${id}`, wait)));
      return answers.filter(({ json }) => json?.status !== 'Running').map(({ text }) => text.slice(0, 200));
    },
  };
}

function fill(path: string): void {
  const file = openSync(path, 'w');
  const block = Buffer.alloc(64 * 1024);
  try {
    for (;;) writeSync(file, block);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
  } finally {
    closeSync(file);
  }
}

async function refusedChanges({ create }: Small): Promise<string[]> {
  const answers: Answer[] = [];
  for (let n = 0; n < 40; n += 1) answers.push(await create(`refused-${n}`));
  const honest = ({ status, json, headers }: Answer) =>
    status === 503 && /disk of the store is full/.test(json.detail) && headers.has('retry-after');
  return answers
    .filter(answer => !honest(answer))
    .map(({ status, text }) => `${status} ${text.slice(0, 200)}`);
}

async function unreadable({ ask }: Small): Promise<string[]> {
  const paths = ['/deployments', '/deployments/demo:before-1', '/livez', '/readyz'];
  const answers = await Promise.all(
    paths.map(async path => ({ path, status: (await ask('GET', path)).status })),
  );
  return answers
    .filter(({ status }) => status !== 200)
    .map(({ path, status }) => `${path} answers ${status}`);
}

/** A process that hung would hold this one up. */
async function endOfLog(scope: Scope, namespace: string[]): Promise<string[]> {
  const directory = temporaryDirectory(scope);
  await seedStore(directory);
  const disk = join(directory, 'disk');
  mkdirSync(disk);
  const program = `timeout -s KILL 120 "$0" --import ./src/require-node.js proof/end-of-log.ts ${disk}`;
  const line = `mount -t tmpfs -o size=110m none ${disk} && cp -a ${directory}/store ${disk} && {
    ${program} write; echo "ended with $?"; rm ${disk}/filler; ${program} read; } 2>&1`;
  const shell = [...namespace, 'sh', '-c', line, process.execPath];
  const { stdout } = await promisify(execFile)('unshare', shell, { cwd: join(import.meta.dirname, '..') });
  const written = [...stdout.matchAll(/^written (\d+)$/gm)].length;
  const found = Number(/^found (\d+)$/m.exec(stdout)?.[1] ?? -1);
  return [
    ...(/^ended with 1$/m.test(stdout) && /make room, start Slipway again/.test(stdout)
      ? []
      : [stdout.slice(-500)]),
    // The first was written while there was room; the last may be there although it was not answered.
    ...(written > 0 && found >= written + 1 ? [] : [`${found} of ${written + 1} rows were found`]),
  ];
}
