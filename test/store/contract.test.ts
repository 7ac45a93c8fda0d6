import { setTimeout as wait } from 'node:timers/promises';
import { sql } from 'kysely';
import t from 'tap';
import { startJobs } from '../../src/store/jobs.ts';
import { contractServer, type Kind, testDatabase } from '../support/database.ts';
import { acceptance, loaded, openTestStore, work } from '../support/store.ts';
import { accepting } from './contract/accepting.ts';
import { changing } from './contract/changing.ts';
import { claiming } from './contract/claiming.ts';
import { reading } from './contract/reading.ts';
import { settling } from './contract/settling.ts';
import { spending } from './contract/spending.ts';
import { telling } from './contract/telling.ts';
import { waiting } from './contract/waiting.ts';

/** What the store promises, whichever database is below it. */
const suites = { accepting, changing, settling, claiming, reading, spending, telling, waiting };

const notRun: Record<Kind, string | false> = {
  embedded: false,
  postgres: contractServer ? false : 'NOT RUN: SLIPWAY_TEST_DATABASE_URL names no PostgreSQL server',
};

for (const kind of ['embedded', 'postgres'] as const)
  t.test(`the ${kind} store`, { skip: notRun[kind] }, async t => {
    const store = await openTestStore(t, await testDatabase(t, kind));
    t.equal(store.database.kind, kind);
    await work(store);
    for (const [name, suite] of Object.entries(suites)) await t.test(name, t => suite(t, store));
  });

for (const kind of ['embedded', 'postgres'] as const)
  t.test(`stopping the ${kind} store ends what is under way`, { skip: notRun[kind] }, async t => {
    const options = await testDatabase(t, kind);
    const store = await openTestStore(t, options);
    await work(store);
    const asked = acceptance();
    const claimed = store.nextClaim(asked.id);
    await store.store.accept(asked);
    const claim = await claimed;
    let stopped = false;
    const stopping = store.jobs.stop().then(() => {
      stopped = true;
    });
    await wait(200);
    t.equal(stopped, false, 'it waits for the handler');
    await store.store.settle(claim, await loaded(store, asked.id), {
      to: 'Resolving',
      now: new Date(),
      againInMs: 0,
    });
    claim.release();
    await stopping;
    const { rows } = await sql<{ state: string }>`select state from pgboss.job
      where singleton_key = ${asked.id} order by created_on`.execute(store.database.db);
    t.same(rows, [{ state: 'completed' }, { state: 'created' }], 'the next job waits for the next start');
    await t.rejects(work(store), 'and nothing is claimed any more');
    const again = await startJobs(store.database, options);
    await again.stop();
  });
