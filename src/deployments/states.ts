import type { Status } from '../schemas/deployment.ts';

/**
 * Which status may follow which; nothing else. A status may always stay: the stage looks again later. A settled status
 * is left only by a change that was accepted (`Deleting`), but for `Running`: a job under `OnFailure` or `Never` ends.
 */
export const moves: Record<Status, readonly Status[]> = {
  Accepted: ['Resolving', 'Failed'],
  Adopting: ['Provisioning', 'Failed'],
  Resolving: ['Submitting', 'Failed'],
  Submitting: ['Provisioning', 'Failed'],
  // Back: what Azure gave up on for want of room is put again.
  Provisioning: ['Submitting', 'Running', 'Succeeded', 'Failed'],
  Running: ['Succeeded', 'Failed', 'Deleting'],
  Succeeded: ['Deleting'],
  Failed: ['Deleting'],
  Canceled: ['Deleting'],
  Deleting: ['Deleted', 'Failed'],
  Deleted: [],
};

export function mayMove(from: Status, to: Status): boolean {
  return from === to || moves[from].includes(to);
}
