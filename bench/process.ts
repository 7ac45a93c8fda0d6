import { readFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { type Scope, within } from '../proof/scope.ts';
import { type Started, startProcess, temporaryDirectory } from '../test/support/service.ts';
import { cpuMsOf } from './cpu.ts';
import { rateOf } from './generator.ts';
import { furnish, storeName } from './place.ts';
import { median, type Row, rounded } from './row.ts';

const mebibyte = 1024;

/** The service as a process: how long it takes to be ready, and what it holds. */
export async function measureProcess(): Promise<Row[]> {
  return within(async scope => {
    const { world, env } = await furnish(scope);
    const fresh = await startReady(scope, { ...env, SLIPWAY_DATA: join(temporaryDirectory(scope), 'fresh') });
    await fresh.started.stop();
    const again: { ms: number; cpuMs: number }[] = [];
    let last = await startReady(scope, env);
    for (let turn = 0; turn < 3; turn += 1) {
      await last.started.stop();
      last = await startReady(scope, env);
      again.push(last);
    }
    const rest = residentMb(last.started);
    const authorization = `Bearer ${await world.token()}`;
    await rateOf(last.started.url, { callers: 8, warmMs: 0, ms: 5_000 }, () => ({
      method: 'GET',
      path: '/deployments',
      headers: { authorization },
      expect: 200,
    }));
    const loaded = residentMb(last.started);
    return [
      below(`ms from start to ready, fresh store, ${storeName}`, fresh, 10_000),
      below(`ms from start to ready, existing store, ${storeName}`, middle(again), 3_000),
      {
        figure: `MB resident after 5 s of load, against at rest, ${storeName}`,
        value: loaded,
        base: rest,
        ratio: rounded(loaded / rest),
        goal: '<= 2x',
        met: loaded / rest <= 2,
      },
    ];
  });
}

/** Until it says itself that it is ready. */
async function startReady(
  scope: Scope,
  env: Record<string, string | undefined>,
): Promise<Start & { started: Started }> {
  const begun = performance.now();
  const started = await startProcess(scope, ['src/main.ts'], env);
  for (;;) {
    const { statusCode, body } = await request(`${started.url}/readyz`);
    await body.dump();
    if (statusCode === 200)
      return {
        started,
        ms: Math.round(performance.now() - begun),
        cpuMs: Math.round(cpuMsOf(started.child.pid)),
      };
    await new Promise(done => setTimeout(done, 10));
  }
}

function residentMb({ child }: Started): number {
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1];
  return Math.round(Number(found) / mebibyte);
}

interface Start {
  ms: number;
  cpuMs: number;
}

const middle = (starts: readonly Start[]): Start => ({
  ms: median(starts.map(({ ms }) => ms)),
  cpuMs: median(starts.map(({ cpuMs }) => cpuMs)),
});

function below(figure: string, { ms, cpuMs }: Start, most: number): Row {
  const met = ms <= most;
  const load = `${rounded(loadavg()[0] ?? 0)} processes wanted ${availableParallelism()} cores`;
  const bound = `it used ${cpuMs} ms of CPU; ${load}`;
  return { figure, value: ms, base: null, ratio: null, goal: `<= ${most}`, met, ...(met ? {} : { bound }) };
}
