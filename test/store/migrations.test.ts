import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Kysely, sql } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import t, { type Test } from 'tap';
import { openEmbedded } from '../../src/store/embedded.ts';
import { migrations } from '../../src/store/migrations.ts';
import { openPostgres } from '../../src/store/postgres.ts';
import type { Tables } from '../../src/store/tables.ts';
import { raiseWalls } from '../../src/store/walls.ts';
import { contractServer, type Kind, testDatabase } from '../support/database.ts';
import { type Statement, statementsOf, write, writeIn } from '../support/every-table.ts';

/** A rolling update: while the newest tables are there, the version before goes on writing. */
// What came before the first release need not.
const firstReleased = '0030';
const names = Object.keys(migrations).sort();
const released = names.slice(names.findIndex(name => name >= firstReleased) - 1);

t.test('migrations of a rolling update only add', async t => {
  const folder = join(import.meta.dirname, '../../src/store/migrations');
  const files = readdirSync(folder).filter(name => name >= firstReleased);
  t.ok(files.length > 0);
  const breaking =
    /drop (?:column|table)|rename (?:column|to)|alter column \w+ (?:type|set not null)|add column \w+ [^,`']*not null(?![^,`']*default)/i;
  for (const name of files) t.notMatch(readFileSync(join(folder, name), 'utf8'), breaking, name);
});

for (const kind of ['embedded', 'postgres'] as const) {
  const skip =
    kind === 'postgres' && !contractServer && 'NOT RUN: SLIPWAY_TEST_DATABASE_URL names no PostgreSQL server';

  t.test(
    `on the newest tables of the ${kind} store every released version goes on writing`,
    { skip },
    async t => {
      const db = await openEmpty(t, kind);
      const written: { version: string; statements: Statement[] }[] = [];
      for (const [index, version] of released.entries()) {
        await migrateTo(db, version);
        const statements = await statementsOf(db);
        await write(db, statements, `${index}`);
        written.push({ version, statements });
      }
      t.ok(written.length >= 2 && written.every(({ statements }) => statements.length > 10));
      for (const [index, { version, statements }] of written.entries())
        await t.resolves(write(db, statements, `${100 + index}`), version);
    },
  );
}

t.test('a migration that breaks the version before is noticed', async t => {
  const db = await openEmpty(t, 'embedded');
  await migrateTo(db, released.at(-1) ?? '');
  const statements = await statementsOf(db);
  await write(db, statements, '1');
  const planted = [
    `alter table events add column must text not null default ''; alter table events alter column must drop default`,
    'alter table revisions rename column outcome to ended',
    "alter table operations add check (kind <> 'old-2')",
    'revoke update on deployments from slipway_worker',
  ];
  const undo = new Error('undo');
  for (const statement of planted)
    await t.rejects(
      db.transaction().execute(async trx => {
        for (const each of statement.split('; ')) await sql.raw(each).execute(trx);
        await sql`set local role slipway_worker`.execute(trx);
        await writeIn(trx, statements, '2');
        throw undo;
      }),
      { code: /^(?:23502|42703|23514|42501)$/ },
      statement,
    );
});

/** Without any table. */
async function openEmpty(t: Test, kind: Kind): Promise<Kysely<Tables>> {
  const { url = '', directory = '', log } = await testDatabase(t, kind);
  const backend = await (kind === 'postgres' ? openPostgres(url, log) : openEmbedded(directory, log));
  t.teardown(() => backend.close());
  const db = new Kysely<Tables>({ dialect: backend.dialect });
  for (const statement of [
    'drop schema if exists pgboss cascade',
    'drop schema public cascade',
    'create schema public',
    'grant usage on schema public to public',
  ])
    await sql.raw(statement).execute(db);
  await raiseWalls(db);
  return db;
}

async function migrateTo(db: Kysely<Tables>, version: string): Promise<void> {
  const known = names.filter(name => name <= version);
  const provider = {
    getMigrations: async (): Promise<Record<string, Migration>> =>
      Object.fromEntries(Object.entries(migrations).filter(([name]) => known.includes(name))),
  };
  const { error } = await new Migrator({ db, provider }).migrateToLatest();
  if (error) throw error;
}
