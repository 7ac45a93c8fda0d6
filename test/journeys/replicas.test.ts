import { once } from 'node:events';
import t from 'tap';
import { contractServer, createOwnedDatabase, execute } from '../support/database.ts';
import { eventually, startDemoWorld } from '../support/demo-world.ts';
import { type Answer, createCaller, requestFor, startProcess } from '../support/service.ts';

/** Several processes on one PostgreSQL. */
const skip = contractServer ? false : 'NOT RUN: SLIPWAY_TEST_DATABASE_URL names no PostgreSQL server';

const cut = { status: 0 } as const;
/** What a client sees that was cut off, or not let in. */
const outcomeOf = (asked: Promise<Answer>): Promise<Answer | (typeof cut & { code: string })> =>
  asked.catch(error => ({ ...cut, code: error.cause?.code ?? error.message }));

t.test('three replicas of one PostgreSQL', { skip }, async t => {
  const world = await startDemoWorld(t);
  const DATABASE_URL = await createOwnedDatabase(t, contractServer ?? '');
  const env = { ...world.env, DATABASE_URL };
  const start = (role: string) => startProcess(t, ['src/main.ts'], { ...env, SLIPWAY_ROLE: role });
  // On an empty database: one makes the tables, the others wait for it.
  const [first, second, third] = await Promise.all([start('all'), start('all'), start('api')]);
  const token = await world.token();
  const callers = [first, second, third].map(({ url }) => createCaller(url, token));
  const [askFirst, askSecond, askThird] = callers;
  if (!askFirst || !askSecond || !askThird) throw new Error('three were started');

  const running = async (ids: string[]) =>
    eventually(
      'all to run',
      async () => {
        const all = await Promise.all(ids.map(id => askThird('GET', `/deployments/${id}`)));
        return all.every(({ json }) => json.settled) && all.map(({ json }) => json);
      },
      120_000,
    );
  const deploy = (ask: typeof askFirst, name: string, prefer = 'respond-async') =>
    ask('POST', '/deployments', { body: requestFor(name), headers: { prefer } });

  await t.test('what one accepts any other shows, and any worker makes', async t => {
    const accepted = await Promise.all(
      Array.from({ length: 6 }, (_, n) => deploy(callers[n % 3] ?? askFirst, `shared-${n}`)),
    );
    t.same(
      accepted.map(({ status }) => status),
      Array.from({ length: 6 }, () => 202),
    );
    const all = await running(accepted.map(({ json }) => json.id));
    t.same(new Set(all.map(({ status }) => status)), new Set(['Running']));
  });

  await t.test('lost connections to the database are a delay', async t => {
    const { json } = await deploy(askFirst, 'cut-off');
    const all = `select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`;
    // Another login's connections are a superuser's to end.
    const asSuperuser = Object.assign(new URL(contractServer ?? ''), {
      pathname: new URL(DATABASE_URL).pathname,
    });
    await execute(asSuperuser.href, all);
    const answers = await Promise.all(callers.map(ask => outcomeOf(ask('GET', `/deployments/${json.id}`))));
    for (const { status } of answers) t.ok([200, 503].includes(status), `${status}`);
    t.match(await running([json.id]), [{ status: 'Running' }]);
    for (const ask of callers) t.equal((await ask('GET', '/readyz')).status, 200);
  });

  await t.test('a SIGTERM under load resets nothing and loses nothing; streams are told', async t => {
    const { json: followed } = await deploy(askFirst, 'followed');
    const stream = await fetch(`${first.url}/events?team=demo`, {
      headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream' },
    });
    t.equal(stream.status, 200, await (stream.ok ? 'a stream' : stream.text()));
    const heard = stream.text();
    const waiting = outcomeOf(
      askFirst('GET', `/deployments/${followed.id}`, { headers: { prefer: 'wait=40' } }),
    );
    const load = Array.from({ length: 20 }, (_, n) => outcomeOf(deploy(askFirst, `stopped-${n}`, 'wait=40')));
    await load[0];
    const exit = once(first.child, 'exit');
    await first.stop();
    const [code] = await exit;
    t.equal(code, 0, `it ended in time, by itself: ${first.said().slice(-500)}`);
    t.match(await heard, /event: shutdown/);
    const answers = await Promise.all(load);
    for (const answer of answers)
      t.ok(
        [202, 200, 201, 422, 503].includes(answer.status) ||
          ('code' in answer && answer.code === 'ECONNREFUSED'),
        `answered, or never let in: ${JSON.stringify('code' in answer ? answer.code : answer.status)}`,
      );
    t.equal((await waiting).status, 200, 'whoever waits is answered as it is');
    const ids = answers.flatMap(answer => ('json' in answer && answer.json?.id ? [answer.json.id] : []));
    t.ok(ids.length > 0);
    const all = await running([followed.id, ...ids]);
    t.same(new Set(all.map(({ status }) => status)), new Set(['Running']), 'the others went on with it');
    const puts = (await world.journal()).filter(
      ({ method, path, status }) => method === 'PUT' && path.includes('/containerGroups/') && status === 201,
    );
    t.equal(puts.length, new Set(puts.map(({ path }) => path)).size, 'and made nothing twice');
  });
});
