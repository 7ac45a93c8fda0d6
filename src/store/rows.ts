import { type Kysely, sql } from 'kysely';
import { type DatabaseOptions, openDatabase } from './database.ts';
import type { Tables } from './tables.ts';
import { asWorker } from './walls.ts';

/** Every stored row of ours and of the job queue, as text: for who looks that no secret came to rest in one. */
export async function readRows(options: DatabaseOptions): Promise<{ place: string; content: string }[]> {
  const database = await openDatabase(options);
  try {
    const { rows: tables } = await sql<{ name: string; walled: boolean }>`
      select format('%I.%I', n.nspname, c.relname) as name, c.relrowsecurity as walled
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname in ('public', 'pgboss') and c.relkind in ('r', 'p')`.execute(database.db);
    const found: { place: string; content: string }[] = [];
    for (const { name, walled } of tables) {
      const read = (db: Kysely<Tables>) =>
        sql<{ content: string }>`select t::text as content from ${sql.raw(name)} t`.execute(db);
      // Behind the walls not even the owner sees a row.
      const { rows } = walled ? await asWorker(database.db, read) : await read(database.db);
      found.push(...rows.map(({ content }) => ({ place: `table ${name}`, content })));
    }
    return found;
  } finally {
    await database.close();
  }
}
