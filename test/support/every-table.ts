import { type Kysely, sql } from 'kysely';
import type { Tables } from '../../src/store/tables.ts';
import { asWorker } from '../../src/store/walls.ts';

/** What a version writes of one table, with the columns that it knows. */
export interface Statement {
  table: string;
  columns: { name: string; type: string }[];
}

const first = ['policies', 'deployments', 'operations'];

/** Of every table as it is now, those first that others refer to: what the database numbers itself is left to it. */
export async function statementsOf(db: Kysely<Tables>): Promise<Statement[]> {
  const { rows } = await sql<Statement>`select relname as table,
      jsonb_agg(jsonb_build_object('name', attname, 'type', format_type(atttypid, null)) order by attnum) as columns
    from pg_class c join pg_attribute a on attrelid = c.oid and attnum > 0 and not attisdropped and attidentity = ''
    where relkind = 'r' and relnamespace = 'public'::regnamespace and relname not like 'kysely%'
    group by relname order by relname`.execute(db);
  const place = ({ table }: Statement) => (first.indexOf(table) + first.length + 1) % (first.length + 1);
  return rows.toSorted((a, b) => place(a) - place(b));
}

/** One row in every table, changed once, as the worker; another key makes other rows. */
export function write(db: Kysely<Tables>, statements: readonly Statement[], key: string): Promise<void> {
  return asWorker(db, trx => writeIn(trx, statements, key));
}

/** The same in a transaction of whoever may. */
export async function writeIn(
  db: Kysely<Tables>,
  statements: readonly Statement[],
  key: string,
): Promise<void> {
  for (const { table, columns } of statements) {
    const listed = columns.map(({ name }) => `"${name}"`).join(', ');
    const values = columns.map(({ type }) => writtenAs(type, key)).join(', ');
    await sql.raw(`insert into ${table} (${listed}) values (${values})`).execute(db);
    // The audit is only added to.
    if (table.startsWith('audit')) continue;
    const set = columns.map(({ name }) => `"${name}" = "${name}"`).join(', ');
    await sql.raw(`update ${table} set ${set}`).execute(db);
  }
}

/** The same for all columns of a type, so that what refers to another row finds it. */
function writtenAs(type: string, key: string): string {
  const values: Record<string, string> = {
    text: `'old-${key}'`,
    uuid: `'00000000-0000-7000-8000-${key.padStart(12, '0')}'`,
    integer: key,
    bigint: key,
    'double precision': key,
    boolean: 'true',
    jsonb: `'{}'`,
    'integer[]': `'{${key}}'`,
    'timestamp with time zone': 'now()',
  };
  const value = values[type];
  if (!value) throw new Error(`a column of type ${type} is new: say here what is written into it`);
  return value;
}
