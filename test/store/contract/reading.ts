import { randomUUIDv7 } from 'node:crypto';
import type { Test } from 'tap';
import type { ListFilter } from '../../../src/store/deployments.ts';
import { asWorker } from '../../../src/store/walls.ts';
import { acceptance, change, type TestStore } from '../../support/store.ts';

export async function reading(t: Test, store: TestStore): Promise<void> {
  const { accept, acceptChange, events, find, findOperation, list, load } = store.store;
  const { db } = store.database;

  await t.test('pages by key are whole, newest first, while others are added', async t => {
    const team = 'pages';
    const ids: string[] = [];
    for (let n = 0; n < 25; n += 1) {
      const asked = acceptance({ team });
      await accept(asked);
      ids.unshift(asked.id);
    }
    const seen: string[] = [];
    let before: string | undefined;
    do {
      const page = await list([team], {}, { size: 10, before });
      seen.push(...page.value.map(({ id }) => id));
      before = page.next;
      await accept(acceptance({ team }));
    } while (before);
    t.same(seen, ids);
    t.notOk(
      (await list([team], {}, { size: 28, before: undefined })).next,
      'a page that just fits is the last',
    );
  });

  await t.test('a filter finds what it names and nothing else', async t => {
    const team = 'filters';
    const asked = acceptance({
      team,
      target: 'blue',
      onBehalfOf: 'portal|eve',
      createdBy: { issuer: 'embedded', subject: 'eve', client: 'pipeline' },
      spec: {
        name: 'x',
        containers: [
          { image: 'r/one:1', environmentVariables: [{ name: 'A', secretName: 'Orders-DB' }] },
          { image: 'r/two:2' },
        ],
        initContainers: [{ name: 'init', image: 'r/init:1' }],
        imageRegistryCredentials: [{ server: 'r', secretName: 'named' }],
        identity: { userAssignedIdentities: ['/subscriptions/1/W'] },
        labels: { release: '7=8' },
      },
    });
    await accept(asked);
    await accept(acceptance({ team }));
    const images = [
      {
        container: 'a',
        requested: 'r/one:1',
        resolved: 'r/one@sha256:9',
        digest: 'sha256:9',
        pinned: true,
        verifiedWith: 'none',
      },
    ];
    const credentials = [
      { server: 'r', secretName: 'pull' },
      { server: 's', identity: '/subscriptions/1/i' },
    ];
    await db
      .updateTable('deployments')
      .set({
        images: JSON.stringify(images) as never,
        credentials: JSON.stringify(credentials) as never,
        status: 'Failed',
      })
      .where('id', '=', asked.id)
      .execute();
    const found: [ListFilter, ListFilter][] = [
      [{ name: asked.name }, { name: 'x' }],
      [{ target: 'blue' }, { target: 'red' }],
      [{ status: 'Failed' }, { status: 'Running' }],
      [{ image: 'r/two:2' }, { image: 'r/two' }],
      [{ image: 'r/init:1' }, { image: 'r/init:2' }],
      [{ image: 'r/one@sha256:9' }, { image: 'r/two@sha256:9' }],
      [{ digest: 'sha256:9' }, { digest: 'sha256:8' }],
      [{ secretName: 'PULL' }, { secretName: 'push' }],
      [{ secretName: 'named' }, { secretName: 'name' }],
      [{ secretName: 'orders-db' }, { secretName: 'orders-%' }],
      [{ identity: '/Subscriptions/1/i' }, { identity: 'pull' }],
      [{ identity: '/subscriptions/1/w' }, { identity: '/subscriptions/1' }],
      [{ createdBy: 'eve' }, { createdBy: 'mallory' }],
      [{ createdBy: 'pipeline' }, { createdBy: 'embedded' }],
      [{ onBehalfOf: 'portal|eve' }, { onBehalfOf: 'eve' }],
      [{ label: 'release=7=8' }, { label: 'release=7' }],
    ];
    for (const [hit, miss] of found) {
      const page = { size: 10 };
      t.same(
        (await list([team], hit, page)).value.map(({ id }) => id),
        [asked.id],
        JSON.stringify(hit),
      );
      t.same((await list([team], miss, page)).value, [], JSON.stringify(miss));
    }
    const both = await list([team], { name: asked.name, status: 'Running' }, { size: 10 });
    t.same(both.value, [], 'all filters count');
  });

  await t.test('a name finds who holds it, else the last who had it', async t => {
    const name = 'passed-on';
    const first = acceptance({ name });
    await accept(first);
    const let_go = { holdsName: false, settled: true, status: 'Deleted' } as const;
    await db.updateTable('deployments').set(let_go).where('id', '=', first.id).execute();
    t.equal((await find(['demo'], { target: 'demo', name }))?.id, first.id);
    const second = acceptance({ name });
    await accept(second);
    t.equal((await find(['demo'], { target: 'demo', name }))?.id, second.id);
    t.equal(await find(['demo'], { target: 'other', name }), null);
  });

  await t.test('between teams there is a wall: what is not yours does not exist', async t => {
    const asked = acceptance({ team: 'inside' });
    await accept(asked);
    for (const teams of [['outside'], ['outside', 'demo'], []]) {
      t.equal(await find(teams, { id: asked.id }), null);
      t.equal(await find(teams, { target: asked.target, name: asked.name }), null);
      t.equal(await findOperation(teams, asked.operation), null);
      t.same(await events(teams, asked.id, { after: 0, size: 10 }), { value: [], more: false });
      t.same((await list(teams, { name: asked.name }, { size: 10 })).value, []);
      t.same((await list(teams, { team: 'inside' }, { size: 10 })).value, [], 'a filter opens no door');
    }
    await t.rejects(acceptChange(change(asked.id, { team: 'outside' })));
    t.equal((await find(['outside', 'inside'], { id: asked.id }))?.id, asked.id);
  });

  await t.test('an operator reads all teams, also one that nobody knows any more', async t => {
    const asked = acceptance({ team: 'forgotten', onBehalfOf: 'corp|ada' });
    await accept(asked);
    t.equal((await find('all', { id: asked.id }))?.id, asked.id);
    t.equal((await findOperation('all', asked.operation))?.id, asked.operation);
    t.equal((await events('all', asked.id, { after: 0, size: 10 })).value.length, 1);
    t.match((await list('all', { name: asked.name }, { size: 10 })).value, [{ id: asked.id }]);
    const revision = await asWorker(db, trx =>
      trx.selectFrom('revisions').select('onBehalfOf').where('deploymentId', '=', asked.id).execute(),
    );
    t.same(revision, [{ onBehalfOf: 'corp|ada' }]);
  });

  await t.test('what never was is not found', async t => {
    const id = randomUUIDv7();
    t.equal(await find(['demo'], { id }), null);
    t.equal(await findOperation(['demo'], id), null);
    t.equal(await load(id), null);
  });

  await t.test('the record shows no column that is only ours', async t => {
    const asked = acceptance();
    await accept(asked);
    const deployment = await find(['demo'], { id: asked.id });
    for (const own of [
      'plan',
      'policyDigest',
      'operationUrl',
      'seenEvents',
      'retries',
      'deadlineAt',
      'holdsName',
      'subscription',
    ])
      t.notOk(own in (deployment ?? {}), own);
  });

  await t.test('it says that it is ready', async t => {
    t.equal(await store.database.ready(), true);
  });
}
