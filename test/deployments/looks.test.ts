import { sql } from 'kysely';
import t from 'tap';
import type { ListedGroup } from '../../src/azure/group-lists.ts';
import { createLooks } from '../../src/deployments/looks.ts';
import { createLog } from '../../src/log.ts';
import type { DeploymentRow } from '../../src/store/deployments.ts';
import { createFollowingStore, type FollowingStore } from '../../src/store/following.ts';
import { asWorker } from '../../src/store/walls.ts';
import { testDatabase } from '../support/database.ts';
import { crowdOf, flight, rowOf } from '../support/flight.ts';
import { acceptance, openTestStore } from '../support/store.ts';

const store = await openTestStore(t, await testDatabase(t));
const following = createFollowingStore(store.database, store.jobs);
const start = new Date('2026-11-24T08:00:00.000Z');
const subscription = '00000000-0000-0000-0000-00000000bbbb';
const at = (ms: number) => new Date(start.getTime() + ms);
const log = createLog({ level: 'silent' });
const signal = new AbortController().signal;

type Options = Partial<{
  following: Partial<FollowingStore>;
  list(): Promise<ListedGroup[]>;
  blocked: boolean;
}>;

/** Looks with a clock that the test moves, and what was asked and told of them. */
function createWorld({ following = {}, list = async () => [], blocked = false }: Options = {}) {
  let now = start;
  const lists: string[] = [];
  const woken: string[] = [];
  const looks = createLooks({
    following: {
      crowds: async () => [],
      resting: async () => [],
      takeTurn: async () => true,
      followed: async () => [],
      wake: async ids => void woken.push(...ids),
      ...following,
    },
    groupLists: {
      async list({ resourceGroup }) {
        lists.push(resourceGroup);
        return list();
      },
    },
    pacing: { readsBlocked: () => (blocked ? at(60_000) : null) },
    clock: { now: () => now, wait: () => Promise.resolve() },
    log,
  });
  return {
    looks,
    lists,
    woken,
    pass(ms: number) {
      now = new Date(now.getTime() + ms);
    },
  };
}

t.test('who is alone is looked at soon at first, then later, and at his deadline', async t => {
  const { looks, pass } = createWorld({ following: { crowds: async () => [crowdOf(1)] } });
  t.equal(await looks.firstInMs(rowOf()), 0);
  const waits: number[] = [];
  for (const ms of [0, 2_000, 6_000, 12_000, 60_000, 600_000]) {
    pass(ms);
    waits.push(await looks.nextInMs(rowOf()));
  }
  t.same(waits, [500, 500, 1_000, 2_500, 10_000, 10_000]);
  t.equal(await looks.nextInMs(rowOf({ deadlineAt: at(681_000) })), 1_000, 'not after his deadline');
  t.equal(
    await looks.nextInMs(rowOf({ deadlineAt: at(1_000) })),
    10_000,
    'which does not hurry a job that runs',
  );
});

t.test('ten thousand keep to five looks a second, and do not come in one moment', async t => {
  const { looks, pass } = createWorld({ following: { crowds: async () => [crowdOf(10_000)] } });
  pass(1_000);
  const waits = await Promise.all(Array.from({ length: 1_000 }, () => looks.nextInMs(rowOf())));
  const mean = waits.reduce((sum, ms) => sum + ms, 0) / waits.length;
  t.ok(Math.min(...waits) >= 1_500_000 && mean > 1_600_000, `a look each ${mean} ms for each of 10,000`);
  const seconds = new Set(waits.map(ms => Math.floor(ms / 10_000)));
  t.ok(seconds.size > 20, `they are spread over ${seconds.size} times ten seconds`);
  t.ok(await looks.isCrowded(rowOf()));
  t.ok((await looks.firstInMs(rowOf())) > 1_000_000, 'the first look waits for its turn too');
});

t.test('a flood in one resource group costs another one half of its looks, and no more', async t => {
  const small = crowdOf(3, { resourceGroup: 'small' });
  const { looks } = createWorld({ following: { crowds: async () => [crowdOf(10_000), small] } });
  const wait = await looks.nextInMs(rowOf({ resourceGroup: 'Small' }));
  t.ok(wait >= 900 && wait <= 1_500, `${wait} ms`);
  t.notOk(await looks.isCrowded(rowOf({ resourceGroup: 'Small' })));
});

t.test('where a list tells the end the distance of looks doubles; where it cannot, it does not', async t => {
  const crowd = crowdOf(25, { silent: 1 });
  const { looks, pass } = createWorld({ following: { crowds: async () => [crowd] } });
  pass(100_000);
  const told = await looks.nextInMs(rowOf());
  t.ok(told >= 75_000 && told <= 125_000, `${told} ms after 100 s`);
  const view = { id: '', provisioningState: 'Succeeded', state: null, containers: [] };
  t.equal(await looks.nextInMs(rowOf(), view), 10_000, 'only its containers are not there yet');
  t.equal(await looks.nextInMs(rowOf({ containerGroup: view })), 10_000);
  const going = await looks.nextInMs(rowOf({ status: 'Deleting', containerGroup: view }));
  t.ok(going >= 75_000, 'that it is gone, a list tells');
  crowd.listed = 24;
  pass(1_000);
  const few = await looks.nextInMs(rowOf());
  t.ok(few >= 3_600 && few <= 12_500, `${few} ms where there are few`);
});

