import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { createLog } from '../src/log.ts';
import { openFiles } from '../src/store/embedded.ts';
import { refuseWithoutRoom } from '../src/store/room.ts';

/**
 * A program: the embedded store writes on a full disk until PostgreSQL's log has no room, as where another process took the
 * last of it meanwhile. Then, started again with room: how many of its rows are there.
 */
const [directory = '', what] = process.argv.slice(2);
const data = join(directory, 'store');
const store = refuseWithoutRoom(
  await openFiles(data),
  directory,
  createLog({ level: 'fatal' }),
  () => Number.POSITIVE_INFINITY,
);

if (what === 'write') {
  await store.exec('create table written (id int primary key); insert into written values (0)');
  fill(join(directory, 'filler'));
  // Few rows, in the page that is there, and much log.
  for (let id = 1; ; id += 1) {
    await store.query(`select pg_logical_emit_message(true, 'proof', repeat('x', 500000))`);
    await store.query('insert into written values ($1)', [id]);
    console.log(`written ${id}`);
  }
}
const { rows } = await store.query<{ count: number }>('select count(*)::int as count from written');
console.log(`found ${rows[0]?.count}`);
await store.close();

function fill(path: string): void {
  const file = openSync(path, 'w');
  const block = Buffer.alloc(64 * 1024);
  try {
    for (;;) writeSync(file, block);
  } catch {
    closeSync(file);
  }
}
