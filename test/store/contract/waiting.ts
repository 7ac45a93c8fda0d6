import { setTimeout as wait } from 'node:timers/promises';
import type { Test } from 'tap';
import { acceptance, loaded, type TestStore } from '../../support/store.ts';

export async function waiting(t: Test, store: TestStore): Promise<void> {
  const { accept, settle } = store.store;
  const watch = await store.store.watch();

  await t.test('who waits is woken by the move, all of them', async t => {
    const asked = acceptance();
    const claimed = store.nextClaim(asked.id);
    await accept(asked);
    const claim = await claimed;
    const teams = ['demo'];
    const waiters = Array.from({ length: 20 }, () =>
      watch.until(asked.id, teams, ({ status }) => status === 'Resolving', 20_000),
    );
    const begun = performance.now();
    await settle(claim, await loaded(store, asked.id), { to: 'Resolving', now: new Date() });
    claim.release();
    const seen = await Promise.all(waiters);
    t.ok(performance.now() - begun < 2_000, 'at once');
    t.same(new Set(seen.map(deployment => deployment?.status)), new Set(['Resolving']));
  });

  await t.test('what is done already needs no waiting, and what does not exist neither', async t => {
    const asked = acceptance();
    await accept(asked);
    const begun = performance.now();
    t.equal((await watch.until(asked.id, ['demo'], () => true, 20_000))?.id, asked.id);
    t.equal(await watch.until(asked.id, ['other'], () => false, 20_000), null);
    t.ok(performance.now() - begun < 2_000);
  });

  await t.test('a wait ends in its time, or when the caller leaves, and leaves no timer', async t => {
    const asked = acceptance();
    await accept(asked);
    const started = t.capture(globalThis, 'setTimeout', setTimeout);
    const stopped = t.capture(globalThis, 'clearTimeout', clearTimeout);
    t.match(await watch.until(asked.id, ['demo'], () => false, 50), { status: 'Accepted' });
    const controller = new AbortController();
    const left = watch.until(asked.id, ['demo'], () => false, 20_000, controller.signal);
    await wait(100);
    controller.abort();
    t.match(await left, { status: 'Accepted' });
    t.match(await watch.until(asked.id, ['demo'], () => false, 20_000, AbortSignal.abort()), {
      status: 'Accepted',
    });
    const ours = started().filter(({ args: [, ms = 0] }) => ms > 15_000 && ms <= 20_000);
    t.equal(ours.length, 1, 'only what has to wait starts one');
    const cleared = stopped().map(({ args: [timer] }) => timer);
    for (const call of ours)
      t.ok('returned' in call && cleared.some(timer => timer === call.returned), 'it was cleared');
  });

  await t.test('closing answers everybody who waits', async t => {
    const asked = acceptance();
    await accept(asked);
    const waiter = watch.until(asked.id, ['demo'], () => false, 20_000);
    await new Promise(done => setImmediate(done));
    await watch.close();
    t.match(await waiter, { id: asked.id });
  });
}
