import type { ContainerGroupState, OperationState } from '../../azure/container-groups.ts';
import type { Failure } from '../../schemas/failure.ts';
import type { DeploymentRow } from '../../store/deployments.ts';
import { failedBy } from '../arm-operation.ts';
import { explainGroup } from '../explain-group.ts';
import { failure } from '../failure.ts';
import { hasMoved, isMoving, isOurs, revisionOf, since } from '../group-marks.ts';
import { isJob, resultOf } from '../job.ts';
import { keepLogs } from '../kept-logs.ts';
import { fail, goOn, type Move, type Patch, settle, stay } from '../move.ts';
import { passes, stillThere } from '../not-now.ts';
import { newEvents, type Observation, observe, viewOf } from '../observe.ts';
import { rolePropagation, spreading } from '../pull-role.ts';
import { heldBack } from '../steady.ts';
import { placeOf, type Stage, type StageParts } from './stage.ts';

/**
 * Looks once at the live group: until every container runs, a job has ended, or something failed. What failed is put on
 * the row, and `clear` ends it in a run of its own: a kill in between forgets nothing.
 */
export const follow: Stage = async (row, parts, signal) => {
  const now = parts.clock.now();
  const group = await parts.containerGroups.get(placeOf(row), signal);
  if (!group || !isOurs(group, row)) return gone(row, now);
  // What a lost worker had sent came late, over ours.
  if (row.status === 'Provisioning' && revisionOf(group) !== row.revision)
    return goOn('Submitting', { liveRevision: revisionOf(group) });

  const recent = since(group, row.intent.before);
  const { events, seenEvents } = newEvents(recent, row.seenEvents);
  const stale = isStale(group, row, now);
  // The state of before is not told as what became of this change.
  const view = stale && !isMoving(group) ? {} : { containerGroup: viewOf(group) };
  const patch: Patch = { ...view, liveRevision: revisionOf(group), seenEvents, observedAt: now };
  const seen = stale ? { kind: 'moving' as const } : observe(recent, row.spec);
  const held = seen.kind === 'running' ? heldBack(recent, row, now) : null;
  const observation = held ? { kind: 'moving' as const } : seen;
  switch (observation.kind) {
    case 'running':
      return running(row, patch, events, parts);
    case 'completed': {
      const result = await resultOf(group, row, parts, signal);
      const move = settle('Succeeded', { ...patch, health: 'Healthy' }, [
        ...events,
        said(now, 'Succeeded', 'Every container ended with exit code 0'),
      ]);
      return result ? { ...move, result } : move;
    }
    case 'moving':
      if (now >= row.deadlineAt && row.status !== 'Running')
        return stay(row.status, 0, { ...patch, failure: timedOut(row) }, events);
      return stay(
        row.status,
        Math.min(
          await parts.looks.nextInMs(row, patch.containerGroup),
          held?.leftMs ?? Number.POSITIVE_INFINITY,
        ),
        { ...patch, waitingFor: null, ...held?.patch },
        events,
      );
    default: {
      const found = await withOperation(observation, row, parts, signal);
      events.push(...failedBy(found, row, now));
      const explained = await explainGroup(found, recent, row, parts, signal);
      const young = spreading(explained, row, now);
      const failure = young ?? explained;
      const again = passes(failure) && mayRunAgain(observation, row);
      if (again && now < lastTryAt(observation, row))
        return tryAgain(failure, observation.kind, row, patch, events, parts, signal, young !== null);
      const told = { ...patch, failure: again ? stillThere(failure, row) : failure };
      const result = await resultOf(group, row, parts, signal);
      return { ...stay(row.status, 0, told, events), ...(result ? { result } : {}) };
    }
  }
};

// After that long Azure has begun, or had nothing to begin.
const longestBeginningMs = 60_000;

/** The group still looks as it did before the change: Azure has not begun, or is at it. */
function isStale(group: ContainerGroupState, { intent, timeline }: DeploymentRow, now: Date): boolean {
  const { before, sent } = intent;
  if (!before) return false;
  if (isMoving(group) && !/creating/i.test(group.provisioningState ?? '')) return true;
  const begun = Date.parse(timeline.at(-1)?.startedAt ?? '');
  return sent === true && !hasMoved(group, before) && now.getTime() - begun < longestBeginningMs;
}

/** Resource Manager is asked for the operation where it failed, and never else. */
async function withOperation<T extends Observation>(
  observation: T,
  { operationUrl }: DeploymentRow,
  { containerGroups }: StageParts,
  signal: AbortSignal,
): Promise<T & { operation?: OperationState }> {
  if (observation.kind !== 'provisioningFailed' || !operationUrl) return observation;
  return { ...observation, operation: await containerGroups.operation(operationUrl, signal) };
}

