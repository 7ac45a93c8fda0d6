import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { Agent, request } from 'undici';
import { circuitOpenCode, createCircuits } from '../src/circuits.ts';

/** A server that is well or out, and a clock in hand. */
async function start(t: { teardown(done: () => unknown): unknown }) {
  let status = 200;
  let asked = 0;
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
  const dispatcher = circuits.guard(agent, ({ path }) => path);
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
    async ask(path = '/vault', signal?: AbortSignal) {
      try {
        const answer = await request(`http://127.0.0.1:${port}${path}`, {
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
    for (let n = 0; n < 25; n += 1) await ask('/given', given);
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
