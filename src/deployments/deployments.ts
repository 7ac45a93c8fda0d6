import { createHash, randomUUIDv7 } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { createError, type RequestError, requestErrors } from '../errors.ts';
import { type Decision, decide } from '../policy/decide.ts';
import type { LoadedPolicy } from '../policy/load.ts';
import type { Deployment, Event, Operation } from '../schemas/deployment.ts';
import type { Caller, Permission } from '../schemas/principal.ts';
import type { DeploymentRequest } from '../schemas/request.ts';
import type { DeploymentStore, ListFilter, ReadTeams, Watch } from '../store/deployments.ts';
import { askOf, checkSpec, fillDefaults, readImages, type Spec, sizeOf } from './spec.ts';

/** What a change needs to know of its request. */
export interface ChangeContext {
  requestId: string;
  /** Verb and route: an idempotency key counts for one only. */
  route: string;
  idempotencyKey: string | null;
}

/** A change that was accepted, now or before with the same key. */
export interface Change {
  deployment: Deployment;
  operation: Operation;
  teams: readonly string[];
  replayed: boolean;
}

interface Wait {
  waitMs: number;
  signal: AbortSignal;
}

interface DeploymentParts {
  store: DeploymentStore;
  watch: Watch;
  policy: () => LoadedPolicy;
  clock: Clock;
}

const idempotencyKeptMs = 72 * 3_600_000;

export type Deployments = ReturnType<typeof createDeployments>;

