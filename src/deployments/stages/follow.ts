import type { Failure } from '../../schemas/failure.ts';
import type { DeploymentRow } from '../../store/deployments.ts';
import { explainGroup } from '../explain-group.ts';
import { failure } from '../failure.ts';
import { fail, type Move, type Patch, settle, stay } from '../move.ts';
import { passes, stillThere } from '../not-now.ts';
import { newEvents, type Observation, observe, viewOf } from '../observe.ts';
import { isOurs } from './resolve.ts';
import { placeOf, type Stage, type StageParts } from './stage.ts';

/**
 * Looks once at the live group: until every container runs, a job has ended, or something failed. What failed is put on
 * the row, and `clear` ends it in a run of its own: a kill in between forgets nothing.
 */
export const follow: Stage = async (row, parts, signal) => {
  const now = parts.clock.now();
  const group = await parts.containerGroups.get(placeOf(row), signal);
  if (!group || !isOurs(group, row)) return gone(row, now);

  const { events, seenEvents } = newEvents(group, row.seenEvents);
  const patch: Patch = { containerGroup: viewOf(group), seenEvents, observedAt: now };
  const observation = observe(group, row.spec);
  switch (observation.kind) {
    case 'running':
      return running(row, patch, events, now);
    case 'completed':
      return settle('Succeeded', { ...patch, health: 'Healthy' }, [
        ...events,
        said(now, 'Succeeded', 'Every container ended with exit code 0'),
      ]);
    case 'moving':
      if (now >= row.deadlineAt && row.status !== 'Running')
        return stay(row.status, 0, { ...patch, failure: timedOut(row) }, events);
      return stay(row.status, nextLookInMs(row, now), { ...patch, waitingFor: null }, events);
    default: {
      const failure = await explainGroup(observation, group, row, parts, signal);
      const again = passes(failure) && mayRunAgain(observation, row);
      if (again && now < lastTryAt(observation, row))
        return tryAgain(failure, observation.kind, row, patch, events, parts, signal);
      return stay(row.status, 0, { ...patch, failure: again ? stillThere(failure, row) : failure }, events);
    }
  }
};

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
  { containerGroups, clock }: StageParts,
  signal: AbortSignal,
): Promise<Move> {
  const now = clock.now();
  const since = row.waitingFor?.reason === failure.code ? row.waitingFor.since : now.toISOString();
  const waitingFor = { reason: failure.code, since, failure };
  if (kind !== 'provisioningFailed')
    return stay(row.status, nextLookInMs(row, now), { ...patch, waitingFor }, events);
  if (row.revision > 1) return stay(row.status, 0, { ...patch, failure }, events);
  await containerGroups.remove(placeOf(row), signal);
  const until = new Date(now.getTime() + secondTryInMs).toISOString();
  const message = `${failure.code}: ${failure.detail} The container group is put again.`;
  return {
    ...stay('Submitting', secondTryInMs, {
      ...patch,
      operationUrl: null,
      waitingFor: { ...waitingFor, until },
    }),
    events: [...(events ?? []), { at: now, source: 'Slipway', type: 'Retrying', message }],
  };
}

/** Until then a person watches; after it, ARM's reads are spared. */
function nextLookInMs(row: DeploymentRow, now: Date): number {
  const age = now.getTime() - row.createdAt.getTime();
  if (row.status === 'Running') return 15_000;
  if (age < 15_000) return 500;
  return age < 120_000 ? 2_000 : 10_000;
}

function running(row: DeploymentRow, patch: Patch, events: Move['events'], now: Date): Move {
  const isJob = row.spec.restartPolicy !== 'Always';
  if (row.status === 'Running') return stay('Running', nextLookInMs(row, now), patch, events);
  const move = settle('Running', { ...patch, health: 'Healthy' }, [
    ...(events ?? []),
    said(now, 'Running', 'Every container runs'),
  ]);
  // A job is looked at until it has ended.
  return isJob ? { ...move, againInMs: 15_000 } : move;
}

const said = (at: Date, phase: 'Running' | 'Succeeded', message: string) => ({
  at,
  source: 'Slipway' as const,
  type: phase,
  phase,
  message,
});

function gone(row: DeploymentRow, now: Date): Move {
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
