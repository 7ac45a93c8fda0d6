import type { Test } from 'tap';
import { createDeploymentStore } from '../../../src/store/deployments.ts';
import { acceptance, change, later, loaded, type TestStore } from '../../support/store.ts';

const hour = 3_600_000;

export async function accepting(t: Test, store: TestStore): Promise<void> {
  const { accept, acceptChange, events, findOperation } = store.store;
  const { db } = store.database;

  await t.test('what is accepted is on record whole, with its audit row and its job', async t => {
    const asked = acceptance();
    const claimed = store.nextClaim(asked.id);
    const result = await accept(asked);
    t.match(result, {
      outcome: 'accepted',
      deployment: { id: asked.id, status: 'Accepted', settled: false },
    });
    const claim = await claimed;
    t.equal(claim.attempt, 0);
    claim.release();

    const row = await loaded(store, asked.id);
    t.match(row, {
      cpu: asked.size.cpu,
      memoryInGb: asked.size.memoryInGB,
      plan: asked.plan,
      spec: asked.spec,
      deadlineAt: asked.deadlineAt,
      retries: 0,
    });
    t.match(await findOperation(['demo'], asked.operation), {
      kind: 'Create',
      status: 'NotStarted',
      revision: 1,
    });
    const { value } = await events(['demo'], asked.id, { after: 0, size: 10 });
    t.match(value, [{ seq: 1, source: 'Slipway', type: 'Accepted', phase: 'Accepted' }]);
    const audited = await db.selectFrom('audit').selectAll().where('target', '=', asked.name).execute();
    t.match(audited, [{ action: 'create', code: null, principal: asked.createdBy, requestId: 'request-1' }]);
    const revisions = await db
      .selectFrom('revisions')
      .selectAll()
      .where('deploymentId', '=', asked.id)
      .execute();
    t.match(revisions, [{ number: 1, spec: asked.spec, outcome: null }]);
  });

  await t.test('both drivers give instants, numbers and objects', async t => {
    const asked = acceptance({
      now: new Date('2026-11-24T10:00:00.123Z'),
      size: { cpu: 0.1, memoryInGB: 0.3 },
    });
    await accept(asked);
    const row = await loaded(store, asked.id);
    t.equal(row.createdAt.getTime(), asked.now.getTime(), 'an instant keeps its milliseconds');
    t.strictSame([row.cpu, row.memoryInGb, row.eventSeq, row.holdsName], [0.1, 0.3, 1, true]);
    t.strictSame([row.images, row.createdBy, row.failure], [[], asked.createdBy, null]);
    const { id } = await db.selectFrom('audit').select('id').limit(1).executeTakeFirstOrThrow();
    t.type(id, 'number');
  });

  await t.test(
    'a key that was used before gives the same operation, or is refused for another request',
    async t => {
      const now = new Date();
      const idempotency = { keyHash: 'key-1', requestHash: 'asked', expiresAt: later(now, 72 * hour) };
      const first = acceptance({ now, idempotency });
      t.equal((await accept(first)).outcome, 'accepted');
      const again = await accept(acceptance({ now, idempotency }));
      t.match(again, { outcome: 'replayed', deployment: { id: first.id }, operation: first.operation });
      const other = acceptance({ now, idempotency: { ...idempotency, requestHash: 'something else' } });
      t.same(await accept(other), { outcome: 'keyReused' });

      const expired = later(now, 73 * hour);
      const renewed = acceptance({
        now: expired,
        idempotency: { ...idempotency, requestHash: 'something else', expiresAt: later(expired, 72 * hour) },
      });
      t.equal((await accept(renewed)).outcome, 'accepted', 'it may be used again once it has expired');
      t.match(await accept({ ...acceptance(renewed), now: expired }), {
        outcome: 'replayed',
        operation: renewed.operation,
      });
    },
  );

  await t.test('keys that have expired are removed as new ones come', async t => {
    const now = new Date('2020-01-01T00:00:00Z');
    const key = (keyHash: string, expiresAt: Date) => ({ keyHash, requestHash: 'asked', expiresAt });
    await accept(acceptance({ now, idempotency: key('old-key', later(now, hour)) }));
    const much = later(now, 2 * hour);
    await accept(acceptance({ now: much, idempotency: key('new-key', later(much, hour)) }));
    const kept = await db
      .selectFrom('idempotency')
      .select('keyHash')
      .where('keyHash', 'in', ['old-key', 'new-key'])
      .execute();
    t.same(kept, [{ keyHash: 'new-key' }]);
  });

  await t.test('fifty at once with one name: one is accepted, the others are told which', async t => {
    const name = 'wanted-by-many';
    const asked = Array.from({ length: 50 }, () => acceptance({ name }));
    const results = await Promise.all(asked.map(accept));
    const accepted = results.filter(({ outcome }) => outcome === 'accepted');
    t.equal(accepted.length, 1);
    const winner = asked[results.findIndex(({ outcome }) => outcome === 'accepted')];
    const refused = results.filter(({ outcome }) => outcome === 'exists');
    t.equal(refused.length, 49);
    t.same(new Set(refused.map(result => 'id' in result && result.id)), new Set([winner?.id]));
  });

  await t.test(
    'two teams with one resource group cannot have one name, in whatever case Azure is named',
    async t => {
      const name = 'wanted-by-two';
      const one = acceptance({ name, team: 'one', resourceGroup: 'SHARED' });
      const two = acceptance({ name, team: 'two', resourceGroup: 'shared' });
      const outcomes = (await Promise.all([accept(one), accept(two)])).map(({ outcome }) => outcome);
      t.same(outcomes.sort(), ['accepted', 'exists']);
      t.equal((await accept(acceptance({ name, team: 'two', resourceGroup: 'other' }))).outcome, 'accepted');
    },
  );

  await t.test('a quota is exact with thirty at once, and what is left over is told', async t => {
    const quota = { groups: 7, cpu: 100 };
    const results = await Promise.all(
      Array.from({ length: 30 }, () => accept(acceptance({ team: 'limited', quota }))),
    );
    t.equal(results.filter(({ outcome }) => outcome === 'accepted').length, 7);
    t.match(
      results.find(({ outcome }) => outcome === 'quotaExceeded'),
      { which: 'groups', limit: 7, used: 7 },
    );
  });

  await t.test('tenths of cores add up to what they are', async t => {
    const tenth = { team: 'tenths', size: { cpu: 0.1, memoryInGB: 0.1 }, quota: { cpu: 0.3 } };
    for (const _ of [1, 2, 3]) t.equal((await accept(acceptance(tenth))).outcome, 'accepted');
    t.match(await accept(acceptance(tenth)), { outcome: 'quotaExceeded', which: 'cpu', limit: 0.3 });
    const memory = acceptance({ ...tenth, quota: { memoryInGB: 0.35 } });
    t.match(await accept(memory), { outcome: 'quotaExceeded', which: 'memoryInGB' });
  });

  await t.test('deployments per hour are counted for an hour', async t => {
    const now = new Date('2026-11-24T10:00:00Z');
    const often = (at: Date) => acceptance({ team: 'often', now: at, quota: { deploysPerHour: 2 } });
    t.equal((await accept(often(now))).outcome, 'accepted');
    t.equal((await accept(often(later(now, 60_000)))).outcome, 'accepted');
    t.match(await accept(often(later(now, 120_000))), { which: 'deploysPerHour', limit: 2, used: 2 });
    t.equal((await accept(often(later(now, hour + 1)))).outcome, 'accepted');
  });

  await t.test('where one part cannot be written, none is', async t => {
    const enqueue = () => Promise.reject(new Error('no queue'));
    const broken = createDeploymentStore(store.database, { ...store.jobs, enqueue });
    const asked = acceptance();
    await t.rejects(broken.accept(asked), { message: 'no queue' });
    t.equal(await store.store.load(asked.id), null);
    t.equal(await findOperation(['demo'], asked.operation), null);
    t.equal((await accept({ ...asked })).outcome, 'accepted', 'and the name is free');
  });

  await t.test('a deletion waits for what is under way, and is told what is gone', async t => {
    const asked = acceptance();
    await accept(asked);
    const deletion = change(asked.id);
    t.same(await acceptChange(deletion), {
      outcome: 'busy',
      operation: asked.operation,
      kind: 'Create',
      runUrl: null,
    });
    const settled = { status: 'Failed', settled: true, holdsName: false } as const;
    await db.updateTable('deployments').set(settled).where('id', '=', asked.id).execute();
    t.same(await acceptChange(deletion), { outcome: 'gone' });
  });
}
