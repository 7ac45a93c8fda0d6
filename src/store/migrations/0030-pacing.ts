import { type Kysely, sql } from 'kysely';

/**
 * What Azure lets through, as all replicas see it, and who has which place in it. Outside the walls: a place is the id of
 * a deployment and its team's name, and callers may not look.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  `create table paces (
    key text primary key, most integer[] not null, lengths_ms integer[] not null, foreign_calls jsonb not null,
    blocked_until timestamptz(3), full_at timestamptz(3), size integer)`,
  `create table places (
    number bigint generated always as identity primary key, key text not null, deployment uuid not null,
    team text not null, at timestamptz(3) not null, state text not null)`,
  `create unique index places_held on places (key, deployment) where state <> 'used'`,
  'create index places_key on places (key, at)',
  'create index places_deployment on places (deployment)',
];
