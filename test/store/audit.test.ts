import { Writable } from 'node:stream';
import { type RawBuilder, sql } from 'kysely';
import t from 'tap';
import { createLog } from '../../src/log.ts';
import { type AuditEntry, createAuditStore, insertAudit } from '../../src/store/audit.ts';
import { logNewestHead, sealAudit } from '../../src/store/audit-chain.ts';
import { type LoggedHead, verifyAudit } from '../../src/store/audit-verify.ts';
import { type Database, openDatabase } from '../../src/store/database.ts';
import { asTeams, asWorker } from '../../src/store/walls.ts';
import { contractServer, type Kind, testDatabase } from '../support/database.ts';

type Teardown = { teardown(done: () => unknown): unknown };

const now = new Date('2026-11-24T10:00:00.123Z');
let count = 0;

function entry(more: Partial<AuditEntry> = {}): AuditEntry {
  count += 1;
  return {
    at: now,
    team: 'demo',
    principal: { issuer: 'embedded', subject: 'ann', client: 'cli' },
    onBehalfOf: 'entra|bob',
    action: 'create',
    target: `web-${count}`,
    code: null,
    policyDigest: 'digest',
    requestId: `request-${count}`,
    idempotencyKeyHash: 'hash',
    ...more,
  };
}

/** A database whose audit has three batches of three rows, and the heads that the log has of it. */
async function sealedAudit(t: Teardown, kind: Kind) {
  const database = await openDatabase(await testDatabase(t, kind));
  t.teardown(() => database.close());
  const heads: LoggedHead[] = [];
  const log = createLog({
    level: 'info',
    to: new Writable({
      write(line, _encoding, done) {
        const { audit } = JSON.parse(String(line));
        if (audit) heads.push(audit);
        done();
      },
    }),
  });
  const seal = () => sealAudit(database.db, { log, now });
  for (let batch = 1; batch <= 3; batch += 1) {
    for (let n = 0; n < 3; n += 1) await insertAudit(database.db, entry({ code: n === 0 ? 'Denied' : null }));
    await seal();
  }
  return { database, heads, log, seal };
}

/** As one with the owner's rights could; undone after the test has looked. */
async function tamper(
  { db }: Database,
  statement: RawBuilder<unknown>,
  look: (db: Database['db']) => Promise<void>,
): Promise<void> {
  const undo = new Error('undo');
  await db
    .transaction()
    .execute(async trx => {
      await sql`alter table audit disable trigger user`.execute(trx);
      await statement.execute(trx);
      await look(trx);
      throw undo;
    })
    .catch(error => {
      if (error !== undo) throw error;
    });
}

