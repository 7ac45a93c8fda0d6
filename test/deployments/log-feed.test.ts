import t from 'tap';
import { AzureError } from '../../src/azure/failure.ts';
import { type LogNews, startLogFeed } from '../../src/deployments/log-feed.ts';
import { writeAnchor } from '../../src/deployments/log-lines.ts';

const begun = Date.parse('2026-11-24T08:00:00.000Z');
const never = new AbortController().signal;

/** A container that writes what the test says, at a log that is asked for its end; time passes without anybody waiting. */
function createContainer() {
  const lines: string[] = [];
  const asked: (number | null)[] = [];
  let waitedMs = 0;
  const container = {
    lines,
    asked,
    waited: () => waitedMs,
    /** What Azure keeps at most. */
    keeps: Number.MAX_SAFE_INTEGER,
    rest: '',
    over: null as string | null,
    failure: null as Error | null,
    write(count: number, text = 'line') {
      for (let n = 0; n < count; n += 1)
        lines.push(`${new Date(begun + lines.length).toISOString()} ${text} ${lines.length}\n`);
    },
    place: {
      team: 'demo',
      async ask(tail: number | null) {
        asked.push(tail);
        if (container.failure) throw container.failure;
        return lines.slice(-Math.min(tail ?? container.keeps, container.keeps)).join('') + container.rest;
      },
      isOver: async () => container.over,
    },
    clock: {
      now: () => new Date(begun),
      async wait(ms: number) {
        waitedMs += ms;
      },
    },
  };
  return container;
}

const numbersOf = ({ lines }: LogNews) => lines.map(({ line }) => Number(line.text.split(' ').at(-1)));
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => from + n);

t.test('it begins with what there is, or the last of it, and goes on with what comes', async t => {
  const container = createContainer();
  container.write(5);
  const all = startLogFeed(container.place, { after: null, clock: container.clock });
  t.same(numbersOf(await all.next(15_000, never)), range(0, 5));
  const last = startLogFeed(container.place, { tail: 2, after: null, clock: container.clock });
  t.same(numbersOf(await last.next(15_000, never)), [3, 4]);
  const none = startLogFeed(container.place, { tail: 0, after: null, clock: container.clock });
  t.same(numbersOf(await none.next(15_000, never)), []);
  container.write(3);
  for (const feed of [all, last, none]) t.same(numbersOf(await feed.next(15_000, never)), [5, 6, 7]);
});

t.test('a log that was empty is told from its first line', async t => {
  const container = createContainer();
  const feed = startLogFeed(container.place, { after: null, clock: container.clock });
  t.same(numbersOf(await feed.next(15_000, never)), []);
  container.write(3_000);
  t.same(numbersOf(await feed.next(15_000, never)), range(0, 3_000));
});

t.test('more than was asked for is asked for, until what was seen last is in it', async t => {
  const container = createContainer();
  container.write(10);
  const feed = startLogFeed(container.place, { tail: 1, after: null, clock: container.clock });
  const first = await feed.next(15_000, never);
  container.asked.length = 0;
  container.write(100);
  t.same(numbersOf(await feed.next(15_000, never)), range(10, 110));
  t.same(container.asked, [200], 'little is asked for little');
  container.write(30_000);
  const news = await feed.next(15_000, never);
  t.same(numbersOf(news), range(110, 30_110));
  t.equal(news.gap, false);
  t.same(container.asked, [200, 200, 2_000, 20_000, null]);
  const back = startLogFeed(container.place, {
    after: first.lines.at(-1)?.anchor ?? null,
    clock: container.clock,
  });
  t.same(numbersOf(await back.next(15_000, never)), range(10, 30_110), 'who comes back has missed nothing');
});

t.test('what Azure does not have any more is told as a gap, once', async t => {
  const container = createContainer();
  container.write(10);
  const feed = startLogFeed(container.place, { after: null, clock: container.clock });
  await feed.next(15_000, never);
  container.keeps = 50;
  container.write(1_000);
  const news = await feed.next(15_000, never);
  t.equal(news.gap, true);
  t.same(numbersOf(news), range(960, 1_010));
  container.write(1);
  t.match(await feed.next(15_000, never), { gap: false, lines: { length: 1 } });
});

t.test('a line without an end is told when it has grown no more', async t => {
  const container = createContainer();
  container.write(1);
  const feed = startLogFeed(container.place, { after: null, clock: container.clock });
  const textsOf = async () => (await feed.next(15_000, never)).lines.map(({ line }) => line.text);
  container.rest = '2026-11-24T09:00:00.000Z half';
  t.same(await textsOf(), ['line 0']);
  container.rest = '2026-11-24T09:00:00.000Z half and half';
  t.same(await textsOf(), []);
  t.same(await textsOf(), ['half and half']);
  t.same(await textsOf(), []);
  container.lines.push(`${container.rest}\n`);
  container.rest = '';
  t.same(await textsOf(), [], 'its end is none');
});

t.test('a quiet log is asked seldom, and its end is told', async t => {
  const container = createContainer();
  container.write(1);
  const feed = startLogFeed(container.place, { after: null, clock: container.clock });
  const first = await feed.next(15_000, never);
  for (let n = 0; n < 20; n += 1) t.match(await feed.next(15_000, never), { lines: [], over: null });
  t.ok(container.waited() > 60_000, `it waited ${container.waited()} ms`);
  container.over = 'the container ended with exit code 0';
  const over = [];
  for (let n = 0; n < 3; n += 1) over.push((await feed.next(15_000, never)).over);
  t.ok(over.includes(container.over));
  const after = first.lines.at(-1)?.anchor ?? null;
  const back = startLogFeed(container.place, { after, clock: container.clock });
  t.match(await back.next(0, never), { lines: [], over: container.over }, 'who comes back hears it at once');
  t.match(after && writeAnchor(after), /^2026-11-24T08:00:00.000Z~1~/);
});

t.test('what passes is waited out, and what does not ends it', async t => {
  const container = createContainer();
  const feed = startLogFeed(container.place, { after: null, clock: container.clock });
  const facts = { kind: 'arm' as const, operation: 'list logs', message: 'no', requestId: null };
  container.failure = new AzureError({ ...facts, status: 429, code: 'TooMany', retryAfterMs: 40_000 });
  t.match(await feed.next(15_000, never), { lines: [], over: null });
  container.failure = null;
  container.write(1);
  const before = container.waited();
  t.same(numbersOf(await feed.next(60_000, never)), [0]);
  t.equal(container.waited() - before, 40_000);
  container.failure = new AzureError({ ...facts, status: 404, code: 'ResourceNotFound', retryAfterMs: null });
  container.over = 'the container group is gone';
  t.match(await feed.next(15_000, never), { over: container.over });
  container.failure = new Error('a defect');
  await t.rejects(feed.next(15_000, never), /a defect/);
  t.match(await feed.next(15_000, AbortSignal.abort()), { lines: [] }, 'who has left is told nothing');
});

t.test('what was kept of a group that is gone is told, and then that it is over', async t => {
  const { place, clock } = createContainer();
  const known = [
    { at: '2026-11-24T08:00:00.000Z', text: 'a' },
    { at: '2026-11-24T08:00:00.000Z', text: 'a' },
  ];
  const feed = startLogFeed({ ...place, known }, { after: null, clock });
  const news = await feed.next(15_000, never);
  t.match(news, { lines: { length: 2 }, over: /kept/ });
  const after = news.lines[0]?.anchor ?? null;
  t.match(await startLogFeed({ ...place, known }, { after, clock }).next(0, never), { lines: { length: 1 } });
});
