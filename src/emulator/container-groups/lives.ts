import type { Parts } from '../parts.ts';
import type { ContainerGroup, Pull, Run } from '../world.ts';
import { creatingAfterMs } from './container-life.ts';
import { allContainersOf, initContainersOf } from './own-life.ts';
import { failedPullText, type Puller } from './puller.ts';
import { runOf } from './run.ts';
import { readLife, type ToldLife } from './told-lives.ts';

/** The lives of all groups: the pulls that are due, and the lives that tests prescribe. */
export interface Lives {
  /** A group was put or started: it will be pulled. */
  begin(group: ContainerGroup): void;
  stop(): void;
  resume(): void;
  /** `POST /_emulator/lives`: the next group of that name lives so. Throws a sentence. */
  prescribe(description: unknown): void;
  /** The life prescribed for the next group of that name, if any. */
  next(group: string): ToldLife | undefined;
  /** A group lives so: the next one of its name does not. */
  taken(life: ToldLife | undefined): void;
}

const lookEveryMs = 25;
/** More at once are no quicker, and each costs a connection. */
const mostPulls = 64;
/** A pull in vain is made again after longer and longer waits, in the emulator's milliseconds. */
const firstBackOffMs = 10_000;
const longestBackOffMs = 300_000;

export function createLives(
  { world, clock, changed }: Pick<Parts, 'world' | 'clock' | 'changed'>,
  puller: Puller,
): Lives {
  const waiting = new Set<string>();
  const busy = new Set<ContainerGroup>();
  const prescribed = new Map<string, ToldLife>();
  let timer: NodeJS.Timeout | undefined;

  /** The clock may jump, so it is looked at often while a pull is to come, and not at all otherwise. */
  function tick(): void {
    for (const id of waiting) {
      const group = world.containerGroups[id];
      if (!group || !isPulling(group)) waiting.delete(id);
      else if (busy.size < mostPulls && !busy.has(group) && clock.now() >= pullDueAt(group))
        void pull(id, group);
    }
    if (waiting.size === 0) pause();
  }

  async function pull(id: string, group: ContainerGroup): Promise<void> {
    const { life } = group;
    busy.add(group);
    const looks = await Promise.all(missing(group).map(name => look(group, name)));
    busy.delete(group);
    // The group may have been put again, stopped or deleted meanwhile.
    if (world.containerGroups[id] !== group || group.life !== life) return;
    life.pulls ??= {};
    for (const [name, result] of looks) life.pulls[name] = after(life.pulls[name], result, clock.now());
    changed('containerGroups', id);
  }

  async function look(group: ContainerGroup, name: string) {
    const container = allContainersOf(group).find(each => each.name === name);
    const image = group.life.images?.[name] ?? container?.properties.image ?? '';
    const found = await puller.look(image, group);
    if (!found.ok) return [name, { error: failedPullText(image, found) }] as const;
    const kind = initContainersOf(group).some(each => each.name === name) ? 'init' : 'app';
    const command = container?.properties.command ?? [];
    return [name, runOf({ command, image: found }, kind)] as const;
  }

  function pause(): void {
    clearInterval(timer);
    timer = undefined;
  }

  function begin(group: ContainerGroup): void {
    waiting.add(group.id.toLowerCase());
    timer ??= setInterval(tick, lookEveryMs);
  }

  return {
    begin,
    stop() {
      pause();
      waiting.clear();
    },
    resume() {
      for (const group of Object.values(world.containerGroups)) {
        // A clock that was advanced before a restart is back: what it had begun must not lie in the future.
        group.life.startedAt = Math.min(group.life.startedAt, clock.now());
        if (isPulling(group)) begin(group);
      }
    },
    prescribe(description) {
      const life = readLife(description);
      prescribed.set(life.group.toLowerCase(), life);
    },
    next: group => prescribed.get(group.toLowerCase()),
    taken(life) {
      if (life && prescribed.get(life.group.toLowerCase()) === life)
        prescribed.delete(life.group.toLowerCase());
    },
  };
}

function isPulling(group: ContainerGroup): boolean {
  const { prescribed, stoppedAt } = group.life;
  return !prescribed && stoppedAt === undefined && missing(group).length > 0;
}

/** The containers whose image has not come yet. */
function missing(group: ContainerGroup): string[] {
  return allContainersOf(group)
    .map(({ name }) => name)
    .filter(name => !group.life.pulls?.[name]?.done);
}

/** First as soon as the group is `Creating`, then after longer and longer waits, all together. */
function pullDueAt(group: ContainerGroup): number {
  const { startedAt, pulls = {} } = group.life;
  const failed = Object.values(pulls).flatMap(pull => (pull.failed && !pull.done ? [pull.failed] : []));
  if (failed.length === 0) return startedAt + creatingAfterMs;
  return Math.min(...failed.map(({ count, lastAt }) => lastAt + backOffMs(count)));
}

const backOffMs = (failures: number) => Math.min(longestBackOffMs, firstBackOffMs * 2 ** (failures - 1));

function after({ failed }: Pull = {}, result: Run | { error: string }, now: number): Pull {
  if ('exitCode' in result) return { ...(failed ? { failed } : {}), done: { at: now, ...result } };
  return {
    failed: {
      count: (failed?.count ?? 0) + 1,
      firstAt: failed?.firstAt ?? now,
      lastAt: now,
      error: result.error,
    },
  };
}
