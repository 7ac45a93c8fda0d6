import { setTimeout as sleep } from 'node:timers/promises';
import { type Scope, within } from '../proof/scope.ts';
import { createLog } from '../src/log.ts';
import { openDatabase } from '../src/store/database.ts';
import { asWorker } from '../src/store/walls.ts';
import type { DemoWorld } from '../test/support/demo-world.ts';
import { startProcess } from '../test/support/service.ts';
import { cpuMsOf } from './cpu.ts';
import { putInFlight } from './in-flight.ts';
import { furnish, noLimits, storeName } from './place.ts';
import { type Row, rounded } from './row.ts';

const count = 10_000;
const windowMs = 60_000;
/** As many as Resource Manager lets begin. */
const settledPerSecond = 10;
const settling = (settledPerSecond * windowMs) / 1_000;
/** The first look at each, soon after it was put, is before the window. */
const earlierReads = 1;

/**
 * So many that Azure is at, followed by one process: for a minute in which none comes to its end, and for one in which some
 * do. Azure's limits are lifted: what it is asked is counted.
 */
export async function measureFlight(): Promise<Row[]> {
  return within(async scope => {
    const { world, env } = await furnish(scope);
    await world.control('PATCH', 'limits', noLimits);
    const endsAt = await putInFlight(scope, world, env, { count, settling, settledPerSecond });
    const service = await startProcess(scope, ['src/main.ts'], env);
    const reads = countReads(scope, world);
    await sleep(10_000);
    const still = await watch(service.child.pid, reads);
    await world.control('POST', 'clock', { advanceMs: endsAt - Date.now() });
    const moving = await watch(service.child.pid, reads);
    const settled = await countSettled(env);
    return rowsOf(still, moving, settled);
  });
}

interface Reads {
  /** Of container groups, from the first moment on: the journal keeps the last only. */
  total(): Promise<number>;
}

function countReads(scope: Scope, world: DemoWorld): Reads {
  let last = 0;
  let counted = 0;
  const count = async () => {
    for (const { seq, method, path } of await world.journal(last)) {
      last = Math.max(last, seq);
      if (method === 'GET' && path.includes('/containerGroups')) counted += 1;
    }
    return counted;
  };
  let counting = Promise.resolve(0);
  const next = () => {
    counting = counting.then(count);
    return counting;
  };
  const timer = setInterval(() => void next(), 5_000);
  scope.teardown(() => clearInterval(timer));
  return { total: next };
}

interface Watched {
  reads: number;
  /** Of a core, in percent. */
  cpu: number;
}

async function watch(pid: number | undefined, reads: Reads): Promise<Watched> {
  const [before, cpuMs, begun] = [await reads.total(), cpuMsOf(pid), performance.now()];
  await sleep(windowMs);
  const cpu = ((cpuMsOf(pid) - cpuMs) * 100) / (performance.now() - begun);
  return { reads: (await reads.total()) - before, cpu: rounded(cpu) };
}

async function countSettled({ DATABASE_URL: url }: Record<string, string | undefined>): Promise<number> {
  const database = await openDatabase({ ...(url ? { url } : {}), log: createLog({ level: 'silent' }) });
  try {
    return await asWorker(database.db, async trx => {
      const { settled } = await trx
        .selectFrom('deployments')
        .select(({ fn }) => fn.countAll<number>().as('settled'))
        .where('settled', '=', true)
        .executeTakeFirstOrThrow();
      return settled;
    });
  } finally {
    await database.close();
  }
}

function rowsOf(still: Watched, moving: Watched, settled: number): Row[] {
  const row = (figure: string, value: number, goal: string, met: boolean): Row => ({
    figure,
    value,
    base: null,
    ratio: null,
    goal,
    met,
  });
  const each = rounded(moving.reads / settled + earlierReads);
  const minute = windowMs / 1_000;
  return [
    row(
      `% of a core for ${count} in flight, none of which settles, ${storeName}`,
      still.cpu,
      '<= 20',
      still.cpu <= 20,
    ),
    row(`  reads of Resource Manager in these ${minute} s`, still.reads, 'told', true),
    row(`  % of a core where ${settled} settle in ${minute} s`, moving.cpu, 'told', true),
    row(
      `  reads of Resource Manager for each of these, those for all others included`,
      each,
      '<= 3',
      each <= 3,
    ),
  ];
}
