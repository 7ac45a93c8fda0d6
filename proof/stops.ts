import { setTimeout as sleep } from 'node:timers/promises';
import { requestFor } from '../test/support/service.ts';
import { type Fleet, startFleet, store } from './fleet.ts';
import { noLimits } from './limits.ts';
import { type Accepted, allSettled, compareRecords, faultsOf } from './records.ts';
import { createFigure, type Row, sentenceOf, tell } from './row.ts';
import { within } from './scope.ts';

const longestMs = 10_000;

/** SIGTERM while callers ask: nobody's connection is reset, nothing is lost, and the process is gone within 10 s. */
export async function proveStops({ full }: { full: boolean }): Promise<Row[]> {
  const times = full ? 100 : 20;
  const figure = createFigure(`SIGTERM under load, ${store.name} x ${store.replicas}`, times);
  const records = createFigure('  records compared after them: none lost, doubled, orphaned', 1);
  await within(async scope => {
    const fleet = await startFleet(scope);
    await fleet.world.control('PATCH', 'limits', noLimits);
    const accepted: Accepted = new Map();
    for (let n = 0; n < times; n += 1) {
      figure.reached(`signal ${n + 1}`, await stopOnce(fleet, accepted, n));
      await fleet.start();
    }
    tell(`${accepted.size} accepted`);
    await allSettled(fleet, accepted);
    records.reached('the records', faultsOf(await compareRecords(fleet, accepted)));
  }).catch(error => records.missed('the records', error));
  return [figure.row(), records.row()];
}

async function stopOnce(fleet: Fleet, accepted: Accepted, n: number): Promise<string[]> {
  const faults: string[] = [];
  const load = startLoad(fleet, accepted, `stop-${n}`, faults);
  // A connection that was never accepted is the kernel's: it resets them with the listener.
  await load.underWay;
  await sleep(Math.random() * 150);
  const begun = performance.now();
  load.end();
  const [first] = fleet.members;
  await fleet.kill('SIGTERM', 0);
  const took = performance.now() - begun;
  if (took > longestMs) faults.push(`it took ${Math.round(took)} ms`);
  if (first?.child.exitCode !== 0)
    faults.push(`it ended with ${first?.child.exitCode ?? first?.child.signalCode}`);
  await load.over;
  return faults;
}

/** Four readers and a writer of one deployment. What was sent before the signal is to be answered. */
function startLoad(fleet: Fleet, accepted: Accepted, name: string, faults: string[]) {
  let ending = false;
  const begun = Promise.withResolvers<void>();
  async function ask(method: string, path: string, more = {}) {
    const before = !ending;
    return await fleet.ask(method, path, more).catch(error => {
      // A connection refused is a place that nobody listens at; any other end cut a request short.
      const code = error.cause?.code ?? sentenceOf(error);
      if (before && code !== 'ECONNREFUSED') faults.push(`${method} ${path} ended with ${code}`);
      return null;
    });
  }
  const read = async () => {
    while (!ending) {
      await ask('GET', '/deployments?maxpagesize=20');
      begun.resolve();
    }
  };
  const write = async () => {
    await begun.promise;
    const headers = { prefer: 'respond-async', 'idempotency-key': name };
    const answer = await ask('POST', '/deployments', { body: requestFor(name), headers });
    if (answer?.status === 202) accepted.set(name, answer.json.id);
    else if (answer) faults.push(`POST was answered ${answer.status}`);
  };
  return {
    underWay: begun.promise,
    over: Promise.all([read(), read(), read(), read(), write()]),
    end: () => {
      ending = true;
    },
  };
}
