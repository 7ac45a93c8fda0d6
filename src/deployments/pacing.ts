import type { ArmAnswer, ArmKind } from '../azure/arm-limits.ts';
import type { ContainerGroups, GroupPlace } from '../azure/container-groups.ts';
import { AzureError } from '../azure/failure.ts';
import type { Clock } from '../clock.ts';
import type { DeploymentRow } from '../store/deployments.ts';
import type { Bucket, Counted, PacingStore, Place } from '../store/pacing.ts';

/** Why a deployment waits for its turn: time that does not count against its deadline. */
export type PaceReason = 'ArmThrottled' | 'AciCreateLimit' | 'AciDeleteLimit';

const reasons: readonly string[] = [
  'ArmThrottled',
  'AciCreateLimit',
  'AciDeleteLimit',
] satisfies PaceReason[];

/** Thrown where a call may not be made before `until`. */
export class Paced extends Error {
  override readonly name = 'Paced';
  readonly reason: PaceReason;
  readonly until: Date;
  /** `cause`: what Azure answered, where it was asked. */
  constructor(reason: PaceReason, until: Date, cause?: AzureError) {
    super(`${reason} until ${until.toISOString()}`, { cause });
    this.reason = reason;
    this.until = until;
  }
}

type Paceable = Pick<DeploymentRow, 'id' | 'team' | 'subscription' | 'location' | 'status' | 'waitingFor'>;

export interface Pacing {
  /** Before a stage runs: throws `Paced` where Azure must not be asked yet. A place for what it will send is taken. */
  before(row: Paceable): Promise<void>;
  /** The same port; what it sends for the deployment is sent in its turn, and what Azure answers is learned from. */
  through(containerGroups: ContainerGroups, row: Paceable): ContainerGroups;
  /** The deployment will not send what it has a place for. */
  release(row: Paceable): Promise<void>;
  /** Until when nothing of the subscription may be read; null where it may. */
  readsBlocked(place: { subscription: string }): Date | null;
  /** Told of every answer, also to others than these. */
  observe(answer: ArmAnswer): void;
}

// Azure's own windows begin a little later than ours: when the request arrives.
const lateMs = 2_000;
const minuteMs = 60_000;
/** What Azure lets a subscription do at first in each region; answers say where it is more. */
const groupWindows = [
  { most: 100, lengthMs: 5 * minuteMs + lateMs },
  { most: 300, lengthMs: 60 * minuteMs + lateMs },
];
const buckets = { writes: { size: 200, perSecond: 10 }, deletes: { size: 200, perSecond: 10 } };
const pauseWithoutWordMs = 10_000;
const longestPauseMs = 15 * 60_000;
const longestSpreadMs = 5_000;
// Below that many left, what others or we think there is has drifted apart.
const worthTelling = 20;

interface PacingParts {
  store: PacingStore;
  clock: Clock;
}

type Call = 'creates' | 'deletes';
const kindOf = { creates: 'writes', deletes: 'deletes' } as const satisfies Record<Call, ArmKind>;
const limitOf = { creates: 'AciCreateLimit', deletes: 'AciDeleteLimit' } as const;

