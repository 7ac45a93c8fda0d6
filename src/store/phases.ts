import type { Phase, Status } from '../schemas/deployment.ts';

/** The phases with the last one ended. */
export function leave(phases: readonly Phase[], now: Date): Phase[] {
  return phases.map((phase, index) =>
    index === phases.length - 1 && phase.durationMs === null
      ? { ...phase, durationMs: Math.max(0, now.getTime() - Date.parse(phase.startedAt)) }
      : phase,
  );
}

/** The phases with a new one begun. */
export function enter(phases: readonly Phase[], phase: Status, now: Date): Phase[] {
  return [...phases, { phase, startedAt: now.toISOString(), durationMs: null }];
}
