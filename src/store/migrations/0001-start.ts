import { type Kysely, sql } from 'kysely';

/** The tables. Ids come from the app (PostgreSQL 15 makes no UUIDv7); instants keep milliseconds, as JavaScript's do. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  'create table teams (team text primary key)',
  `create table deployments (
    id uuid primary key, team text not null, name text not null, target text not null,
    subscription text not null, resource_group text not null, location text not null,
    status text not null, settled boolean not null, revision integer not null, live_revision integer,
    operation uuid not null, health text not null, observed_at timestamptz(3), waiting_for jsonb,
    created_at timestamptz(3) not null, updated_at timestamptz(3) not null,
    created_by jsonb not null, on_behalf_of text,
    spec jsonb not null, plan jsonb not null, policy_digest text not null,
    images jsonb not null, credentials jsonb not null, container_group jsonb, failure jsonb, timeline jsonb not null,
    operation_url text, seen_events jsonb not null, holds_name boolean not null,
    cpu double precision not null, memory_in_gb double precision not null,
    deadline_at timestamptz(3) not null, event_seq integer not null, retries integer not null)`,
  `create unique index deployments_name on deployments (lower(subscription), lower(resource_group), name) where holds_name`,
  'create index deployments_team on deployments (team, id desc)',
  'create index deployments_team_status on deployments (team, status, id desc)',
  'create index deployments_team_live on deployments (team) where holds_name',
  'create index deployments_team_created on deployments (team, created_at)',
  'create index deployments_target_name on deployments (target, name, id desc)',
  `create table revisions (
    deployment_id uuid not null references deployments, number integer not null, spec jsonb not null,
    images jsonb not null, credentials jsonb not null, created_at timestamptz(3) not null, created_by jsonb not null,
    outcome text, primary key (deployment_id, number))`,
  `create table operations (
    id uuid primary key, deployment_id uuid not null references deployments, team text not null, kind text not null,
    revision integer not null, status text not null, created_at timestamptz(3) not null, ended_at timestamptz(3),
    steps jsonb not null, waiting_for jsonb, failure jsonb)`,
  'create index operations_deployment on operations (deployment_id)',
  `create table events (
    deployment_id uuid not null references deployments, seq integer not null, team text not null,
    at timestamptz(3) not null, source text not null, type text not null, phase text, container text,
    message text not null, data jsonb, primary key (deployment_id, seq))`,
  `create table audit (
    id bigint generated always as identity primary key, at timestamptz(3) not null, team text, principal jsonb not null,
    action text not null, target text, code text, policy_digest text, request_id text not null)`,
  `create table idempotency (
    key_hash text primary key, request_hash text not null, deployment_id uuid not null, operation_id uuid not null,
    expires_at timestamptz(3) not null)`,
  'create index idempotency_expires on idempotency (expires_at)',
];
