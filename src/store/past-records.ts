import { sql, type Transaction } from 'kysely';
import type { Tables } from './tables.ts';

// Each batch is one transaction, and in the embedded store one pause of all others: nobody is to feel it.
export const batchSize = 500;
const deploymentsAtOnce = 50;

type Trx = Transaction<Tables>;

/** One batch of a table's rows that are older than an instant, the oldest first; how many. */
function deleteOlder(trx: Trx, table: string, written: string, before: Date): Promise<number> {
  return deleteRows(trx, table, sql`${sql.ref(written)} < ${before} order by ${sql.ref(written)}`);
}

async function deleteRows(trx: Trx, table: string, which: ReturnType<typeof sql>): Promise<number> {
  const { rows } = await sql`delete from ${sql.table(table)} where ctid = any (array(
    select ctid from ${sql.table(table)} where ${which} limit ${batchSize} for update skip locked))
    returning 1`.execute(trx);
  return rows.length;
}

/** Events, also of what lives. */
export const deleteEvents = (trx: Trx, before: Date) => deleteOlder(trx, 'events', 'recorded_at', before);

/** The last lines of containers whose group was taken away. */
export const deleteSavedLogs = (trx: Trx, before: Date) => deleteOlder(trx, 'saved_logs', 'at', before);

/** What nobody can come back with any more: idempotency keys, and tokens that were good once. */
export async function deleteExpired(trx: Trx, now: Date): Promise<number> {
  const keys = await deleteOlder(trx, 'idempotency', 'expires_at', now);
  return keys + (await deleteOlder(trx, 'spent_tokens', 'expires_at', now));
}

/**
 * A few deployments that came to their end before an instant, with all that hangs on them. One that holds its name, or at
 * which something is still to be done, is not among them. How many rows: one with a long history goes in several batches.
 */
export async function deleteEnded(trx: Trx, before: Date): Promise<number> {
  const { rows } = await sql<{ id: string }>`select id from deployments
    where settled and not holds_name and updated_at < ${before}
    order by updated_at limit ${deploymentsAtOnce} for update skip locked`.execute(trx);
  const ended = sql`any (cast(${rows.map(({ id }) => id)} as uuid[]))`;
  for (const table of ['events', 'saved_logs', 'operations', 'revisions']) {
    const deleted = await deleteRows(trx, table, sql`deployment_id = ${ended}`);
    if (deleted > 0) return deleted;
  }
  await sql`delete from deployments where id = ${ended}`.execute(trx);
  return rows.length;
}

/** Rotations that came to their end before an instant. */
export async function deleteRotations(trx: Trx, before: Date): Promise<number> {
  const { rows } = await sql<{ id: string }>`select id from operations
    where deployment_id is null and ended_at < ${before}
    order by ended_at limit ${batchSize} for update skip locked`.execute(trx);
  const ended = sql`any (cast(${rows.map(({ id }) => id)} as uuid[]))`;
  await sql`delete from rotations where id = ${ended}`.execute(trx);
  await sql`delete from operations where id = ${ended}`.execute(trx);
  return rows.length;
}
