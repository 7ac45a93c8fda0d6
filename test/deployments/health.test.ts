import t from 'tap';
import type { ContainerGroupState, GroupPlace } from '../../src/azure/container-groups.ts';
import { AzureError } from '../../src/azure/failure.ts';
import { createHealth } from '../../src/deployments/health.ts';
import { createLog } from '../../src/log.ts';
import type { DeploymentRow } from '../../src/store/deployments.ts';
import { createHealthStore } from '../../src/store/health.ts';
import { asWorker } from '../../src/store/walls.ts';
import { testDatabase } from '../support/database.ts';
import { acceptance, openTestStore } from '../support/store.ts';

const store = await openTestStore(t, await testDatabase(t));
const { db } = store.database;
const log = createLog({ level: 'silent' });
const minute = 60_000;

/** A resource group of its own, with a clock that the test moves and an Azure that has what the test says. */
function createWorld(resourceGroup: string) {
  const groups = new Map<string, ContainerGroupState>();
  const asked: string[] = [];
  let now = new Date('2026-11-24T08:00:00.000Z');
  let outage: Error | null = null;
  const world = {
    resourceGroup,
    groups,
    asked,
    advance(ms: number) {
      now = new Date(now.getTime() + ms);
    },
    fail(error: Error | null) {
      outage = error;
    },
    now: () => now,
  };
  const look = createHealth({
    containerGroups: {
      async get({ name }: GroupPlace) {
        asked.push(`GET ${name}`);
        return groups.get(name) ?? null;
      },
    },
    groupLists: {
      async list(place) {
        asked.push(`LIST ${place.resourceGroup}`);
        if (outage) throw outage;
        return [...groups].map(([name, { tags }]) => ({ name, tags }));
      },
    },
    health: createHealthStore({ db }),
    clock: { now: () => now, wait: () => Promise.resolve() },
    log,
  });
  /** Looks wherever it is due, and says what was asked of Azure. */
  async function lookAround(): Promise<string[]> {
    while (await look(new AbortController().signal));
    return asked.splice(0).sort();
  }
  return { ...world, lookAround };
}

type World = ReturnType<typeof createWorld>;

/** One that runs, at Azure and on record. */
async function running(world: World, more: Partial<DeploymentRow> = {}) {
  const asked = acceptance({ resourceGroup: world.resourceGroup, now: world.now() });
  await store.store.accept(asked);
  await asWorker(db, trx =>
    trx
      .updateTable('deployments')
      .set({ status: 'Running', settled: true, liveRevision: 1, health: 'Healthy', ...(more as object) })
      .where('id', '=', asked.id)
      .execute(),
  );
  world.groups.set(asked.name, groupOf(asked.id, { state: 'Running' }));
  const read = async () => {
    const found = await store.store.find(['demo'], { id: asked.id });
    if (!found) throw new Error('it is gone');
    return found;
  };
  const events = async () => (await store.store.events(['demo'], asked.id, { after: 1, size: 100 })).value;
  return { ...asked, read, events };
}

type Container = Partial<ContainerGroupState['containers'][number]>;

function groupOf(owner: string, container: Container): ContainerGroupState {
  return {
    id: '/subscriptions/1/x',
    tags: { 'slipway-deployment': owner },
    provisioningState: 'Succeeded',
    state: 'Running',
    events: [],
    containers: [{ name: 'app', restartCount: 0, events: [], ...container }],
  };
}

const killed = { name: 'Killing', message: 'Killing container', type: 'Normal', count: 1 };
const crashed: Container = {
  state: 'Waiting',
  detailStatus: 'CrashLoopBackOff',
  restartCount: 3,
  previousState: { state: 'Terminated', exitCode: 137 },
  events: [{ ...killed, lastTimestamp: '2026-11-24T08:59:00.000Z' }],
};

