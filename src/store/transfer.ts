import { type Kysely, sql } from 'kysely';
import type { Database } from './database.ts';
import { startJobs } from './jobs.ts';
import { migrations } from './migrations.ts';
import { StoreError } from './store-error.ts';
import type { Tables } from './tables.ts';
import { asWorker } from './walls.ts';

/** The first line of an exported store: only a Slipway with the same tables takes it. */
interface Header {
  slipwayStore: 1;
  migration: string;
}

const header = (): Header => ({ slipwayStore: 1, migration: Object.keys(migrations).sort().at(-1) ?? '' });
const pageSize = 500;
/** What is known of Azure's limits and of whose turn it is grows again. */
const leftOut: readonly string[] = ['paces', 'places', 'turns'];

/** The whole store as lines of JSON: what is told of any deployment, and the audit with its chain. Stop Slipway before. */
export async function* exportStore({ db }: Pick<Database, 'db'>): AsyncGenerator<string> {
  yield JSON.stringify(header());
  for (const table of await tablesInOrder(db)) {
    let after = '(0,0)';
    for (;;) {
      const rows = await readPage(db, table, after);
      for (const { row } of rows) yield `{"table":${JSON.stringify(table)},"row":${row}}`;
      const last = rows.at(-1);
      if (!last) break;
      after = last.place;
    }
  }
}

/** Puts exported lines into an empty store, and gives every deployment its next job. How many rows. Throws `StoreError`. */
export async function importStore(
  database: Database,
  lines: AsyncIterable<string>,
  options: Parameters<typeof startJobs>[1],
): Promise<number> {
  const { db } = database;
  const tables = await tablesInOrder(db);
  await requireEmpty(db, tables);
  let count = 0;
  let page: { table: string; rows: unknown[] } = { table: '', rows: [] };
  const jobs = await startJobs(database, options);
  try {
    await asWorker(db, async trx => {
      await sql`set local statement_timeout = 0`.execute(trx);
      const flush = async () => {
        const { table, rows } = page;
        if (rows.length > 0)
          await sql`insert into ${sql.table(table)} overriding system value
            select * from jsonb_populate_recordset(null::${sql.table(table)}, ${JSON.stringify(rows)}::jsonb)`.execute(
            trx,
          );
        count += rows.length;
      };
      let isFirst = true;
      for await (const line of lines) {
        if (line === '') continue;
        const { table, row } = readLine(line, isFirst, tables);
        isFirst = false;
        if (table === null) continue;
        if (table !== page.table || page.rows.length === pageSize) {
          await flush();
          page = { table, rows: [] };
        }
        page.rows.push(row);
      }
      if (isFirst) throw new StoreError('The file is empty: it is no exported store.');
      await flush();
      // What is under way goes on, and what has settled is looked after.
      const held = await trx
        .selectFrom('deployments')
        .select(['id', 'team'])
        .where('holdsName', '=', true)
        .execute();
      for (const { id, team } of held) await jobs.enqueue(trx, { deployment: id, team });
    });
  } finally {
    await jobs.stop();
  }
  for (const table of tables) await continueNumbers(db, table);
  return count;
}

async function readPage(db: Kysely<Tables>, table: string, after: string) {
  const { rows } = await asWorker(db, trx =>
    sql<{ place: string; row: string }>`select ctid::text as place, to_jsonb(t)::text as row
      from ${sql.table(table)} t where ctid > ${after}::tid order by ctid limit ${pageSize}`.execute(trx),
  );
  return rows;
}

function readLine(line: string, isFirst: boolean, tables: readonly string[]) {
  const read = parse(line);
  if (isFirst) {
    const { slipwayStore, migration } = header();
    if (read.slipwayStore !== slipwayStore)
      throw new StoreError('The file does not begin as an exported store does.');
    if (read.migration !== migration)
      throw new StoreError(
        `The file is of a store at '${read.migration}', this Slipway's is at '${migration}'. Start the newer Slipway once on the older store, and export again.`,
      );
    return { table: null, row: null };
  }
  if (typeof read.table !== 'string' || !tables.includes(read.table))
    throw new StoreError(`The file has a row of '${read.table}', which this store does not have.`);
  return { table: read.table, row: read.row };
}

function parse(line: string): {
  slipwayStore?: unknown;
  migration?: unknown;
  table?: unknown;
  row?: unknown;
} {
  try {
    return JSON.parse(line);
  } catch {
    throw new StoreError('The file has a line that is no JSON: it is cut off, or no exported store.');
  }
}

/** Those that others refer to first. */
async function tablesInOrder(db: Kysely<Tables>): Promise<string[]> {
  const { rows } = await sql<{ name: string; needs: string[] }>`select c.relname as name,
      coalesce(array_agg(f.relname::text) filter (where f.oid <> c.oid), '{}') as needs
    from pg_class c left join pg_constraint k on k.conrelid = c.oid and k.contype = 'f'
      left join pg_class f on f.oid = k.confrelid
    where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace and c.relname not like 'kysely%'
    group by c.relname order by c.relname`.execute(db);
  const ordered: string[] = [];
  let left = rows.filter(({ name }) => !leftOut.includes(name));
  while (left.length > 0) {
    const ready = left.filter(({ needs }) => needs.every(need => ordered.includes(need)));
    if (ready.length === 0) throw new Error('the tables refer to each other in a circle');
    ordered.push(...ready.map(({ name }) => name));
    left = left.filter(({ name }) => !ordered.includes(name));
  }
  return ordered;
}

async function requireEmpty(db: Kysely<Tables>, tables: readonly string[]): Promise<void> {
  for (const table of tables) {
    const { rows } = await asWorker(db, trx => sql`select 1 from ${sql.table(table)} limit 1`.execute(trx));
    if (rows.length > 0)
      throw new StoreError(
        `The store is in use: it has rows of '${table}'. Import into a new database or another SLIPWAY_DATA.`,
      );
  }
}

/** Numbers that the database gives go on after the highest. */
async function continueNumbers(db: Kysely<Tables>, table: string): Promise<void> {
  const { rows } = await sql<{ column: string }>`select attname as column from pg_attribute
    where attrelid = ${table}::regclass and attidentity <> ''`.execute(db);
  for (const { column } of rows) {
    const { rows: found } = await asWorker(db, trx =>
      sql<{
        highest: string | null;
      }>`select max(${sql.ref(column)})::text as highest from ${sql.table(table)}`.execute(trx),
    );
    const highest = found[0]?.highest;
    if (highest)
      await sql`select setval(pg_get_serial_sequence(${table}, ${column}), ${highest}::bigint)`.execute(db);
  }
}
