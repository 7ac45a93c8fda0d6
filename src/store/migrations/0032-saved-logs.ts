import { type Kysely, sql } from 'kysely';
import { wall } from './0003-teams-as-walls.ts';

/** The last lines of containers whose group was taken away: Azure keeps none. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  `create table saved_logs (
    deployment_id uuid not null, team text not null, container text not null, revision integer not null,
    at timestamptz(3) not null, content text not null, primary key (deployment_id, container),
    foreign key (deployment_id, team) references deployments (id, team))`,
  'create index saved_logs_at on saved_logs (at)',
  ...wall('saved_logs', 'select'),
];
