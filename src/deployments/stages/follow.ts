import type { ContainerGroupState } from '../../azure/container-groups.ts';
import { registryOf } from '../../registry/reference.ts';
import type { Failure } from '../../schemas/failure.ts';
import type { DeploymentRow } from '../../store/deployments.ts';
import { type ExplainContext, explain } from '../explain.ts';
import { failure } from '../failure.ts';
import { fail, type Move, type Patch, settle, stay } from '../move.ts';
import { passes, stillThere } from '../not-now.ts';
import { everyContainer, newEvents, type Observation, observe, viewOf } from '../observe.ts';
import { imagePointer } from '../spec.ts';
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
      const failure = await explainObservation(observation, group, row, parts, signal);
      const again = passes(failure) && mayRunAgain(observation, row);
      if (again && now < row.deadlineAt)
        return tryAgain(failure, observation.kind, row, patch, events, parts, signal);
      return stay(row.status, 0, { ...patch, failure: again ? stillThere(failure, row) : failure }, events);
    }
  }
};

/** A job that is never to be started again is not started again by us either. */
const mayRunAgain = ({ kind }: Observation, { status, spec }: DeploymentRow) =>
  status === 'Provisioning' && (kind !== 'crashed' || spec.restartPolicy !== 'Never');

const secondTryInMs = 15_000;

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

async function explainObservation(
  observation: Exclude<Observation, { kind: 'moving' | 'running' | 'completed' }>,
  group: ContainerGroupState,
  row: DeploymentRow,
  parts: StageParts,
  signal: AbortSignal,
): Promise<Failure> {
  switch (observation.kind) {
    case 'startFailed': {
      const { container, events } = observation;
      const seen = events.map(({ name, message }) => ({
        name,
        message,
        ...(container?.state ? { state: container.state } : {}),
      }));
      return (
        clearest(seen, message => contextOf(row, container?.name ?? containerIn(row, message))) ??
        explain({ kind: 'text', text: seen.at(-1)?.message ?? '' }, contextOf(row, container?.name))
      );
    }
    case 'crashed': {
      const { name, exitCode, state, detailStatus, previousState } = observation.container;
      const exit = exitCode ?? previousState?.exitCode ?? null;
      const lastLog = await tailOf(row, name, parts, signal);
      const { restartPolicy = 'Always' } = row.spec;
      return explain(
        {
          kind: 'container',
          exitCode: exit,
          state: state ?? '',
          detailStatus: detailStatus ?? '',
          restartPolicy,
          lastLog,
        },
        contextOf(row, name),
      );
    }
    case 'provisioningFailed':
      return explainOperation(group, row, parts, signal);
  }
}

/** The code of a failed operation is often just `Failed`: its events and the group's say why (recorded traffic). */
async function explainOperation(
  group: ContainerGroupState,
  row: DeploymentRow,
  { containerGroups }: StageParts,
  signal: AbortSignal,
): Promise<Failure> {
  const operation = row.operationUrl ? await containerGroups.operation(row.operationUrl, signal) : null;
  const events = [
    ...(operation?.events ?? []),
    ...group.events,
    ...everyContainer(group).flatMap(({ events }) => events),
  ];
  const context = (message: string) => contextOf(row, containerIn(row, message) ?? group.containers[0]?.name);
  const known = clearest(
    events.map(({ name, message }) => ({ name, message, state: 'Failed' })),
    context,
  );
  const { code, message } = operation?.error ?? {
    code: 'Failed',
    message: events.at(-1)?.message ?? 'Azure gave no reason',
  };
  const told = explain({ kind: 'arm', code, message }, context(message));
  return known && saysMore(known, told) ? known : told;
}

type Said = { name: string; message: string; state?: string };

/** Of several events the latest that says more than that it failed: the last is often `Back-off pulling image`. */
function clearest(events: Said[], context: (message: string) => ExplainContext): Failure | null {
  const candidates = events
    .toReversed()
    .map(event => explain({ kind: 'event', ...event }, context(event.message)))
    .filter(({ code, retryable }) => code !== 'Unknown' || retryable);
  return candidates.toSorted((a, b) => vagueness(a) - vagueness(b))[0] ?? null;
}

const vague = ['ImageInaccessible', 'ProvisioningTimeout', 'Unknown'];
const vagueness = ({ code }: Failure) => vague.indexOf(code);
const saysMore = (one: Failure, other: Failure) => vagueness(one) <= vagueness(other);

/** The container whose image a message names. */
const containerIn = ({ images }: DeploymentRow, message: string) =>
  images.find(
    ({ requested, resolved }) => message.includes(`"${resolved}"`) || message.includes(`"${requested}"`),
  )?.container;

async function tailOf(
  row: DeploymentRow,
  container: string,
  { containerGroups }: StageParts,
  signal: AbortSignal,
): Promise<string> {
  try {
    return await containerGroups.logs(placeOf(row), container, { tail: 20, signal });
  } catch {
    // A container that never started has no log; the explanation stands without it.
    return '';
  }
}

function contextOf(row: DeploymentRow, container: string | undefined) {
  const record = row.images.find(each => each.container === container) ?? row.images[0];
  const image = record?.requested ?? row.spec.containers[0]?.image;
  return {
    stage: row.status,
    target: imagePointer(row.spec, record?.container),
    group: row.name,
    resourceGroup: row.resourceGroup,
    ...(image ? { image } : {}),
    ...credentialFor(row, image),
  };
}

/** The credential on record for the registry of an image. */
function credentialFor({ credentials }: DeploymentRow, image: string | undefined) {
  const used = credentials.find(({ server }) => image !== undefined && server === registryOf(image));
  if (!used) return { credential: { kind: 'none' as const } };
  const { server, identity, vault, secretName, secretVersion } = used;
  if (identity !== undefined) return { credential: { kind: 'identity' as const, id: identity, server } };
  return {
    credential: {
      kind: 'secret' as const,
      vault: vault ?? '',
      secretName: secretName ?? '',
      ...(secretVersion ? { secretVersion } : {}),
      server,
    },
  };
}
