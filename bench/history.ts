import { sql } from 'kysely';
import { type Scope, within } from '../proof/scope.ts';
import { createLog } from '../src/log.ts';
import { openDatabase } from '../src/store/database.ts';
import { asWorker } from '../src/store/walls.ts';
import { createCaller, requestFor, startProcess } from '../test/support/service.ts';
import { freshName, furnish, storeName, takeTime } from './place.ts';
import { median, type Row, rounded } from './row.ts';

const few = 1_000;
const usual = 1_000_000;
const looks = 150;

/** A page of the list and one deployment, with a long history against a short one, in turns. The rows are made by SQL. */
export async function measureHistory(many = usual): Promise<Row[]> {
  return within(async scope => {
    const [short, long] = [await startWith(scope, few), await startWith(scope, many)];
    const row = async (what: string, look: keyof Looks): Promise<Row> => {
      const { value, base } = await inTurns(long[look], short[look]);
      const ratio = rounded(value / base);
      const figure = `${what} with ${many} deployments against ${few} (ms), ${storeName}`;
      return {
        figure,
        value: rounded(value),
        base: rounded(base),
        ratio,
        goal: '<= 1.3x',
        met: ratio <= 1.3,
      };
    };
    return [await row('list of 50', 'list'), await row('GET of one', 'get')];
  });
}

type Look = () => Promise<{ status: number; ms: number }>;
type Looks = Record<'list' | 'get', Look>;

async function startWith(scope: Scope, count: number): Promise<Looks> {
  const { world, env } = await furnish(scope);
  const role = { ...env, SLIPWAY_ROLE: 'api' };
  const first = await startProcess(scope, ['src/main.ts'], role);
  const token = await world.token();
  const headers = { prefer: 'respond-async' };
  const body = requestFor(freshName('first'));
  const { json } = await createCaller(first.url, token, [])('POST', '/deployments', { body, headers });
  await first.stop();
  await multiply({ url: env.DATABASE_URL, directory: world.data }, json.id, count);
  const ask = createCaller((await startProcess(scope, ['src/main.ts'], role)).url, token, []);
  return {
    list: () => ask('GET', '/deployments?maxpagesize=50'),
    get: () => ask('GET', `/deployments/${json.id}`),
  };
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
        await takeTime(trx);
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

/** The medians, one after the other, so that both meet the same machine. */
async function inTurns(long: Look, short: Look): Promise<{ value: number; base: number }> {
  const values: number[] = [];
  const bases: number[] = [];
  for (let turn = -looks / 3; turn < looks; turn += 1) {
    const [value, base] = [await long(), await short()];
    for (const { status } of [value, base]) if (status !== 200) throw new Error(`it answers ${status}`);
    // The first ones are for the compiler.
    if (turn < 0) continue;
    values.push(value.ms);
    bases.push(base.ms);
  }
  return { value: median(values), base: median(bases) };
}
