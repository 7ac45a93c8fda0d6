import { type Kysely, sql } from 'kysely';

/** The trace in which an operation was asked for: the worker goes on in it. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table operations add column traceparent text`.execute(db);
}
