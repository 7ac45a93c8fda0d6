import { type Kysely, sql } from 'kysely';
import { wall } from './0003-teams-as-walls.ts';

/** One operation over many deployments: a secret's new version in place of the old ones. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  'alter table operations alter column deployment_id drop not null',
  'alter table idempotency alter column deployment_id drop not null',
  'alter table operations add constraint operations_id_team unique (id, team)',
  `create table rotations (
    id uuid primary key, team text not null, vault text not null, secret_name text not null, caller jsonb not null,
    policy_digest text not null, version text, items jsonb, deadline_at timestamptz(3) not null, retries integer not null default 0,
    constraint rotations_operation foreign key (id, team) references operations (id, team))`,
  ...wall('rotations', 'select, insert'),
];
