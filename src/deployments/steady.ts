import { isDeepStrictEqual } from 'node:util';
import type { ContainerGroupState } from '../azure/container-groups.ts';
import type { DeploymentRow } from '../store/deployments.ts';
import { marksOf } from './group-marks.ts';
import { isJob } from './job.ts';
import type { Patch } from './move.ts';

/** What has come up again after a crash is believed only after that long. */
const afterCrashMs = 10_000;

/** What runs, and has to go on without a restart for so long before that counts; null where it counts now. Pure. */
export function heldBack(
  group: ContainerGroupState,
  row: DeploymentRow,
  now: Date,
): { leftMs: number; patch: Patch } | null {
  // A job is followed to its end, and what counted once counts.
  if (isJob(row) || row.status === 'Running' || row.intent.keeps) return null;
  const asked = (row.spec.steadySeconds ?? 0) * 1000;
  const holdMs = Math.max(asked, hasCrashed(group, row) ? afterCrashMs : 0);
  const { started } = marksOf(group);
  const { steady } = row.intent;
  const since = steady && isDeepStrictEqual(steady.started, started) ? steady.since : now.toISOString();
  const until = new Date(Date.parse(since) + holdMs);
  if (now >= until) return null;
  return {
    leftMs: until.getTime() - now.getTime(),
    patch: {
      intent: { ...row.intent, steady: { since, started } },
      waitingFor: { reason: 'Steady', since, until: until.toISOString() },
    },
  };
}

/** Of a group that was there before, nobody knows which of its restarts are of the change. */
const hasCrashed = ({ containers }: ContainerGroupState, { intent }: DeploymentRow) =>
  !intent.before &&
  containers.some(
    ({ restartCount, previousState }) => restartCount > 0 && (previousState?.exitCode ?? 0) !== 0,
  );
