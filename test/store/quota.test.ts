import { sql } from 'kysely';
import t from 'tap';
import { createDeploymentStore } from '../../src/store/deployments.ts';
import { contractServer, type Kind, testDatabase } from '../support/database.ts';
import { countLive, killWhileLimited, limit, limited, usedOf } from '../support/quota.ts';
import { acceptance, openTestStore } from '../support/store.ts';

/** A quota is a sum over live rows: exact under load, and right after whatever broke off. */
const notRun: Record<Kind, string | false> = {
  embedded: false,
  postgres: contractServer ? false : 'NOT RUN: SLIPWAY_TEST_DATABASE_URL names no PostgreSQL server',
};

for (const kind of ['embedded', 'postgres'] as const)
  t.test(`the ${kind} store`, { skip: notRun[kind] }, async t => {
    const options = await testDatabase(t, kind);
    const test = await openTestStore(t, options);
    const { store, database } = test;
    const outcomes = async (asked: ReturnType<typeof acceptance>[], from = store) => {
      const results = await Promise.allSettled(asked.map(one => from.accept(one)));
      const words = results.map(result => (result.status === 'fulfilled' ? result.value.outcome : 'aborted'));
      return Object.fromEntries(
        Map.groupBy(words, word => word)
          .entries()
          .map(([word, { length }]) => [word, length]),
      );
    };

    await t.test('after a thousand aborted transactions nothing is used', async t => {
      // The last statement of the transaction fails, or one in the middle of it.
      const enqueue = () => Promise.reject(new Error('no queue'));
      const noQueue = createDeploymentStore(database, { ...test.jobs, enqueue });
      const unstorable = { location: '\0' };
      for (let round = 0; round < 10; round += 1) {
        const whole = Array.from({ length: 50 }, () => limited());
        const broken = Array.from({ length: 50 }, () => limited(unstorable));
        t.same(await outcomes(whole, noQueue), { aborted: 50 });
        t.same(await outcomes(broken), { aborted: 50 });
      }
      t.equal(await usedOf(store), 0);
      t.equal(await countLive(database), 0);
    });

    await t.test('of two hundred at once, ten are accepted and all others refused', async t => {
      t.same(await outcomes(Array.from({ length: 200 }, () => limited())), {
        accepted: 10,
        quotaExceeded: 190,
      });
      t.equal(await usedOf(store), limit);
      t.equal(await countLive(database), limit);
    });

    await t.test('also where they are counted by the hour', async t => {
      const hourly = { team: 'hourly', quota: { deploysPerHour: 10 } };
      const asked = Array.from({ length: 200 }, () => acceptance(hourly));
      t.same(await outcomes(asked), { accepted: 10, quotaExceeded: 190 });
    });

    await t.test('a team does not use another one up', async t => {
      t.equal((await store.accept(limited({ team: 'somebody-else' }))).outcome, 'accepted');
    });

    await t.test('however Azure is spelled, names are as unique and as many count', async t => {
      const subscription = 'abcdef00-0000-0000-0000-00000000BBBB';
      const resourceGroup = 'Payments-(Prod)_Group.1';
      const quota = { groups: 8 };
      for (let round = 0; round < 40; round += 1) {
        const spelled = {
          team: 'spelled',
          name: `spelled-${round % 10}`,
          subscription: randomCase(subscription),
          resourceGroup: randomCase(resourceGroup),
          quota,
        };
        const { outcome } = await store.accept(acceptance(spelled));
        const expected = round < 8 ? 'accepted' : round % 10 < 8 ? 'exists' : 'quotaExceeded';
        t.equal(outcome, expected, `${spelled.name} in ${spelled.subscription}/${spelled.resourceGroup}`);
      }
      const elsewhere = { team: 'spelled-too', name: 'spelled-1', subscription };
      t.equal(
        (await store.accept(acceptance({ ...elsewhere, resourceGroup: 'another' }))).outcome,
        'accepted',
      );
    });
  });

const kills = 20;

for (const kind of ['embedded', 'postgres'] as const)
  t.test(`the ${kind} store counts right after ${kills} times kill -9`, { skip: notRun[kind] }, async t => {
    const options = await testDatabase(t, kind);
    for (let n = 0; n < kills; n += 1) {
      const found = await killWhileLimited(t, options, 1 + ((n * 7919) % 60));
      t.equal(found.used, found.live, `${found.used} used`);
      t.ok(found.live <= limit);
    }
    const { store, database } = await openTestStore(t, options);
    const live = await countLive(database);
    const { rows } = await sql<{ all: number }>`select count(*) as "all" from deployments`.execute(
      database.db,
    );
    t.ok((rows[0]?.all ?? 0) > limit, 'more were accepted over time than there may be at once');
    let more = 0;
    while ((await store.accept(limited())).outcome === 'accepted') more += 1;
    t.equal(live + more, limit, `${live} were there, ${more} more fit`);
  });

function randomCase(text: string): string {
  return [...text].map(char => (Math.random() < 0.5 ? char.toLowerCase() : char.toUpperCase())).join('');
}
