import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Scope, within } from '../proof/scope.ts';
import { readConfig } from '../src/config.ts';
import { createLog } from '../src/log.ts';
import { startService } from '../src/service.ts';
import type { DemoWorld } from '../test/support/demo-world.ts';
import { createDrivenTime } from '../test/support/driven-time.ts';
import { createCaller, startProcess } from '../test/support/service.ts';
import { cpuMsOf } from './cpu.ts';
import { deployOne } from './deploy.ts';
import { furnish, noLimits } from './place.ts';
import { median, type Row, rounded } from './row.ts';

const minuteMs = 60_000;
/** A list of a thousand is work, too. */
const lookEveryMs = 3_000;

/** How a burst ended: in the time that passed, driven and real together. */
interface Burst {
  ms: number;
  lost: number;
  failed: number;
  /** Refused by Azure for a limit. */
  throttled: number;
  /** Of each that was told one: between what `waitingFor.until` said last and the moment when the group was put. */
  untilErrorsMs: number[];
  cpuMs: number;
}

/**
 * More at once than Azure lets through, at two replicas: against the least time that its limits allow. Resource Manager's
 * bucket is worked off in real time, by processes of their own. Where an hour must pass, one clock drives both replicas, which
 * share this process then; what they take of real time counts as well.
 */
export async function measureBurst(size = 400): Promise<Row[]> {
  // In the proportion of Azure's own: 100 in five minutes, 300 in an hour.
  const creates = { per5Minutes: size / 4, perHour: (size * 3) / 4 };
  const byCreations = await burst(size, { containerGroups: { creates } }, startDriven);
  const many = size * 2.5;
  const endless = { per5Minutes: 1e9, perHour: 1e9 };
  const writes = { size: many / 5, perSecond: many / 100 };
  const limits = { containerGroups: { creates: endless }, resourceManager: { writes } };
  const byBucket = await burst(many, limits, startReal);
  return [
    ...rowsOf(
      `${size} at once, ACI's creations (${creates.per5Minutes} in 5 min, ${creates.perHour} in 1 h)`,
      byCreations,
      60 * minuteMs,
    ),
    ...rowsOf(`${many} at once, ARM's bucket (${writes.size} and ${writes.perSecond}/s)`, byBucket, 80_000),
  ];
}

/** Two replicas, and the time by which they live. */
interface Fleet {
  urls: string[];
  now(): number;
  /** Lets that much time pass, or some of it. */
  pass(ms: number): Promise<void>;
  /** What the replicas have used since they started. */
  cpuMs(): number;
}

type StartFleet = (scope: Scope, world: DemoWorld, env: Record<string, string | undefined>) => Promise<Fleet>;

const startReal: StartFleet = async (scope, _world, env) => {
  const replicas = [
    await startProcess(scope, ['src/main.ts'], env),
    await startProcess(scope, ['src/main.ts'], env),
  ];
  return {
    urls: replicas.map(({ url }) => url),
    now: Date.now,
    pass: ms => sleep(Math.min(ms, lookEveryMs)),
    cpuMs: () => replicas.reduce((sum, { child }) => sum + cpuMsOf(child.pid), 0),
  };
};

const startDriven: StartFleet = async (scope, world, env) => {
  const time = createDrivenTime(world, env.DATABASE_URL ?? '');
  const start = async () => {
    const config = readConfig({ ...env, PORT: '0' });
    const service = await startService(config, { clock: time.clock, log: createLog({ level: 'silent' }) });
    scope.teardown(() => service.close());
    return service.url ?? '';
  };
  const urls = [await start(), await start()];
  return {
    urls,
    now: () => time.clock.now().getTime(),
    pass: time.pass,
    cpuMs: () => cpuMsOf(process.pid),
  };
};

