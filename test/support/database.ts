import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { createLog } from '../../src/log.ts';
import type { DatabaseOptions } from '../../src/store/database.ts';
import { temporaryDirectory } from './service.ts';
import { seedStore } from './store-template.ts';

type Teardown = { teardown(done: () => unknown): unknown };

export type Kind = 'embedded' | 'postgres';

const server = process.env.DATABASE_URL;

/** A PostgreSQL that the contract suite may use beside the embedded store. */
export const contractServer = process.env.SLIPWAY_TEST_DATABASE_URL ?? server;

/** For a process under test: `DATABASE_URL` of a database of its own where the run is on PostgreSQL, else nothing. */
export async function testDatabaseUrl(t: Teardown): Promise<{ DATABASE_URL: string | undefined }> {
  return { DATABASE_URL: server ? await createOwnedDatabase(t, server) : undefined };
}

/** For a store opened in this process: on PostgreSQL where the run is, else embedded; or as named. Gone when the test ends. */
export async function testDatabase(
  t: Teardown,
  kind: Kind = server ? 'postgres' : 'embedded',
): Promise<DatabaseOptions> {
  const log = createLog({ level: 'silent' });
  if (kind === 'embedded') {
    const directory = temporaryDirectory(t);
    await seedStore(directory);
    return { directory, log };
  }
  if (!contractServer) throw new Error('SLIPWAY_TEST_DATABASE_URL names no PostgreSQL');
  return { url: await createDatabase(t, contractServer), log };
}

/** A database of its own on that server, dropped when the test ends; its login, the server's own, is above the walls. */
async function createDatabase(t: Teardown, url: string): Promise<string> {
  const own = new URL(url);
  const name = `slipway_${randomBytes(6).toString('hex')}`;
  await execute(url, `create database ${name}`);
  t.teardown(() => execute(url, `drop database ${name} with (force)`));
  return Object.assign(own, { pathname: `/${name}` }).href;
}

/**
 * The same for a login as a cloud has it: it owns the database, is no superuser, and inherits nothing. A query that acts
 * in no role sees no row, and its test fails.
 */
export async function createOwnedDatabase(t: Teardown, url: string, login = 'slipway_test'): Promise<string> {
  const own = await createDatabase(t, url);
  const password = 'slipway_test';
  await execute(url, `create role ${login} login noinherit createrole password '${password}'`).catch(
    error => {
      // Another test process was faster.
      if (error.code !== '42710' && error.code !== '23505') throw error;
    },
  );
  await execute(own, `alter database ${new URL(own).pathname.slice(1)} owner to ${login}`);
  // What an owner who inherits has as a member of pg_database_owner.
  await execute(own, `grant create on schema public to ${login}`);
  return Object.assign(new URL(own), { username: login, password }).href;
}

/** Runs a statement as the login of the address. */
export async function execute(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