t.test(
  'ten thousand in flight cost no more than three reads each, and no more than Azure gives back',
  async t => {
    const { most, reads, lists, slowest } = await flight({ count: 10_000, perSecond: 10, lifeMs: 600_000 });
    const each = (reads + lists) / 10_000;
    t.ok(each <= 3, `${each} reads each, with the one before it was put; ${lists} of them lists`);
    t.ok(most <= 27, `${most} reads a second in the busiest minute`);
    t.ok(slowest <= 60_000, `the end of the last was seen after ${slowest} ms`);
  },
);

t.test('how many are under way is counted once a second, however many ask', async t => {
  let counted = 0;
  let fails = false;
  const crowds = async () => {
    counted += 1;
    if (fails) throw new Error('no store');
    return [];
  };
  const { looks, pass } = createWorld({ following: { crowds } });
  await Promise.all(Array.from({ length: 50 }, () => looks.nextInMs(rowOf())));
  t.equal(counted, 1);
  pass(1_000);
  fails = true;
  await t.rejects(looks.nextInMs(rowOf()), /no store/);
  fails = false;
  t.equal(await looks.nextInMs(rowOf()), 500, 'what failed is not kept');
});

let groups = 0;

type Columns = Partial<
  Pick<
    DeploymentRow,
    | ('status' | 'settled' | 'revision' | 'containerGroup' | 'updatedAt')
    | ('subscription' | 'holdsName' | 'liveRevision')
  >
> & {
  waitingFor?: DeploymentRow['waitingFor'];
};

/** One that is under way on record, in a resource group of the test. */
async function underWay(resourceGroup: string, more: Columns = {}) {
  const asked = acceptance({ resourceGroup, now: start });
  await store.store.accept(asked);
  const { containerGroup, waitingFor, ...plain } = more;
  await asWorker(store.database.db, async trx => {
    await trx
      .updateTable('deployments')
      .set({
        status: 'Provisioning',
        ...plain,
        ...(containerGroup === undefined ? {} : { containerGroup: JSON.stringify(containerGroup) as never }),
        ...(waitingFor === undefined ? {} : { waitingFor: JSON.stringify(waitingFor) as never }),
      })
      .where('id', '=', asked.id)
      .execute();
  });
  const group = (provisioningState: string, tags: Record<string, string> = {}): ListedGroup => ({
    name: asked.name,
    tags: { 'slipway-deployment': asked.id, 'slipway-revision': '1', ...tags },
    provisioningState,
  });
  return { id: asked.id, group };
}

const freshGroup = () => {
  groups += 1;
  return `Follow-${groups}`;
};
const view = (provisioningState: string | null) => ({
  ...{ id: '/x', provisioningState, state: null, containers: [] },
});

t.test('one list brings forward the looks at those that have moved, and at no other', async t => {
  const place = freshGroup();
  const old = { updatedAt: start };
  const recent = { updatedAt: at(9_000) };
  const ended = await underWay(place, old);
  const failed = await underWay(place, { ...old, containerGroup: view('Creating') });
  const moving = await underWay(place, recent);
  const known = await underWay(place, { ...recent, containerGroup: view('Succeeded') });
  const foreign = await underWay(place, recent);
  const earlier = await underWay(place, { ...recent, revision: 2 });
  const unlisted = await underWay(place, recent);
  const deleted = await underWay(place, { ...recent, status: 'Deleting', containerGroup: view('Succeeded') });
  const deleting = await underWay(place, { ...recent, status: 'Deleting' });
  const until = at(99_000).toISOString();
  const waits = await underWay(place, {
    ...old,
    waitingFor: { reason: 'ArmOutage', since: start.toISOString(), until },
  });
  await underWay(place, { status: 'Submitting' });
  await underWay(place, { status: 'Running', settled: true });
  const list = async () => [
    ended.group('Succeeded'),
    failed.group('Failed'),
    moving.group('Creating'),
    known.group('Succeeded'),
    foreign.group('Succeeded', { 'slipway-deployment': 'another' }),
    earlier.group('Succeeded'),
    deleting.group('Succeeded'),
    waits.group('Succeeded'),
  ];
  const crowds = async () =>
    (await following.crowds()).filter(each => each.resourceGroup === place.toLowerCase());
  t.match(await crowds(), [{ subscription, listed: 10, silent: 1 }], 'one more will be looked at soon');
  const woken: string[] = [];
  const wake = async (ids: readonly string[]) => void woken.push(...ids);
  const replica = (ms: number) => {
    const one = createWorld({ following: { ...following, crowds, wake }, list });
    one.pass(ms);
    return one;
  };
  const [first, second] = [replica(10_000), replica(10_000)];
  await first.looks.lookAround(signal);
  await second.looks.lookAround(signal);
  t.equal(first.lists.length + second.lists.length, 1, 'one list for two replicas');
  t.same(woken, [ended.id, failed.id, deleted.id], 'who waits longest first');

  woken.length = 0;
  await replica(70_000).looks.lookAround(signal);
  t.same(
    new Set(woken),
    new Set(
      [ended, failed, deleted, moving, known, foreign, earlier, unlisted, deleting].map(({ id }) => id),
    ),
    'after a minute also what no list has, and whose turn has passed; never who waits for something',
  );
});

