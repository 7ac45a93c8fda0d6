import t from 'tap';
import { cacheVault } from '../../src/azure/cached-vault.ts';
import { afterItsTurn, createPacing } from '../../src/deployments/pacing.ts';
import { Secret } from '../../src/secret.ts';
import type { PacingStore } from '../../src/store/pacing.ts';

const hour = 3_600_000;

/** A clock that is set as one likes. */
function createStepped() {
  let ms = Date.parse('2026-11-24T12:00:00Z');
  return {
    clock: { now: () => new Date(ms), wait: async () => {} },
    step(by: number) {
      ms += by;
    },
  };
}

const notAsked = async () => {
  throw new Error('the store is not asked');
};
const silent: PacingStore = {
  reserve: notAsked,
  take: notAsked,
  giveBack: notAsked,
  release: notAsked,
  block: notAsked,
  learn: notAsked,
  learnBucket: notAsked,
  tellBlocked: async () => {},
  onBlocked: () => {},
  close: async () => {},
};

t.test(
  'a clock that is set back an hour, or forward, holds nobody up who was throttled for seconds',
  async t => {
    const { clock, step } = createStepped();
    const pacing = createPacing({ store: silent, clock });
    const subscription = '00000000-0000-0000-0000-00000000bbbb';
    pacing.observe({
      ...{ subscription, method: 'GET', path: '/', kind: 'reads', status: 429 },
      ...{ left: null, leftOfGroups: [null, null], retryAfterMs: 30_000 },
    });
    t.ok(pacing.readsBlocked({ subscription }));
    for (const by of [-hour, 2 * hour]) {
      step(by);
      t.equal(pacing.readsBlocked({ subscription }), null);
    }
  },
);

t.test(
  'what was waited while the clock was set back takes nothing from the time of a deployment',
  async t => {
    const { clock, step } = createStepped();
    const deadlineAt = new Date(clock.now().getTime() + 1_000);
    const waitingFor = { reason: 'ArmThrottled', since: clock.now().toISOString() };
    step(-hour);
    t.same(afterItsTurn({ waitingFor, deadlineAt }, clock.now()).deadlineAt, deadlineAt);
  },
);

t.test('a secret that was read before the clock was set back is read anew', async t => {
  const { clock, step } = createStepped();
  let reads = 0;
  const vault = cacheVault(
    {
      names: async () => [],
      properties: async () => [],
      value: async () => {
        reads += 1;
        return new Secret('a-harmless-word');
      },
    },
    { clock },
  );
  t.teardown(() => vault.close());
  const read = async () => (await vault.value('https://v.vault.azure.net', 's', 'v'))[Symbol.dispose]();
  await read();
  await read();
  t.equal(reads, 1);
  step(-hour);
  await read();
  t.equal(reads, 2);
});
