import { type Kysely, sql } from 'kysely';

/**
 * When which resource group may be listed again, for the deployments that are under way there. Several teams may share one:
 * outside of the walls, and not for callers.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  `create table list_turns (
    subscription text not null, resource_group text not null, due_at timestamptz(3) not null,
    primary key (subscription, resource_group))`,
  'create index deployments_under_way on deployments (lower(subscription), lower(resource_group)) where not settled',
];
