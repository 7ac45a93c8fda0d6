import { randomUUID } from 'node:crypto';
import type { Test } from 'tap';
import { acceptance, change, later, loaded, supersededFailure, type TestStore } from '../../support/store.ts';

const hour = 3_600_000;

/** Changes of a deployment that is there: whose turn it is, what it takes more, and what becomes of the others. */
export async function changing(t: Test, store: Pick<TestStore, 'store' | 'nextClaim'>): Promise<void> {
  const { accept, acceptChange, findOperation, load, revisions, settle } = store.store;

  /** A deployment of one core that runs. */
  async function running() {
    const asked = acceptance();
    const claimed = store.nextClaim(asked.id);
    await accept(asked);
    const claim = await claimed;
    const patch = { liveRevision: 1 };
    const row = await loaded(store, asked.id);
    await settle(claim, row, { to: 'Running', now: asked.now, patch, outcome: 'Succeeded' });
    claim.release();
    return asked;
  }

  const revised = (id: string, cpu: number, limit: number, more = {}) =>
    change(id, {
      intent: { kind: 'Update' },
      revision: {
        spec: { name: 'changed', containers: [{ image: 'r/a:2' }] },
        plan: {},
        size: { cpu, memoryInGB: 1.5 },
        quota: { cpu: limit },
      },
      ...more,
    });

  await t.test(
    'a change takes of the quota what it needs more, and gives it back where it fails',
    async t => {
      const { id, now } = await running();
      const { cpu: used } = await store.store.used('demo', now);
      t.match(await acceptChange(revised(id, 3, used + 1)), { outcome: 'quotaExceeded', which: 'cpu', used });
      t.equal((await load(id))?.revision, 1, 'nothing is written');
      const claimed = store.nextClaim(id);
      t.match(await acceptChange(revised(id, 3, used + 2)), {
        outcome: 'accepted',
        deployment: { status: 'Accepted', settled: false, revision: 2, liveRevision: 1 },
      });
      t.equal((await store.store.used('demo', now)).cpu, used + 2, 'while it is made, both count');
      const claim = await claimed;
      await settle(claim, await loaded(store, id), { to: 'Failed', now, outcome: 'Failed' });
      claim.release();
      t.equal((await store.store.used('demo', now)).cpu, used, 'what is live counts');
      const smaller = await acceptChange(revised(id, 0.5, 0));
      t.equal(smaller.outcome, 'accepted', 'who is over his quota may still ask for less');
      const { value } = await revisions(['demo'], id, { size: 9 });
      t.match(value, [
        { number: 3, outcome: null },
        { number: 2, outcome: 'Failed' },
        { number: 1, outcome: 'Succeeded' },
      ]);
    },
  );

  await t.test('what waits begins in its order when the one before has ended', async t => {
    const { id, now } = await running();
    const first = store.nextClaim(id);
    const one = await acceptChange(revised(id, 1, 999));
    const two = revised(id, 1, 999, { onBusy: 'queue' });
    const three = change(id, { intent: { kind: 'Restart' }, onBusy: 'queue' });
    t.match(await acceptChange(revised(id, 1, 999)), { outcome: 'busy', kind: 'Update' });
    t.match(
      [await acceptChange(two), await acceptChange(three)],
      [{ outcome: 'accepted' }, { outcome: 'accepted' }],
    );
    t.match(await load(id), { revision: 2, status: 'Accepted' }, 'the present one goes on');
    const claim = await first;
    const second = store.nextClaim(id);
    await settle(claim, await loaded(store, id), { to: 'Failed', now, outcome: 'Failed' });
    claim.release();
    const next = await second;
    const row = await loaded(store, id);
    t.match(row, { revision: 3, status: 'Accepted', settled: false, operation: two.operation });
    const third = store.nextClaim(id);
    await settle(next, row, { to: 'Running', now, outcome: 'Succeeded', patch: { liveRevision: 3 } });
    next.release();
    const last = await third;
    t.match(await loaded(store, id), { status: 'Restarting', revision: 3, operation: three.operation });
    last.release();
    t.match(one, { outcome: 'accepted' });
  });

  await t.test('what waited behind a creation that came to nothing takes its name again', async t => {
    const asked = acceptance();
    const claimed = store.nextClaim(asked.id);
    await accept(asked);
    const claim = await claimed;
    await acceptChange(revised(asked.id, 1, 999, { onBusy: 'queue' }));
    const next = store.nextClaim(asked.id);
    const patch = { holdsName: false };
    await settle(claim, await loaded(store, asked.id), {
      to: 'Failed',
      now: asked.now,
      outcome: 'Failed',
      patch,
    });
    claim.release();
    (await next).release();
    t.match(await loaded(store, asked.id), { revision: 2, status: 'Accepted', holdsName: true });
    t.match(await accept(acceptance({ name: asked.name })), { outcome: 'exists', id: asked.id });
  });

  await t.test('what is superseded ends Canceled, and nothing of it is saved but what Azure has', async t => {
    const { id, now } = await running();
    const claimed = store.nextClaim(id);
    const beaten = revised(id, 1, 999);
    await acceptChange(beaten);
    const claim = await claimed;
    const before = await loaded(store, id);
    const winner = revised(id, 1, 999, { onBusy: 'supersede' });
    t.match(await acceptChange(winner), { outcome: 'accepted' });
    t.match(await findOperation(['demo'], beaten.operation), {
      status: 'Canceled',
      failure: supersededFailure,
    });
    const next = store.nextClaim(id);
    await settle(claim, before, { to: 'Resolving', now, patch: { liveRevision: 2, health: 'Degraded' } });
    claim.release();
    (await next).release();
    t.match(await loaded(store, id), {
      status: 'Accepted',
      revision: 3,
      operation: winner.operation,
      liveRevision: 2,
      health: 'Unknown',
    });
  });

  await t.test('a deletion that is under way is joined, and the key stands for it from then on', async t => {
    const { id, now } = await running();
    const first = change(id);
    await acceptChange(first);
    const joined = { outcome: 'accepted', operation: first.operation };
    const idempotency = { keyHash: `${id}-key`, requestHash: 'asked', expiresAt: later(now, hour) };
    const second = change(id, { idempotency, onBusy: 'queue' });
    t.match(await acceptChange(second), joined);
    const third = { ...second, operation: randomUUID() };
    t.match(await acceptChange(third), { ...joined, outcome: 'replayed' });
    t.equal(await findOperation(['demo'], second.operation), null);
  });

  await t.test('a change that was judged by what is no longer so is not accepted', async t => {
    const { id, operation } = await running();
    const expects = { operation, status: 'Running', revision: 1 } as const;
    t.match(await acceptChange(revised(id, 1, 999, { expects: { ...expects, revision: 2 } })), {
      outcome: 'changed',
    });
    t.match(await acceptChange(revised(id, 1, 999, { expects })), { outcome: 'accepted' });
    t.match(await acceptChange(change(id, { intent: { kind: 'Cancel' } })), { outcome: 'accepted' });
    t.match(await acceptChange(change(id, { intent: { kind: 'Cancel' } })), {
      outcome: 'notCancelable',
      because: 'tooLate',
    });
  });
}