t.test('a crash an hour later shows as Degraded, and that it is well again too', async t => {
  const world = createWorld('Crashes');
  const one = await running(world);
  for (let n = 0; n < 60; n += 1) {
    await world.lookAround();
    world.advance(minute);
  }
  t.match(await one.read(), { health: 'Healthy', status: 'Running', settled: true });
  t.same(await one.events(), [], 'as long as nothing changes nothing is told');

  world.groups.set(one.name, groupOf(one.id, crashed));
  world.advance(2 * minute);
  await world.lookAround();
  const degraded = await one.read();
  t.match(degraded, {
    health: 'Degraded',
    status: 'Running',
    observedAt: world.now().toISOString(),
    containerGroup: { containers: [{ name: 'app', state: 'Waiting', restartCount: 3 }] },
  });
  t.match(await one.events(), [
    { seq: 2, source: 'Aci', type: 'Killing', at: '2026-11-24T08:59:00.000Z', container: 'app' },
    {
      seq: 3,
      source: 'Slipway',
      type: 'Degraded',
      message: "container 'app' is Waiting (CrashLoopBackOff, exit code 137, restarted 3 times)",
      data: { health: 'Degraded', was: 'Healthy' },
    },
  ]);

  world.advance(minute);
  await world.lookAround();
  t.equal((await one.events()).length, 2, 'it is told once');
  world.groups.set(one.name, groupOf(one.id, { state: 'Running', restartCount: 4 }));
  world.advance(minute);
  await world.lookAround();
  t.match(await one.read(), { health: 'Healthy' });
  t.match((await one.events()).at(-1), { type: 'Healthy', data: { was: 'Degraded' } });
});

t.test('a group that somebody deletes or replaces is Missing', async t => {
  const world = createWorld('Missing');
  const [deleted, replaced, well] = [await running(world), await running(world), await running(world)];
  world.groups.delete(deleted.name);
  world.groups.set(replaced.name, groupOf('another', { state: 'Running' }));
  world.advance(2 * minute);
  await world.lookAround();
  t.match(await deleted.read(), { health: 'Missing', status: 'Running' });
  t.match(await replaced.read(), { health: 'Missing' });
  t.match(await well.read(), { health: 'Healthy' });
  t.match(await deleted.events(), [{ type: 'Missing', message: /no container group 'web-\d+'/ }]);
  world.advance(2 * minute);
  t.same(
    await world.lookAround(),
    [`GET ${well.name}`, 'LIST Missing'],
    'what the list shows to be gone still costs nothing more',
  );
  world.groups.set(deleted.name, groupOf(deleted.id, { state: 'Running' }));
  world.advance(2 * minute);
  await world.lookAround();
  t.match(await deleted.read(), { health: 'Healthy' }, 'it is back');
});

t.test('a list that lags behind is not believed alone', async t => {
  const world = createWorld('Lagging');
  const one = await running(world);
  const group = groupOf(one.id, { state: 'Running' });
  world.groups.delete(one.name);
  const get = world.groups.get.bind(world.groups);
  world.groups.get = name => (name === one.name ? group : get(name));
  world.advance(2 * minute);
  t.same(await world.lookAround(), [`GET ${one.name}`, 'LIST Lagging']);
  t.match(await one.read(), { health: 'Healthy' });
});

t.test(
  'one list is for many, looks are seldom where all is well, and often where something is not',
  async t => {
    const world = createWorld('Many');
    const many = await Promise.all(Array.from({ length: 70 }, () => running(world)));
    const listsIn = async (ms: number) => {
      const lists: string[] = [];
      for (let spent = 0; spent < ms; spent += 15_000) {
        lists.push(...(await world.lookAround()).filter(call => call === 'LIST Many'));
        world.advance(15_000);
      }
      return lists.length;
    };
    const first = await world.lookAround();
    t.equal(first.filter(call => call.startsWith('LIST')).length, 1);
    t.equal(first.filter(call => call.startsWith('GET')).length, 60, 'the others wait for their turn');
    world.advance(30_000);
    await world.lookAround();
    const seen = await Promise.all(many.map(one => one.read()));
    t.same(
      seen.filter(({ observedAt }) => observedAt === null),
      [],
      'which comes next',
    );
    await listsIn(10 * minute);
    t.ok((await listsIn(20 * minute)) <= 11, 'every two minutes');
    const [sick] = many;
    if (sick) world.groups.set(sick.name, groupOf(sick.id, crashed));
    await listsIn(6 * minute);
    t.ok((await listsIn(10 * minute)) >= 30, 'every quarter of a minute');
  },
);

