import { PostgresDialect } from 'kysely';
import pg from 'pg';
import type { Log } from '../log.ts';
import type { Backend } from './database.ts';
import { StoreError } from './store-error.ts';

const statementTimeoutMs = 10_000;
const idleInTransactionMs = 10_000;
const connectTimeoutMs = 5_000;
const oldestMajor = 15;

/** Gives the password for each new connection: a token, which ends. */
export type SignIn = () => Promise<string>;

/** A PostgreSQL server, 15 or newer. Throws `StoreError`. */
export async function openPostgres(url: string, log: Log, signIn?: SignIn): Promise<Backend> {
  const place = signIn ? { ...partsOf(url), password: signIn } : { connectionString: url };
  const pool = new pg.Pool({
    ...place,
    application_name: 'slipway',
    max: 10,
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
    statement_timeout: statementTimeoutMs,
    idle_in_transaction_session_timeout: idleInTransactionMs,
    types: { getTypeParser },
  });
  // A connection whose server goes away would end the process otherwise, idle or between two statements (measured).
  const lost = (err: Error) => log.warn({ err }, 'a database connection was lost');
  pool.on('error', lost);
  pool.on('connect', client => client.on('error', lost));
  try {
    await checkServer(pool, url);
  } catch (error) {
    await pool.end();
    throw error;
  }
  return {
    kind: 'postgres',
    dialect: new PostgresDialect({ pool }),
    boss: { ...place, application_name: 'slipway-jobs', max: 6 },
    close: () => pool.end(),
  };
}

/** Of an address its password would win over ours, also an empty one. A token goes to who has a certificate, or stays here. */
function partsOf(url: string) {
  const { hostname, port, username, pathname, searchParams } = new URL(url);
  const isHere = ['127.0.0.1', '[::1]', 'localhost'].includes(hostname);
  return {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port || 5432),
    user: decodeURIComponent(username),
    database: decodeURIComponent(pathname.slice(1)) || 'postgres',
    ssl: !(isHere && searchParams.get('sslmode') === 'disable'),
  };
}

/** Eight-byte integers as numbers, as the embedded store gives them; ours stay far below 2^53. */
const getTypeParser: typeof pg.types.getTypeParser = (id: number, format?: 'text' | 'binary') =>
  id === pg.types.builtins.INT8 ? Number : pg.types.getTypeParser(id, format as 'text');

async function checkServer(pool: pg.Pool, url: string): Promise<void> {
  const version = await pool
    .query<{ major: number }>("select current_setting('server_version_num')::int / 10000 as major")
    .then(
      ({ rows }) => rows[0]?.major ?? 0,
      error => {
        throw new StoreError(
          `The PostgreSQL of DATABASE_URL cannot be used (${placeOf(url)}): ${reasonOf(error)}.`,
        );
      },
    );
  if (version < oldestMajor)
    throw new StoreError(
      `The server of DATABASE_URL is PostgreSQL ${version}; Slipway needs ${oldestMajor} or newer.`,
    );
}

/** The address without user and password. */
function placeOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : 'an address that cannot be read';
}

/** A refused connection to a name with two addresses has a code and an empty message. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message || ('code' in error ? String(error.code) : error.name);
}