t.test('those that were put far away when there were many are looked at once there are few', async t => {
  const place = freshGroup();
  const one = await underWay(place, { updatedAt: start });
  const crowds = async () =>
    (await following.crowds()).filter(each => each.resourceGroup === place.toLowerCase());
  const world = createWorld({
    following: { ...following, crowds, wake: async ids => void world.woken.push(...ids) },
  });
  world.pass(15_000);
  await world.looks.lookAround(signal);
  t.same(world.woken, []);
  world.pass(15_000);
  await world.looks.lookAround(signal);
  t.same(world.woken, [one.id]);
  t.same(world.lists, [], 'nothing is listed for one');
});

t.test(
  'what is at rest is compared as often as is asked for, or as the reads of its subscription allow',
  async t => {
    const before = (await following.resting()).find(each => each.subscription === subscription)?.groups ?? 0;
    const rests = { status: 'Running', settled: true, liveRevision: 1 } as const;
    await underWay('resting', rests);
    await underWay('resting', { ...rests, subscription: subscription.toUpperCase() });
    await underWay('resting', { ...rests, holdsName: false });
    await underWay('resting', { ...rests, liveRevision: null });
    await underWay('resting', { ...rests, settled: false });
    t.match(
      (await following.resting()).filter(each => each.subscription === subscription),
      [{ groups: before + 2 }],
    );

    let groups = 1_000;
    const { looks, pass } = createWorld({ following: { resting: async () => [{ subscription, groups }] } });
    const next = () => looks.nextComparisonInMs({ subscription: subscription.toUpperCase() }, 300_000);
    const isAbout = (ms: number) => t.ok(next() >= ms * 0.9 && next() <= ms * 1.1, `about ${ms} ms`);
    isAbout(300_000);
    await looks.lookAround(signal);
    isAbout(300_000);
    groups = 10_000;
    await looks.lookAround(signal);
    isAbout(300_000);
    pass(60_000);
    await looks.lookAround(signal);
    isAbout(2_000_000);
  },
);

const many = Array.from({ length: 1_000 }, (_, n) => ({
  ...{ id: `id-${n}`, name: `web-${n}`, status: 'Provisioning' as const, revision: 1 },
  ...{ provisioningState: null, startedAt: start.toISOString(), updatedAt: start, waitsUntil: null },
}));

t.test('of many that ended in one moment no more are looked at than Azure lets through', async t => {
  const list = async () =>
    many.map(({ id, name }) => ({
      ...{ name, tags: { 'slipway-deployment': id }, provisioningState: 'Succeeded' },
    }));
  const world = createWorld({
    following: { crowds: async () => [crowdOf(1_000)], followed: async () => many },
    list,
  });
  await world.looks.lookAround(signal);
  const first = many.slice(0, 30).map(({ id }) => id);
  t.same(world.woken, first, 'fifteen a second, who waits longest first');
});

t.test('nothing is listed while reads are held back, and a list that fails harms nobody', async t => {
  const crowds = async () => [crowdOf(1_000), crowdOf(1_000, { resourceGroup: 'other' })];
  const following = { crowds, followed: async () => many };
  const held = createWorld({ following, blocked: true });
  await held.looks.lookAround(signal);
  t.same(held.lists, []);
  const broken = createWorld({ following, list: () => Promise.reject(new Error('out')) });
  await broken.looks.lookAround(signal);
  t.same([broken.lists, broken.woken], [['crowd', 'other'], []]);
});

t.test('a look that is brought forward is made now', async t => {
  const one = await underWay(freshGroup());
  const startOf = async () => {
    const { rows } = await sql<{ due: boolean }>`select start_after <= now() as due from pgboss.job
      where singleton_key = ${one.id} and state < 'active'`.execute(store.database.db);
    return rows;
  };
  await asWorker(store.database.db, trx => store.jobs.reschedule(trx, one.id, 1_000_000));
  t.same(await startOf(), [{ due: false }]);
  await following.wake([one.id]);
  t.same(await startOf(), [{ due: true }]);
});
