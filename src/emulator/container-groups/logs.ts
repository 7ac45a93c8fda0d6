import type { ArmAccess } from '../arm/access.ts';
import type { ContainerGroup } from '../world.ts';
import { instant } from './event.ts';
import { viewAt } from './life.ts';
import { allContainersOf } from './own-life.ts';
import { linesUntil } from './run.ts';

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
  const found = allContainersOf(group).find(({ name }) => name.toLowerCase() === container.toLowerCase());
  if (!found) throw containerNotFound(access, container, group.name);
  const lines = linesOf(group, found.name, now);
  const tail = Number(wanted.tail || mostLines);
  const shown = tail > 0 ? lines.slice(-tail) : lines;
  const stamped = wanted.timestamps?.toLowerCase() === 'true';
  return shown.map(({ at, text }) => `${stamped ? `${at} ` : ''}${text}\n`).join('');
}

export const containerNotFound = (access: ArmAccess, container: string, group: string): Error =>
  access.error(
    404,
    'ContainerNotFound',
    `The container '${container}' was not found in container group '${group}'.`,
  );

const mostLines = 1_000;

/** What its run wrote, as far as that is known; else a line for each thing that is known to have happened. */
function linesOf(group: ContainerGroup, container: string, now: number): Line[] {
  const { currentState, previousState } = viewAt(group, now).containers[container] ?? {};
  const state = [currentState, previousState].find(each => each?.startTime !== undefined);
  if (!state) return [];
  const begun = Date.parse(String(state.startTime));
  const end = state.finishTime === undefined ? now : Date.parse(String(state.finishTime));
  const run = group.life.prescribed ? undefined : group.life.pulls?.[container]?.done;
  if (!run?.lines) return happened(container, state);
  return linesUntil(run, end - begun).map(({ afterMs, text }) => ({ at: instant(begun + afterMs), text }));
}

function happened(container: string, state: Record<string, unknown>): Line[] {
  const begun = String(state.startTime);
  const lines = [
    { at: begun, text: `${container}: started` },
    { at: begun, text: `${container}: at work` },
  ];
  if (state.exitCode === undefined) return lines;
  const end = Number(state.exitCode) === 0 ? 'done' : `error: exiting with ${state.exitCode}`;
  return [...lines, { at: String(state.finishTime ?? begun), text: `${container}: ${end}` }];
}