async function burst(count: number, limits: object, startFleet: StartFleet): Promise<Burst> {
  return within(async scope => {
    const { world, env } = await furnish(scope);
    await world.control('PATCH', 'limits', { ...limits, quotas: noLimits.quotas });
    const fleet = await startFleet(scope, world, env);
    const begun = fleet.now();
    const cpuMs = fleet.cpuMs();
    const ids = await deployAll(fleet, count, await world.token());
    const told = new Map<string, number>();
    const all = await workOff(fleet, told, async () => {
      const ask = createCaller(fleet.urls[0] ?? '', await world.token(), []);
      const answer = await ask('GET', '/deployments?maxpagesize=1000');
      if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
      return answer.json.value as Seen[];
    });
    const puts = (await world.journal()).filter(
      ({ method, path }) => method === 'PUT' && path.includes('/containerGroups/'),
    );
    const errors = all.flatMap(each => {
      const until = told.get(each.id);
      return until ? [Math.abs(putAt(each) - until)] : [];
    });
    return {
      // To the last that Resource Manager took: what it does with it then is its own time.
      ms: Math.max(...all.map(putAt)) - begun,
      lost: [...ids].filter(id => !all.some(each => each.id === id)).length,
      failed: all.filter(({ status }) => status !== 'Running').length,
      throttled: puts.filter(({ status }) => status === 429).length,
      untilErrorsMs: errors,
      cpuMs: fleet.cpuMs() - cpuMs,
    };
  });
}

/** By four callers of each replica. */
async function deployAll({ urls }: Fleet, count: number, token: string): Promise<Set<string>> {
  const ids = new Set<string>();
  const names = Array.from({ length: count }, (_, n) => `burst-${n}`).values();
  const call = async (url: string) => {
    const ask = createCaller(url, token, []);
    for (const name of names) ids.add(await deployOne(ask, name, { timeoutSeconds: 60 }));
  };
  await Promise.all(urls.flatMap(url => [call(url), call(url), call(url), call(url)]));
  return ids;
}

interface Seen {
  id: string;
  status: string;
  settled: boolean;
  waitingFor: { until?: string } | null;
  timeline: { phase: string; startedAt: string }[];
}

const putAt = ({ timeline }: Seen) =>
  Date.parse(timeline.find(({ phase }) => phase === 'Provisioning')?.startedAt ?? '');

/** Lets time pass whenever everything waits for it: to the first moment that anybody was told. */
async function workOff(
  fleet: Fleet,
  told: Map<string, number>,
  read: () => Promise<Seen[]>,
): Promise<Seen[]> {
  for (;;) {
    const all = await read();
    const open = all.filter(({ settled }) => !settled);
    if (open.length === 0) return all;
    const now = fleet.now();
    const untils = open.map(({ id, waitingFor }) => {
      const until = Date.parse(waitingFor?.until ?? '');
      if (until > now) told.set(id, until);
      return until;
    });
    const next = Math.min(...untils);
    if (untils.every(until => until > now) && next - now > 1_000) await fleet.pass(next - now + 500);
    else await sleep(lookEveryMs);
  }
}

function rowsOf(what: string, found: Burst, leastMs: number): Row[] {
  const ratio = rounded(found.ms / leastMs);
  const met = ratio <= 1.05;
  const count = (figure: string, value: number, goal: string, holds: boolean): Row => ({
    figure: `  ${figure}`,
    value,
    base: null,
    ratio: null,
    goal,
    met: holds,
  });
  const untilErrorMs = Math.round(median(found.untilErrorsMs));
  const told = `ms between waitingFor.until and the call, median of ${found.untilErrorsMs.length} that were told one`;
  const cpu = `the replicas used ${Math.round(found.cpuMs / 1_000)} s of ${availableParallelism()} shared cores meanwhile`;
  return [
    {
      figure: `${what}: s, against the least that they allow`,
      value: Math.round(found.ms / 1_000),
      base: leastMs / 1_000,
      ratio,
      goal: '<= 1.05x',
      met,
      ...(met ? {} : { bound: cpu }),
    },
    count('lost', found.lost, '= 0', found.lost === 0),
    count('failed', found.failed, '= 0', found.failed === 0),
    count('refused by Azure with 429 before the limit was known', found.throttled, 'told', true),
    ...(found.untilErrorsMs.length === 0
      ? []
      : [count(told, untilErrorMs, '<= 30000', untilErrorMs <= 30_000)]),
  ];
}
