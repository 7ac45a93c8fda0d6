import type { ArmAccess } from '../arm/access.ts';
import type { ContainerGroup } from '../world.ts';
import { viewAt } from './life.ts';
import { containersOf } from './own-life.ts';

interface Line {
  at: string;
  text: string;
}

/** What a simulated container wrote: since its last start, as Azure keeps no more. */
export function logOf(
  group: ContainerGroup,
  container: string,
  now: number,
  wanted: { tail?: string; timestamps?: string },
  access: ArmAccess,
): string {
  const found = containersOf(group).find(({ name }) => name === container);
  if (!found)
    throw access.error(
      404,
      'ContainerNotFound',
      `The container '${container}' was not found in container group '${group.name}'.`,
    );
  const { currentState, previousState } = viewAt(group, now).containers[container] ?? {};
  const state = [currentState, previousState].find(each => each?.startTime !== undefined);
  const lines = state ? linesOf(container, state) : [];
  const shown = lines.slice(-Number(wanted.tail || lines.length) || lines.length);
  const stamped = wanted.timestamps?.toLowerCase() === 'true';
  return shown.map(({ at, text }) => `${stamped ? `${at} ` : ''}${text}\n`).join('');
}

function linesOf(container: string, state: Record<string, unknown>): Line[] {
  const begun = String(state.startTime);
  const lines = [
    { at: begun, text: `${container}: started` },
    { at: begun, text: `${container}: at work` },
  ];
  if (state.exitCode === undefined) return lines;
  const end = Number(state.exitCode) === 0 ? 'done' : `error: exiting with ${state.exitCode}`;
  return [...lines, { at: String(state.finishTime ?? begun), text: `${container}: ${end}` }];
}
