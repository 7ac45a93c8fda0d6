import t from 'tap';
import { contractServer, type Kind, testDatabase } from '../support/database.ts';
import { openTestStore, work } from '../support/store.ts';
import { accepting } from './contract/accepting.ts';
import { claiming } from './contract/claiming.ts';
import { reading } from './contract/reading.ts';
import { settling } from './contract/settling.ts';
import { waiting } from './contract/waiting.ts';

/** What the store promises, whichever database is below it. */
const suites = { accepting, settling, claiming, reading, waiting };

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
