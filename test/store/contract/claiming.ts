import { randomUUIDv7 } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { sql } from 'kysely';
import type { Test } from 'tap';
import { acceptance, loaded, type TestStore } from '../../support/store.ts';

export async function claiming(t: Test, store: TestStore): Promise<void> {
  const { accept, settle } = store.store;
  const { db } = store.database;
  const live = async (id: string) => {
    const jobs = await sql<{ state: string }>`select state from pgboss.job
      where singleton_key = ${id} and state in ('created', 'retry', 'active')`.execute(db);
    return jobs.rows.map(({ state }) => state);
  };

  await t.test('one deployment has one job, and one worker at a time', async t => {
    const asked = acceptance();
    const claimed = store.nextClaim(asked.id);
    await accept(asked);
    const claim = await claimed;
    let claimedTwice = false;
    store.handlers.set(asked.id, async () => {
      claimedTwice = true;
    });
    await db.transaction().execute(async trx => {
      await store.jobs.enqueue(trx, { deployment: asked.id, team: 'demo' });
      await store.jobs.wake(trx, asked.id);
    });
    await wait(700);
    t.same([claimedTwice, await live(asked.id)], [false, ['active']]);
    store.handlers.delete(asked.id);
    claim.release();
  });

  await t.test(
    'a job that waits is brought forward by a wake, and by another job that is due sooner',
    async t => {
      for (const how of ['wake', 'enqueue'] as const) {
        const asked = acceptance();
        const claimed = store.nextClaim(asked.id);
        await accept(asked);
        const claim = await claimed;
        const next = store.nextClaim(asked.id);
        await settle(claim, await loaded(store, asked.id), {
          to: 'Resolving',
          now: new Date(),
          againInMs: 60_000,
        });
        claim.release();
        t.same(await live(asked.id), ['created']);
        const woken = performance.now();
        await db.transaction().execute(async trx => {
          if (how === 'wake') await store.jobs.wake(trx, asked.id);
          else await store.jobs.enqueue(trx, { deployment: asked.id, team: 'demo' });
        });
        (await next).release();
        t.ok(performance.now() - woken < 2_000, 'at once');
      }
    },
  );

  await t.test('a delay is kept', async t => {
    const asked = acceptance();
    const claimed = store.nextClaim(asked.id);
    await accept(asked);
    const claim = await claimed;
    const next = store.nextClaim(asked.id);
    await settle(claim, await loaded(store, asked.id), { to: 'Resolving', now: new Date(), againInMs: 300 });
    const begun = performance.now();
    claim.release();
    (await next).release();
    t.ok(performance.now() - begun >= 250, 'not before its time');
  });

  await t.test('a backlog that becomes due by time is worked off without pauses', async t => {
    const team = 'backlog';
    await db.transaction().execute(async trx => {
      for (let n = 0; n < 60; n += 1)
        await store.jobs.enqueue(trx, { deployment: randomUUIDv7(), team, afterMs: 200 });
    });
    const begun = performance.now();
    const left = async () => {
      const { rows } = await sql<{ jobs: number }>`select count(*) as jobs from pgboss.job
        where group_id = ${team} and state <> 'completed'`.execute(db);
      return rows[0]?.jobs ?? 0;
    };
    // With a pause after each, sixty would take thirty seconds.
    while ((await left()) > 0 && performance.now() - begun < 15_000) await wait(50);
    t.equal(await left(), 0);
  });

  await t.test('a move that throws is made again, and nothing of the error is kept with the job', async t => {
    const asked = acceptance();
    const attempts: number[] = [];
    const done = Promise.withResolvers<void>();
    store.handlers.set(asked.id, async claim => {
      attempts.push(claim.attempt);
      if (claim.attempt === 0) throw new Error('a request with password hunter2');
      store.handlers.delete(asked.id);
      await settle(claim, await loaded(store, asked.id), { to: 'Resolving', now: new Date() });
      done.resolve();
    });
    await accept(asked);
    await done.promise;
    t.same(attempts, [0, 1]);
    const kept = await sql<{
      job: string;
    }>`select j::text as job from pgboss.job j where singleton_key = ${asked.id}`.execute(db);
    t.equal(kept.rows.length, 1);
    t.notMatch(kept.rows, /hunter2/);
    t.same(await live(asked.id), [], 'it ended with the move');
  });

  await t.test('a job that is rolled back was never sent', async t => {
    const asked = acceptance();
    const undone = db.transaction().execute(async trx => {
      await store.jobs.enqueue(trx, { deployment: asked.id, team: 'demo' });
      throw new Error('undone');
    });
    await t.rejects(undone, { message: 'undone' });
    t.same(await live(asked.id), []);
  });
}
