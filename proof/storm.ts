import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, requestFor } from '../test/support/service.ts';
import { type Fleet, startFleet, store } from './fleet.ts';
import { noLimits } from './limits.ts';
import { type Accepted, allSettled, compareRecords } from './records.ts';
import { createFigure, type Row, tell } from './row.ts';
import { within } from './scope.ts';

/**
 * kill -9 of one replica after another while callers ask ten times a second: a fifth creates, a tenth deletes, the rest
 * reads. A caller that got no answer asks again with the same key, as it should; what it was told last must be true.
 */
export async function proveStorm({ full }: { full: boolean }): Promise<Row[]> {
  const seconds = full ? 300 : 30;
  const kills = createFigure(
    `kill -9 under load, ${seconds} s at 10 requests/s, ${store.name} x ${store.replicas}`,
    full ? 40 : 4,
  );
  const planned = seconds * 2;
  const lost = createFigure('  deployments that were accepted: none lost', planned);
  const twice = createFigure('  none there twice, none orphaned, no history broken', planned);
  await within(async scope => {
    const fleet = await startFleet(scope);
    await fleet.world.control('PATCH', 'limits', noLimits);
    const accepted: Accepted = new Map();
    await Promise.all([
      load(fleet, accepted, planned),
      killAgainAndAgain(fleet, full ? 40 : 4, seconds, point => kills.reached(point)),
    ]);
    tell(`${accepted.size} accepted`);
    await allSettled(fleet, accepted, 180_000);
    const found = await compareRecords(fleet, accepted);
    for (const name of accepted.keys()) {
      lost.reached(name, found.lost.includes(name) ? ['lost'] : []);
      const wrong = (['duplicated', 'orphaned', 'broken'] as const).filter(kind =>
        found[kind].includes(name),
      );
      twice.reached(name, wrong);
    }
  }).catch(error => lost.missed('the end of the storm', error));
  return [kills.row(), lost.row(), twice.row()];
}

async function killAgainAndAgain(
  fleet: Fleet,
  times: number,
  seconds: number,
  killed: (point: string) => void,
): Promise<void> {
  for (let n = 0; n < times; n += 1) {
    await sleep(((0.5 + Math.random()) * seconds * 1_000) / times / 2);
    await fleet.kill('SIGKILL', n % store.replicas);
    killed(`kill ${n + 1}`);
    await fleet.start();
  }
}

/** Ten requests in a tick of a second, each by its own caller, who does not give up. */
async function load(fleet: Fleet, accepted: Accepted, creations: number): Promise<void> {
  const callers: Promise<void>[] = [];
  for (let n = 0; n < creations; n += 1) {
    const created = createOne(fleet, accepted, `storm-${n}`);
    // Who gives up is heard at the end of the storm.
    created.catch(() => {});
    callers.push(created);
    for (let reads = 0; reads < 3; reads += 1)
      callers.push(
        fleet.ask('GET', '/deployments?maxpagesize=10').then(
          () => {},
          () => {},
        ),
      );
    const earlier = [...accepted.values()].at(-10);
    if (n % 2 === 0 && earlier)
      callers.push(
        fleet.ask('DELETE', `/deployments/${earlier}`, { headers: { prefer: 'respond-async' } }).then(
          () => {},
          () => {},
        ),
      );
    await sleep(500);
  }
  await Promise.all(callers);
}

async function createOne(fleet: Fleet, accepted: Accepted, name: string): Promise<void> {
  const headers = { 'idempotency-key': `key-of-${name}`, prefer: 'respond-async' };
  for (let tries = 0; tries < 300; tries += 1) {
    const answer = await fleet
      .ask('POST', '/deployments', { body: requestFor(name), headers })
      .catch(() => null);
    if (answer?.status === 202) {
      accepted.set(name, answer.json.id);
      return;
    }
    if (answer && !isAskedAgain(answer)) throw new Error(`${name}: ${answer.status} ${answer.text}`);
    await sleep(200);
  }
  throw new Error(`${name} was never accepted`);
}

/** Also where the first request with the key is still being accepted, at a replica that may be gone. */
const isAskedAgain = ({ status, json }: Answer) =>
  status >= 500 || status === 429 || json?.code === 'IdempotentRequestInProgress';
