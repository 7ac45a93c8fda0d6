import { type Kysely, sql } from 'kysely';

/** What has ended is found without looking at the rest; and the beginning of the audit can be deleted, in one way only. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  'create index deployments_ended on deployments (updated_at) where settled and not holds_name',
  'create index operations_ended on operations (ended_at) where deployment_id is null',
  // Nobody may delete a row of the audit, whatever his role: this function does, from the beginning, whole batches only,
  // never the last day's, and never the newest, by which the chain goes on. It says so in its body: in its head only a
  // superuser may set what is no setting of the server's (measured).
  `create function prune_audit(before timestamptz, most integer) returns table (up_to integer, deleted bigint)
    language plpgsql security definer set search_path = public, pg_temp as $$
  declare sealed bigint;
  begin
    select max(number), max(total) into up_to, sealed from (
      select number, row_number() over prefix as place,
        sum(jsonb_array_length(entries)) over prefix as total,
        bool_and(sealed_at < least(before, now() - interval '1 day')) over prefix as old
      from (select * from audit_batches order by number limit most) first window prefix as (order by number)) batches
    where old and (total <= most or place = 1) and number < (select max(number) from audit_batches);
    if up_to is null then return; end if;
    perform set_config('slipway.pruning', 'on', true);
    delete from audit where batch <= up_to;
    get diagnostics deleted = row_count;
    perform set_config('slipway.pruning', '', true);
    if deleted <> sealed then
      raise exception 'the audit up to batch % has % rows, and % were sealed: it was changed, and is kept', up_to, deleted, sealed;
    end if;
    delete from audit_batches where number <= up_to;
    return next;
  end $$`,
  'revoke execute on function prune_audit from public',
  'grant execute on function prune_audit to slipway_worker',
  // The function acts as the owner, who sees no row otherwise.
  `create policy pruning on audit using (current_setting('slipway.pruning', true) = 'on')`,
  `create or replace function refuse_audit_change() returns trigger language plpgsql as $$ begin
    if tg_op = 'UPDATE' and to_jsonb(old) - 'batch' = to_jsonb(new) - 'batch' and old.batch is null then
      return new;
    end if;
    if tg_op = 'DELETE' and current_setting('slipway.pruning', true) = 'on' then
      return old;
    end if;
    raise exception 'the audit is only added to';
  end $$`,
];
