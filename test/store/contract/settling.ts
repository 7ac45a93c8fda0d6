import { setTimeout as wait } from 'node:timers/promises';
import { sql } from 'kysely';
import type { Test } from 'tap';
import { Secret } from '../../../src/secret.ts';
import { createDeploymentStore, type NewEvent } from '../../../src/store/deployments.ts';
import { type Claim, ClaimLost } from '../../../src/store/jobs.ts';
import { acceptance, change, later, loaded, type TestStore } from '../../support/store.ts';

const event = (message: string, at = new Date()): NewEvent => ({
  at,
  source: 'Aci',
  type: 'Pulling',
  message,
});

export async function settling(t: Test, store: TestStore): Promise<void> {
  const { accept, acceptChange, events, find, findOperation, settle, drop } = store.store;
  const { db } = store.database;

  /** A deployment that was just accepted, and the claim on it. */
  async function begin(more = {}) {
    const asked = acceptance(more);
    const claimed = store.nextClaim(asked.id);
    await accept(asked);
    return { ...asked, claim: await claimed, row: await loaded(store, asked.id) };
  }

  await t.test('a move is kept with its times, on the deployment and on its operation', async t => {
    const { id, operation, claim, row, now } = await begin();
    const next = store.nextClaim(id);
    await settle(claim, row, { to: 'Resolving', now: later(now, 1_500), againInMs: 0 });
    claim.release();
    const moving = await next;
    t.match(await findOperation(['demo'], operation), { status: 'Running', endedAt: null });
    const images = [
      {
        container: 'app',
        requested: 'r/a:1',
        resolved: 'r/a@sha256:1',
        digest: 'sha256:1',
        pinned: true,
        verifiedWith: 'credential' as const,
      },
    ];
    await settle(moving, await loaded(store, id), {
      to: 'Running',
      now: later(now, 4_000),
      patch: { images, liveRevision: 1, health: 'Healthy', observedAt: later(now, 4_000) },
      outcome: 'Succeeded',
    });
    moving.release();

    const deployment = await find(['demo'], { id });
    t.match(deployment, { status: 'Running', settled: true, health: 'Healthy', liveRevision: 1, images });
    t.match(deployment?.timeline, [
      { phase: 'Accepted', startedAt: now.toISOString(), durationMs: 1_500 },
      { phase: 'Resolving', startedAt: later(now, 1_500).toISOString(), durationMs: 2_500 },
      { phase: 'Running', durationMs: null },
    ]);
    t.match(await findOperation(['demo'], operation), {
      status: 'Succeeded',
      endedAt: later(now, 4_000).toISOString(),
      steps: [
        { phase: 'Accepted', durationMs: 1_500 },
        { phase: 'Resolving', durationMs: 2_500 },
      ],
    });
    const revision = await db
      .selectFrom('revisions')
      .selectAll()
      .where('deploymentId', '=', id)
      .executeTakeFirst();
    t.match(revision, { images, outcome: 'Succeeded' });
  });

  await t.test('an operation stays as it ended, whatever becomes of the deployment', async t => {
    const { id, operation, claim, row, now } = await begin();
    const next = store.nextClaim(id);
    await settle(claim, row, { to: 'Running', now, outcome: 'Succeeded', againInMs: 0 });
    claim.release();
    const again = await next;
    await settle(again, await loaded(store, id), { to: 'Failed', now: later(now, 9_000), outcome: 'Failed' });
    again.release();
    t.match(await find(['demo'], { id }), { status: 'Failed' });
    t.match(await findOperation(['demo'], operation), { status: 'Succeeded', endedAt: now.toISOString() });
  });

  await t.test('events are numbered without gaps, in the order in which they were seen', async t => {
    const { id, claim, row, now } = await begin();
    const next = store.nextClaim(id);
    await settle(claim, row, {
      to: 'Resolving',
      now,
      againInMs: 0,
      events: [event('second', later(now, 50)), { ...event('third', now), data: { count: 3 } }],
    });
    claim.release();
    const moving = await next;
    await settle(moving, await loaded(store, id), { to: 'Resolving', now, events: [event('fourth')] });
    moving.release();
    const all = await events(['demo'], id, { after: 0, size: 10 });
    t.same(
      all.value.map(({ seq, message }) => [seq, message]),
      [
        [1, 'The deployment was accepted'],
        [2, 'second'],
        [3, 'third'],
        [4, 'fourth'],
      ],
    );
    t.same(all.value[2]?.data, { count: 3 });
    const page = await events(['demo'], id, { after: 1, size: 2 });
    t.same([page.value.map(({ seq }) => seq), page.more], [[2, 3], true]);
  });

  await t.test('who lost his claim writes nothing at all', async t => {
    const { id, claim, row, now } = await begin();
    // What the queue does to a job whose worker was not heard of: it is another attempt's.
    await sql`update pgboss.job set state = 'retry', start_after = now() where singleton_key = ${id}`.execute(
      db,
    );
    const second = await store.nextClaim(id);
    t.equal(second.attempt, claim.attempt + 1);
    const late = { to: 'Failed', now, outcome: 'Failed', againInMs: 0 } as const;
    await t.rejects(settle(claim, row, { ...late, events: [event('too late')] }), ClaimLost);
    await t.rejects(drop(claim, row), ClaimLost);
    claim.release();
    t.strictSame(await loaded(store, id), row, 'the row is as it was');
    t.equal((await events(['demo'], id, { after: 0, size: 10 })).value.length, 1);

    await settle(second, row, { to: 'Resolving', now, events: [event('in time')] });
    second.release();
    t.match(await find(['demo'], { id }), { status: 'Resolving' });
    await t.rejects(settle(second, row, late), ClaimLost, 'a claim is good for one move');
  });

  await t.test('a claim that settles does so once, with two at the same moment', async t => {
    const { id, claim, row, now } = await begin();
    const both = await Promise.allSettled(
      ['one', 'two'].map(message => settle(claim, row, { to: 'Resolving', now, events: [event(message)] })),
    );
    claim.release();
    t.same(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
    t.equal((await events(['demo'], id, { after: 0, size: 10 })).value.length, 2);
  });

  await t.test(
    'a deletion that is accepted while a stage runs is not lost: its stage runs at once',
    async t => {
      for (const end of ['settle', 'drop'] as const) {
        const { id, claim, row: accepted, now } = await begin();
        const next = store.nextClaim(id);
        await settle(claim, accepted, { to: 'Running', now, againInMs: 0, outcome: 'Succeeded' });
        claim.release();
        const following = await next;
        const row = await loaded(store, id);
        const deletion = change(id);
        t.match(await acceptChange(deletion), {
          outcome: 'accepted',
          deployment: { status: 'Deleting', settled: false },
        });

        const deleting = store.nextClaim(id);
        if (end === 'settle') await settle(following, row, { to: 'Failed', now, events: [event('a look')] });
        else await drop(following, row);
        following.release();
        const last = await deleting;
        const present = await loaded(store, id);
        t.match(
          present,
          { status: 'Deleting', operation: deletion.operation },
          'nothing of the stage is saved',
        );
        await settle(last, present, {
          to: 'Deleted',
          now,
          outcome: 'Succeeded',
          patch: { holdsName: false },
        });
        last.release();
        t.match(await findOperation(['demo'], deletion.operation), { kind: 'Delete', status: 'Succeeded' });
        t.same(await acceptChange(change(id)), { outcome: 'gone' });
        const revision = await db
          .selectFrom('revisions')
          .select('outcome')
          .where('deploymentId', '=', id)
          .executeTakeFirst();
        t.same(revision, { outcome: 'Succeeded' }, 'a deletion does not change what the revision came to');
      }
    },
  );

  await t.test('accepting and settling at the same moment never wait for each other in a circle', async t => {
    const { id, claim, row, now } = await begin();
    const next = store.nextClaim(id);
    await settle(claim, row, { to: 'Running', now, againInMs: 0, outcome: 'Succeeded' });
    claim.release();
    const following = await next;
    const present = await loaded(store, id);
    // Each lingers after its first lock, so that the other has time to take its own.
    const lingering = createDeploymentStore(store.database, {
      ...store.jobs,
      enqueue: async (...job) => {
        await wait(100);
        await store.jobs.enqueue(...job);
      },
    });
    const complete: Claim['complete'] = async trx => {
      await following.complete(trx);
      await wait(100);
    };
    const deleting = lingering.acceptChange(change(id));
    await wait(30);
    await settle({ ...following, complete }, present, { to: 'Running', now, againInMs: 60_000 });
    following.release();
    t.match(await deleting, { outcome: 'accepted' });
    t.match(await find(['demo'], { id }), { status: 'Deleting' });
  });

  await t.test('no live secret and nothing that PostgreSQL refuses comes to rest in free text', async t => {
    using secret = new Secret('hunter2-"quoted"');
    const { id, operation, claim, row, now } = await begin();
    const told = `the registry said ${secret.reveal()} \0 \ud83d and ended`;
    await settle(claim, row, {
      to: 'Resolving',
      now,
      patch: {
        waitingFor: { reason: told, since: now.toISOString() },
        failure: {
          code: 'RegistryAuthenticationFailed',
          title: 'refused',
          detail: told,
          owner: 'registryOwner',
          retryable: false,
          confidence: 'high',
          evidence: [{ step: 'token', message: told }],
          fixes: [],
        },
        seenEvents: [told],
      },
      events: [event(told)],
    });
    claim.release();
    const kept = JSON.stringify([
      await loaded(store, id),
      await findOperation(['demo'], operation),
      await events(['demo'], id, { after: 0, size: 10 }),
    ]);
    t.equal(kept.match(/the registry said \[secret\] \ufffd \ufffd and ended/g)?.length, 8);
    t.notMatch(kept, /hunter2/);
  });
}
