import { type Kysely, sql } from 'kysely';

/** What a row of the audit also says, the batches that seal its rows, and a lock on what was written. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  // Who is refused at the door is nobody yet; in a flood one row stands for many.
  `alter table audit alter column principal drop not null, add column on_behalf_of text,
    add column idempotency_key_hash text, add column count integer not null default 1, add column batch integer`,
  'create index audit_unsealed on audit (id) where batch is null',
  'create index audit_batch on audit (batch)',
  'create index audit_team on audit (team, id desc)',
  `create table audit_batches (
    number integer primary key, previous text not null, head text not null, entries jsonb not null,
    sealed_at timestamptz(3) not null)`,
  'revoke update, delete on audit, audit_batches from slipway_worker',
  'grant update (batch) on audit to slipway_worker',
  // Whatever the role: a row is sealed once, and nothing else is ever done to it.
  `create function refuse_audit_change() returns trigger language plpgsql as $$ begin
    if tg_op = 'UPDATE' and to_jsonb(old) - 'batch' = to_jsonb(new) - 'batch' and old.batch is null then
      return new;
    end if;
    raise exception 'the audit is only added to';
  end $$`,
  `create trigger audit_only_added_to before update or delete on audit
    for each row execute function refuse_audit_change()`,
];
