import { sql } from 'kysely';
import { within } from '../proof/scope.ts';
import { createLog } from '../src/log.ts';
import { openDatabase } from '../src/store/database.ts';
import { asWorker } from '../src/store/walls.ts';
import { createCaller, requestFor, startProcess } from '../test/support/service.ts';
import { freshName, furnish, storeName } from './place.ts';
import { median, type Row, rounded } from './row.ts';

const few = 1_000;
// The embedded store is filled by one process and no more than it is meant for.
const many = storeName === 'PostgreSQL' ? 1_000_000 : 100_000;
const looks = 150;

/** A page of the list and one deployment, with a long history against a short one. The rows are made by SQL. */
export async function measureHistory(): Promise<Row[]> {
  const short = await measureWith(few);
  const long = await measureWith(many);
  const row = (what: string, value: number, base: number): Row => {
    const ratio = rounded(value / base);
    return {
      figure: `${what} with ${many} deployments against ${few} (ms), ${storeName}`,
      value: rounded(value),
      base: rounded(base),
      ratio,
      goal: '<= 1.3x',
      met: ratio <= 1.3,
    };
  };
  return [row('list of 50', long.list, short.list), row('GET of one', long.get, short.get)];
}

async function measureWith(count: number): Promise<{ list: number; get: number }> {
  return within(async scope => {
    const { world, env } = await furnish(scope);
    const role = { ...env, SLIPWAY_ROLE: 'api' };
    const first = await startProcess(scope, ['src/main.ts'], role);
    const token = await world.token();
    const { json } = await createCaller(first.url, token, [])('POST', '/deployments', {
      body: requestFor(freshName('first')),
      headers: { prefer: 'respond-async' },
    });
    await first.stop();
    await multiply({ url: env.DATABASE_URL, directory: world.data }, json.id, count);
    const ask = createCaller((await startProcess(scope, ['src/main.ts'], role)).url, token, []);
    const list = await medianOf(() => ask('GET', '/deployments?maxpagesize=50'));
    const get = await medianOf(() => ask('GET', `/deployments/${json.id}`));
    return { list, get };
  });
}

/** So many copies of a row, all ended, each with an id of its own moment. */
async function multiply(
  { url, directory }: { url: string | undefined; directory: string },
  id: string,
  count: number,
): Promise<void> {
  const database = await openDatabase({
    ...(url ? { url } : { directory }),
    log: createLog({ level: 'silent' }),
  });
  const step = 20_000;
  try {
    for (let done = 0; done < count; done += step)
      await asWorker(database.db, async trx => {
        await sql`insert into deployments
          select (jsonb_populate_record(d, jsonb_build_object(
            'id', '01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'), 'name', 'old-' || n,
            'status', 'Deleted', 'settled', true, 'holds_name', false))).*
          from deployments d, generate_series(${done}::int + 1, ${Math.min(count, done + step)}::int) n where d.id = ${id}`.execute(
          trx,
        );
      });
    await sql`analyze deployments`.execute(database.db);
  } finally {
    await database.close();
  }
}

async function medianOf(ask: () => Promise<{ status: number; ms: number }>): Promise<number> {
  const times: number[] = [];
  for (let look = -looks / 3; look < looks; look += 1) {
    const { status, ms } = await ask();
    if (status !== 200) throw new Error(`it answers ${status}`);
    if (look >= 0) times.push(ms);
  }
  return median(times);
}
