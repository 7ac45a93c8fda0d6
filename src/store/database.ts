import { CamelCasePlugin, type Dialect, Kysely, sql } from 'kysely';
import { Migrator } from 'kysely/migration';
import type { ConstructorOptions } from 'pg-boss';
import type { Log } from '../log.ts';
import { openEmbedded } from './embedded.ts';
import { migrations } from './migrations.ts';
import { openPostgres, type SignIn } from './postgres.ts';
import type { Tables } from './tables.ts';
import { raiseWalls } from './walls.ts';

/** Where the rows live: PostgreSQL, or the same inside this process. One SQL for both. */
export interface Database {
  kind: 'embedded' | 'postgres';
  /** Sees no row of a team by itself, unless its login is above the walls: see walls.ts. */
  db: Kysely<Tables>;
  /** How pg-boss reaches the same database. */
  boss: Pick<
    ConstructorOptions,
    | 'db'
    | 'backend'
    | 'connectionString'
    | 'application_name'
    | 'max'
    | 'host'
    | 'port'
    | 'user'
    | 'password'
    | 'database'
    | 'ssl'
  >;
  /** Whether it answers. */
  ready(): Promise<boolean>;
  close(): Promise<void>;
}

/** What the two kinds of database bring. */
export interface Backend {
  kind: Database['kind'];
  dialect: Dialect;
  boss: Database['boss'];
  close(): Promise<void>;
}

export interface DatabaseOptions {
  /** A PostgreSQL; without it the embedded store in `directory`. */
  url?: string;
  /** How one signs in there, where the address has no password. */
  signIn?: SignIn;
  directory?: string;
  log: Log;
}

/** Opens the database and brings its tables up to date; any number may do so at once. Throws `StoreError`. */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { url, directory, log, signIn } = options;
  const backend = url
    ? await openPostgres(url, log, signIn)
    : await openEmbedded(directory ?? '.slipway', log);
  try {
    const db = new Kysely<Tables>({
      dialect: backend.dialect,
      plugins: [new CamelCasePlugin({ maintainNestedObjectKeys: true })],
    });
    await raiseWalls(db);
    await migrate(db);
    return {
      kind: backend.kind,
      db,
      boss: backend.boss,
      ready: () => answers(db),
      close: () => backend.close(),
    };
  } catch (error) {
    await backend.close();
    throw error;
  }
}

/** Whoever comes second waits for the first to be done, however long that takes. */
async function migrate(db: Kysely<Tables>): Promise<void> {
  await db.connection().execute(async connection => {
    await sql`set statement_timeout = 0`.execute(connection);
    const migrator = new Migrator({
      db: connection,
      provider: { getMigrations: async () => migrations },
    });
    const { error } = await migrator.migrateToLatest();
    await sql`reset statement_timeout`.execute(connection);
    if (error) throw error;
  });
}

const longestAnswerMs = 2_000;

async function answers(db: Kysely<Tables>): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(resolve, longestAnswerMs, false);
  const asked = sql`select 1`.execute(db).then(
    () => true,
    () => false,
  );
  try {
    return await Promise.race([asked, late]);
  } finally {
    clearTimeout(timer);
  }
}
