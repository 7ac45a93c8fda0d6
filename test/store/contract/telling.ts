import { randomUUIDv7 } from 'node:crypto';
import { sql } from 'kysely';
import type { Test } from 'tap';
import { systemClock } from '../../../src/clock.ts';
import { createLog } from '../../../src/log.ts';
import { insertEvents } from '../../../src/store/events.ts';
import { deletePast } from '../../../src/store/retention.ts';
import { createSavedLogs } from '../../../src/store/saved-logs.ts';
import { asWorker } from '../../../src/store/walls.ts';
import { acceptance, type TestStore } from '../../support/store.ts';

/** The order of events, of a deployment and of a team, and who is told of them. */
export async function telling(t: Test, { store, database }: TestStore): Promise<void> {
  const { db } = database;
  const all = { after: 0, size: 1000 };

  async function accepted(team: string): Promise<{ id: string; team: string }> {
    const { id } = acceptance({ team });
    await store.accept(acceptance({ id, team }));
    return { id, team };
  }

  /** What a move writes of events. */
  function append(deployment: { id: string; team: string }, messages: string[]): Promise<void> {
    return asWorker(db, async trx => {
      const { eventSeq } = await trx
        .updateTable('deployments')
        .set({ eventSeq: sql`event_seq + ${messages.length}` })
        .where('id', '=', deployment.id)
        .returning('eventSeq')
        .executeTakeFirstOrThrow();
      const events = messages.map(message => ({
        at: new Date(),
        source: 'Aci' as const,
        type: 'Pulling',
        message,
      }));
      await insertEvents(trx, deployment, events, eventSeq);
    });
  }

  await t.test(
    'who reads a team on and on while many write misses nothing and sees nothing twice',
    async t => {
      const team = 'busy';
      const deployments = await Promise.all(Array.from({ length: 8 }, () => accepted(team)));
      let writing = true;
      const writers = deployments.map(async (deployment, n) => {
        for (let round = 0; round < 12; round += 1)
          await append(
            deployment,
            Array.from({ length: 1 + ((n + round) % 3) }, (_, k) => `${n}.${round}.${k}`),
          );
      });
      const done = Promise.all(writers).finally(() => {
        writing = false;
      });
      const seen: { position: number; deployment: string; seq: number }[] = [];
      for (;;) {
        const last = !writing;
        const page = await store.teamEvents([team], team, { after: seen.at(-1)?.position ?? 0, size: 7 });
        seen.push(...page.value);
        if (last && page.value.length === 0) break;
      }
      await done;
      t.same(
        seen.map(({ position }) => position),
        seen.map((_, index) => index + 1),
        'counted from 1, without a gap',
      );
      const { count } = await asWorker(db, trx =>
        trx
          .selectFrom('events')
          .select(sql<number>`count(*)`.as('count'))
          .where('team', '=', team)
          .executeTakeFirstOrThrow(),
      );
      t.equal(seen.length, count, 'all of them');
      for (const { id } of deployments) {
        const own = seen.filter(({ deployment }) => deployment === id).map(({ seq }) => seq);
        t.same(
          own,
          own.map((_, index) => index + 1),
          'and in the order of the deployment',
        );
      }
      t.equal(await store.lastPosition([team], team), seen.length);
    },
  );

  await t.test('teams count for themselves, and do not see each other', async t => {
    const [one, two] = [await accepted('quiet-one'), await accepted('quiet-two')];
    await append(two, ['a', 'b']);
    t.same((await store.teamEvents(['quiet-one'], 'quiet-one', all)).value.length, 1);
    t.match((await store.teamEvents('all', 'quiet-two', all)).value, [
      { position: 1, deployment: two.id, seq: 1 },
      { position: 2, deployment: two.id, seq: 2, message: 'a' },
      { position: 3, deployment: two.id, seq: 3, message: 'b' },
    ]);
    t.same(await store.teamEvents(['quiet-two'], 'quiet-one', all), { value: [], more: false });
    t.same(await store.teamEvents([], 'quiet-one', all), { value: [], more: false });
    t.equal(await store.lastPosition(['quiet-two'], 'quiet-one'), 0);
    t.match(await store.teamEvents('all', 'quiet-two', { after: 0, size: 2 }), { more: true });
    t.same(await store.lastPositions([]), new Map());
    t.same([...(await store.lastPositions(['quiet-one'])).keys()], ['quiet-one']);
    const everyone = await store.lastPositions('all');
    t.ok(everyone.has('quiet-one') && everyone.has('quiet-two'), 'an operator is told of all');
    t.ok(one);
  });

  await t.test('who subscribed is told of the deployment and of its team, not of others', async t => {
    const watch = await store.watch();
    t.teardown(() => watch.close());
    const one = await accepted('told');
    using byId = watch.subscribe({ id: one.id });
    using byTeam = watch.subscribe({ team: 'told' });
    using byAll = watch.subscribe({ teams: 'all' });
    using bySome = watch.subscribe({ teams: ['untold', 'told'] });
    using elsewhere = watch.subscribe({ team: 'untold' });
    await append(one, ['news']);
    t.equal(await byId.within(20_000), true);
    t.equal(await byTeam.within(20_000), true);
    t.equal(await byAll.within(20_000), true);
    t.equal(await bySome.within(20_000), true);
    await append(one, ['more']);
    t.equal(await byId.within(20_000), true, 'again and again');
    t.equal(await elsewhere.within(0), false);
    t.equal(await elsewhere.within(20_000, AbortSignal.abort()), false);
    using nothing = watch.subscribe({ id: randomUUIDv7() });
    t.equal(await nothing.within(20_000, AbortSignal.abort()), false, 'who left is not kept waiting');
  });

  await t.test(
    'what is past its time is deleted in batches, from the beginning, and nothing else',
    async t => {
      const [old, young] = [await accepted('old'), await accepted('young')];
      for (let n = 0; n < 3; n += 1)
        await append(
          old,
          Array.from({ length: 500 }, (_, k) => `${n}.${k}`),
        );
      const logs = createSavedLogs(database);
      const row = await store.load(old.id);
      if (row)
        await logs.save(row, [{ container: 'app', content: 'it wrote\0this' }], new Date('2020-01-01'));
      const ago = sql<Date>`now() - interval '91 days'`;
      await asWorker(db, trx =>
        trx
          .updateTable('events')
          .set({ recordedAt: ago })
          .where('team', '=', 'old')
          .where('seq', '<', 1400)
          .execute(),
      );
      t.match(await logs.find(['old'], old.id, 'app'), { content: 'it wrote\ufffdthis', revision: 1 });
      t.equal(await logs.find(['young'], old.id, 'app'), null);
      const days = { events: 90, records: 365, audit: 730 };
      await deletePast(database, { days, clock: systemClock, log: createLog({ level: 'silent' }) });
      t.equal(await logs.find(['old'], old.id, 'app'), null);
      const { value } = await store.events(['old'], old.id, { after: 0, size: 1000 });
      t.same([value[0]?.seq, value.at(-1)?.seq, value.length], [1400, 1501, 102]);
      await append(old, ['it goes on']);
      t.match(await store.events(['old'], old.id, { after: 1501, size: 10 }), { value: [{ seq: 1502 }] });
      t.equal((await store.events(['young'], young.id, { after: 0, size: 10 })).value.length, 1);
    },
  );
}
