import { once } from 'node:events';
import { createServer } from 'node:net';
import { createCaller, requestFor } from '../test/support/service.ts';
import { type Ask, type Fleet, startFleet, store } from './fleet.ts';
import { noLimits } from './limits.ts';
import { type Accepted, allSettled, compareRecords, faultsOf } from './records.ts';
import { createFigure, type Row, sentenceOf, tell } from './row.ts';
import { within } from './scope.ts';

const longestMs = 10_000;

/**
 * Two replicas, one after the other stopped and started again, as a new version is rolled out, while callers ask. They know
 * both addresses and go to the other where a connection is refused: nothing else that fails is tried again.
 */
export async function proveRolling({ full }: { full: boolean }): Promise<Row[]> {
  const times = full ? 100 : 4;
  const restarts = createFigure(`rolling restart of two replicas under load, ${store.name}`, times);
  const records = createFigure('  records compared after it: none lost, doubled, orphaned', 1);
  if (store.replicas === 1) {
    for (const figure of [restarts, records]) figure.skipped('DATABASE_URL names no PostgreSQL');
    return [restarts.row(), records.row()];
  }
  await within(async scope => {
    const ports = [await freePort(), await freePort()];
    const fleet = await startFleet(scope, {}, ports);
    await fleet.world.control('PATCH', 'limits', noLimits);
    const accepted: Accepted = new Map();
    const load = startLoad(ports, await fleet.world.token(), accepted);
    for (let n = 0; n < times; n += 1) {
      const faults = await restart(fleet, n % ports.length);
      restarts.reached(`restart ${n + 1}`, [...faults, ...load.failed.splice(0)]);
    }
    await load.end();
    tell(`rolling: ${load.answers()} answers, ${accepted.size} accepted`);
    await allSettled(fleet, accepted);
    records.reached('the records', [...load.failed, ...faultsOf(await compareRecords(fleet, accepted))]);
  }).catch(error => records.missed('the records', error));
  return [restarts.row(), records.row()];
}

async function restart(fleet: Fleet, member: number): Promise<string[]> {
  const process = fleet.members[member]?.child;
  const begun = performance.now();
  await fleet.kill('SIGTERM', member);
  const took = performance.now() - begun;
  await fleet.start();
  return [
    ...(took > longestMs ? [`it took ${Math.round(took)} ms`] : []),
    ...(process?.exitCode === 0 ? [] : [`it ended with ${process?.exitCode ?? process?.signalCode}`]),
  ];
}

/** Four readers and two who create, one of whom waits for what comes of it. */
function startLoad(ports: readonly number[], token: string, accepted: Accepted) {
  const callers = ports.map(port => createCaller(`http://127.0.0.1:${port}`, token, []));
  const failed: string[] = [];
  let ending = false;
  let asked = 0;
  let answers = 0;

  /** At one address after the other, where nobody listens. */
  async function ask(...[method, path, more]: Parameters<Ask>) {
    const first = asked;
    asked += 1;
    for (const offset of callers.keys()) {
      const caller = callers[(first + offset) % callers.length];
      try {
        const answer = await caller?.(method, path, more);
        answers += 1;
        if (!answer || answer.status >= 400)
          failed.push(`${method} ${path}: ${answer?.status} ${answer?.text}`);
        return answer;
      } catch (error) {
        const code = codeOf(error);
        if (code === 'ECONNREFUSED') continue;
        failed.push(`${method} ${path}: ${code}`);
        return undefined;
      }
    }
    failed.push(`${method} ${path}: nobody listens`);
    return undefined;
  }
  const read = async () => {
    while (!ending) await ask('GET', '/deployments?maxpagesize=20');
  };
  const write = async (prefer: string) => {
    for (let n = 0; !ending; n += 1) {
      const name = `rolling-${prefer.length}-${n}`;
      const headers = { prefer, 'idempotency-key': name };
      const made = await ask('POST', '/deployments', { body: requestFor(name), headers });
      if (made?.status === 202) accepted.set(name, made.json.id);
    }
  };
  const over = Promise.all([read(), read(), read(), read(), write('respond-async'), write('wait=3')]);
  return {
    failed,
    answers: () => answers,
    async end() {
      ending = true;
      await over;
    },
  };
}

function codeOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause ? String(cause.code) : sentenceOf(error);
}

/** Below those that the kernel gives to connections as they go out: one of them could have it when it is wanted again. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const server = createServer().listen(port, '127.0.0.1');
    const free = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    server.close();
    if (free) return port;
  }
}
