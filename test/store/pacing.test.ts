import { randomUUIDv7 } from 'node:crypto';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { createPacingStore, type PacingStore } from '../../src/store/pacing.ts';
import { inTurns, planSlots } from '../../src/store/pacing-plan.ts';
import { contractServer, type Kind, testDatabase } from '../support/database.ts';
import { acceptance, later, loaded, openTestStore, type TestStore, work } from '../support/store.ts';

const minuteMs = 60_000;
const start = new Date('2026-11-24T12:00:00Z');
const counted = (key: string, [few, many] = [3, 5]) => ({
  key,
  windows: [
    { most: few ?? 0, lengthMs: 5 * minuteMs },
    { most: many ?? 0, lengthMs: 60 * minuteMs },
  ],
});
const bucketOf = (key: string) => ({ key: `writes/${key}`, size: 1_000, perSecond: 1_000 });

t.test('no span holds more calls than its window, and none is later than it must be', async () => {
  const window = fc.record({
    most: fc.integer({ min: 1, max: 6 }),
    lengthMs: fc.integer({ min: 1, max: 50 }),
  });
  fc.assert(
    fc.property(
      fc.array(window, { minLength: 1, maxLength: 3 }),
      fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 12 }),
      fc.integer({ min: 0, max: 40 }),
      (windows, past, count) => {
        // What was made before kept to the windows itself.
        const made = planSlots({ windows, made: [], blockedUntil: 0, now: 0 }, past.length);
        const now = made.at(-1) ?? 0;
        const slots = planSlots({ windows, made, blockedUntil: 0, now }, count);
        const all = [...made, ...slots];
        for (const { most, lengthMs } of windows)
          for (const at of all)
            if (all.filter(other => other <= at && other > at - lengthMs).length > most) return false;
        // One millisecond earlier a window would have been too full, or it would have been before now.
        return slots.every((at, index) => {
          if (at === Math.max(now, slots[index - 1] ?? now)) return true;
          const before = [...made, ...slots.slice(0, index)];
          return windows.some(
            ({ most, lengthMs }) => before.filter(other => other > at - 1 - lengthMs).length >= most,
          );
        });
      },
    ),
  );
});

t.test('teams take turns, and within a team whoever came first', async t => {
  const waiting = [...'aaaabbc'].map((team, number) => ({ team, number }));
  t.equal(
    inTurns(waiting)
      .map(({ team, number }) => `${team}${number}`)
      .join(' '),
    'a0 b4 c6 a1 b5 a2 a3',
  );
});

const notRun: Record<Kind, string | false> = {
  embedded: false,
  postgres: contractServer ? false : 'NOT RUN: SLIPWAY_TEST_DATABASE_URL names no PostgreSQL server',
};

for (const kind of ['embedded', 'postgres'] as const)
  t.test(`places in the ${kind} store`, { skip: notRun[kind] }, async t => {
    const store = await openTestStore(t, await testDatabase(t, kind));
    const pacing = await createPacingStore(store.database, store.jobs);
    t.teardown(() => pacing.close());
    for (const [name, suite] of Object.entries(suites)) await t.test(name, t => suite(t, pacing, store));
  });

type Suite = (t: Test, pacing: PacingStore, store: TestStore) => Promise<void>;

/** Takes so many places for a team and says in how many minutes each is. */
async function takeMany(pacing: PacingStore, key: string, team: string, count: number, now = start) {
  const minutes: number[] = [];
  const deployments: string[] = [];
  for (let n = 0; n < count; n += 1) {
    const deployment = randomUUIDv7();
    deployments.push(deployment);
    const place = await pacing.take({ deployment, team, counted: counted(key), now }, bucketOf(key));
    minutes.push(place.go ? 0 : (place.at.getTime() - start.getTime()) / minuteMs);
  }
  return { minutes, deployments };
}

