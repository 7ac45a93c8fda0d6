import { type Kysely, sql } from 'kysely';

/** What waits for its turn has the order in which it was accepted: ids of one millisecond have none. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw('alter table operations add column number bigint generated always as identity').execute(db);
}
