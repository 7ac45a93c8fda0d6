import { randomBytes, randomUUIDv7 } from 'node:crypto';
import { join } from 'node:path';
import { Kysely, PGliteDialect, sql } from 'kysely';
import { Migrator } from 'kysely/migration';
import t, { type Test } from 'tap';
import { createLog } from '../../src/log.ts';
import { openDatabase } from '../../src/store/database.ts';
import { openFiles } from '../../src/store/embedded.ts';
import { insertEvents } from '../../src/store/events.ts';
import * as start from '../../src/store/migrations/0001-start.ts';
import { createSavedLogs } from '../../src/store/saved-logs.ts';
import { asOperator, asTeams, asWorker } from '../../src/store/walls.ts';
import { contractServer, createOwnedDatabase, execute, testDatabase } from '../support/database.ts';
import { temporaryDirectory } from '../support/service.ts';
import { acceptance, change, openTestStore, type TestStore } from '../support/store.ts';

/** The second lock: what the database keeps to itself, whatever a query forgets. */
const log = createLog({ level: 'silent' });
const skip = contractServer ? false : 'NOT RUN: SLIPWAY_TEST_DATABASE_URL names no PostgreSQL server';

/** Tables in which no row is a team's. A new table stands here, or behind a wall. */
const withoutTeams = [
  'audit_batches',
  'list_turns',
  'looks',
  'policies',
  'policy_activations',
  'spent_tokens',
];
/** As the queue is: what the workers go by, with a team's name in it and nothing of what it deploys. */
const besideTheQueue = ['paces', 'places', 'turns'];
const behindWalls = [
  'teams',
  'deployments',
  'revisions',
  'operations',
  'events',
  'eventCounters',
  'savedLogs',
  'idempotency',
  'audit',
] as const;

t.test('the embedded store', async t => {
  await walls(t, await openTestStore(t, await testDatabase(t, 'embedded')));
});

t.test('PostgreSQL, as its administrator', { skip }, async t => {
  await walls(t, await openTestStore(t, await testDatabase(t, 'postgres')));
});

t.test('PostgreSQL, as an owner without privileges', { skip }, async t => {
  const url = await createOwnedDatabase(t, contractServer ?? '');
  const store = await openTestStore(t, { url, log });
  await walls(t, store);
  await t.test('who acts in no role sees nothing and writes nothing', async t => {
    const { db } = store.database;
    for (const table of behindWalls) t.same(await db.selectFrom(table).selectAll().execute(), [], table);
    await t.rejects(db.insertInto('teams').values({ team: 'new' }).execute(), /row-level security/);
    t.ok(await asWorker(db, trx => trx.selectFrom('teams').selectAll().executeTakeFirst()));
  });
});

