import { Agent, request } from 'undici';
import { within } from '../proof/scope.ts';
import { createCaller, requestFor, startProcess } from '../test/support/service.ts';
import { type Ask, rateOf } from './generator.ts';
import { freshName, furnish, storeName } from './place.ts';
import { quantile, type Row, rounded } from './row.ts';

const times = 3;
const seconds = 25;
const readsPerSecond = 5;

/** So many more changes than can be recorded, from callers who do not wait for each other. In the end all are answered. */
export async function measureOverload(): Promise<Row[]> {
  return within(async scope => {
    const { world, env } = await furnish(scope);
    // Whoever works on what is accepted has a process of his own.
    const { url } = await startProcess(scope, ['src/main.ts'], { ...env, SLIPWAY_ROLE: 'api' });
    const token = await world.token();
    const authorization = `Bearer ${token}`;
    const post = (): Ask => ({
      method: 'POST',
      path: '/deployments',
      body: JSON.stringify(requestFor(freshName('web'))),
      headers: { 'content-type': 'application/json', prefer: 'respond-async', authorization },
      expect: 202,
    });
    const capacity = () => rateOf(url, { callers: 16, warmMs: 1_000, ms: 4_000 }, post);
    const { json } = await createCaller(url, token, [])('POST', '/deployments', {
      body: requestFor(freshName('one')),
    });
    const read = (): Ask => ({
      method: 'GET',
      path: `/deployments/${json.id}`,
      headers: { authorization },
      expect: 200,
    });
    const before = await capacity();
    const [posts, reads] = await Promise.all([
      askAtRate(url, before * times, post),
      askAtRate(url, readsPerSecond, read),
    ]);
    const most = (before + (await capacity())) / 2;
    return rowsOf(most, posts, reads);
  });
}

interface Answered {
  status: number;
  ms: number;
}

/** Sends so many a second for so long, whatever becomes of those before, and waits for all. */
async function askAtRate(url: string, perSecond: number, ask: () => Ask): Promise<Answered[]> {
  const dispatcher = new Agent();
  const answers: Promise<Answered>[] = [];
  const begun = performance.now();
  try {
    for (let passed = 0; passed < seconds * 1_000; passed = performance.now() - begun) {
      while (answers.length < (passed / 1_000) * perSecond) answers.push(answer(url, dispatcher, ask()));
      await new Promise(done => setTimeout(done, 5));
    }
    return await Promise.all(answers);
  } finally {
    await dispatcher.destroy();
  }
}

async function answer(url: string, dispatcher: Agent, { expect: _, path, ...asked }: Ask): Promise<Answered> {
  const begun = performance.now();
  const { statusCode, body } = await request(`${url}${path}`, { dispatcher, ...asked });
  await body.dump();
  return { status: statusCode, ms: performance.now() - begun };
}

function rowsOf(capacity: number, posts: readonly Answered[], reads: readonly Answered[]): Row[] {
  const accepted = posts.filter(({ status }) => status === 202).map(({ ms }) => ms);
  const goodput = accepted.length / seconds;
  const ratio = rounded(goodput / capacity);
  const dishonest = posts.filter(({ status }) => ![202, 429, 503].includes(status)).length;
  const failed = reads.filter(({ status }) => status !== 200).length;
  const p99 = Math.round(quantile(accepted, 0.99));
  const count = (figure: string, value: number, goal: string, met: boolean): Row => ({
    figure: `  ${figure}`,
    value,
    base: null,
    ratio: null,
    goal,
    met,
  });
  const told = `half took ${Math.round(quantile(accepted, 0.5))} ms, nine in ten ${Math.round(quantile(accepted, 0.9))} ms`;
  return [
    {
      figure: `${times} times the POSTs that can be accepted, accepted per second against most, ${storeName}`,
      value: rounded(goodput),
      base: rounded(capacity),
      ratio,
      goal: '>= 0.8x',
      met: ratio >= 0.8,
    },
    { ...count('ms to the answer of what is accepted, p99', p99, '<= 500', p99 <= 500), bound: told },
    count('answers that are neither 202 nor 429 or 503', dishonest, '= 0', dishonest === 0),
    count(`reads of ${reads.length} meanwhile that failed`, failed, '= 0', failed === 0),
    count(
      'ms of these reads, p99',
      Math.round(
        quantile(
          reads.map(({ ms }) => ms),
          0.99,
        ),
      ),
      'told',
      true,
    ),
  ];
}
