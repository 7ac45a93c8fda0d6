import type { AciEvent, ContainerGroupState } from '../../../src/azure/container-groups.ts';
import type { Random } from '../random.ts';

/** What becomes of a group once Azure has begun with it. */
export type Fortune =
  | 'runs'
  | 'completes'
  | 'crashes'
  | 'crashesLater'
  | 'pullFails'
  | 'registryBusy'
  | 'noRoom'
  | 'hangs';

/** One start of a group's containers. */
export interface Life {
  fortune: Fortune;
  /** What Azure is at until then. */
  doing: 'Creating' | 'Updating' | 'Restarting';
  startedAt: number;
  /** When the containers started before that. */
  before: number | null;
  stopped: boolean;
}

const fortunes: readonly (readonly [number, Fortune])[] = [
  [12, 'runs'],
  [2, 'completes'],
  [2, 'crashes'],
  [2, 'crashesLater'],
  [2, 'pullFails'],
  [1, 'registryBusy'],
  [1, 'noRoom'],
  [1, 'hangs'],
];

export function drawFortune(random: Random, restartPolicy: string, troubled: boolean): Fortune {
  const drawn = troubled ? random.weighed(fortunes) : 'runs';
  // What is to end by itself does.
  return drawn === 'runs' && restartPolicy !== 'Always' ? 'completes' : drawn;
}

/** How long a container runs that is to end. */
const runMs = 20_000;

type Container = ContainerGroupState['containers'][number];
type View = Pick<ContainerGroupState, 'provisioningState' | 'state' | 'events'> & {
  container: Partial<Container>;
};

/** How the group stands now. */
export function viewOf(life: Life, restartPolicy: string, now: number): View {
  const { fortune, startedAt, before, stopped, doing } = life;
  if (stopped) return { provisioningState: 'Succeeded', state: 'Stopped', events: [], container: {} };
  if (now < startedAt)
    return {
      provisioningState: doing === 'Creating' ? 'Creating' : 'Pending',
      state: 'Pending',
      events: [],
      container: before === null ? {} : running(before),
    };
  return views[fortune](life, restartPolicy, now);
}

type Look = (life: Life, restartPolicy: string, now: number) => View;

const well: Look = ({ startedAt }) => ({
  ...{ provisioningState: 'Succeeded', state: 'Running', events: [], container: running(startedAt) },
});

const exits =
  (code: number): Look =>
  ({ startedAt }, restartPolicy) => {
    const again = restartPolicy === 'Always' || (restartPolicy === 'OnFailure' && code !== 0);
    const exit = { state: 'Terminated', exitCode: code, startTime: iso(startedAt) };
    const looping: Partial<Container> =
      code === 0
        ? { ...running(startedAt), restartCount: 1, previousState: exit }
        : { state: 'Waiting', detailStatus: 'CrashLoopBackOff', restartCount: 3, previousState: exit };
    return {
      ...{ provisioningState: 'Succeeded', state: again ? 'Running' : 'Succeeded', events: [] },
      container: again ? looping : exit,
    };
  };

const later =
  (first: Look, then: Look): Look =>
  (life, restartPolicy, now) =>
    (now < life.startedAt + runMs ? first : then)(life, restartPolicy, now);

const waits =
  (message: string): Look =>
  ({ startedAt }) => ({
    ...{ provisioningState: 'Creating', state: 'Pending', events: [] },
    container: {
      ...{ state: 'Waiting', detailStatus: 'ImagePullBackOff' },
      events: [happened('Pulling', 'pulling image', startedAt), happened('Failed', message, startedAt)],
    },
  });

const views: Record<Fortune, Look> = {
  runs: well,
  completes: later(well, exits(0)),
  crashes: exits(1),
  crashesLater: later(well, exits(1)),
  pullFails: waits('Failed to pull image: unauthorized: authentication required'),
  registryBusy: waits('Failed to pull image: toomanyrequests: You have reached your pull rate limit'),
  noRoom: ({ startedAt }) => ({
    ...{ provisioningState: 'Failed', state: 'Failed', container: {} },
    events: [happened('Failed', 'InsufficientCapacity in this region', startedAt)],
  }),
  hangs: () => ({ provisioningState: 'Creating', state: 'Pending', events: [], container: {} }),
};

const running = (at: number): Partial<Container> => ({
  ...{ state: 'Running', startTime: iso(at) },
  events: [happened('Started', 'Started container', at)],
});

const happened = (name: string, message: string, at: number): AciEvent => ({
  ...{ name, message, type: name === 'Failed' ? 'Warning' : 'Normal', count: 1, lastTimestamp: iso(at) },
});

const iso = (at: number) => new Date(at).toISOString();