/** A job that is never to be started again is not started again by us either. */
const mayRunAgain = ({ kind }: Observation, { status, spec }: DeploymentRow) =>
  status === 'Provisioning' && (kind !== 'crashed' || spec.restartPolicy !== 'Never');

/** Room in a region is not back at once. */
const secondTryInMs = 60_000;

const lastTryAt = ({ kind }: Observation, { deadlineAt }: DeploymentRow) =>
  kind === 'provisioningFailed' ? new Date(deadlineAt.getTime() - secondTryInMs) : deadlineAt;

/**
 * A platform fault that passes. Azure itself pulls again; what it has given up on is put again, once it is gone: not where
 * it replaced something that ran.
 */
async function tryAgain(
  failure: Failure,
  kind: Observation['kind'],
  row: DeploymentRow,
  patch: Patch,
  events: Move['events'],
  parts: StageParts,
  signal: AbortSignal,
  spreads: boolean,
): Promise<Move> {
  const { containerGroups, clock, looks } = parts;
  const now = clock.now();
  const reason = spreads ? rolePropagation : failure.code;
  const since = row.waitingFor?.reason === reason ? row.waitingFor.since : now.toISOString();
  const waitingFor = { reason, since, failure };
  if (kind !== 'provisioningFailed')
    return stay(
      row.status,
      await looks.nextInMs(row, patch.containerGroup),
      { ...patch, waitingFor },
      events,
    );
  if (row.revision > 1) return stay(row.status, 0, { ...patch, failure }, events);
  await keepLogs(row, await containerGroups.get(placeOf(row), signal), parts, signal);
  await containerGroups.remove(placeOf(row), signal);
  const until = new Date(now.getTime() + secondTryInMs).toISOString();
  const message = `${failure.code}: ${failure.detail} The container group is put again.`;
  return {
    ...stay('Submitting', secondTryInMs, {
      ...patch,
      liveRevision: null,
      health: 'Missing',
      operationUrl: null,
      waitingFor: { ...waitingFor, until },
    }),
    events: [...(events ?? []), { at: now, source: 'Slipway', type: 'Retrying', message }],
  };
}

async function running(
  row: DeploymentRow,
  patch: Patch,
  events: Move['events'],
  { clock, looks }: StageParts,
): Promise<Move> {
  const well: Patch = { ...patch, health: 'Healthy' };
  if (row.status === 'Running')
    return stay('Running', await looks.nextInMs(row, patch.containerGroup), well, events);
  const now = clock.now();
  const told = [...(events ?? []), said(now, 'Running', 'Every container runs')];
  // A job is looked at until it has ended, and so long its operation runs.
  return isJob(row)
    ? stay(
        'Running',
        await looks.nextInMs(row, patch.containerGroup),
        { ...well, waitingFor: null, retries: 0 },
        told,
      )
    : settle('Running', well, told);
}

const said = (at: Date, phase: 'Running' | 'Succeeded', message: string) => ({
  at,
  source: 'Slipway' as const,
  type: phase,
  phase,
  message,
});

export function gone(row: DeploymentRow, now: Date): Move {
  const detail = `Container group '${row.name}' disappeared from resource group '${row.resourceGroup}' while it was being deployed.`;
  const evidence = [{ step: 'arm', status: 404 }];
  const fixes = [
    {
      who: 'caller' as const,
      action: 'Find out who deleted it, then deploy again',
      command: `az monitor activity-log list --resource-group ${row.resourceGroup} --output table`,
    },
  ];
  return fail(failure('ContainerGroupGone', detail, { stage: row.status, evidence, fixes }), now, {
    liveRevision: null,
    health: 'Missing',
  });
}

function timedOut(row: DeploymentRow): Failure {
  const seconds = row.spec.timeoutSeconds ?? 1800;
  return failure(
    'ProvisioningTimeout',
    `Container group '${row.name}' did not run within ${seconds} seconds.`,
    {
      stage: row.status,
      causes: [
        'the image is large or its registry slow',
        'the region has no room',
        'a container waits for something that does not come',
      ],
      evidence: [
        {
          step: 'arm',
          message: `the containers are ${row.containerGroup?.containers.map(({ name, state }) => `${name}: ${state ?? 'not started'}`).join(', ')}`,
        },
      ],
      fixes: [
        {
          who: 'caller',
          action:
            'Look at the events of the deployment; deploy again, with a longer timeoutSeconds if it was on its way',
        },
      ],
    },
  );
}
