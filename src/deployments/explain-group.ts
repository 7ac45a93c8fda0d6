import type { AciEvent, ContainerGroupState, OperationState } from '../azure/container-groups.ts';
import { registryOf } from '../registry/reference.ts';
import type { Failure } from '../schemas/failure.ts';
import type { DeploymentRow } from '../store/deployments.ts';
import { type ExplainContext, explain } from './explain.ts';
import { everyContainer, type Observation } from './observe.ts';
import { imagePointer } from './spec.ts';
import { placeOf, type StageParts } from './stages/stage.ts';

type Container = ContainerGroupState['containers'][number];

/** Why a group that was looked at does not run. */
export async function explainGroup(
  observation: Exclude<Observation, { kind: 'moving' | 'running' | 'completed' }>,
  group: ContainerGroupState,
  row: DeploymentRow,
  parts: StageParts,
  signal: AbortSignal,
): Promise<Failure> {
  switch (observation.kind) {
    case 'startFailed':
      return explainStart(observation, row);
    case 'crashed':
      return explainCrash(observation.container, row, parts, signal);
    case 'provisioningFailed':
      return explainOperation(observation.operation ?? null, group, row, parts, signal);
  }
}

function explainStart(
  { container, events }: Observation & { kind: 'startFailed' },
  row: DeploymentRow,
): Failure {
  const { name, state } = container ?? {};
  const context = (message: string) => contextOf(row, name ?? containerIn(row, message));
  const told = clearest(explainEvents(events, context, state));
  return told ?? explain({ kind: 'text', text: events.at(-1)?.message ?? '' }, context(''));
}

/** A probe ends a container as a person does: only the events tell. */
async function explainCrash(
  container: Container,
  row: DeploymentRow,
  parts: StageParts,
  signal: AbortSignal,
): Promise<Failure> {
  const { name, exitCode, state, detailStatus, previousState, events } = container;
  const exit = exitCode ?? previousState?.exitCode ?? null;
  const unhealthy = events.findLast(({ name: event }) => /^unhealthy$/i.test(event));
  if (unhealthy && (exit === null || endedFromOutside.has(exit)))
    return explain({ kind: 'event', name: unhealthy.name, message: unhealthy.message }, contextOf(row, name));
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

const endedFromOutside: ReadonlySet<number> = new Set([0, 137, 143]);

/**
 * The code of a failed operation is often just `Failed`: its events and the group's say why (recorded traffic), else how
 * its containers ended, which they also do because the group failed.
 */
async function explainOperation(
  operation: OperationState | null,
  group: ContainerGroupState,
  row: DeploymentRow,
  parts: StageParts,
  signal: AbortSignal,
): Promise<Failure> {
  const containers = everyContainer(group);
  const events = [
    ...(operation?.events ?? []),
    ...group.events,
    ...containers.flatMap(({ events }) => events),
  ];
  const context = (message: string) => contextOf(row, containerIn(row, message) ?? containers[0]?.name);
  const { code, message } = operation?.error ?? {
    code: 'Failed',
    message: events.at(-1)?.message ?? 'Azure gave no reason',
  };
  const told = explain({ kind: 'arm', code, message }, context(message));
  const said = [...explainEvents(events, context, 'Failed'), told];
  const clear = clearest(said);
  if (clear && vagueness(clear) < 0) return clear;
  const ended = containers.find(({ state, exitCode }) => state === 'Terminated' && exitCode !== 0);
  return ended ? explainCrash(ended, row, parts, signal) : (clear ?? told);
}

/** The latest first. */
function explainEvents(
  events: readonly AciEvent[],
  context: (message: string) => ExplainContext,
  state: string | undefined,
): Failure[] {
  return events
    .toReversed()
    .map(({ name, message }) =>
      explain({ kind: 'event', name, message, ...(state ? { state } : {}) }, context(message)),
    );
}

/** The first that says more than that it failed: the last event is often `Back-off pulling image`. */
function clearest(told: Failure[]): Failure | undefined {
  return told
    .filter(({ code, retryable }) => code !== 'Unknown' || retryable)
    .toSorted((a, b) => vagueness(a) - vagueness(b))[0];
}

const vague: readonly string[] = ['ImageInaccessible', 'ProvisioningTimeout', 'Unknown'];
const vagueness = ({ code }: Failure) => vague.indexOf(code);

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
  const { server, identity, vault, secretName, secretVersion, username } = used;
  if (identity !== undefined) return { credential: { kind: 'identity' as const, id: identity, server } };
  return {
    credential: {
      kind: 'secret' as const,
      vault: vault ?? '',
      secretName: secretName ?? '',
      ...(secretVersion ? { secretVersion } : {}),
      ...(username ? { username } : {}),
      server,
    },
  };
}
