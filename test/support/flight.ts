import { createLooks } from '../../src/deployments/looks.ts';
import { createLog } from '../../src/log.ts';
import type { DeploymentRow } from '../../src/store/deployments.ts';
import type { Crowd } from '../../src/store/following.ts';

const start = new Date('2026-11-24T08:00:00.000Z');
const subscription = '00000000-0000-0000-0000-00000000bbbb';

export const crowdOf = (listed: number, more: Partial<Crowd> = {}): Crowd => ({
  ...{ subscription, resourceGroup: 'crowd', listed, silent: 0, ...more },
});
/** One that has been provisioned since eight o'clock. */
export const rowOf = (more: Partial<DeploymentRow> = {}) =>
  ({
    ...{ subscription: subscription.toUpperCase(), resourceGroup: 'Crowd', status: 'Provisioning' },
    timeline: [{ phase: 'Provisioning', startedAt: start.toISOString(), durationMs: null }],
    deadlineAt: new Date(start.getTime() + 1_800_000),
    containerGroup: null,
    ...more,
  }) as unknown as DeploymentRow;

interface InFlight {
  row: DeploymentRow;
  putAt: number;
  seenAt: number;
  dueAt: number;
}

/** So many are put one after another, and live so long; every look is asked for, and made when it is due. */
export async function flight({
  count,
  perSecond,
  lifeMs,
}: {
  count: number;
  perSecond: number;
  lifeMs: number;
}) {
  let now = start.getTime();
  let lists = 0;
  let reads = 0;
  let slowest = 0;
  let turn = 0;
  const inFlight = new Map<string, InFlight>();
  const perMinute: number[] = [];
  const read = () => {
    const minute = Math.floor((now - start.getTime()) / 60_000);
    perMinute[minute] = (perMinute[minute] ?? 0) + 1;
  };
  const followed = ([id, { putAt, seenAt }]: [string, InFlight]) => ({
    ...{ id, name: id, status: 'Provisioning' as const, revision: 1, provisioningState: 'Creating' },
    ...{ startedAt: new Date(putAt).toISOString(), updatedAt: new Date(seenAt), waitsUntil: null },
  });
  const looks = createLooks({
    following: {
      crowds: async () => [crowdOf(inFlight.size)],
      resting: async () => [],
      takeTurn: async (_place, from, dueAt) => {
        const mine = from.getTime() >= turn;
        if (mine) turn = dueAt.getTime();
        return mine;
      },
      followed: async () => [...inFlight].sort(([, a], [, b]) => a.seenAt - b.seenAt).map(followed),
      wake: async ids => {
        for (const id of ids) Object.assign(inFlight.get(id) ?? {}, { dueAt: now });
      },
    },
    groupLists: {
      list: async () => {
        lists += 1;
        read();
        return [...inFlight].map(([name, { putAt }]) => ({
          ...{ name, tags: { 'slipway-deployment': name } },
          provisioningState: now >= putAt + lifeMs ? 'Succeeded' : 'Creating',
        }));
      },
    },
    pacing: { readsBlocked: () => null },
    clock: { now: () => new Date(now), wait: () => Promise.resolve() },
    log: createLog({ level: 'silent' }),
  });
  const look = async (id: string, one: InFlight) => {
    reads += 1;
    read();
    one.seenAt = now;
    if (now < one.putAt + lifeMs) {
      one.dueAt = now + (await looks.nextInMs(one.row));
      return;
    }
    slowest = Math.max(slowest, now - one.putAt - lifeMs);
    inFlight.delete(id);
  };
  for (let put = 0; put < count || inFlight.size > 0; now += 1_000) {
    for (let n = 0; n < perSecond && put < count; n += 1, put += 1) {
      const startedAt = new Date(now).toISOString();
      const row = rowOf({
        timeline: [{ phase: 'Provisioning', startedAt, durationMs: null }],
        deadlineAt: new Date(now + 1_800_000),
      });
      reads += 1;
      read();
      inFlight.set(`id-${put}`, { row, putAt: now, seenAt: now, dueAt: now + (await looks.firstInMs(row)) });
    }
    for (const [id, one] of inFlight) if (one.dueAt <= now) await look(id, one);
    await looks.lookAround(new AbortController().signal);
  }
  return { reads, lists, slowest, most: Math.ceil(Math.max(...perMinute) / 60) };
}
