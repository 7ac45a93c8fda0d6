import { sql } from 'kysely';
import { type DatabaseOptions, openDatabase } from './database.ts';

/** Every stored row of ours and of the job queue, as text: for who looks that no secret came to rest in one. */
export async function readRows(options: DatabaseOptions): Promise<{ place: string; content: string }[]> {
  const database = await openDatabase(options);
  try {
    const { rows: tables } = await sql<{
      name: string;
    }>`select format('%I.%I', table_schema, table_name) as name
      from information_schema.tables where table_schema in ('public', 'pgboss') and table_type = 'BASE TABLE'`.execute(
      database.db,
    );
    const found: { place: string; content: string }[] = [];
    for (const { name } of tables) {
      const { rows } = await sql<{
        content: string;
      }>`select t::text as content from ${sql.raw(name)} t`.execute(database.db);
      found.push(...rows.map(({ content }) => ({ place: `table ${name}`, content })));
    }
    return found;
  } finally {
    await database.close();
  }
}
