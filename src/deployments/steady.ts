import { isDeepStrictEqual } from 'node:util';
import type { ContainerGroupState } from '../azure/container-groups.ts';
import type { Intent } from '../schemas/intent.ts';
import type { DeploymentRow } from '../store/deployments.ts';
import { marksOf } from './group-marks.ts';

interface Held {
  steady: NonNullable<Intent['steady']>;
  until: Date;
}

/** What has come up again after a crash is believed only after that long. */
const afterCrashMs = 10_000;

/** Until when what runs has to go on without a restart before it counts; null where it counts now. Pure. */
export function heldUntil(group: ContainerGroupState, row: DeploymentRow, now: Date): Held | null {
  const asked = (row.spec.steadySeconds ?? 0) * 1000;
  const holdMs = Math.max(asked, hasCrashed(group, row) ? afterCrashMs : 0);
  const { started } = marksOf(group);
  const { steady } = row.intent;
  const since = steady && isDeepStrictEqual(steady.started, started) ? new Date(steady.since) : now;
  const until = new Date(since.getTime() + holdMs);
  return now < until ? { steady: { since: since.toISOString(), started }, until } : null;
}

/** Of a group that was there before, nobody knows which of its restarts are of the change. */
const hasCrashed = ({ containers }: ContainerGroupState, { intent }: DeploymentRow) =>
  !intent.before &&
  containers.some(
    ({ restartCount, previousState }) => restartCount > 0 && (previousState?.exitCode ?? 0) !== 0,
  );
