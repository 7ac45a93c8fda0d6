import { type Kysely, sql } from 'kysely';

/** The policies that were ever active, and which is: the last activation says it for all replicas. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  'create table policies (digest text primary key, files jsonb not null)',
  `create table policy_activations (
    number bigint generated always as identity primary key, digest text not null references policies,
    at timestamptz(3) not null, by text not null, cause text not null)`,
];
