import type { Deployment } from '../schemas/deployment.ts';
import type { Caller, Permission } from '../schemas/principal.ts';
import { acceptChange, acceptedBefore, type Change, type ChangeParts } from './accept-change.ts';
import { findOrThrow, teamsWith } from './finding.ts';
import { changedSince, notLive } from './refusals.ts';
import type { Asking } from './revising.ts';

type Verb = 'Restart' | 'Stop' | 'Start' | 'Cancel' | 'Delete';

export type Verbs = ReturnType<typeof createVerbs>;

/** Refuses to restart a group with a password that is no longer current. */
export type RestartGuard = (deployment: Deployment) => Promise<void>;

/** What is done with a group as it is. */
export function createVerbs(parts: ChangeParts & { guardRestart: RestartGuard }) {
  const { store } = parts;
  return {
    async restart(caller: Caller, ref: string, asking: Asking & { force?: boolean | undefined }) {
      return present(await change(caller, ref, 'Restart', 'deploy', asking));
    },

    async start(caller: Caller, ref: string, asking: Asking & { force?: boolean | undefined }) {
      return present(await change(caller, ref, 'Start', 'deploy', asking));
    },

    async stop(caller: Caller, ref: string, asking: Asking) {
      return present(await change(caller, ref, 'Stop', 'deploy', asking));
    },

    async cancel(caller: Caller, ref: string, asking: Asking) {
      return present(await change(caller, ref, 'Cancel', 'cancel', asking));
    },

    /** Deletes the container group; null where it is gone already. */
    async remove(caller: Caller, ref: string, asking: Asking): Promise<Change | null> {
      return (await change(caller, ref, 'Delete', 'delete', asking)).change;
    },
  };

  async function change(
    caller: Caller,
    ref: string,
    kind: Verb,
    permission: Permission,
    { context, isExpected, onBusy, force }: Asking & { force?: boolean | undefined },
  ) {
    const deployment = await findOrThrow(store, teamsWith(caller, permission), ref);
    const asked = { id: deployment.id, verb: kind, force: force ?? false };
    const before = await acceptedBefore(parts, caller, deployment, asked, context);
    if (before) return { deployment, change: before };
    if (isExpected && !isExpected(deployment)) throw changedSince(deployment);
    const needsGroup = kind === 'Restart' || kind === 'Start' || kind === 'Stop';
    if (needsGroup && deployment.settled && deployment.liveRevision === null) throw notLive(deployment);
    if ((kind === 'Restart' || kind === 'Start') && !force) await parts.guardRestart(deployment);
    const judged = { asked, intent: { kind }, ...(onBusy ? { onBusy } : {}) };
    const expects = isExpected ? { expects: deployment } : {};
    return {
      deployment,
      change: await acceptChange(parts, caller, deployment, { ...judged, ...expects }, context),
    };
  }
}

function present({ deployment, change }: { deployment: Deployment; change: Change | null }): Change {
  if (!change) throw notLive(deployment);
  return change;
}
