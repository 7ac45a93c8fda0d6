import { spawnSync } from 'node:child_process';
import fs, { existsSync, globSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { sql } from 'kysely';
import t from 'tap';
import { createLog } from '../../src/log.ts';
import { openDatabase } from '../../src/store/database.ts';
import { openFiles } from '../../src/store/embedded.ts';
import { maintain } from '../../src/store/maintenance.ts';
import { testDatabase } from '../support/database.ts';
import { killWhileAccepting } from '../support/killed-store.ts';
import { temporaryDirectory } from '../support/service.ts';
import { acceptance, openTestStore, work } from '../support/store.ts';

const log = createLog({ level: 'silent' });

t.test(
  'a first start that was cut off is begun again, and the store takes its name when it is whole',
  async t => {
    const directory = temporaryDirectory(t);
    mkdirSync(join(directory, 'store.tmp'));
    writeFileSync(join(directory, 'store.tmp/PG_VERSION'), '18');
    const database = await openDatabase({ directory, log });
    t.equal(await database.ready(), true);
    await database.close();
    t.equal(await database.ready(), false);
    t.notOk(existsSync(join(directory, 'store.tmp')));
    t.ok(existsSync(join(directory, 'store/PG_VERSION')));
  },
);

t.test('a commit is on the disk before it is acknowledged', async t => {
  const store = await openTestStore(t, await testDatabase(t, 'embedded'));
  const { db } = store.database;
  const { rows } = await sql<{ fsync: string }>`show fsync`.execute(db);
  t.same(rows, [{ fsync: 'on' }]);

  let syncs = 0;
  const fsyncSync = fs.fsyncSync;
  t.teardown(() => {
    fs.fsyncSync = fsyncSync;
    syncBuiltinESMExports();
  });
  fs.fsyncSync = descriptor => {
    syncs += 1;
    fsyncSync(descriptor);
  };
  syncBuiltinESMExports();
  for (let n = 1; n <= 5; n += 1) {
    const before = syncs;
    await db
      .insertInto('teams')
      .values({ team: `team-${n}` })
      .execute();
    t.ok(syncs > before, `commit ${n}: ${syncs - before} syncs`);
  }
  const before = syncs;
  await db.selectFrom('teams').selectAll().execute();
  t.equal(syncs, before, 'reading costs none');
});

t.test('a second process is refused with a sentence, until the first is gone', async t => {
  const options = await testDatabase(t, 'embedded');
  const database = await openDatabase(options);
  const program = `
    import { openDatabase } from './src/store/database.ts';
    await openDatabase({ directory: process.argv[1], log: console }).catch(error => {
      console.log(error.message, error.sentence);
      process.exit(3);
    });`;
  const { status, stdout } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', program, options.directory ?? ''],
    {
      cwd: join(import.meta.dirname, '../..'),
      env: { ...process.env, NODE_OPTIONS: undefined },
      encoding: 'utf8',
    },
  );
  t.equal(status, 3);
  t.match(stdout, `Another Slipway uses ${options.directory}. Stop it`);
  t.match(stdout, /DATABASE_URL .* true$/m);
  await t.rejects(openDatabase(options), { name: 'StoreError' }, 'nor twice in one process');
  await database.close();
  const again = await openDatabase(options);
  await again.close();
});

t.test('what cannot be opened says why, and lets go of the directory', async t => {
  const options = await testDatabase(t, 'embedded');
  const version = join(options.directory ?? '', 'store/PG_VERSION');
  writeFileSync(version, '17\n');
  const sentence = /written by PostgreSQL 17; this Slipway reads 18\. .*SLIPWAY_DATA/;
  await t.rejects(openDatabase(options), { name: 'StoreError', message: sentence });
  rmSync(version);
  await t.rejects(openDatabase(options), { message: /an unknown version/ });
  writeFileSync(version, '18\n');
  const database = await openDatabase(options);
  await database.close();

  const file = join(options.directory ?? '', 'a-file');
  writeFileSync(file, '');
  await t.rejects(openDatabase({ directory: join(file, 'x'), log }), {
    message: /cannot be kept in .*a-file/,
  });
});

t.test('maintenance keeps the files flat, however often rows are updated', async t => {
  const { directory = '' } = await testDatabase(t, 'embedded');
  const data = join(directory, 'store');
  const pglite = await openFiles(data);
  t.teardown(() => pglite.close());
  await pglite.exec(`create table busy (id int primary key, text text);
    insert into busy select n, repeat('x', 1500) from generate_series(1, 4000) n`);
  // Statistics are written once a second at most, unless told: the rounds follow faster than maintenance would.
  const grow = () =>
    pglite.exec("update busy set text = repeat('y', 1500); select pg_stat_force_next_flush()");
  const sizes: number[] = [];
  for (let round = 0; round < 8; round += 1) {
    await grow();
    await maintain(pglite);
    sizes.push(sizeOf(data));
  }
  const [early = 0, late = 0] = [sizes[2], sizes.at(-1)];
  t.ok(late < early + 20e6, `${early} bytes after 3 rounds, ${late} after 8`);
  for (let round = 0; round < 8; round += 1) await grow();
  t.ok(sizeOf(data) > late + 40e6, `without it they grow: ${sizeOf(data)} bytes`);
});

t.test('a kill -9 loses nothing that was acknowledged, and its claim is taken over at once', async t => {
  const options = await testDatabase(t, 'embedded');
  const { held, accepted } = await killWhileAccepting(t, options, 150);
  const store = await openTestStore(t, options);
  const kept = await store.database.db.selectFrom('deployments').select('id').execute();
  const ids = new Set(kept.map(({ id }) => id));
  t.same(
    accepted.filter(id => !ids.has(id)),
    [],
    `${accepted.length} were acknowledged`,
  );
  const claimed = store.nextClaim(held);
  const begun = performance.now();
  await work(store);
  const claim = await claimed;
  const took = performance.now() - begun;
  t.equal(claim.attempt, 1);
  t.ok(took < 3_000, `after ${Math.round(took)} ms; a heartbeat would take 12 s`);
  claim.release();
  t.match(await store.store.accept(acceptance()), { outcome: 'accepted' });
});

function sizeOf(directory: string): number {
  return globSync('**', { cwd: directory })
    .map(path => statSync(join(directory, path)))
    .reduce((sum, stat) => sum + (stat.isFile() ? stat.size : 0), 0);
}