async function walls(t: Test, { database, store }: TestStore): Promise<void> {
  const { db } = database;
  const key = { requestHash: 'a', expiresAt: new Date(Date.now() + 3_600_000) };
  const mine = acceptance({ team: 'mine', idempotency: { keyHash: 'mine', ...key } });
  const theirs = acceptance({ team: 'theirs', idempotency: { keyHash: 'theirs', ...key } });
  for (const asked of [mine, theirs]) {
    t.match(await store.accept(asked), { outcome: 'accepted' });
    const row = await store.load(asked.id);
    const logs = [{ container: 'app', content: 'a line' }];
    if (row) await createSavedLogs({ db }).save(row, logs, asked.now);
  }

  await t.test('every table is behind the walls, or holds no rows of teams', async t => {
    const { rows } = await sql<{ name: string; walled: boolean; team: boolean }>`
      select relname as name, relrowsecurity and relforcerowsecurity as walled,
        exists (select 1 from pg_attribute where attrelid = c.oid and attname = 'team') as team
      from pg_class c where relkind = 'r' and relnamespace = 'public'::regnamespace
        and relname not like 'kysely_%' order by 1`.execute(db);
    const open = rows.filter(({ walled }) => !walled);
    t.same(
      open.filter(
        ({ name, team }) => !besideTheQueue.includes(name) && (team || !withoutTeams.includes(name)),
      ),
      [],
      'its migration calls wall(), or it is named in this test',
    );
    t.match(
      rows.filter(({ walled, team }) => walled && team).map(({ name }) => name),
      [...behindWalls, 'rotations']
        .map(name => name.replaceAll(/[A-Z]/g, letter => `_${letter.toLowerCase()}`))
        .sort(),
    );
    for (const table of ['paces', 'places'])
      await t.rejects(
        asTeams(db, ['mine'], trx => sql`select * from ${sql.table(table)}`.execute(trx)),
        /permission denied/,
        `callers may not look into ${table}`,
      );
  });

  await t.test('a query that forgets its teams finds no row of another', async t => {
    for (const table of behindWalls) {
      const all = await asWorker(db, trx => trx.selectFrom(table).select('team').distinct().execute());
      t.same(all.map(({ team }) => team).sort(), ['mine', 'theirs'], `${table} has rows of both`);
      const seen = await asTeams(db, ['mine'], trx => trx.selectFrom(table).select('team').execute());
      t.ok(seen.length > 0, `${table}: his own are there`);
      t.same(
        seen.filter(({ team }) => team !== 'mine'),
        [],
        table,
      );
      t.same(await asTeams(db, [], trx => trx.selectFrom(table).selectAll().execute()), [], 'without teams');
    }
    const both = await asTeams(db, ['mine', 'theirs'], trx =>
      trx.selectFrom('deployments').selectAll().execute(),
    );
    t.equal(both.length, 2);
    const trick = ['mine","theirs', 'mine,theirs', '{mine,theirs}'];
    const seen = await asTeams(db, trick, trx => trx.selectFrom('deployments').selectAll().execute());
    t.same(seen, [], 'a name is one name, whatever is in it');
  });

  await t.test('a change that forgets them changes nothing of another', async t => {
    const changed = await asTeams(db, ['mine'], trx =>
      trx.updateTable('deployments').set({ location: 'changed' }).returning('team').execute(),
    );
    t.same(changed, [{ team: 'mine' }]);
    const other = await asWorker(db, trx =>
      trx.selectFrom('deployments').select('location').where('id', '=', theirs.id).executeTakeFirst(),
    );
    t.same(other, { location: 'eastus' });
    await t.rejects(
      asTeams(db, ['mine'], trx => trx.updateTable('deployments').set({ team: 'theirs' }).execute()),
      /row-level security/,
      'nor can a row be given away',
    );
    await t.rejects(
      asTeams(db, ['mine'], trx => trx.deleteFrom('deployments').execute()),
      /permission denied/,
      'a record is never deleted',
    );
    await t.rejects(
      asTeams(db, ['mine'], trx => trx.deleteFrom('audit').execute()),
      /permission denied/,
    );
  });

  await t.test('a row of another team is not inserted, nor one that hangs on his', async t => {
    const event = { at: new Date(), source: 'Slipway' as const, type: 'Forged', message: 'forged' };
    const forge = (deployment: string, team: string) =>
      asTeams(db, ['mine'], trx => insertEvents(trx, { id: deployment, team }, [event], 9));
    await t.rejects(forge(theirs.id, 'theirs'), /row-level security/);
    await t.rejects(forge(theirs.id, 'mine'), /events_deployment/, 'another key than its team');
    await forge(mine.id, 'mine');
    await t.rejects(
      asTeams(db, ['mine'], trx => trx.insertInto('teams').values({ team: 'theirs' }).execute()),
      /row-level security/,
    );
  });

  await t.test('an operator reads all teams and writes none', async t => {
    const seen = await asOperator(db, trx => trx.selectFrom('deployments').select('team').execute());
    t.same(seen.map(({ team }) => team).sort(), ['mine', 'theirs']);
    const changed = await asOperator(db, trx =>
      trx.updateTable('deployments').set({ location: 'changed' }).returning('id').execute(),
    );
    t.same(changed, []);
    await t.rejects(
      asOperator(db, trx => trx.insertInto('teams').values({ team: 'new' }).execute()),
      /row-level security/,
    );
  });

  await t.test('role and teams end with their transaction, also where it fails', async t => {
    const failing = asTeams(db, ['mine'], () => Promise.reject(new Error('no')));
    await t.rejects(failing, { message: 'no' });
    await asTeams(db, ['mine'], async () => {});
    const { rows } = await sql`select current_user = session_user as itself,
      coalesce(current_setting('slipway.teams', true), '') as teams`.execute(db);
    t.same(rows, [{ itself: true, teams: '' }]);
  });

  await t.test('all that is asked for callers runs behind the walls', async t => {
    // Nobody but the worker passes it.
    await sql`create policy shut on deployments as restrictive to slipway_team using (false)`.execute(db);
    await sql`create policy shut on operations as restrictive to slipway_team using (false)`.execute(db);
    await sql`create policy shut on events as restrictive to slipway_team using (false)`.execute(db);
    const teams = ['mine'];
    t.equal(await store.find(teams, { id: mine.id }), null);
    t.same(await store.list(teams, {}, { size: 9 }), { value: [] });
    t.equal(await store.findOperation(teams, mine.operation), null);
    t.same(await store.events(teams, mine.id, { after: 0, size: 9 }), { value: [], more: false });
    const watch = await store.watch();
    t.equal(await watch.until(mine.id, teams, () => true, 0), null);
    await watch.close();
    await t.rejects(store.accept(acceptance({ team: 'mine' })), /row-level security/);
    await t.rejects(store.acceptChange(change(mine.id, { team: 'mine' })), /no result/);
    t.match(await store.load(mine.id), { id: mine.id }, 'the worker does');
    for (const table of ['deployments', 'operations', 'events'])
      await sql`drop policy shut on ${sql.table(table)}`.execute(db);
    t.match(await store.find(teams, { id: mine.id }), { id: mine.id });
  });
}

