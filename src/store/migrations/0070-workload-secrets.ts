import { type Kysely, sql } from 'kysely';

/** Which version of each secret the workload was given. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const table of ['deployments', 'revisions'])
    await sql`alter table ${sql.table(table)} add column workload_secrets jsonb not null default '[]'`.execute(
      db,
    );
}
