import t from 'tap';
import { createRandom } from '../../proof/simulation/random.ts';
import { runSeed } from '../../proof/simulation/run.ts';
import { createPaces } from '../../proof/simulation/store/paces.ts';
import { createStorePorts } from '../../proof/simulation/store/ports.ts';
import { createQueue } from '../../proof/simulation/store/queue.ts';
import { createRecords } from '../../proof/simulation/store/records.ts';
import { createDrivenTime } from '../../proof/simulation/time.ts';
import { changing } from '../store/contract/changing.ts';
import type { HeldClaim } from '../support/store.ts';

/** The model on its own: what is asked is answered at once, and a job is claimed once somebody waits for it. */
function modelStore() {
  const time = createDrivenTime();
  const none: ReadonlySet<never> = new Set();
  const queue = createQueue(time, createRandom(1), none);
  const actor = { name: 'alone', alive: true };
  const ports = createStorePorts(
    { make: async ({ act }) => act(), inFlight: () => [], expire() {} },
    actor,
    createRecords(queue, none),
    createPaces(9, none),
  );
  async function nextClaim(deployment: string): Promise<HeldClaim> {
    for (;;) {
      const job = queue.due().find(each => each.deployment === deployment);
      if (job) {
        const { claim } = queue.claim(job, actor);
        return Object.assign(claim, { release: () => queue.returned(claim) });
      }
      await new Promise(done => setImmediate(done));
    }
  }
  return { store: ports.store, nextClaim };
}

t.test('the model of the store keeps what the store promises of changes', t => changing(t, modelStore()));

t.test('a seed runs the same way again, and what must hold does', async t => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const first = await runSeed(seed, new Set());
    const second = await runSeed(seed, new Set());
    t.same(first.faults, [], `seed ${seed}`);
    t.ok(first.steps > 100);
    t.equal(second.digest, first.digest);
  }
});

t.test('a store that forgets a key is found out', async t => {
  const faults: string[] = [];
  for (let seed = 0; seed < 60 && faults.length === 0; seed += 1)
    faults.push(...(await runSeed(seed, new Set(['forgottenKey']))).faults);
  t.match(faults[0], /one key, and 2 operations/);
});
