import { type Kysely, sql } from 'kysely';
import { wall } from './0003-teams-as-walls.ts';

/** A place for every event in the order of its team, beside its number in its deployment; and when it was written. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  `alter table events add column position bigint,
    add column recorded_at timestamptz(3) not null default clock_timestamp()`,
  'create table event_counters (team text primary key, last bigint not null)',
  ...wall('event_counters', 'select, insert, update'),
  'set local role slipway_worker',
  `update events set position = ordered.position from (
    select deployment_id, seq, row_number() over (partition by team order by deployment_id, seq) as position
    from events) ordered
    where events.deployment_id = ordered.deployment_id and events.seq = ordered.seq`,
  'insert into event_counters select team, max(position) from events group by team',
  'reset role',
  'alter table events alter column position set not null',
  'create unique index events_position on events (team, position)',
  'create index events_recorded on events (recorded_at)',
];
