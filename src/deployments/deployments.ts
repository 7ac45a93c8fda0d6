import { randomUUIDv7 } from 'node:crypto';
import { createError } from '../errors.ts';
import { decide } from '../policy/decide.ts';
import type { Deployment, Operation } from '../schemas/deployment.ts';
import type { Caller } from '../schemas/principal.ts';
import type { DeploymentRequest } from '../schemas/request.ts';
import type { Acceptance, ListFilter, ReadTeams, Watch } from '../store/deployments.ts';
import { type Change, type ChangeParts, readChange } from './accept-change.ts';
import { denied } from './denied.ts';
import { findOrThrow, recordsFor } from './finding.ts';
import { type ChangeContext, forAudit, idempotency } from './idempotency.ts';
import { deploymentExists, keyReused, quotaExceeded } from './refusals.ts';
import type { Asking, Revising } from './revising.ts';
import { askOf, checkSpec, fillDefaults, readImages, type Spec, sizeOf } from './spec.ts';

interface Wait {
  waitMs: number;
  signal: AbortSignal;
}

/** How a request is made: `allowReplace` counts where it replaces what has the name. */
type Submitting = Pick<Asking, 'context' | 'allowReplace'>;

interface DeploymentParts extends ChangeParts {
  watch: Watch;
  revising: Pick<Revising, 'replace'>;
}

export type Deployments = ReturnType<typeof createDeployments>;

/** All that HTTP may ask of deployments. Every method sees only the caller's own teams; the rest does not exist. */
export function createDeployments(parts: DeploymentParts) {
  const { store, watch, policy, clock, revising } = parts;
  return {
    /** Judges a request (no I/O) and accepts it in one transaction. */
    async create(caller: Caller, request: DeploymentRequest, asking: Submitting): Promise<Change> {
      const asked = fillDefaults(request);
      checkSpec(asked, clock.now());
      return acceptSpec(caller, asked, request, asking, {
        ...(asked.onFailure === 'rollback' ? { intent: { onFailure: 'rollback' } } : {}),
      });
    },

    /** Takes over a group that is there: `spec` is what it says, `request` what was asked. */
    async adopt(caller: Caller, spec: Spec, request: object, context: ChangeContext): Promise<Change> {
      return acceptSpec(caller, spec, request, { context }, { adopts: true });
    },

    async get(caller: Caller, ref: string, { waitMs, signal }: Wait): Promise<Deployment> {
      const teams = recordsFor(caller);
      const deployment = await findOrThrow(store, teams, ref);
      if (waitMs === 0 || deployment.settled) return deployment;
      return (
        (await watch.until(deployment.id, teams, ({ settled }) => settled, waitMs, signal)) ?? deployment
      );
    },

    list(caller: Caller, filter: ListFilter, page: { size: number; before?: string | undefined }) {
      return store.list(recordsFor(caller), filter, page);
    },

    async operation(caller: Caller, id: string, { waitMs, signal }: Wait): Promise<Operation> {
      const teams = recordsFor(caller);
      const operation = await store.findOperation(teams, id);
      if (!operation) throw createError('NotFound', 'There is no such operation.');
      if (waitMs === 0 || operation.endedAt !== null) return operation;
      return waitForOperation(operation, teams, waitMs, signal);
    },

    /** Waits until the first stage is over, whatever came of it. */
    async waitForFirstStage(change: Change, timeoutMs: number, signal: AbortSignal): Promise<Change> {
      const firstStage = ({ status, operation }: Deployment) =>
        operation !== change.operation.id || (status !== 'Accepted' && status !== 'Resolving');
      await watch.until(change.deployment.id, change.teams, firstStage, timeoutMs, signal);
      return reread(change);
    },

    async waitForEnd(change: Change, timeoutMs: number, signal: AbortSignal): Promise<Change> {
      await waitForOperation(change.operation, change.teams, timeoutMs, signal);
      return reread(change);
    },
  };

  async function acceptSpec(
    caller: Caller,
    asked: Spec,
    request: object,
    asking: Submitting,
    begin: Pick<Acceptance, 'adopts' | 'intent'> = {},
  ): Promise<Change> {
    const { context } = asking;
    const images = readImages(asked);
    const ask = askOf(asked, images);
    const decision = decide(policy(), caller, ask);
    if (!decision.allowed) throw denied(decision, images);

    const { plan, digest } = decision;
    const spec: Spec = {
      ...asked,
      team: plan.team,
      target: plan.target.name,
      location: plan.target.location,
    };
    if (spec.onExisting === 'replace') {
      const replaced = await revising.replace(caller, spec, request, asking);
      if (replaced) return replaced;
    }
    const now = clock.now();
    const id = randomUUIDv7();
    const result = await store.accept({
      id,
      operation: randomUUIDv7(),
      team: plan.team,
      name: spec.name,
      target: plan.target.name,
      subscription: plan.target.subscription,
      resourceGroup: plan.target.resourceGroup,
      location: plan.target.location,
      spec,
      plan: { plan, ask, caller },
      policyDigest: digest,
      createdBy: caller.principal,
      onBehalfOf: caller.onBehalfOf ?? null,
      size: sizeOf(spec),
      quota: plan.quota,
      deadlineAt: new Date(now.getTime() + (spec.timeoutSeconds ?? 1800) * 1000),
      now,
      ...forAudit(context),
      ...begin,
      ...idempotency(caller, plan.team, context, request, now),
    });
    switch (result.outcome) {
      case 'accepted':
        return readChange(store, result.deployment, [plan.team], false, result.deployment.operation);
      case 'replayed':
        return readChange(store, result.deployment, [plan.team], true, result.operation);
      case 'keyReused':
        throw keyReused();
      case 'exists':
        throw deploymentExists(spec, result.id);
      case 'quotaExceeded':
        throw quotaExceeded(plan.team, result);
    }
  }

  /** Of an operation over many deployments. */
  async function waitForNews(
    id: string,
    over: () => Promise<boolean>,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    const deadline = Date.now() + waitMs;
    using news = watch.subscribe({ id });
    while (!(await over()) && Date.now() < deadline && !signal.aborted)
      await news.within(deadline - Date.now(), signal);
  }

  async function reread(change: Change): Promise<Change> {
    const deployment = await store.find(change.teams, { id: change.deployment.id });
    return deployment
      ? readChange(store, deployment, change.teams, change.replayed, change.operation.id)
      : change;
  }

  async function waitForOperation(
    operation: Operation,
    teams: ReadTeams,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<Operation> {
    let seen = operation;
    // It may wait for its turn, or be canceled by another: the deployment's own state does not say when it ends.
    const over = async () => {
      seen = (await store.findOperation(teams, operation.id)) ?? operation;
      return seen.endedAt !== null;
    };
    if (operation.deployment !== null) await watch.until(operation.deployment, teams, over, waitMs, signal);
    else await waitForNews(operation.id, over, waitMs, signal);
    return seen;
  }
}
