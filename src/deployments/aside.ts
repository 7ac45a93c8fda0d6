import type { Deployment } from '../schemas/deployment.ts';

/** What Slipway alone reads, and labels, which are tags. */
const members: ReadonlySet<string> = new Set([
  ...['expiresAt', 'labels', 'source', 'timeoutSeconds', 'steadySeconds'],
  ...['keepFailed', 'onFailure', 'onBusy', 'onExisting'],
]);

/** Its present revision is what runs, or has run to its end. */
export const goesOn = ({ settled, status, revision, liveRevision }: Deployment) =>
  settled && revision === liveRevision && (status === 'Running' || status === 'Succeeded');

/** Whether a patch asks only for what no container notices. */
export const isAside = (patch: object) => Object.keys(patch).every(member => members.has(member));