t.test('of several replicas one looks, and where it dies another does', async t => {
  const world = createWorld('Shared');
  await running(world);
  const { claim, plan } = createHealthStore({ db });
  const [now, lease] = [world.now(), new Date(world.now().getTime() + minute)];
  const claims = await Promise.all(Array.from({ length: 5 }, () => claim(now, lease)));
  const mine = claims.filter(look => look?.resourceGroup === 'shared');
  t.equal(mine.length, 1);
  t.not((await claim(now, lease))?.resourceGroup, 'shared');
  t.match(await claim(lease, new Date(lease.getTime() + minute)), {}, 'its lease is over');
  if (mine[0]) await plan(mine[0], { dueAt: now, everyMs: 15_000 });
  world.advance(10 * minute);
  t.ok((await world.lookAround()).includes('LIST Shared'));
});

t.test('what was changed or looked at since is not overwritten', async t => {
  const world = createWorld('Fenced');
  const one = await running(world);
  const { observed, save } = createHealthStore({ db });
  const look = { subscription: one.subscription.toLowerCase(), resourceGroup: 'fenced', everyMs: 0 };
  const [row] = await observed(look);
  if (!row) throw new Error('it is not observed');
  const finding = { health: 'Degraded' as const, at: world.now(), events: [] };
  t.equal(await save(row, finding), true);
  t.equal(await save(row, { ...finding, health: 'Missing' }), false, 'a look that came later is kept');
  const [again] = await observed(look);
  const restarting = { status: 'Restarting', settled: false } as const;
  await asWorker(db, trx =>
    trx.updateTable('deployments').set(restarting).where('id', '=', one.id).execute(),
  );
  t.equal(again && (await save(again, { ...finding, health: 'Missing' })), false);
  t.match(await one.read(), { health: 'Degraded', status: 'Restarting' });
  t.same(await observed(look), [], 'what moves has its own stages that look');
});

t.test('a stop is no trouble, and where Azure says nothing nothing is said', async t => {
  const world = createWorld('Stopped');
  const stopped = await running(world, { status: 'Stopped' });
  const silent = await running(world);
  const done = await running(world, { status: 'Succeeded' });
  await asWorker(db, trx =>
    trx
      .updateTable('deployments')
      .set({ spec: JSON.stringify({ ...done.spec, restartPolicy: 'Never' }) as never })
      .where('id', '=', done.id)
      .execute(),
  );
  world.groups.set(stopped.name, groupOf(stopped.id, { state: 'Terminated', exitCode: 137 }));
  world.groups.set(silent.name, groupOf(silent.id, {}));
  world.groups.set(done.name, groupOf(done.id, { state: 'Terminated', exitCode: 0 }));
  world.advance(minute);
  await world.lookAround();
  for (const one of [stopped, silent, done]) {
    t.match(await one.read(), { health: 'Healthy' });
    t.same(await one.events(), []);
  }
});

t.test('an outage changes nothing, and a limit is obeyed', async t => {
  const world = createWorld('Outage');
  const one = await running(world);
  const facts = {
    kind: 'arm' as const,
    operation: 'list',
    code: null,
    message: 'slow down',
    requestId: null,
  };
  world.fail(new AzureError({ ...facts, status: 429, retryAfterMs: 10 * minute }));
  await world.lookAround();
  world.advance(9 * minute);
  t.notOk((await world.lookAround()).includes('LIST Outage'), 'it is not asked before its time');
  world.advance(2 * minute);
  world.fail(null);
  t.ok((await world.lookAround()).includes('LIST Outage'));
  t.match(await one.read(), { health: 'Healthy' });
});
