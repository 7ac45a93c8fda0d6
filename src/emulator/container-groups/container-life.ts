import { createHash } from 'node:crypto';
import type { Pull } from '../world.ts';
import { type AciEvent, event, instant } from './event.ts';
import type { ContainerView } from './life.ts';

/** Milliseconds of the emulator's time from PUT to `Creating`, and from pulled to started: quick, in Azure's order. */
export const creatingAfterMs = 300;
export const startedAfterMs = 300;
const jobMs = 300;
const restartEveryMs = 1_000;

/** What the life of a container follows from. */
interface Living {
  image: string;
  /** Differs from one start of a group to the next. */
  id: string;
  pull: Pull;
  creatingAt: number;
  startsAt: number;
  policy: string;
  now: number;
}

export interface ContainerLife {
  view: ContainerView;
  /** When its first run ends. */
  endsAt: number;
  /** How that run ends; null where it does not, or is not known yet. */
  exitCode: number | null;
}

export function containerLife(living: Living): ContainerLife {
  const { pull, startsAt, now } = living;
  const exitCode = pull.done?.exitCode ?? null;
  const endsAt = exitCode === null ? Number.POSITIVE_INFINITY : startsAt + (pull.done?.lastsMs ?? jobMs);
  return {
    view: viewOf(living, exitCode, endsAt),
    endsAt: now < startsAt ? Number.POSITIVE_INFINITY : endsAt,
    exitCode,
  };
}

function viewOf(living: Living, exitCode: number | null, endsAt: number): ContainerView {
  const { image, pull, creatingAt, startsAt, policy, now } = living;
  if (now < creatingAt) return { restartCount: 0, events: [] };
  const pulled = pullEvents(image, pull, creatingAt);
  if (now < startsAt) {
    const detailStatus = pull.failed && !pull.done ? 'ImagePullBackOff' : '';
    return { restartCount: 0, currentState: { state: 'Waiting', detailStatus }, events: pulled };
  }
  const events = [...pulled, event('Started', 'Started container', startsAt)];
  if (exitCode === null || now < endsAt) return { restartCount: 0, currentState: running(startsAt), events };
  if (!restarts(policy, exitCode))
    return { restartCount: 0, currentState: ended(exitCode, startsAt, endsAt), events };
  return exitCode === 0 ? again(living, pulled, endsAt) : crashed(living, events, exitCode, endsAt);
}

export function restarts(policy: string, exitCode: number): boolean {
  const word = policy.toLowerCase();
  return word === 'always' || (word === 'onfailure' && exitCode !== 0);
}

/** What ended well is started again at once (recorded traffic). */
function again({ id, startsAt, now }: Living, pulled: AciEvent[], endsAt: number): ContainerView {
  const restartCount = 1 + Math.floor((now - endsAt) / restartEveryMs);
  const startOf = (run: number) => (run === 0 ? startsAt : endsAt + (run - 1) * restartEveryMs);
  const container = createHash('sha256').update(id).digest('hex');
  const lastAt = startOf(restartCount);
  return {
    restartCount,
    currentState: running(lastAt),
    previousState: ended(0, startOf(restartCount - 1), lastAt),
    events: [
      ...pulled,
      event('Started', 'Started container', startsAt, { count: restartCount + 1, lastAt }),
      event('Killing', `Killing container with id ${container}.`, endsAt, { count: restartCount, lastAt }),
    ],
  };
}

/** What ended badly waits longer and longer. */
function crashed(
  { startsAt, now }: Living,
  events: AciEvent[],
  exitCode: number,
  endsAt: number,
): ContainerView {
  const restartCount = 1 + Math.floor((now - endsAt) / restartEveryMs);
  const lastAt = endsAt + (restartCount - 1) * restartEveryMs;
  const backOff = event('BackOff', 'Back-off restarting failed container', endsAt, {
    count: restartCount,
    lastAt,
  });
  return {
    restartCount,
    currentState: { state: 'Waiting', detailStatus: 'CrashLoopBackOff: Back-off 10s restarting failed' },
    previousState: ended(exitCode, startsAt, endsAt),
    events: [...events, backOff],
  };
}

/** ACI tells the digest that it found, though a tag was sent, and an engine's error without its equals signs (recorded traffic). */
function pullEvents(image: string, { done, failed }: Pull, at: number): AciEvent[] {
  const tries = (failed?.count ?? 0) + (done ? 1 : 0);
  const lastAt = done?.at ?? failed?.lastAt ?? at;
  const events = [event('Pulling', `pulling image "${image}"`, at, { count: Math.max(1, tries), lastAt })];
  if (failed) {
    const more = { count: failed.count, lastAt: failed.lastAt };
    events.push(
      event('Failed', failed.error, failed.firstAt, { ...more, type: 'Warning' }),
      event('BackOff', `Back-off pulling image "${image}"`, failed.firstAt, more),
    );
  }
  if (done) events.push(event('Pulled', `Successfully pulled image "${image}"`, done.at));
  return events;
}

const running = (at: number) => ({ state: 'Running', startTime: instant(at), detailStatus: '' });

const ended = (exitCode: number, startsAt: number, endsAt: number) => ({
  state: 'Terminated',
  startTime: instant(startsAt),
  exitCode,
  finishTime: instant(endsAt),
  detailStatus: exitCode === 0 ? 'Completed' : 'Error',
});
