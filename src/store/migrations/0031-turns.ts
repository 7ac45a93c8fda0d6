import { type Kysely, sql } from 'kysely';

/** How far each team is in the line for the workers; '' is whose turn it is. Outside the walls, as the queue is. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  'create table turns (team text primary key, last bigint not null)',
  "insert into turns values ('', 0)",
  'grant select, insert, update on turns to slipway_team',
];