const suites: Record<string, Suite> = {
  async 'both windows are kept, and whoever waits is let through once his time has come'(t, pacing) {
    const { minutes, deployments } = await takeMany(pacing, 'kept', 'a', 8);
    t.same(minutes, [0, 0, 0, 5, 5, 60, 60, 60]);
    const [, , , fourth = ''] = deployments;
    const ask = { deployment: fourth, team: 'a', counted: counted('kept') };
    t.match(
      await pacing.take({ ...ask, now: later(start, 4 * minuteMs) }, bucketOf('kept')),
      { go: false, at: later(start, 5 * minuteMs), full: 'window' },
      'asking again takes no second place',
    );
    t.same(await pacing.take({ ...ask, now: later(start, 5 * minuteMs) }, bucketOf('kept')), { go: true });
    t.match(
      await pacing.take({ ...ask, now: later(start, 5 * minuteMs) }, bucketOf('kept')),
      { go: false },
      'once',
    );
  },

  async 'a team that comes late is served by turns, and whoever must wait longer for it is told'(t, pacing) {
    await takeMany(pacing, 'turns', 'flood', 20);
    const { minutes } = await takeMany(pacing, 'turns', 'late', 2);
    t.same(minutes, [5, 60], 'the second of its places shares the next window');
  },

  async 'a place that is given up goes to whoever waits behind it'(t, pacing) {
    const { deployments } = await takeMany(pacing, 'given', 'a', 6);
    const [, , , fourth = '', , sixth = ''] = deployments;
    await pacing.release(fourth, start);
    const place = await pacing.reserve({
      deployment: sixth,
      team: 'a',
      counted: counted('given'),
      now: start,
    });
    t.match(place, { go: false, at: later(start, 5 * minuteMs) });
  },

  async 'a call that was refused for another reason did not count'(t, pacing) {
    const { deployments } = await takeMany(pacing, 'refused', 'a', 3);
    const [first = ''] = deployments;
    await pacing.giveBack({ deployment: first, team: 'a', counted: counted('refused'), now: start });
    t.same((await takeMany(pacing, 'refused', 'a', 2)).minutes, [0, 5]);
  },

  async 'what Azure blocks is blocked for everybody, also for those who wait already'(t, pacing) {
    const { deployments } = await takeMany(pacing, 'blocked', 'a', 4);
    await pacing.block(counted('blocked'), later(start, 7 * minuteMs), start);
    const ask = { deployment: deployments[3] ?? '', team: 'a', counted: counted('blocked'), now: start };
    t.match(await pacing.reserve(ask), { go: false, at: later(start, 7 * minuteMs) });
    await pacing.block(counted('blocked'), later(start, 6 * minuteMs), start);
    t.match(await pacing.reserve(ask), { go: false, at: later(start, 7 * minuteMs) }, 'the longer one stays');
  },

  async 'where more is left than there was thought to be, who waits comes sooner'(t, pacing) {
    const { deployments } = await takeMany(pacing, 'larger', 'a', 6);
    await pacing.learn(counted('larger'), [899, 1799], start);
    const ask = { deployment: deployments[5] ?? '', team: 'a', counted: counted('larger'), now: start };
    t.same(await pacing.reserve(ask), { go: true });
  },

  async 'where less is left others call too, until their calls have left the window'(t, pacing) {
    await takeMany(pacing, 'shared', 'a', 1);
    await pacing.learn(counted('shared'), [1, 3], start);
    await pacing.learn(counted('shared'), [1, 3], start);
    t.same((await takeMany(pacing, 'shared', 'a', 2)).minutes, [0, 5]);
    const now = later(start, 5 * minuteMs);
    t.same((await takeMany(pacing, 'shared', 'a', 2, now)).minutes, [0, 60], 'of the hour one was theirs');
  },

  async 'what is counted rightly is not learned anew'(t, pacing) {
    await takeMany(pacing, 'right', 'a', 2);
    await pacing.learn(counted('right'), [1, 3], start);
    t.same((await takeMany(pacing, 'right', 'a', 2)).minutes, [0, 5]);
  },

  async 'a clock that goes back lets nobody wait for a time that was'(t, pacing) {
    await takeMany(pacing, 'back', 'a', 3, later(start, 86_400_000));
    t.same((await takeMany(pacing, 'back', 'a', 1)).minutes, [5], 'what was made counts as made now');
  },

  async 'beside the windows a bucket is kept, and whoever waits for it is moved once'(t, pacing) {
    const wide = counted('wide', [100, 100]);
    const small = { key: 'writes/small', size: 2, perSecond: 1 };
    const take = (deployment: string, now = start) =>
      pacing.take({ deployment, team: 'a', counted: wide, now }, small);
    const [one, two, three, four] = [randomUUIDv7(), randomUUIDv7(), randomUUIDv7(), randomUUIDv7()];
    t.same([await take(one), await take(two)], [{ go: true }, { go: true }]);
    t.match(await take(three), { go: false, at: later(start, 1_000), full: 'bucket' });
    t.match(await take(four), { go: false, at: later(start, 2_000), full: 'bucket' });
    t.same(await take(three, later(start, 1_000)), { go: true });
    t.same(await take(four, later(start, 2_000)), { go: true });
    await pacing.learnBucket(small, 0, later(start, 60_000));
    t.match(await take(randomUUIDv7(), later(start, 60_000)), { go: false, at: later(start, 61_000) });
  },

  async 'who waits is moved on record and in the queue'(t, pacing, store) {
    const asked = acceptance();
    const claimed = store.nextClaim(asked.id);
    await work(store);
    await store.store.accept(asked);
    const claim = await claimed;
    const place = { deployment: asked.id, team: 'demo', counted: counted('moved'), now: start };
    await takeMany(pacing, 'moved', 'demo', 3);
    t.match(await pacing.reserve(place), { go: false });
    const waitingFor = {
      reason: 'AciCreateLimit',
      since: start.toISOString(),
      until: later(start, 300_000).toISOString(),
    };
    const row = await loaded(store, asked.id);
    const again = store.nextClaim(asked.id);
    await store.store.settle(claim, row, { to: 'Resolving', now: start, againInMs: 0 });
    claim.release();
    const second = await again;
    await store.store.settle(second, await loaded(store, asked.id), {
      to: 'Submitting',
      now: start,
      againInMs: 300_000,
      patch: { waitingFor },
    });
    second.release();
    const third = store.nextClaim(asked.id);
    await pacing.learn(counted('moved'), [99, 299], start);
    const woken = await third;
    t.equal((await loaded(store, asked.id)).waitingFor?.until, start.toISOString());
    await store.store.settle(woken, await loaded(store, asked.id), {
      to: 'Failed',
      now: start,
      outcome: 'Failed',
    });
    woken.release();
  },
};
