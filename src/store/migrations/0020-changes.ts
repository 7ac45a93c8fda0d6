import { type Kysely, sql } from 'kysely';

/** Life after the first deployment: what a change is to do, and every revision with all that is needed to make it again. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  `alter table deployments
    add column intent jsonb not null default '{"kind":"Create"}', add column conditions jsonb not null default '[]',
    add column expires_at timestamptz(3)`,
  'alter table operations add column intent jsonb, add column result jsonb',
  `alter table revisions
    add column kind text not null default 'Create', add column operation_id uuid, add column plan jsonb,
    add column policy_digest text, add column cpu double precision, add column memory_in_gb double precision`,
  'set local role slipway_worker',
  `update revisions r set plan = d.plan, policy_digest = d.policy_digest, cpu = d.cpu, memory_in_gb = d.memory_in_gb,
      kind = o.kind, operation_id = o.id
    from deployments d, operations o
    where d.id = r.deployment_id and o.deployment_id = d.id and o.kind in ('Create', 'Adopt')`,
  `update deployments d set intent = jsonb_build_object('kind', o.kind) from operations o where o.id = d.operation`,
  'reset role',
  // What waits for its turn, and what a rate counts.
  'create index operations_waiting on operations (deployment_id, id) where ended_at is null',
  'create index revisions_team_created on revisions (team, created_at)',
  'grant update on revisions to slipway_team',
];
