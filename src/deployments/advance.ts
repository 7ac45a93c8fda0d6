import type { Log } from '../log.ts';
import type { Status } from '../schemas/deployment.ts';
import type { Failure } from '../schemas/failure.ts';
import type { DeploymentRow, DeploymentStore } from '../store/deployments.ts';
import { type Claim, ClaimLost } from '../store/jobs.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Tracer } from '../telemetry/trace.ts';
import { failure } from './failure.ts';
import { afterLoss, untilNothingIsLate } from './late-calls.ts';
import { withLiveSpec } from './live-spec.ts';
import { fail, goOn, type Move, refuse, stay } from './move.ts';
import { stillThere } from './not-now.ts';
import { afterItsTurn, Paced, type Pacing } from './pacing.ts';
import { type RotatingParts, rotate } from './rotating.ts';
import { adopt } from './stages/adopt.ts';
import { cancel } from './stages/cancel.ts';
import { clear } from './stages/clear.ts';
import { follow } from './stages/follow.ts';
import { isKept, keep } from './stages/keep.ts';
import { remove } from './stages/remove.ts';
import { resolve } from './stages/resolve.ts';
import type { Stage } from './stages/stage.ts';
import { submit } from './stages/submit.ts';
import { type TendParts, tend, untilTend } from './stages/tend.ts';
import { restart, start, stop } from './stages/verbs.ts';
import { mayMove } from './states.ts';
import { withNews } from './telling.ts';
import { explainThrown, mayPass, type Pause, waitOf } from './thrown.ts';
import { withUndoing } from './undoing.ts';
import { watchMove } from './watch-move.ts';

const begin: Stage = async () => goOn('Resolving');

const stages: Partial<Record<Status, Stage>> = {
  Accepted: begin,
  Adopting: adopt,
  Resolving: resolve,
  Submitting: submit,
  Provisioning: follow,
  Running: follow,
  Canceling: cancel,
  Restarting: restart,
  Starting: start,
  Stopping: stop,
  Deleting: remove,
};

const failing: readonly Status[] = [
  'Resolving',
  'Submitting',
  'Provisioning',
  'Running',
  'Restarting',
  'Starting',
  'Stopping',
];

/** What is left then holds no place in Azure's limits. */
const mayHoldPlace: readonly Status[] = ['Submitting', 'Canceling', 'Deleting'];

/** A stage, or the look at what is settled. */
type Work = (row: DeploymentRow, parts: AdvanceParts, signal: AbortSignal) => Promise<Move>;

/** What is done for a deployment now; undefined where nothing is. */
function stageOf(row: DeploymentRow): Work | undefined {
  if (row.settled) return row.holdsName ? tend : undefined;
  if (row.failure === null && isKept(row)) return keep;
  return row.failure !== null && failing.includes(row.status) ? clear : stages[row.status];
}

// A stage is seconds; one that hangs is given up and run again.
const longestStageMs = 60_000;

interface AdvanceParts extends TendParts, RotatingParts {
  store: DeploymentStore;
  log: Log;
  tracer: Tracer;
  metrics: Metrics;
  pacing: Pacing;
}

/** Makes one move of one deployment: runs the stage of its status and saves what came of it, fenced by the claim. */
export function createAdvance(parts: AdvanceParts): (claim: Claim) => Promise<void> {
  const { store } = parts;
  return async claim => {
    const row = await store.load(claim.deployment);
    if (!row) return rotateOrDrop(claim, parts);
    const stage = stageOf(row);
    if (!stage) return store.drop(claim, row);
    return watchMove(row, parts, () => make(row, stage, claim, parts));
  };
}

/** What is no deployment is a rotation, which is over many. */
async function rotateOrDrop(claim: Claim, parts: AdvanceParts): Promise<void> {
  const rotation = await parts.rotations.load(claim.deployment);
  if (!rotation) return parts.store.drop(claim, null);
  const signal = AbortSignal.any([claim.signal, AbortSignal.timeout(longestStageMs)]);
  await parts.rotations.settle(claim, rotation, await rotate(rotation, parts, signal));
}

/** What comes to rest is looked after for as long as it holds its name. */
function withNextLook(row: DeploymentRow, move: Move, parts: AdvanceParts): Move {
  const { holdsName = row.holdsName } = move.patch ?? {};
  if (move.againInMs !== undefined || !holdsName || move.to === 'Deleted') return move;
  return { ...move, againInMs: untilTend(row, parts) };
}

/** The move that was saved; null where it was not for this worker to make. */
async function make(
  loaded: DeploymentRow,
  stage: Work,
  claim: Claim,
  parts: AdvanceParts,
): Promise<Move | null> {
  const live = await withLiveSpec(loaded, parts.revision);
  const row = afterLoss(live, claim.attempt, parts.clock.now());
  const made = await attempt(row, stage, parts, claim.signal);
  const now = parts.clock.now();
  const told = withUndoing(row, withNews(row, made, now), now);
  const move = withNextLook(row, untilNothingIsLate(row, withLoss(row, live, told), now), parts);
  if (!mayMove(row.status, move.to))
    throw new Error(`a deployment cannot go from ${row.status} to ${move.to}`);
  try {
    await parts.store.settle(claim, row, { ...move, now: parts.clock.now() });
    if (move.to !== row.status && mayHoldPlace.includes(row.status)) await parts.pacing.release(row);
    return move;
  } catch (error) {
    // Another worker owns the deployment now and makes this move itself.
    if (!(error instanceof ClaimLost)) throw error;
    parts.log.warn({ deployment: row.id }, 'the claim was lost; nothing is written');
    return null;
  }
}