export function createPacing({ store, clock }: PacingParts): Pacing {
  const blocked = new Map<string, Date>();
  const answers = new Map<string, ArmAnswer>();
  store.onBlocked((key, until) => blocked.set(key, until));

  return {
    async before(row) {
      const until = readsBlocked(row);
      // Who was held back by one answer does not come back in one moment.
      if (until) throw new Paced('ArmThrottled', later(until, Math.random() * longestSpreadMs));
      if (row.status !== 'Submitting') return;
      const place = await store.reserve({ ...asking(row, 'creates'), now: clock.now() });
      if (!place.go) throw pacedBy(place, 'creates');
    },

    through: (containerGroups, row) => ({
      ...containerGroups,
      put: (place, build, signal) =>
        inTurn(row, 'creates', place, () => containerGroups.put(place, build, signal)),
      remove: (place, signal) => inTurn(row, 'deletes', place, () => containerGroups.remove(place, signal)),
    }),

    release: ({ id }) => store.release(id, clock.now()),

    readsBlocked,

    observe(answer) {
      if (answer.method === 'PUT' || answer.method === 'DELETE') answers.set(answer.path, answer);
      if (answer.status !== 429 || answer.kind !== 'reads') return;
      const until = later(clock.now(), answer.retryAfterMs ?? pauseWithoutWordMs);
      const key = keyOf('reads', answer);
      blocked.set(key, until);
      // Whoever does not hear of it is told by Azure itself.
      store.tellBlocked(key, until).catch(() => {});
    },
  };

  function readsBlocked({ subscription }: { subscription: string }): Date | null {
    const until = blocked.get(keyOf('reads', { subscription }));
    const leftMs = (until?.getTime() ?? 0) - clock.now().getTime();
    // A clock that was set back makes no pause longer.
    return until && leftMs > 0 && leftMs <= longestPauseMs ? until : null;
  }

  async function inTurn<T>(row: Paceable, call: Call, to: GroupPlace, send: () => Promise<T>): Promise<T> {
    const ask = asking(row, call);
    const bucket: Bucket = { key: keyOf(kindOf[call], row), ...buckets[kindOf[call]] };
    const place = await store.take({ ...ask, now: clock.now() }, bucket);
    if (!place.go) throw pacedBy(place, call);
    const path = pathOf(to);
    answers.delete(path);
    try {
      const sent = await send();
      await learn(ask.counted, bucket, answers.get(path));
      return sent;
    } catch (error) {
      // Without an answer it may have counted.
      if (error instanceof AzureError && error.status !== null)
        await store.giveBack({ ...ask, now: clock.now() });
      if (error instanceof AzureError && error.status === 429)
        throw await throttled(ask, bucket, call, answers.get(path), error);
      throw error;
    } finally {
      answers.delete(path);
    }
  }

  async function learn(counted: Counted, bucket: Bucket, answer: ArmAnswer | undefined): Promise<void> {
    if (!answer) return;
    const { left, leftOfGroups } = answer;
    if (leftOfGroups.some(each => each !== null)) await store.learn(counted, leftOfGroups, clock.now());
    if (left !== null && (left < worthTelling || left > bucket.size))
      await store.learnBucket(bucket, left, clock.now());
  }

  /** Azure counts otherwise than we: nobody sends before it says so, and whoever was refused keeps his turn. */
  async function throttled(
    ask: Omit<Parameters<PacingStore['reserve']>[0], 'now'>,
    bucket: Bucket,
    call: Call,
    answer: ArmAnswer | undefined,
    refusal: AzureError,
  ): Promise<Paced> {
    const now = clock.now();
    const until = later(now, refusal.retryAfterMs ?? pauseWithoutWordMs);
    const byGroups = answer?.leftOfGroups.some(each => each !== null) ?? false;
    await store.block(ask.counted, until, now);
    if (!byGroups) await store.learnBucket(bucket, 0, until);
    const place = await store.reserve({ ...ask, now });
    return new Paced(byGroups ? limitOf[call] : 'ArmThrottled', place.go ? until : place.at, refusal);
  }
}

const asking = ({ id, team, subscription, location }: Paceable, call: Call) => ({
  deployment: id,
  team,
  counted: {
    key: `${call}/${subscription}/${location.replaceAll(' ', '')}`.toLowerCase(),
    windows: groupWindows,
  },
});

const keyOf = (kind: ArmKind, { subscription }: { subscription: string }) =>
  `${kind}/${subscription}`.toLowerCase();

const pacedBy = ({ at, full }: Extract<Place, { go: false }>, call: Call) =>
  new Paced(full === 'bucket' ? 'ArmThrottled' : limitOf[call], at);

const pathOf = ({ subscription, resourceGroup, name }: GroupPlace) =>
  `/subscriptions/${subscription}/resourcegroups/${resourceGroup}/providers/microsoft.containerinstance/containergroups/${name}`.toLowerCase();

const later = (date: Date, ms: number) => new Date(date.getTime() + ms);

/** The deployment whose turn it is: what it waited for that does not count against its deadline. */
export function afterItsTurn<T extends Pick<DeploymentRow, 'waitingFor' | 'deadlineAt'>>(
  row: T,
  now: Date,
): T {
  const { waitingFor, deadlineAt } = row;
  if (!waitingFor || !reasons.includes(waitingFor.reason)) return row;
  const waitedMs = Math.max(0, now.getTime() - Date.parse(waitingFor.since));
  return { ...row, waitingFor: null, deadlineAt: later(deadlineAt, waitedMs) };
}
