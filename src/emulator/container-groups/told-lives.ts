import { createReader, type Reader } from '../control/reader.ts';
import type { LifeStep } from '../world.ts';

export interface ToldLife {
  group: string;
  steps: LifeStep[];
  /** Whether PUT looks at the images first, as it does without a prescribed life. */
  pull: boolean;
}

/** Reads the body of `POST /_emulator/lives`; throws a sentence that names the place. */
export function readLife(description: unknown): ToldLife {
  const reader = createReader(description, '');
  const steps = reader.each('steps').map(readStep);
  if (steps.length === 0) throw new Error("'steps' is a list of at least one");
  return {
    group: reader.text('group'),
    steps: steps.sort((left, right) => left.afterMs - right.afterMs),
    pull: reader.flag('pull', true),
  };
}

function readStep(reader: Reader): LifeStep {
  const afterMs = reader.number('afterMs');
  if (afterMs === undefined) throw new Error("each of 'steps' has 'afterMs', a number of milliseconds");
  const provisioningState = reader.text('provisioningState', undefined);
  const state = reader.text('state', undefined);
  const { code, message } = reader.anything('error');
  return {
    afterMs,
    ...(provisioningState === undefined ? {} : { provisioningState }),
    ...(state === undefined ? {} : { state }),
    containers: reader.each('containers').map(readContainer),
    events: readEvents(reader),
    ...(code === undefined ? {} : { error: { code: String(code), message: String(message ?? '') } }),
  };
}

function readContainer(reader: Reader): NonNullable<LifeStep['containers']>[number] {
  const restartCount = reader.number('restartCount');
  const currentState = reader.anything('currentState');
  const previousState = reader.anything('previousState');
  return {
    name: reader.text('name'),
    ...(restartCount === undefined ? {} : { restartCount }),
    ...(Object.keys(currentState).length > 0 ? { currentState } : {}),
    ...(Object.keys(previousState).length > 0 ? { previousState } : {}),
    events: readEvents(reader),
  };
}

function readEvents(reader: Reader): Record<string, unknown>[] {
  return reader.each('events').map(each => {
    const texts = ['name', 'message', 'type', 'firstTimestamp', 'lastTimestamp'].map(
      name => [name, each.text(name, undefined)] as const,
    );
    const told = [['count', each.number('count')] as const, ...texts];
    return Object.fromEntries(told.filter(([, value]) => value !== undefined));
  });
}