/** All that HTTP may ask of deployments. Every method sees only the caller's own teams; the rest does not exist. */
export function createDeployments({ store, watch, policy, clock }: DeploymentParts) {
  return {
    /** Judges a request (no I/O) and accepts it in one transaction. */
    async create(caller: Caller, request: DeploymentRequest, context: ChangeContext): Promise<Change> {
      const asked = fillDefaults(request);
      checkSpec(asked);
      return acceptSpec(caller, asked, request, context);
    },

    /** Takes over a group that is there: `spec` is what it says, `request` what was asked. */
    async adopt(caller: Caller, spec: Spec, request: object, context: ChangeContext): Promise<Change> {
      return acceptSpec(caller, spec, request, context, { adopts: true });
    },

    /** Deletes the container group; null where it is gone already. */
    async remove(caller: Caller, ref: string, context: ChangeContext): Promise<Change | null> {
      const teams = teamsWith(caller, 'delete');
      const deployment = await findOrThrow(teams, ref);
      const now = clock.now();
      const result = await store.acceptDelete({
        id: deployment.id,
        operation: randomUUIDv7(),
        team: deployment.team,
        createdBy: caller.principal,
        onBehalfOf: caller.onBehalfOf ?? null,
        policyDigest: policy().digest,
        now,
        ...forAudit(context),
        ...idempotency(caller, deployment.team, context, { id: deployment.id }, now),
      });
      switch (result.outcome) {
        case 'accepted':
          return changeOf(result.deployment, teams, false);
        case 'replayed':
          return changeOf(result.deployment, teams, true, result.operation);
        case 'keyReused':
          throw keyReused(deployment);
        case 'busy':
          throw busy(deployment, result.operation);
        case 'gone':
          return null;
      }
    },

    async get(caller: Caller, ref: string, { waitMs, signal }: Wait): Promise<Deployment> {
      const teams = recordsFor(caller);
      const deployment = await findOrThrow(teams, ref);
      if (waitMs === 0 || deployment.settled) return deployment;
      return (
        (await watch.until(deployment.id, teams, ({ settled }) => settled, waitMs, signal)) ?? deployment
      );
    },

    list(caller: Caller, filter: ListFilter, page: { size: number; before?: string | undefined }) {
      return store.list(recordsFor(caller), filter, page);
    },

    async events(
      caller: Caller,
      ref: string,
      page: { after: number; size: number },
    ): Promise<{ value: Event[]; next?: string }> {
      const teams = recordsFor(caller);
      const { id } = await findOrThrow(teams, ref);
      const { value, more } = await store.events(teams, id, page);
      const last = value.at(-1);
      return more && last ? { value, next: String(last.seq) } : { value };
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
    context: ChangeContext,
    begin: { adopts?: true } = {},
  ): Promise<Change> {
    const images = readImages(asked);
    const ask = askOf(asked, images);
    const decision = decide(policy(), caller, ask);
    if (!decision.allowed) throw denied(decision);

    const { plan, digest } = decision;
    const spec: Spec = {
      ...asked,
      team: plan.team,
      target: plan.target.name,
      location: plan.target.location,
    };
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
        return changeOf(result.deployment, [plan.team], false);
      case 'replayed':
        return changeOf(result.deployment, [plan.team], true, result.operation);
      case 'keyReused':
        throw keyReused();
      case 'exists':
        throw deploymentExists(spec, result.id);
      case 'quotaExceeded':
        throw quotaExceeded(plan.team, result);
    }
  }

  async function findOrThrow(teams: ReadTeams, ref: string): Promise<Deployment> {
    const [target, name] = ref.split(':', 2);
    const found = await store.find(teams, name && target ? { target, name } : { id: ref });
    // Another team's deployment answers exactly as one that does not exist.
    if (!found) throw createError('NotFound', 'There is no such deployment.');
    return found;
  }

  async function changeOf(
    deployment: Deployment,
    teams: readonly string[],
    replayed: boolean,
    id = deployment.operation,
  ): Promise<Change> {
    const operation = await store.findOperation(teams, id);
    if (!operation) throw new Error(`deployment ${deployment.id} has no operation ${id}`);
    return { deployment, operation, teams, replayed };
  }

  async function reread(change: Change): Promise<Change> {
    const deployment = await store.find(change.teams, { id: change.deployment.id });
    return deployment ? changeOf(deployment, change.teams, change.replayed, change.operation.id) : change;
  }

  async function waitForOperation(
    operation: Operation,
    teams: ReadTeams,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<Operation> {
    // An operation ends in the move that settles its deployment or hands it on to the next one.
    const over = (deployment: Deployment) => deployment.settled || deployment.operation !== operation.id;
    await watch.until(operation.deployment, teams, over, waitMs, signal);
    return (await store.findOperation(teams, operation.id)) ?? operation;
  }
}

/** What is wrong with the request names its place; what is not allowed is a sentence of its own. */
export function denied({ code, pointer, detail }: Decision & { allowed: false }): RequestError {
  const text = requestErrors[code][0] === 400 ? `${pointer}: ${detail}` : detail;
  return createError(code, text, { errors: [{ pointer, detail }] });
}

/** The teams in which the caller may do this. Who may nowhere was refused before. */
function teamsWith(caller: Caller, permission: Permission): string[] {
  return Object.keys(caller.teams).filter(team => caller.teams[team]?.includes(permission));
}

/** The teams whose records he may read. */
const recordsFor = (caller: Caller): ReadTeams => (caller.operator ? 'all' : teamsWith(caller, 'read'));

function idempotency(
  caller: Caller,
  team: string,
  { route, idempotencyKey }: ChangeContext,
  body: object,
  now: Date,
) {
  if (idempotencyKey === null) return {};
  return {
    idempotency: {
      // A portal's users do not meet in each other's keys.
      keyHash: hash([caller.principal.issuer, team, route, idempotencyKey, ...portalUser(caller)]),
      requestHash: hash(body),
      expiresAt: new Date(now.getTime() + idempotencyKeptMs),
    },
  };
}

const portalUser = ({ onBehalfOf }: Caller) => (onBehalfOf === undefined ? [] : [onBehalfOf]);

const forAudit = ({ requestId, idempotencyKey }: ChangeContext) => ({
  requestId,
  idempotencyKeyHash: idempotencyKey === null ? null : hashKey(idempotencyKey),
});

/** What the audit keeps of an `Idempotency-Key`. */
export const hashKey = (key: string) => createHash('sha256').update(key).digest('hex');

/** Equal for equal content, whatever the order of members. */
function hash(content: object): string {
  const sorted = JSON.stringify(content, (_name, value) =>
    value && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
  return createHash('sha256').update(sorted).digest('hex');
}

/** A refusal that concerns a deployment, which the request may name by its id. */
const about = ({ team, name }: Deployment) => ({ about: { team, target: name } });

const keyReused = (deployment?: Deployment) =>
  createError(
    'IdempotencyKeyReused',
    'This Idempotency-Key was used with another request; take a new one.',
    deployment && about(deployment),
  );

/** The link is for who may follow it: the name may be taken by another team that shares the target. */
function deploymentExists(spec: Spec, holder: string | null): RequestError {
  const detail = `Target '${spec.target}' has a deployment '${spec.name}' already. Delete it first, or take another name.`;
  return createError(
    'DeploymentExists',
    detail,
    holder ? { members: { deployment: `/deployments/${holder}` } } : {},
  );
}

function busy(deployment: Deployment, operation: string): RequestError {
  const members = { operation: `/operations/${operation}` };
  return createError(
    'DeploymentBusy',
    'Another operation of this deployment is still running; wait for its end.',
    { members, ...about(deployment) },
  );
}

function quotaExceeded(
  team: string,
  { which, limit, used }: { which: string; limit: number; used: number },
): RequestError {
  return createError(
    'TeamQuotaExceeded',
    `Team '${team}' may have ${limit} ${which} and has ${used}; delete what is no longer needed.`,
  );
}
