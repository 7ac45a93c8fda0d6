import { sql } from 'kysely';
import t from 'tap';
import { createLog } from '../../src/log.ts';
import { createAuditStore } from '../../src/store/audit.ts';
import { sealAudit } from '../../src/store/audit-chain.ts';
import { verifyAudit } from '../../src/store/audit-verify.ts';
import { exportStore, importStore } from '../../src/store/transfer.ts';
import { asWorker } from '../../src/store/walls.ts';
import { contractServer, testDatabase } from '../support/database.ts';
import { statementsOf, write } from '../support/every-table.ts';
import { acceptance, openTestStore, work } from '../support/store.ts';

const log = createLog({ level: 'silent' });
const skip = contractServer ? false : 'NOT RUN: SLIPWAY_TEST_DATABASE_URL names no PostgreSQL server';

// What is known of Azure's limits and of whose turn it is grows again.
const leftOut = ['paces', 'places', 'turns'];

async function* asLines(lines: readonly string[]): AsyncGenerator<string> {
  yield* lines;
}

t.test('a store goes from the embedded one to PostgreSQL and back, whole', { skip }, async t => {
  const from = await openTestStore(t, await testDatabase(t, 'embedded'));
  const there = await openTestStore(t, await testDatabase(t, 'postgres'));
  const back = await openTestStore(t, await testDatabase(t, 'embedded'));
  const asked = acceptance({ name: 'moved' });
  await from.store.accept(asked);
  for (let n = 0; n < 3; n += 1) await from.store.accept(acceptance({ team: 'other' }));
  const statements = await statementsOf(from.database.db);
  // The audit has rows: others would not be of its chain.
  const others = statements.filter(({ table }) => !table.startsWith('audit'));
  await write(from.database.db, others, '7');
  await sealAudit(from.database.db, { log, now: new Date() });

  const exported = await Array.fromAsync(exportStore(from.database));
  const tables = new Set(exported.slice(1).map(line => JSON.parse(line).table));
  t.same(
    statements.map(({ table }) => table).filter(table => !tables.has(table)),
    leftOut,
    'a new table is carried, or stands here with its reason',
  );
  const rows = await importStore(there.database, asLines(exported), { log });
  t.equal(rows, exported.length - 1);
  const again = await Array.fromAsync(exportStore(there.database));
  const sorted = (lines: string[]) => lines.map(line => JSON.stringify(JSON.parse(line))).sort();
  t.same(sorted(again), sorted(exported), 'row by row the same');
  t.equal(await importStore(back.database, asLines(again), { log }), rows);

  t.same(
    await there.store.find(['demo'], { id: asked.id }),
    await from.store.find(['demo'], { id: asked.id }),
  );
  t.match(await asWorker(there.database.db, trx => verifyAudit(trx, [])), { faults: [] }, 'the chain holds');
  const claimed = there.nextClaim(asked.id);
  await work(there);
  const claim = await claimed;
  t.equal(claim.deployment, asked.id, 'what was under way goes on');
  claim.release();
  t.match(await there.store.accept(acceptance()), { outcome: 'accepted' }, 'numbers go on after the highest');
  t.ok((await createAuditStore(there.database).list('all', {}, { size: 10 })).value.length > 0);
  await t.rejects(importStore(there.database, asLines(exported), { log }), {
    name: 'StoreError',
    message: /The store is in use/,
  });
});

t.test('what is no exported store, or another version, is refused and leaves nothing', async t => {
  const { database } = await openTestStore(t, await testDatabase(t, 'embedded'));
  const [header = ''] = await Array.fromAsync(exportStore(database));
  for (const [lines, message] of [
    [[], /The file is empty/],
    [['{"a":1}'], /does not begin as an exported store/],
    [[header.replace(/"migration":"[^"]*"/, '"migration":"9999-later"')], /is at|of a store at '9999-later'/],
    [[header, '{"table":"pg_authid","row":{}}'], /a row of 'pg_authid'/],
    [[header, '{"table":"teams","row":{"team":"a"}}', '{"table":"te'], /no JSON/],
  ] as const)
    await t.rejects(importStore(database, asLines(lines), { log }), { name: 'StoreError', message });
  const { rows } = await asWorker(database.db, trx => sql`select * from teams`.execute(trx));
  t.same(rows, []);
});