for (const kind of ['embedded', 'postgres'] as const) {
  const skip =
    kind === 'postgres' && !contractServer && 'NOT RUN: SLIPWAY_TEST_DATABASE_URL names no PostgreSQL server';

  t.test(`the audit in the ${kind} store`, { skip }, async t => {
    const { database, heads, log, seal } = await sealedAudit(t, kind);
    const { db } = database;
    const ids = await db.selectFrom('audit').select('id').orderBy('id').execute();
    const [first, second, , fourth] = ids.map(({ id }) => id);

    await t.test('what was sealed is whole, and the log has each head', async t => {
      t.same(
        heads.map(({ batch }) => batch),
        [1, 2, 3],
      );
      t.same(await verifyAudit(db, heads), {
        batches: 3,
        pruned: 0,
        rows: 9,
        head: heads[2]?.head,
        unsealed: 0,
        faults: [],
      });
      t.equal(await seal(), 0, 'where nothing is new, nothing is sealed');
      await logNewestHead(db, log);
      t.same(heads.pop(), heads.at(-1), 'a start logs the newest head again');
    });

    const attacks: [string, RawBuilder<unknown>, RegExp[]][] = [
      [
        'a row that is edited',
        sql`update audit set code = null where id = ${first}`,
        [new RegExp(`^batch 1: row ${first} was changed$`)],
      ],
      [
        'a principal that is edited',
        sql`update audit set principal = jsonb_set(principal, '{subject}', '"eve"') where id = ${second}`,
        [new RegExp(`^batch 1: row ${second} was changed$`)],
      ],
      [
        'a row that is deleted',
        sql`delete from audit where id = ${fourth}`,
        [new RegExp(`^batch 2: row ${fourth} was removed$`)],
      ],
      [
        'a row that is inserted',
        sql`insert into audit (id, at, action, request_id, batch) overriding system value
          values (9000, ${now}, 'create', 'forged', 2)`,
        [/^batch 2: row 9000 was inserted$/],
      ],
      [
        'a row that is moved to another batch',
        sql`update audit set batch = 3 where id = ${fourth}`,
        [new RegExp(`^batch 2: row ${fourth} was removed$`), /^batch 3: row \d+ was inserted$/],
      ],
      [
        'a row of a batch that never was',
        sql`insert into audit (id, at, action, request_id, batch) overriding system value
          values (9001, ${now}, 'create', 'forged', 77)`,
        [/^batch 77: row 9001 names it/],
      ],
      [
        'the record of a batch that is edited',
        sql`update audit_batches set entries = entries - 0 where number = 2`,
        [/^batch 2: its own record was changed$/, /^batch 2: row \d+ was inserted$/],
      ],
      [
        'a batch that is deleted with its rows',
        sql`with gone as (delete from audit where batch = 2) delete from audit_batches where number = 2`,
        [/^batch 3 follows batch 1/, /^batch 2 is missing: the log has its head/],
      ],
      [
        'the end that is cut off, which only the log shows',
        sql`with gone as (delete from audit where batch = 3) delete from audit_batches where number = 3`,
        [/^batch 3 is missing: the log has its head/],
      ],
    ];
    for (const [what, statement, expected] of attacks)
      await t.test(`${what} is named`, async t => {
        await tamper(database, statement, async trx => {
          const { faults } = await verifyAudit(trx, heads);
          t.equal(faults.length, expected.length, faults.join('\n'));
          for (const [index, fault] of faults.entries()) t.match(fault, expected[index]);
        });
        t.same((await verifyAudit(db, heads)).faults, []);
      });

    await t.test('a chain that is computed anew is shown by the heads of the log alone', async t => {
      const silent = createLog({ level: 'silent' });
      await tamper(database, sql`update audit set code = null, batch = null`, async trx => {
        await sql`delete from audit_batches`.execute(trx);
        // As the sealer does it, in one batch.
        await reseal(trx, silent);
        t.same((await verifyAudit(trx)).faults, [], 'the database alone looks whole');
        const { faults } = await verifyAudit(trx, heads);
        t.match(faults[0], /^batch 1 was rewritten: the log has head [0-9a-f]{64}, and here it is/);
        t.match(faults[1], /^batch 2 is missing/);
      });
    });

    await t.test('neither callers nor the worker have the right to change or remove a row', async t => {
      const denied = { message: /permission denied/ };
      const roles = [
        (work: Parameters<typeof asWorker>[1]) => asTeams(db, ['demo'], work),
        (work: Parameters<typeof asWorker>[1]) => asWorker(db, work),
      ];
      for (const as of roles) {
        await t.rejects(
          as(trx => sql`update audit set code = null`.execute(trx)),
          denied,
        );
        await t.rejects(
          as(trx => sql`delete from audit`.execute(trx)),
          denied,
        );
        await t.rejects(
          as(trx => sql`truncate audit`.execute(trx)),
          denied,
        );
        await t.rejects(
          as(trx => sql`update audit_batches set head = ''`.execute(trx)),
          denied,
        );
        await t.rejects(
          as(trx => sql`delete from audit_batches`.execute(trx)),
          denied,
        );
      }
      const callers = asTeams(db, ['demo'], trx => sql`update audit set batch = 1`.execute(trx));
      await t.rejects(callers, denied, "sealing is the worker's");
      await t.rejects(
        asTeams(db, ['demo'], trx => sql`select * from audit_batches`.execute(trx)),
        denied,
      );
    });

    await t.test('rows are only added, whatever a mistake of ours says', async t => {
      await t.rejects(sql`update audit set code = 'x' where id = ${first}`.execute(db), /only added to/);
      await t.rejects(sql`update audit set batch = null where id = ${first}`.execute(db), /only added to/);
      await t.rejects(sql`delete from audit where id = ${first}`.execute(db), /only added to/);
    });

    // The embedded store has one connection: nothing can be late there.
    if (kind === 'postgres')
      await t.test('a row that commits late is sealed late, and missing nowhere', async t => {
        const inserted = Promise.withResolvers<void>();
        const commit = Promise.withResolvers<void>();
        const late = db.transaction().execute(async trx => {
          await insertAudit(trx, entry({ target: 'late' }));
          inserted.resolve();
          await commit.promise;
        });
        await inserted.promise;
        await insertAudit(db, entry({ target: 'early' }));
        t.equal(await seal(), 1);
        commit.resolve();
        await late;
        t.equal(await seal(), 1);
        const rows = await db
          .selectFrom('audit')
          .select(['target', 'batch'])
          .where('target', 'in', ['late', 'early'])
          .orderBy('id')
          .execute();
        t.match(rows, [
          { target: 'late', batch: 5 },
          { target: 'early', batch: 4 },
        ]);
        t.same((await verifyAudit(db, heads)).faults, []);
      });

    await t.test('many that seal at once make one chain', async t => {
      const rows = Array.from({ length: 40 }, () => insertAudit(db, entry()));
      await Promise.all([...rows, ...Array.from({ length: 8 }, seal)]);
      await seal();
      t.match(await verifyAudit(db, heads), { faults: [], unsealed: 0 });
    });

    await t.test('what waits for its batch is counted', async t => {
      await insertAudit(db, entry());
      t.match(await verifyAudit(db, heads), { faults: [], unsealed: 1 });
    });
  });

  t.test(`reading the audit of the ${kind} store`, { skip }, async t => {
    const database = await openDatabase(await testDatabase(t, kind));
    t.teardown(() => database.close());
    const { list, refuse } = createAuditStore(database);
    const at = (minute: number) => new Date(now.getTime() + minute * 60_000);
    await refuse(entry({ target: 'a', at: at(0) }));
    await refuse(entry({ target: 'b', at: at(1), team: 'other', code: 'PermissionDenied' }));
    await refuse(entry({ target: 'c', at: at(2), action: 'delete' }));
    await refuse(entry({ target: 'd', at: at(3), team: null, principal: null, code: 'Unauthenticated' }));
    const targets = async (
      ...[teams, filter]: Parameters<typeof list> extends [infer T, infer F, unknown] ? [T, F?] : never
    ) => (await list(teams, filter ?? {}, { size: 10 })).value.map(({ target }) => target);

    await t.test('a team sees its own, operators see all, nobody nothing', async t => {
      t.same(await targets('all'), ['d', 'c', 'b', 'a'], 'newest first');
      t.same(await targets(['demo']), ['c', 'a']);
      t.same(await targets(['demo', 'other']), ['c', 'b', 'a']);
      t.same(await targets([]), []);
    });

    await t.test('by team, action, code, principal and time', async t => {
      t.same(await targets('all', { team: 'other' }), ['b']);
      t.same(await targets(['demo'], { team: 'other' }), [], 'not what others own');
      t.same(await targets('all', { action: 'delete' }), ['c']);
      t.same(await targets('all', { code: 'Unauthenticated' }), ['d']);
      t.same(await targets('all', { principal: 'ann' }), ['c', 'b', 'a']);
      t.same(await targets('all', { principal: 'cli', code: 'PermissionDenied' }), ['b']);
      t.same(await targets('all', { since: at(1), until: at(3) }), ['c', 'b']);
    });

    await t.test('page by page, also while rows are added', async t => {
      const first = await list('all', {}, { size: 2 });
      t.same(
        first.value.map(({ target }) => target),
        ['d', 'c'],
      );
      await refuse(entry({ target: 'e', at: at(4) }));
      const second = await list('all', {}, { size: 2, before: first.next });
      t.same(
        second.value.map(({ target }) => target),
        ['b', 'a'],
      );
      t.equal(second.next, undefined);
      t.match(second.value[1], {
        at: at(0).toISOString(),
        onBehalfOf: 'entra|bob',
        idempotencyKeyHash: 'hash',
        count: 1,
        batch: null,
      });
    });
  });
}

async function reseal(db: Database['db'], log: ReturnType<typeof createLog>): Promise<void> {
  // Inside a transaction there is no other: the sealer's own is this one.
  const nested = Object.create(db, {
    transaction: { value: () => ({ execute: (work: (trx: Database['db']) => unknown) => work(db) }) },
  });
  await sealAudit(nested, { log, now });
}
