import { randomUUIDv7 } from 'node:crypto';
import { Writable } from 'node:stream';
import { sql } from 'kysely';
import t, { type Test } from 'tap';
import type { Clock } from '../../src/clock.ts';
import { createLog } from '../../src/log.ts';
import { insertAudit } from '../../src/store/audit.ts';
import { sealAudit } from '../../src/store/audit-chain.ts';
import { type LoggedHead, verifyAudit } from '../../src/store/audit-verify.ts';
import { deletePast, startRetention } from '../../src/store/retention.ts';
import { createRotationStore } from '../../src/store/rotations.ts';
import { createSavedLogs } from '../../src/store/saved-logs.ts';
import { asWorker } from '../../src/store/walls.ts';
import { contractServer, type Kind, testDatabase } from '../support/database.ts';
import { acceptance, later, loaded, openTestStore, type TestStore } from '../support/store.ts';

/** What is deleted when its time is over, and what never is. */
const dayMs = 24 * 3_600_000;
const days = { events: 30, records: 60, audit: 90 };
const log = createLog({ level: 'silent' });
const start = new Date('2020-01-01T12:00:00Z');

/** A time that passes when it is told to, also for who waits. */
function createClock(now: Date) {
  let wake = Promise.withResolvers<void>();
  const asleep = Promise.withResolvers<void>();
  const clock: Clock = {
    now: () => now,
    async wait(ms, signal) {
      signal?.throwIfAborted();
      const until = now.getTime() + ms;
      const aborted = new Promise<never>((_, reject) =>
        signal?.addEventListener('abort', () => reject(signal.reason)),
      );
      aborted.catch(() => {});
      // The pauses of a round are not what is looked at.
      if (ms < 1_000) return;
      asleep.resolve();
      while (now.getTime() < until) await Promise.race([wake.promise, aborted]);
    },
  };
  const pass = (count: number) => {
    now = later(now, count * dayMs);
    wake.resolve();
    wake = Promise.withResolvers<void>();
  };
  return { clock, pass, asleep: asleep.promise };
}

for (const kind of ['embedded', 'postgres'] as const) {
  const skip =
    kind === 'postgres' && !contractServer && 'NOT RUN: SLIPWAY_TEST_DATABASE_URL names no PostgreSQL server';
  t.test(`retention in the ${kind} store`, { skip }, async t => {
    await records(t, kind);
    await audit(t, kind);
  });
}

async function records(t: Test, kind: Kind): Promise<void> {
  const store = await openTestStore(t, await testDatabase(t, kind));
  const { database } = store;
  const ended = await accepted(store, 'ended', true);
  const live = await accepted(store, 'live', false);
  const { clock, pass } = createClock(start);
  const round = () => deletePast(database, { days, clock, log });
  const found = async (id: string) => (await store.store.find('all', { id })) !== null;

  await t.test('what came to its end goes with all that hangs on it; what lives stays', async t => {
    const tables = ['deployments', 'revisions', 'operations', 'saved_logs', 'events', 'idempotency'];
    t.same(await countRows(store, ended.id, tables), [1, 1, 1, 1, 1, 1]);
    pass(60);
    await round();
    t.equal(await found(ended.id), true, 'not on its last day');
    pass(1);
    await round();
    t.same(await countRows(store, ended.id, tables), [0, 0, 0, 0, 0, 0]);
    t.equal(await store.store.find('all', { id: ended.id }), null);
    pass(10_000);
    await round();
    const [deployments, revisions, operations] = await countRows(store, live.id, tables);
    t.same([deployments, revisions, operations], [1, 1, 1], 'however old it is');
    t.same((await store.store.accept(acceptance({ name: 'ended' }))).outcome, 'accepted');
  });

  await t.test('a long history goes in small batches, and another replica at it is left alone', async t => {
    const long = await accepted(store, 'long', true);
    await asWorker(database.db, trx =>
      sql`insert into events (deployment_id, team, seq, position, at, source, type, message)
        select ${long.id}, 'demo', n, 1000000 + n, now(), 'Aci', 'Pulling', 'm' from generate_series(10, 1300) n`.execute(
        trx,
      ),
    );
    let waits = 0;
    const counting: Clock = {
      now: () => later(start, 61 * dayMs),
      wait: async () => {
        waits += 1;
      },
    };
    if (kind === 'postgres')
      await asWorker(database.db, async trx => {
        await sql`select pg_advisory_xact_lock(${0x51_1b_4a_7f})`.execute(trx);
        await deletePast(database, { days, clock: counting, log });
      });
    t.same([waits, await found(long.id)], [0, true]);
    await deletePast(database, { days, clock: counting, log });
    t.equal(await found(long.id), false);
    t.ok(waits >= 5, `there was a pause after each of ${waits} batches`);
  });

  await t.test('rotations and spent tokens go too', async t => {
    const rotations = createRotationStore(database, store.jobs);
    const { createdBy, onBehalfOf, policyDigest, requestId } = acceptance();
    const operation = randomUUIDv7();
    await rotations.accept({
      ...{ team: 'demo', createdBy, onBehalfOf, policyDigest, requestId, operation, now: start },
      ...{ vault: 'https://v', secretName: 's', deadlineAt: start },
      caller: { issuer: 'embedded', subject: 'ann', client: null, teams: [], isOperator: false } as never,
    });
    await database.db.insertInto('spentTokens').values({ tokenHash: 'old', expiresAt: start }).execute();
    await round();
    t.ok(await rotations.load(operation), 'one that is under way stays');
    await asWorker(database.db, trx =>
      trx.updateTable('operations').set({ endedAt: start }).where('id', '=', operation).execute(),
    );
    await round();
    t.equal(await rotations.load(operation), null);
    t.equal(await store.store.findOperation('all', operation), null);
    t.same(await database.db.selectFrom('spentTokens').selectAll().execute(), []);
  });

  await t.test('it is done again every hour, until it is stopped', async t => {
    const one = await accepted(store, 'hourly', true);
    const { clock, pass, asleep } = createClock(start);
    const rounds = Promise.withResolvers<void>();
    const to = new Writable({
      write(line, _encoding, done) {
        if (JSON.parse(String(line)).deleted) rounds.resolve();
        done();
      },
    });
    const stop = startRetention(database, { days, clock, log: createLog({ level: 'info', to }) });
    await asleep;
    t.equal(await found(one.id), true, 'its time is not over');
    pass(61);
    await rounds.promise;
    await stop();
    t.equal(await found(one.id), false);
  });
}

