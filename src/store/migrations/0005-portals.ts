import { type Kysely, sql } from 'kysely';

/** For whom a portal asked for a revision, and which tokens that are good for one change have made it. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  'alter table revisions add column on_behalf_of text',
  'create index deployments_on_behalf_of on deployments (on_behalf_of, id desc) where on_behalf_of is not null',
  // Hashes of no team: outside of the walls.
  'create table spent_tokens (token_hash text primary key, expires_at timestamptz(3) not null)',
  'create index spent_tokens_expiry on spent_tokens (expires_at)',
];
