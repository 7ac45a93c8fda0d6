import { within } from '../proof/scope.ts';
import { createCaller, startProcess } from '../test/support/service.ts';
import { deployOne } from './deploy.ts';
import { freshName, furnish, noLimits, storeName } from './place.ts';
import { quantile, type Row, rounded } from './row.ts';

const otherTeams = ['one', 'two', 'three', 'four'] as const;
const each = 20;
const times = 20;

/** When each deployment was asked for and when its group was put, in milliseconds. */
interface Put {
  team: string;
  askedAt: number;
  putAt: number;
}

/** One team asks for twenty times as much as each of four others, all at once: how long theirs take, against without it. */
export async function measureFairness(): Promise<Row[]> {
  return within(async scope => {
    const { world, env } = await furnish(scope, { otherTeams });
    await world.control('PATCH', 'limits', noLimits);
    const { url } = await startProcess(scope, ['src/main.ts'], env);
    const [flood, others] = [await world.token('demo'), await world.token('other')];
    const theirs = () => Promise.all(otherTeams.map(team => deploy(url, others, team, each, 1)));
    await theirs();
    const alone = (await theirs()).flat();
    const [flooded, ...rest] = await Promise.all([
      deploy(url, flood, 'demo', each * times, times),
      ...otherTeams.map(team => deploy(url, others, team, each, 1)),
    ]);
    return rowsOf(alone, flooded ?? [], rest);
  });
}

/** So many by so many callers, until all have been put. */
async function deploy(
  url: string,
  token: string,
  team: string,
  count: number,
  callers: number,
): Promise<Put[]> {
  const ask = createCaller(url, token, []);
  const left = Array.from({ length: count }, () => freshName(team)).values();
  const puts: Put[] = [];
  await Promise.all(
    Array.from({ length: callers }, async () => {
      const asked = new Map<string, number>();
      for (const name of left) {
        const askedAt = Date.now();
        asked.set(await deployOne(ask, name, { team }), askedAt);
      }
      for (const [id, askedAt] of asked) puts.push({ team, askedAt, putAt: await putAtOf(ask, id) });
    }),
  );
  return puts;
}

async function putAtOf(ask: ReturnType<typeof createCaller>, id: string): Promise<number> {
  for (;;) {
    const { json, text } = await ask('GET', `/deployments/${id}`, { headers: { prefer: 'wait=45' } });
    const phases: { phase: string; startedAt: string }[] = json.timeline;
    const put = phases.find(({ phase }) => phase === 'Provisioning');
    if (put) return Date.parse(put.startedAt);
    if (json.settled) throw new Error(text);
  }
}

function rowsOf(alone: readonly Put[], flood: readonly Put[], others: readonly (readonly Put[])[]): Row[] {
  const p95 = (puts: readonly Put[]) =>
    quantile(
      puts.map(({ askedAt, putAt }) => putAt - askedAt),
      0.95,
    );
  const [value, base] = [p95(others.flat()), p95(alone)];
  const ratio = rounded(value / base);
  // For as long as every team has something that waits.
  const until = Math.min(...others.map(puts => Math.max(...puts.map(({ putAt }) => putAt))));
  const begun = Math.max(...others.map(puts => Math.min(...puts.map(({ askedAt }) => askedAt))));
  const shares = [flood, ...others].map(
    puts => puts.filter(({ putAt }) => putAt >= begun && putAt <= until).length,
  );
  const jain = rounded(jainOf(shares));
  return [
    {
      figure: `ms from POST to PUT of four teams, p95, beside one that asks for ${times} times as much, against without, ${storeName}`,
      value: Math.round(value),
      base: Math.round(base),
      ratio,
      goal: '<= 2x',
      met: ratio <= 2,
    },
    {
      figure: `  Jain's index of what the five were given while all waited (${shares.join(', ')})`,
      value: jain,
      base: null,
      ratio: null,
      goal: '>= 0.9',
      met: jain >= 0.9,
    },
  ];
}

/** 1 where all have the same, 1/n where one has everything. */
function jainOf(shares: readonly number[]): number {
  const sum = shares.reduce((total, share) => total + share, 0);
  return sum ** 2 / (shares.length * shares.reduce((total, share) => total + share ** 2, 0));
}