/** A deployment of 2020 with a row in every table; at its end, or live. */
async function accepted(store: TestStore, name: string, ended: boolean): Promise<{ id: string }> {
  const idempotency = { keyHash: name, requestHash: 'r', expiresAt: later(start, 3 * dayMs) };
  const asked = acceptance({ name, now: start, idempotency });
  await store.store.accept(asked);
  const row = await loaded(store, asked.id);
  await createSavedLogs(store.database).save(row, [{ container: 'app', content: 'a line' }], start);
  await asWorker(store.database.db, async trx => {
    await trx.updateTable('events').set({ recordedAt: start }).where('deploymentId', '=', asked.id).execute();
    await trx
      .updateTable('deployments')
      .set({ settled: true, holdsName: !ended, liveRevision: ended ? null : 1 })
      .where('id', '=', asked.id)
      .execute();
  });
  return asked;
}

async function countRows({ database }: TestStore, id: string, tables: readonly string[]): Promise<number[]> {
  const counts: number[] = [];
  for (const table of tables) {
    const column = table === 'deployments' ? 'id' : 'deployment_id';
    const { rows } = await asWorker(database.db, trx =>
      sql<{ count: number }>`select count(*) as count from ${sql.table(table)}
        where ${sql.ref(column)} = ${id}`.execute(trx),
    );
    counts.push(Number(rows[0]?.count));
  }
  return counts;
}

