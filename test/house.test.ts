import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import t from 'tap';

/** The house, as the README draws it: who stands on which floor. */
const floors: Record<string, number> = {
  main: 7,
  commands: 7,
  service: 6,
  http: 5,
  deployments: 4,
  policy: 3,
  registry: 3,
  store: 3,
  azure: 3,
  client: 3,
  schemas: 2,
};
const ground = [
  'addresses',
  'arm-id',
  'circuits',
  'clock',
  'config',
  'errors',
  'failures',
  'hosts',
  'log',
  'retry-budget',
  'secret',
  'telemetry',
];

interface SourceFile {
  path: string;
  room: string;
  text: string;
  imports: string[];
}

const root = join(import.meta.dirname, '..');
const files: SourceFile[] = globSync('src/**/*.ts', { cwd: root }).map(path => {
  const text = readFileSync(join(root, path), 'utf8');
  const imports = [...text.matchAll(/^(?:import|export)\b[^;]*?from '([^']+)'|\bimport\('([^']+)'\)/gms)];
  return {
    path,
    room: roomOf(path),
    text,
    imports: imports.map(([, still, moving]) => still ?? moving ?? ''),
  };
});

function roomOf(path: string): string {
  const [, first = ''] = path.split('/');
  return first.replace(/\.ts$/, '');
}

function floorOf(room: string): number {
  return floors[room] ?? (ground.includes(room) ? 1 : Number.NaN);
}

/** `[importing file, imported path under src or package]` of every import. */
const edges = files.flatMap(file =>
  file.imports.map(specifier => ({
    file,
    target: specifier.startsWith('.') ? normalize(join(dirname(file.path), specifier)) : specifier,
  })),
);
const inner = edges.filter(({ target }) => target.startsWith('src/'));
const inHouse = (file: SourceFile) => file.room !== 'emulator';

t.test('every file stands in a room of the plan', async t => {
  t.ok(files.length > 60, 'the files were found');
  const strangers = files
    .filter(file => inHouse(file) && Number.isNaN(floorOf(file.room)))
    .map(({ path }) => path);
  t.same(strangers, []);
});

t.test('imports go down, never up and never sideways between rooms', async t => {
  const wrong = inner.filter(({ file, target }) => {
    const to = roomOf(target);
    if (!inHouse(file) || to === file.room) return false;
    return !(
      floorOf(to) < floorOf(file.room) ||
      (floorOf(to) === 1 && floorOf(file.room) === 1) ||
      (file.room === 'main' && to === 'commands')
    );
  });
  t.same(
    wrong.map(({ file, target }) => `${file.path} -> ${target}`),
    [],
  );
});

t.test('the emulator is a wing apart: it knows nobody, and only its door is known', async t => {
  const allowed = /^(?:node:|fastify$|jose$|undici$)/;
  const out = edges.filter(
    ({ file, target }) =>
      file.room === 'emulator' && !target.startsWith('src/emulator/') && !allowed.test(target),
  );
  t.same(
    out.map(({ file, target }) => `${file.path} -> ${target}`),
    [],
    'it imports Node, Fastify, what signs and dials, and itself',
  );
  const into = inner.filter(({ file, target }) => inHouse(file) && target.startsWith('src/emulator/'));
  t.same(
    into.map(({ file, target }) => `${file.path} -> ${target}`),
    [],
    'the service finds it by address',
  );
});

t.test('the client is for everybody: it needs nothing but Node', async t => {
  const out = edges.filter(
    ({ file, target }) => file.room === 'client' && !/^(?:node:|src\/client\/)/.test(target),
  );
  t.same(
    out.map(({ file, target }) => `${file.path} -> ${target}`),
    [],
  );
});

t.test('four keys: SQL, Azure, replies and the environment each have one room', async t => {
  const outside = (room: string, test: (file: SourceFile) => boolean) =>
    files.filter(file => inHouse(file) && file.room !== room && test(file)).map(({ path }) => path);
  const imports = (file: SourceFile, name: RegExp) => file.imports.some(specifier => name.test(specifier));
  t.same(
    outside('azure', file => imports(file, /^@azure\//)),
    [],
    '@azure/* only in azure/',
  );
  t.same(
    outside('store', file => imports(file, /^(?:kysely|pg|pg-boss|@electric-sql\/)/)),
    [],
    'SQL only in store/',
  );
  t.same(
    outside('http', file => /\breply\b/.test(file.text)),
    [],
    'replies only in http/',
  );
  t.same(
    outside('config', file => /process\.env\b/.test(file.text)),
    [],
    'the environment only in config.ts',
  );
  const wing = files
    .filter(file => !inHouse(file) && /process\.env\b/.test(file.text))
    .map(({ path }) => path);
  t.same(wing, ['src/emulator/config.ts'], "and in the wing's own config.ts");
});

t.test('every room has its test', async t => {
  // The ground floor has one test; the process, its service and the schemas are tested by the journeys and the document.
  const testedBy = (room: string) =>
    (ground.includes(room)
      ? 'ground'
      : { main: 'journeys', service: 'journeys', schemas: 'openapi' }[room]) ?? room;
  const rooms = [...new Set(files.map(({ room }) => testedBy(room)))];
  const missing = rooms.filter(
    room =>
      !existsSync(join(root, `test/${room}.test.ts`)) &&
      globSync(`test/${room}/*.test.ts`, { cwd: root }).length === 0,
  );
  t.same(missing, []);
});

t.test('names say what a file holds, and no file outgrows its idea', async t => {
  const nameless = files
    .filter(({ path }) => /(?:^|\/)(?:utils?|helpers?|common|manager|index|misc)\.ts$/.test(path))
    .map(({ path }) => path);
  t.same(nameless, []);
  const camel = files
    .filter(({ path }) => !/^[a-z0-9-]+\.ts$/.test(relative(dirname(path), path)))
    .map(({ path }) => path);
  t.same(camel, [], 'files are named in kebab case');
  const long = files
    .filter(({ text }) => !text.startsWith('// Generated') && text.split('\n').length > 350)
    .map(({ path }) => path);
  t.same(long, []);
});
