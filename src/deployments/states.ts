import type { Status } from '../schemas/deployment.ts';

/** What a change that is accepted turns a settled deployment into; a deletion comes by itself at `expiresAt`. */
const changes: readonly Status[] = ['Accepted', 'Restarting', 'Stopping', 'Starting', 'Deleting'];

/**
 * Which status may follow which; nothing else. A status may always stay: the stage looks again later. A settled status
 * is left only by a change that was accepted, but for `Running`: a job under `OnFailure` or `Never` ends, and one that
 * failed may be taken back.
 */
export const moves: Record<Status, readonly Status[]> = {
  Accepted: ['Resolving', 'Failed'],
  Adopting: ['Provisioning', 'Failed'],
  Resolving: ['Submitting', 'Failed'],
  // What ARM refused may leave nothing that serves: then the revision before is made again.
  Submitting: ['Provisioning', 'Resolving', 'Failed'],
  // What Azure has given up on is put again, and what failed is taken back.
  Provisioning: ['Running', 'Succeeded', 'Failed', 'Submitting', 'Resolving'],
  Running: ['Succeeded', 'Failed', 'Resolving', ...changes],
  Succeeded: changes,
  Failed: changes,
  Canceled: changes,
  Stopped: changes,
  // Too late: the change runs to its end.
  Canceling: ['Canceled', 'Provisioning', 'Failed'],
  Restarting: ['Running', 'Succeeded', 'Failed'],
  Starting: ['Running', 'Succeeded', 'Failed'],
  Stopping: ['Stopped', 'Failed'],
  Deleting: ['Deleted', 'Failed'],
  Deleted: [],
};

export function mayMove(from: Status, to: Status): boolean {
  return from === to || moves[from].includes(to);
}