async function audit(t: Test, kind: Kind): Promise<void> {
  const { database } = await openTestStore(t, await testDatabase(t, kind));
  const { db } = database;
  const { clock, pass } = createClock(start);
  const heads: LoggedHead[] = [];
  const to = new Writable({
    write(line, _encoding, done) {
      const { audit } = JSON.parse(String(line));
      if (audit) heads.push(audit);
      done();
    },
  });
  const heard = createLog({ level: 'info', to });
  const seal = () => sealAudit(db, { log: heard, now: clock.now() });
  const round = () => deletePast(database, { days, clock, log });
  const verify = (logged: LoggedHead[] = heads) => asWorker(db, trx => verifyAudit(trx, logged));
  const add = async (count: number) => {
    for (let n = 0; n < count; n += 1)
      await insertAudit(db, {
        ...{ at: clock.now(), team: 'demo', principal: null, action: 'create', target: `web-${n}` },
        ...{ code: null, policyDigest: null, requestId: 'r' },
      });
    await seal();
  };

  await t.test('the beginning of the audit goes by whole batches, and the rest is whole', async t => {
    await add(3);
    await add(2);
    pass(50);
    await add(4);
    await round();
    t.match(await verify(), { batches: 3, pruned: 0, rows: 9, faults: [] }, 'nothing is past its time');
    pass(41);
    await round();
    t.match(await verify(), { batches: 3, pruned: 2, rows: 4, unsealed: 1, faults: [] });
    await seal();
    t.match(await verify(), { batches: 4, pruned: 2, rows: 5, unsealed: 0, faults: [] }, 'the chain goes on');
    const rows = await asWorker(db, trx => trx.selectFrom('audit').selectAll().orderBy('id').execute());
    t.match(rows.at(-1), {
      ...{ team: null, principal: { issuer: 'slipway' }, action: 'deleteAudit', code: null, batch: 4 },
      ...{ target: 'audit up to batch 2', count: 5 },
    });
  });

  await t.test('the newest batch stays, however old, and so does what is not sealed', async t => {
    pass(100);
    await insertAudit(db, {
      ...{ at: start, team: null, principal: null, action: 'create', target: 'late', code: null },
      ...{ policyDigest: null, requestId: 'r' },
    });
    await round();
    const found = await verify();
    t.match(found, { batches: 4, pruned: 3, rows: 1, unsealed: 2, faults: [] });
    await seal();
    t.match(await verify(), { batches: 5, unsealed: 0, faults: [] });
    pass(100);
    await round();
    t.match(await verify(), { batches: 5, pruned: 4, faults: [] }, 'also the row that told of it before');
  });

  await t.test(
    'a beginning that was deleted by somebody else, or is not the one of the log, is found',
    async t => {
      await add(1);
      await add(1);
      t.match((await verify()).faults, []);
      const undo = new Error('undo');
      await t.rejects(
        db.transaction().execute(async trx => {
          await sql`select set_config('slipway.pruning', 'on', true)`.execute(trx);
          await sql`delete from audit where batch = 5`.execute(trx);
          await sql`delete from audit_batches where number = 5`.execute(trx);
          t.same((await verifyAudit(trx, [])).faults.length, 1);
          t.match((await verifyAudit(trx, [])).faults, [
            /^batch 6 follows batch 4: what was between is missing/,
          ]);
          throw undo;
        }),
        undo,
      );
      const forged = heads.map(each => (each.batch === 4 ? { ...each, head: 'f'.repeat(64) } : each));
      t.match((await verify(forged)).faults, [/^batch 4 was rewritten/]);
    },
  );

  await t.test('what was changed is not deleted: it is evidence', async t => {
    const { rows } = await sql<{ now: Date }>`select now() as now`.execute(db);
    pass(100);
    const remove = async (trx: typeof db) => {
      await sql`alter table audit disable trigger user`.execute(trx);
      await sql`delete from audit where batch = 5`.execute(trx);
      await sql`alter table audit enable trigger user`.execute(trx);
    };
    const undo = new Error('undo');
    await t.rejects(
      db.transaction().execute(async trx => {
        await remove(trx);
        await t.rejects(
          sql`select * from prune_audit(${rows[0]?.now}, 500)`.execute(trx),
          /the audit up to batch \d+ has \d+ rows, and \d+ were sealed: it was changed, and is kept/,
        );
        throw undo;
      }),
      undo,
    );
  });

  await t.test('nobody but the worker may, and not what is of the last day', async t => {
    await t.rejects(
      asWorker(db, trx => sql`delete from audit where batch = 5`.execute(trx)),
      /permission denied/,
    );
    const callers = db.transaction().execute(async trx => {
      await sql`set local role slipway_team`.execute(trx);
      await sql`select * from prune_audit(now(), 500)`.execute(trx);
    });
    await t.rejects(callers, /permission denied for function prune_audit/);
    await sealAudit(db, { log, now: new Date() });
    for (let n = 0; n < 2; n += 1) {
      await insertAudit(db, {
        ...{ at: new Date(), team: null, principal: null, action: 'create', target: 'new', code: null },
        ...{ policyDigest: null, requestId: 'r' },
      });
      await sealAudit(db, { log, now: new Date() });
    }
    await asWorker(db, trx => sql`select * from prune_audit('infinity', 500)`.execute(trx));
    const left = await asWorker(db, trx =>
      trx.selectFrom('audit').select('target').where('target', '=', 'new').execute(),
    );
    t.equal(left.length, 2);
  });
}
