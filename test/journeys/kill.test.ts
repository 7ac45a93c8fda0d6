import t from 'tap';
import { testDatabaseUrl } from '../support/database.ts';
import { type DemoWorld, eventually, type JournalEntry, startDemoWorld } from '../support/demo-world.ts';
import { createCaller, requestFor, startProcess } from '../support/service.ts';

/** Each has a world of its own, and waits for most of its time. */
const beside = { buffered: true } as const;
t.jobs = 2;

/** A moment in a deployment's life, reached by slowing down one call, and recognised in Azure's journal or the record. */
interface KillPoint {
  name: string;
  /** Slows the call down so that the moment lasts. */
  fault?: object;
  reached(world: DemoWorld, status: () => Promise<string>): Promise<unknown>;
}

const called = (world: DemoWorld, test: (entry: JournalEntry) => boolean) => async () =>
  (await world.journal()).some(test);
const slow = (host: string, method: string, path: string) => ({
  host,
  method,
  path,
  delayMs: 4_000,
  times: 1,
});

const points: KillPoint[] = [
  { name: 'right after it was accepted', reached: async () => true },
  {
    name: 'while the vault is asked',
    fault: slow('demo-vault.vault.azure.net', 'GET', '/secrets/acr-admin'),
    reached: (_world, status) => eventually('Resolving', async () => (await status()) === 'Resolving'),
  },
  {
    name: 'while the registry is asked',
    fault: slow('myregistry.azurecr.io', 'HEAD', '/manifests/'),
    reached: world =>
      eventually(
        'the registry',
        called(world, ({ host, path }) => host === 'myregistry.azurecr.io' && path.includes('/oauth2/token')),
      ).catch(() => true),
  },
  {
    name: 'before ARM has the group',
    fault: slow('management.azure.com', 'PUT', '/containerGroups/'),
    reached: (_world, status) => eventually('Submitting', async () => (await status()) === 'Submitting'),
  },
  {
    name: 'after ARM has the group, before its answer',
    fault: {
      host: 'management.azure.com',
      method: 'PUT',
      path: '/containerGroups/',
      dripBytesPerSecond: 50,
      times: 1,
    },
    reached: world =>
      eventually('the group', async () => {
        const { containerGroups } = (await world.control('GET', 'world')) as {
          containerGroups: Record<string, unknown>;
        };
        return Object.keys(containerGroups).some(id => id.endsWith('/killed'));
      }),
  },
  {
    name: 'while it is provisioned',
    reached: (_world, status) =>
      eventually(
        'Provisioning',
        async () => (await status()) === 'Provisioning' || (await status()) === 'Running',
      ),
  },
];

for (const point of points)
  t.test(
    `a kill -9 ${point.name}, then a restart, ends in Running with one container group`,
    beside,
    async t => {
      const world = await startDemoWorld(t);
      const env = { ...world.env, ...(await testDatabaseUrl(t)) };
      const first = await startProcess(t, ['src/main.ts'], env);
      const ask = createCaller(first.url, await world.token());
      if (point.fault) await world.control('POST', 'faults', point.fault);

      const accepted = await ask('POST', '/deployments', {
        body: requestFor('killed'),
        headers: { prefer: 'respond-async' },
      });
      t.equal(accepted.status, 202);
      const id: string = accepted.json.id;
      await point.reached(world, async () => (await ask('GET', `/deployments/${id}`)).json.status);
      await first.stop('SIGKILL');
      await world.control('DELETE', 'faults');

      const second = await startProcess(t, ['src/main.ts'], env);
      const askAgain = createCaller(second.url, await world.token());
      const settled = await askAgain('GET', `/deployments/${id}`, { headers: { prefer: 'wait=40' } });
      t.equal(
        settled.json.status,
        'Running',
        JSON.stringify(settled.json.failure ?? settled.json.waitingFor),
      );

      const puts = (await world.journal()).filter(
        ({ method, path, status }) =>
          method === 'PUT' && path.includes('/containerGroups/killed') && status > 0,
      );
      t.equal(puts.filter(({ status }) => status === 201).length, 1, 'the group was created once');
      const { containerGroups } = (await world.control('GET', 'world')) as {
        containerGroups: Record<string, { tags: Record<string, string> }>;
      };
      t.same(
        Object.values(containerGroups).map(({ tags }) => tags['slipway-deployment']),
        [id],
      );
      const { json: events } = await askAgain('GET', `/deployments/${id}/events`);
      t.same(
        events.value.map(({ seq }: { seq: number }) => seq),
        events.value.map((_event: unknown, index: number) => index + 1),
        'events have no gap',
      );
      t.equal((await askAgain('GET', `/operations/${settled.json.operation}`)).json.status, 'Succeeded');
    },
  );

t.test('a kill -9 while the group is being deleted, then a restart, leaves none', beside, async t => {
  const world = await startDemoWorld(t);
  const env = { ...world.env, ...(await testDatabaseUrl(t)) };
  const first = await startProcess(t, ['src/main.ts'], env);
  const ask = createCaller(first.url, await world.token());
  const { json } = await ask('POST', '/deployments', {
    body: requestFor('killed'),
    headers: { prefer: 'wait=30' },
  });
  t.equal(json.status, 'Running');
  await world.control('POST', 'faults', slow('management.azure.com', 'DELETE', '/containerGroups/'));
  const deleting = await ask('DELETE', `/deployments/${json.id}`, { headers: { prefer: 'respond-async' } });
  t.equal(deleting.status, 202);
  await eventually(
    'Deleting',
    async () => (await ask('GET', `/deployments/${json.id}`)).json.status === 'Deleting',
  );
  await first.stop('SIGKILL');
  await world.control('DELETE', 'faults');
  const second = await startProcess(t, ['src/main.ts'], env);
  const askAgain = createCaller(second.url, await world.token());
  const settled = await askAgain('GET', `/deployments/${json.id}`, { headers: { prefer: 'wait=40' } });
  t.equal(settled.json.status, 'Deleted');
  const { containerGroups } = (await world.control('GET', 'world')) as { containerGroups: object };
  t.same(containerGroups, {});
});