/** That a worker was lost is kept with what was made. */
const withLoss = (row: DeploymentRow, before: DeploymentRow, move: Move): Move =>
  row === before ? move : { ...move, patch: { intent: row.intent, ...move.patch } };

async function attempt(
  waited: DeploymentRow,
  stage: Work,
  parts: AdvanceParts,
  claimed: AbortSignal,
): Promise<Move> {
  try {
    await parts.pacing.before(waited);
  } catch (error) {
    if (error instanceof Paced) return waitForTurn(waited, error, parts);
    throw error;
  }
  const row = afterItsTurn(waited, parts.clock.now());
  const move = await run(row, stage, parts, claimed);
  if (row === waited) return move;
  return { ...move, patch: { waitingFor: null, deadlineAt: row.deadlineAt, ...move.patch } };
}

async function run(
  row: DeploymentRow,
  stage: Work,
  parts: AdvanceParts,
  claimed: AbortSignal,
): Promise<Move> {
  const signal = AbortSignal.any([claimed, AbortSignal.timeout(longestStageMs)]);
  const containerGroups = parts.pacing.through(parts.containerGroups, row);
  try {
    return await stage(row, { ...parts, containerGroups }, signal);
  } catch (error) {
    if (error instanceof Paced) return waitForTurn(row, error, parts);
    parts.log.warn({ deployment: row.id, status: row.status, err: error }, 'stage failed');
    // A look that fails is no failure of what runs.
    if (row.settled) return stay(row.status, untilTend(row, parts));
    const found = explainThrown(row, error);
    const lasting = (found && !mayPass(error, found) ? found : null) ?? overdue(row, found, parts);
    // What is canceled is ended: else nobody would know what Azure has of it.
    return lasting && !row.failure && row.status !== 'Canceling'
      ? end(row, lasting, parts)
      : waitAgain(row, waitOf(error), found, parts);
  }
}

/** Nothing went wrong: its retries stay as they are, and no deadline ends it meanwhile. */
function waitForTurn(row: DeploymentRow, paced: Paced, { clock }: AdvanceParts): Move {
  const { reason, until, cause } = paced;
  const now = clock.now();
  const before = row.waitingFor?.reason === reason ? row.waitingFor : null;
  // What Azure said of it is shown, as of everything that is tried again.
  const met = explainThrown(row, cause) ?? before?.failure;
  const waitingFor = {
    reason,
    since: before?.since ?? now.toISOString(),
    until: until.toISOString(),
    ...(met ? { failure: met } : {}),
  };
  return { ...stay(row.status, Math.max(0, until.getTime() - now.getTime()), { waitingFor }), place: true };
}

const firstRetryMs = 1_000;
const longestRetryMs = 60_000;
const longestRetryAfterMs = 15 * 60_000;

function waitAgain(
  row: DeploymentRow,
  { reason, againInMs }: Pause,
  met: Failure | null,
  { clock }: AdvanceParts,
): Move {
  const backoff =
    Math.min(longestRetryMs, firstRetryMs * 2 ** Math.min(row.retries, 10)) * (0.5 + Math.random() / 2);
  const delay = Math.round(againInMs === null ? backoff : Math.min(againInMs, longestRetryAfterMs));
  const now = clock.now();
  const since = row.waitingFor?.reason === reason ? row.waitingFor.since : now.toISOString();
  const until = new Date(now.getTime() + delay).toISOString();
  const waitingFor = { reason, since, until, ...(met ? { failure: met } : {}) };
  return stay(row.status, delay, { waitingFor, retries: row.retries + 1 });
}

/** A deletion has no deadline: giving it up would leave a group behind. */
function overdue(row: DeploymentRow, met: Failure | null, { clock }: AdvanceParts): Failure | null {
  if (clock.now() < row.deadlineAt || row.failure || row.status === 'Deleting' || row.status === 'Running')
    return null;
  if (met) return stillThere(met, row);
  const waited = row.waitingFor
    ? `; it waited for ${row.waitingFor.reason} since ${row.waitingFor.since}`
    : '';
  const detail = `The deployment did not get past ${row.status} within ${row.spec.timeoutSeconds ?? 1800} seconds${waited}.`;
  return failure('ProvisioningTimeout', detail, {
    stage: row.status,
    causes: [row.waitingFor?.reason ?? 'a dependency did not answer'],
    fixes: [{ who: 'platform', action: 'Look at the health of Azure in this region, then deploy again' }],
  });
}

/** From `Submitting` on ARM may have the group, whatever it answered: the failure is kept and the group cleared away first. */
function end(row: DeploymentRow, found: Failure, { clock }: AdvanceParts): Move {
  // Behind a later revision may be what one that was superseded has left.
  const first = row.status === 'Resolving' && row.revision === 1;
  if (first || row.status === 'Accepted' || row.status === 'Adopting') return refuse(row, found, clock.now());
  return failing.includes(row.status) ? stay(row.status, 0, { failure: found }) : fail(found, clock.now());
}
