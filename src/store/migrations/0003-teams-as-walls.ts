import { type Kysely, sql } from 'kysely';

/**
 * Row-level security as the second lock: rows of a team are visible to who acts for it, and to the worker.
 *
 * The worker may use a new table at once; callers may not until its migration says what. One with rows of teams has a
 * column `team` and calls `wall`; one without (a policy's digest, say) needs a grant at most. Rows that hang on a
 * deployment refer to `deployments (id, team)`, so that none can hang on another team's. A migration that changes rows behind a wall first
 * takes the worker's role (`set local role slipway_worker`, `reset role`): the owner sees none of them.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const ownTeams = `team = any ((select nullif(current_setting('slipway.teams', true), ''))::text[])`;

/** The wall around a table with a column `team`, and what may be done to it for callers. */
export function wall(table: string, forCallers: string): string[] {
  return [
    `alter table ${table} enable row level security, force row level security`,
    `create policy team on ${table} to slipway_team using (${ownTeams}) with check (${ownTeams})`,
    `create policy operators on ${table} for select to slipway_team
      using (current_setting('slipway.reads', true) = 'all')`,
    `create policy worker on ${table} to slipway_worker using (true) with check (true)`,
    `grant ${forCallers} on ${table} to slipway_team`,
  ];
}

const statements = [
  'grant select, insert, update, delete on all tables in schema public to slipway_worker',
  'alter default privileges grant select, insert, update, delete on tables to slipway_worker',
  'alter table revisions add column team text',
  'update revisions set team = d.team from deployments d where d.id = deployment_id',
  'alter table revisions alter column team set not null',
  'alter table idempotency add column team text',
  'update idempotency set team = d.team from deployments d where d.id = deployment_id',
  'delete from idempotency where team is null',
  'alter table idempotency alter column team set not null',
  'alter table deployments add constraint deployments_id_team unique (id, team)',
  ...['revisions', 'operations', 'events'].map(
    table => `alter table ${table} drop constraint ${table}_deployment_id_fkey,
      add constraint ${table}_deployment foreign key (deployment_id, team) references deployments (id, team)`,
  ),
  ...wall('teams', 'select, insert, update'),
  ...wall('deployments', 'select, insert, update'),
  ...wall('revisions', 'select, insert'),
  ...wall('operations', 'select, insert, update'),
  ...wall('events', 'select, insert'),
  ...wall('idempotency', 'select, insert, update, delete'),
  ...wall('audit', 'select, insert'),
  // What is refused is recorded as it was asked: in the name of a team that is not the caller's, or of none.
  'create policy refusals on audit for insert to slipway_team with check (true)',
  // The queue makes its tables itself, outside the walls: a job is the id of a deployment.
  'create schema if not exists pgboss',
  'grant usage on schema pgboss to slipway_team, slipway_worker',
  'grant select, insert, update, delete on all tables in schema pgboss to slipway_team, slipway_worker',
  `alter default privileges in schema pgboss
    grant select, insert, update, delete on tables to slipway_team`,
];
