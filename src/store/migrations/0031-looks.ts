import { type Kysely, sql } from 'kysely';

/** When which resource group is looked at next. Several teams may share one: outside of the walls, and not for callers. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  `create table looks (
    subscription text not null, resource_group text not null, due_at timestamptz(3) not null, every_ms integer not null,
    primary key (subscription, resource_group))`,
];
