import Fastify from 'fastify';
import t from 'tap';
import { createLine, shedChanges } from '../../src/http/overload.ts';
import { registerProblems } from '../../src/http/problems.ts';
import type { Caller } from '../../src/schemas/principal.ts';

const caller: Caller = {
  principal: { issuer: 'embedded', subject: 'someone', client: 'someone' },
  teams: { demo: ['deploy'] },
  expiresAt: 0,
};

/** A line with a clock in hand, and work that ends when it is told to. */
function start() {
  let now = 0;
  const line = createLine({ now: () => new Date(now) });
  const ends: (() => void)[] = [];
  return {
    line,
    pass: (ms: number) => {
      now += ms;
    },
    /** Resolves with what came of it. */
    enter(name = 'done', team = 'demo') {
      return line
        .run(team, () => new Promise<void>(end => ends.push(end)))
        .then(
          () => name,
          error => error.code as string,
        );
    },
    /** Ends the work that began first, and lets what follows begin. */
    async end() {
      ends.shift()?.();
      await new Promise(done => setImmediate(done));
    },
    working: () => ends.length,
  };
}

t.test(
  'a crowd that comes once waits: in order at first, then the newest go first; nobody is refused',
  async t => {
    const { enter, end, working, pass, line } = start();
    const order: string[] = [];
    const all = Array.from({ length: 100 }, (_, n) => enter(`${n}`).then(name => order.push(name)));
    await end();
    t.equal(working(), 6, 'six at once');
    for (let n = 0; n < 100; n += 1) {
      pass(300);
      await end();
    }
    await Promise.all(all);
    const numbers = Array.from({ length: 100 }, (_, n) => `${n}`);
    t.same(
      order,
      [...numbers.slice(0, 6), ...numbers.slice(6).reverse()],
      'one has waited for half a minute',
    );
    t.equal(line.isTooLong(['demo']), false);
  },
);

t.test('callers who wait for their answers are no flood, however many they are', async t => {
  const { enter, end, pass, line } = start();
  const outcomes: Promise<string>[] = [];
  const call = () => void outcomes.push(enter());
  for (let n = 0; n < 50; n += 1) call();
  // Each comes back once he has his answer, for half a minute.
  for (let ms = 0; ms < 30_000; ms += 50) {
    pass(50);
    await end();
    t.equal(line.isTooLong(['demo']), false);
    call();
  }
  for (let n = 0; n < 100; n += 1) await end();
  t.same(new Set(await Promise.all(outcomes)), new Set(['done']));
});

t.test('a team that floods is refused; another takes turns with it and waits for its turn only', async t => {
  const { enter, end, pass, line, working } = start();
  const flood: Promise<string>[] = [];
  const others: Promise<string>[] = [];
  const waits: number[] = [];
  let tooLong = 0;
  for (let ms = 0; ms < 30_000; ms += 50) {
    for (let n = 0; n < 3; n += 1) flood.push(enter());
    if (ms % 500 === 0) {
      const at = ms;
      others.push(
        enter('done', 'other').then(outcome => {
          waits.push(ms - at);
          return outcome;
        }),
      );
    }
    if (line.isTooLong(['demo'])) tooLong += 1;
    for (const teams of [['other'], ['demo', 'other']]) t.equal(line.isTooLong(teams), false);
    pass(50);
    await end();
  }
  t.ok(tooLong > 0);
  while (working() > 0) await end();
  t.ok((await Promise.all(flood)).includes('StoreUnavailable'));
  t.same(new Set(await Promise.all(others)), new Set(['done']));
  t.ok(Math.max(...waits) <= 500, `at most ${Math.max(...waits)} ms, the six before it and its own work`);
});

t.test(
  'where more comes than can be done for long, who waits too long is refused and the work goes on',
  async t => {
    const { enter, end, pass, line, working } = start();
    const outcomes: Promise<string>[] = [];
    // Three come while one ends, for half a minute.
    let ended = 0;
    let tooLong = 0;
    for (let ms = 0; ms < 30_000; ms += 50) {
      for (let n = 0; n < 3; n += 1) outcomes.push(enter());
      pass(50);
      if (line.isTooLong(['demo'])) tooLong += 1;
      if (working() > 0) ended += 1;
      await end();
    }
    t.ok(tooLong > 0, 'who comes meanwhile is told before anything is read of him');
    while (working() > 0) await end();
    const found = await Promise.all(outcomes);
    const refused = found.filter(code => code === 'StoreUnavailable').length;
    t.ok(refused > 0);
    t.equal(found.length - refused, found.filter(code => code === 'done').length);
    t.ok(found.length - refused >= ended, 'nothing of what the store could do was left undone');
  },
);

t.test('whoever is refused is told so at once, with a time; reads go on', async t => {
  const app = Fastify();
  t.teardown(() => app.close());
  registerProblems(app);
  app.decorateRequest('caller', null);
  app.addHook('onRequest', async request => {
    request.caller = caller;
  });
  shedChanges(app, { isTooLong: teams => teams.includes('demo') });
  app.get('/', async () => 'read');
  app.post('/', async () => 'changed');
  const { statusCode, headers, body } = await app.inject({ method: 'POST', url: '/', payload: { a: 1 } });
  t.equal(statusCode, 503);
  t.match(headers['retry-after'], /^[1-5]$/);
  t.match(JSON.parse(body), { code: 'StoreUnavailable' });
  t.equal((await app.inject({ url: '/' })).body, 'read');
});

t.test('a store that is out is 503, whichever way its driver says so; an error of ours is not', async t => {
  const app = Fastify();
  t.teardown(() => app.close());
  app.decorate('methodsOf', () => []);
  registerProblems(app);
  const errors: Record<string, Error> = {
    terminated: new Error('Connection terminated unexpectedly'),
    refused: Object.assign(new Error(''), { code: 'ECONNREFUSED' }),
    restarted: Object.assign(new Error('terminating connection'), { code: '57P01' }),
    full: Object.assign(new Error('could not extend file'), { code: '53100' }),
    ours: Object.assign(new Error('duplicate key'), { code: '23505' }),
  };
  app.get<{ Params: { which: string } }>('/:which', async ({ params }) => {
    throw errors[params.which] ?? new Error('unknown');
  });
  for (const which of Object.keys(errors)) {
    const { statusCode, headers } = await app.inject({ url: `/${which}` });
    t.equal(statusCode, which === 'ours' ? 500 : 503, which);
    t.equal(headers['retry-after'], which === 'ours' ? undefined : '5');
  }
});
