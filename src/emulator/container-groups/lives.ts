import type { Parts } from '../parts.ts';
import type { ContainerGroup, LifeStep } from '../world.ts';
import { creatingAfterMs } from './life.ts';
import { type Puller, pulledOf } from './puller.ts';
import type { StoredProperties } from './stored.ts';

/** The lives of all groups: the pulls that are due, and the lives that tests prescribe. */
export interface Lives {
  /** A group was put or started: it will be pulled. */
  begin(group: ContainerGroup): void;
  stop(): void;
  resume(): void;
  /** `POST /_emulator/lives`: the next group of that name lives so. Throws a sentence. */
  prescribe(description: unknown): void;
  /** The life prescribed for a group that is being put now, if any. */
  take(group: string): LifeStep[] | undefined;
}

const lookEveryMs = 25;

export function createLives(
  { world, clock, changed }: Pick<Parts, 'world' | 'clock' | 'changed'>,
  puller: Puller,
): Lives {
  const waiting = new Set<string>();
  const prescribed = new Map<string, LifeStep[]>();
  let timer: NodeJS.Timeout | undefined;

  /** The clock may jump, so it is looked at often while a pull is due, and not at all otherwise. */
  function tick(): void {
    for (const id of waiting) {
      const group = world.containerGroups[id];
      if (!group || group.life.pulls || group.life.prescribed) waiting.delete(id);
      else if (clock.now() - group.life.startedAt >= creatingAfterMs) {
        waiting.delete(id);
        void pull(id, group);
      }
    }
    if (waiting.size === 0) pause();
  }

  async function pull(id: string, group: ContainerGroup): Promise<void> {
    const { startedAt } = group.life;
    const containers = (group.properties as StoredProperties).containers ?? [];
    const pulls = await Promise.all(
      containers.map(
        async ({ name, properties: { image = '' } }) =>
          [name, pulledOf(await puller.look(image, group), { image })] as const,
      ),
    );
    // The group may have been put again or deleted meanwhile.
    if (world.containerGroups[id] !== group || group.life.startedAt !== startedAt) return;
    Object.assign(group.life, { pulls: Object.fromEntries(pulls), pulledAt: clock.now() });
    changed();
  }

  function pause(): void {
    clearInterval(timer);
    timer = undefined;
  }

  const begin = (group: ContainerGroup) => {
    waiting.add(group.id.toLowerCase());
    timer ??= setInterval(tick, lookEveryMs);
  };

  return {
    begin,
    stop() {
      pause();
      waiting.clear();
    },
    resume() {
      for (const group of Object.values(world.containerGroups)) if (!group.life.pulls) begin(group);
    },
    prescribe(description) {
      const { group, steps } = readDescription(description);
      prescribed.set(group, steps);
    },
    take(group) {
      const steps = prescribed.get(group);
      prescribed.delete(group);
      return steps;
    },
  };
}

function readDescription(description: unknown): { group: string; steps: LifeStep[] } {
  if (typeof description !== 'object' || description === null) throw new Error('a life is {group, steps}');
  const { group, steps } = description as { group?: unknown; steps?: unknown };
  if (typeof group !== 'string' || !Array.isArray(steps) || steps.length === 0)
    throw new Error('a life needs group, a name, and steps, a list of at least one');
  for (const [index, step] of steps.entries())
    if (typeof step?.afterMs !== 'number')
      throw new Error(`steps[${index}].afterMs must be a number of milliseconds`);
  return { group, steps };
}