t.test(
  'without the roles, and unable to make them, it does not start and says what to grant',
  { skip },
  async t => {
    const server = contractServer ?? '';
    const login = `slipway_test_${randomBytes(6).toString('hex')}`;
    t.teardown(() => execute(server, `drop role ${login}`));
    const url = await createOwnedDatabase(t, server, login);
    await execute(server, `alter role ${login} nocreaterole`);
    const error = await openDatabase({ url, log }).catch(error => error);
    t.match(error, {
      name: 'StoreError',
      sentence: true,
      message: /neither take nor make them \(.+\)\. Let an/,
    });
    const [, statements = ''] = /run: (.*)$/.exec(error.message) ?? [];
    t.match(statements, new RegExp(`GRANT slipway_team, slipway_worker TO ${login};$`));
    // The roles belong to the server, where other tests have made them.
    for (const statement of statements.split(/(?<=;) ?/).filter(one => one.startsWith('GRANT')))
      await execute(server, statement);
    const database = await openDatabase({ url, log });
    t.equal(await database.ready(), true);
    await database.close();
  },
);

t.test('rows of a store from before the walls are behind them, with their teams', async t => {
  const directory = temporaryDirectory(t);
  await seedRows(directory);
  const { database, store } = await openTestStore(t, { directory, log });
  const { db } = database;
  const revisions = await asTeams(db, ['mine'], trx => trx.selectFrom('revisions').selectAll().execute());
  t.match(revisions, [{ team: 'mine', number: 1 }]);
  const keys = await asTeams(db, ['mine'], trx => trx.selectFrom('idempotency').selectAll().execute());
  t.match(keys, [{ team: 'mine', keyHash: 'key-mine' }], 'a key without its deployment is dropped');
  t.equal((await store.list(['mine', 'theirs'], {}, { size: 9 })).value.length, 2);
  t.equal((await store.list(['theirs'], {}, { size: 9 })).value.length, 1);
});

/** What version 1 of the tables held: a deployment of each team. */
async function seedRows(directory: string): Promise<void> {
  const pglite = await openFiles(join(directory, 'store'));
  const db = new Kysely<unknown>({ dialect: new PGliteDialect({ pglite }) });
  const provider = { getMigrations: async () => ({ '0001-start': start }) };
  const { error } = await new Migrator({ db, provider }).migrateToLatest();
  if (error) throw error;
  for (const team of ['mine', 'theirs']) {
    const id = randomUUIDv7();
    await sql
      .raw(`
      insert into deployments select '${id}', '${team}', 'web', 'demo', 's', '${team}', 'eastus', 'Running', true, 1, 1,
        '${id}', 'Healthy', null, null, now(), now(), '{}', null, '{}', '{}', 'd', '[]', '[]', null, null, '[]', null, '[]',
        true, 1, 1, now(), 0, 0`)
      .execute(db);
    await sql
      .raw(`insert into revisions values ('${id}', 1, '{}', '[]', '[]', now(), '{}', null)`)
      .execute(db);
    await sql
      .raw(`insert into idempotency values ('key-${team}', 'r', '${id}', '${id}', now() + interval '1 hour')`)
      .execute(db);
  }
  const gone = randomUUIDv7();
  await sql.raw(`insert into idempotency values ('gone', 'r', '${gone}', '${gone}', now())`).execute(db);
  await pglite.close();
}

t.test('a role to which row-level security does not apply is no wall', async t => {
  const options = await testDatabase(t, 'embedded');
  const database = await openDatabase(options);
  await sql`alter role slipway_team bypassrls`.execute(database.db);
  await database.close();
  await t.rejects(openDatabase(options), {
    name: 'StoreError',
    message: /row-level security does not apply to slipway_team/,
  });
});

t.test('on PostgreSQL 16 and newer an owner who may create roles takes them without inheriting', async t => {
  const { raiseWalls } = await import('../../src/store/walls.ts');
  const database = await openDatabase(await testDatabase(t, 'embedded'));
  const { db } = database;
  t.teardown(() => database.close());
  await sql`create role plain createrole`.execute(db);
  const drop = [
    'drop owned by slipway_team, slipway_worker',
    'drop role slipway_team',
    'drop role slipway_worker',
  ];
  for (const statement of drop) await sql.raw(statement).execute(db);
  await sql`set session authorization plain`.execute(db);
  await raiseWalls(db);
  const { rows } = await sql`select pg_has_role('slipway_team', 'set') as "set",
    pg_has_role('slipway_team', 'usage') as "usage"`.execute(db);
  t.same(rows, [{ set: true, usage: false }]);
});
