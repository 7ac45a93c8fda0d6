import { sql } from 'kysely';
import t from 'tap';
import { contractServer, type Kind, testDatabase } from '../support/database.ts';
import { acceptance, change, loaded, openTestStore } from '../support/store.ts';

const notRun: Record<Kind, string | false> = {
  embedded: false,
  postgres: contractServer ? false : 'NOT RUN: SLIPWAY_TEST_DATABASE_URL names no PostgreSQL server',
};

for (const kind of ['embedded', 'postgres'] as const)
  t.test(`the line for the workers of the ${kind} store`, { skip: notRun[kind] }, async t => {
    const { jobs, store, database } = await openTestStore(t, await testDatabase(t, kind));
    const order: string[] = [];
    const done = Promise.withResolvers<void>();
    const deleted = acceptance({ team: 'flood', name: 'deleted' });
    await store.accept(deleted);
    for (let n = 0; n < 20; n += 1) await store.accept(acceptance({ team: 'flood' }));
    for (let n = 0; n < 3; n += 1) await store.accept(acceptance({ team: 'late' }));
    await sql`delete from pgboss.job where singleton_key = ${deleted.id}`.execute(database.db);
    t.match(await store.acceptChange(change(deleted.id, { team: 'flood', onBusy: 'supersede' })), {
      outcome: 'accepted',
    });
    await jobs.work(
      async claim => {
        const row = await loaded({ store }, claim.deployment);
        order.push(row.status === 'Deleting' ? 'deletion' : row.team);
        await store.drop(claim, row);
        if (order.length === 24) done.resolve();
      },
      { concurrency: 1 },
    );
    await done.promise;
    t.equal(order[0], 'deletion', 'what takes something away goes first');
    t.same(
      order.slice(1, 8).filter(team => team === 'late').length,
      3,
      `who comes after a flood does not stand behind it: ${order.join(' ')}`,
    );
    await jobs.stop();
    const { rows } = await sql<{ last: number }>`select last::int from turns where team = ''`.execute(
      database.db,
    );
    t.ok((rows[0]?.last ?? 0) > 0, 'whose turn it is is known to who comes next');
  });
