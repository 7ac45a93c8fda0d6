import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { Agent, request } from 'undici';
import { circuitOpenCode, createCircuits } from '../src/circuits.ts';
import { retryBudgetCode } from '../src/retry-budget.ts';

/** A server that is well or out, and a clock in hand. */
async function start(t: { teardown(done: () => unknown): unknown }) {
  let status = 200;
  let asked = 0;
  let calls = 0;
  let now = 1_000_000;
  const server = createServer((_request, answer) => {
    asked += 1;
    answer.writeHead(status).end();
  });
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done));
  const circuits = createCircuits({ now: () => new Date(now) });
  const agent = new Agent();
  t.teardown(async () => {
    await agent.destroy();
    server.close();
  });
  const dispatcher = circuits.guard(agent, ({ path }) => path.replace(/(?<=.)\/.*/, ''));
  const { port } = server.address() as AddressInfo;
  return {
    circuits,
    become: (next: number) => {
      status = next;
    },
    pass: (ms: number) => {
      now += ms;
    },
    asked: () => asked,
    /** Each time for something else, unless `what` says for what. */
    async ask(whom = '/vault', { what, signal }: { what?: string; signal?: AbortSignal } = {}) {
      calls += 1;
      try {
        const answer = await request(`http://127.0.0.1:${port}${whom}/${what ?? calls}`, {
          dispatcher,
          ...(signal ? { signal } : {}),
        });
        await answer.body.dump();
        return answer.statusCode;
      } catch (error) {
        return error instanceof Error && 'code' in error ? error.code : error;
      }
    },
  };
}

t.test(
  'who is out is asked no more, then by one probe at a time, and by everybody once he is well',
  async t => {
    const { circuits, become, pass, asked, ask } = await start(t);
    become(503);
    for (let n = 0; n < 20; n += 1) t.equal(await ask(), 503);
    t.equal(await ask(), circuitOpenCode);
    t.same(circuits.open(), ['/vault']);
    t.equal(asked(), 20, 'no call was made');
    t.equal(await ask('/other'), 503, 'another dependency is another matter');
    pass(5_000);
    t.same((await Promise.all([ask(), ask()])).sort(), [503, circuitOpenCode], 'one probes');
    pass(5_000);
    t.equal(await ask(), circuitOpenCode, 'it waits longer now');
    pass(5_000);
    become(200);
    t.equal(await ask(), 200);
    t.same(circuits.open(), []);
    t.same(await Promise.all([ask(), ask()]), [200, 200]);
  },
);

t.test(
  'what is refused, throttled or given up is no outage, nor are failures among many that went well',
  async t => {
    const { circuits, become, ask } = await start(t);
    for (const status of [404, 429]) {
      become(status);
      for (let n = 0; n < 25; n += 1) await ask();
    }
    const given = AbortSignal.abort();
    for (let n = 0; n < 25; n += 1) await ask('/given', { signal: given });
    become(500);
    for (let n = 0; n < 24; n += 1) await ask();
    t.same(circuits.open(), []);
  },
);

t.test('failures of half a minute ago are forgotten', async t => {
  const { circuits, become, pass, ask } = await start(t);
  become(500);
  for (let n = 0; n < 19; n += 1) await ask();
  pass(30_001);
  for (let n = 0; n < 19; n += 1) await ask();
  t.same(circuits.open(), []);
  await ask();
  t.same(circuits.open(), ['/vault']);
});

/** So many distinct calls fail among others that go well: no circuit opens. */
async function failSome({ become, ask }: Awaited<ReturnType<typeof start>>, calls: readonly string[]) {
  become(200);
  for (let n = 0; n < 2 * calls.length; n += 1) await ask();
  become(503);
  for (const what of calls) await ask('/vault', { what });
}

t.test('what failed is asked again by so many, and the rest waits: nothing of it is sent', async t => {
  const world = await start(t);
  const { circuits, become, pass, asked, ask } = world;
  const failed = Array.from({ length: 12 }, (_, n) => `failed-${n}`);
  await failSome(world, failed);
  become(200);
  const before = asked();
  const again = await Promise.all(failed.map(what => ask('/vault', { what })));
  t.same(again, [...Array(10).fill(200), retryBudgetCode, retryBudgetCode]);
  t.equal(asked(), before + 10);
  t.same(circuits.open(), []);
  t.equal(await ask('/vault', { what: 'failed-0' }), 200, 'what went well since is no repetition');
  t.equal(await ask('/other', { what: 'failed-10' }), 200, 'another dependency is another matter');

  const last = { what: 'failed-11' };
  pass(5_000);
  t.equal(await ask('/vault', last), retryBudgetCode);
  pass(1_000);
  t.equal(await ask('/vault', last), 200, 'ten a minute');
  for (let n = 0; n < 10; n += 1) await ask();
  t.equal(await ask('/vault', { what: 'failed-10' }), 200, 'a tenth of what is asked');
});

t.test('a repetition that fails is the next time one again', async t => {
  const world = await start(t);
  const { ask } = world;
  await failSome(world, ['once']);
  const again: unknown[] = [];
  for (let n = 0; n < 12; n += 1) again.push(await ask('/vault', { what: 'once' }));
  t.same(again, [...Array(10).fill(503), retryBudgetCode, retryBudgetCode]);
});

t.test('a probe of who is out costs nothing, and a clock that is set back an hour delays none', async t => {
  const { circuits, become, pass, ask } = await start(t);
  become(503);
  for (let n = 0; n < 9; n += 1) await ask();
  for (let n = 0; n < 11; n += 1) await ask('/vault', { what: 'same' });
  t.same(circuits.open(), ['/vault']);
  for (const pause of [5_000, 10_000, 20_000]) {
    pass(pause);
    t.equal(await ask('/vault', { what: 'same' }), 503);
  }
  pass(-3_600_000);
  become(200);
  t.equal(await ask('/vault', { what: 'same' }), 200);
  t.same(circuits.open(), []);
});
