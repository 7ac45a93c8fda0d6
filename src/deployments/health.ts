import { isDeepStrictEqual } from 'node:util';
import type { ContainerGroupState, ContainerGroups } from '../azure/container-groups.ts';
import { AzureError } from '../azure/failure.ts';
import type { GroupLists } from '../azure/group-lists.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { DeploymentRow, NewEvent } from '../store/deployments.ts';
import type { Finding, HealthStore, Look } from '../store/health.ts';
import { isOurs, since } from './group-marks.ts';
import { everyContainer, newEvents, observe, viewOf } from './observe.ts';
import { placeOf } from './stages/stage.ts';

interface HealthParts {
  containerGroups: Pick<ContainerGroups, 'get'>;
  groupLists: GroupLists;
  health: HealthStore;
  clock: Clock;
  log: Log;
}

/** Looks at one resource group whose turn it is; false where none is due. */
export type LookOnce = (signal: AbortSignal) => Promise<boolean>;

const shortestMs = 15_000;
const longestMs = 120_000;
/** Where a replica dies in between, another has its turn after that. */
const leaseMs = 120_000;
/** A list does not say how containers are (recorded traffic): so many groups are looked at by themselves. */
const mostGets = 60;
const getsAtOnce = 4;

/**
 * Whether what runs still runs. One list shows all groups of a resource group that are gone; the others are looked at in
 * turn, those first that were not seen for longest. It looks seldom where all is well, and often where something is not.
 */
export function createHealth(parts: HealthParts): LookOnce {
  const { health, clock, log } = parts;
  return async signal => {
    const begun = clock.now();
    const look = await health.claim(begun, later(begun, leaseMs));
    if (!look) return false;
    try {
      const next = await lookAt(look, parts, signal);
      const dueAt = later(clock.now(), next?.everyMs ?? 0);
      await health.plan(look, next && { ...next, dueAt });
    } catch (error) {
      log.warn({ resourceGroup: look.resourceGroup, err: error }, 'the health of deployments was not seen');
      const pauseMs = (error instanceof AzureError ? error.retryAfterMs : null) ?? longestMs;
      await health.plan(look, { everyMs: look.everyMs, dueAt: later(clock.now(), pauseMs) });
    }
    return true;
  };
}

const later = (date: Date, ms: number) => new Date(date.getTime() + ms);

/** Looks until it is aborted; what one look cannot do the next one may. Any number of replicas may. */
export async function keepLooking(
  look: LookOnce,
  { clock, log }: { clock: Clock; log: Log },
  signal: AbortSignal,
) {
  while (!signal.aborted) {
    try {
      while (!signal.aborted && (await look(signal)));
    } catch (err) {
      log.warn({ err }, 'the health of deployments was not seen');
    }
    await clock.wait(5_000, signal).catch(() => {});
  }
}

async function lookAt(
  look: Look,
  parts: HealthParts,
  signal: AbortSignal,
): Promise<{ everyMs: number } | null> {
  const rows = await parts.health.observed(look);
  const [first] = rows;
  if (!first) return null;
  const { subscription, resourceGroup } = first;
  const listed = await parts.groupLists.list({ subscription, resourceGroup }, signal);
  const isListed = (row: DeploymentRow) =>
    listed.some(group => group.name.toLowerCase() === row.name && isOurs(group, row));
  // A list may lag behind: a group is gone when it is not found by itself either.
  const lost = rows.filter(row => row.health !== 'Missing' && !isListed(row));
  const there = rows.filter(isListed).slice(0, mostGets);
  const seen = await lookAtEach([...lost, ...there], parts, signal);
  await parts.health.saw(
    seen.filter(({ news }) => news === 'none').map(({ row }) => row),
    parts.clock.now(),
  );
  const calm =
    seen.every(({ news }) => news !== 'health') && rows.every(({ health }) => health === 'Healthy');
  return { everyMs: calm ? Math.min(look.everyMs * 2, longestMs) : shortestMs };
}

interface Seen {
  row: DeploymentRow;
  news: 'none' | 'state' | 'health';
}

async function lookAtEach(rows: DeploymentRow[], parts: HealthParts, signal: AbortSignal): Promise<Seen[]> {
  const seen: Seen[] = [];
  const waiting = [...rows];
  const work = async () => {
    for (let row = waiting.shift(); row; row = waiting.shift())
      seen.push({ row, news: await lookAtOne(row, parts, signal) });
  };
  await Promise.all(Array.from({ length: getsAtOnce }, work));
  return seen;
}

async function lookAtOne(
  row: DeploymentRow,
  { containerGroups, health, clock }: HealthParts,
  signal: AbortSignal,
): Promise<Seen['news']> {
  const found = await containerGroups.get(placeOf(row), signal);
  const group = found && isOurs(found, row) ? found : null;
  const finding = judge(group, row, clock.now());
  const changed = finding.health !== row.health;
  if (!changed && isDeepStrictEqual(finding.containerGroup ?? null, row.containerGroup)) return 'none';
  const saved = await health.save(row, finding);
  return saved && changed ? 'health' : 'state';
}

/** What the group says of a deployment that had settled. Null: it is gone, or another took its place. */
export function judge(group: ContainerGroupState | null, row: DeploymentRow, at: Date): Finding {
  const { health, why } = group ? healthOf(group, row) : missing(row);
  const recent = group && since(group, row.intent.before);
  const { events } = recent ? newEvents(recent, row.seenEvents) : { events: [] };
  const changed = health !== row.health;
  return {
    health,
    at,
    ...(group ? { containerGroup: viewOf(group) } : {}),
    // Azure's own events tell of a change of health. Where there is none they stay what is not on record: a container that
    // restarts for months would fill it.
    ...(group && changed ? { seenEvents: newEvents(group, []).seenEvents } : {}),
    events: changed ? [...events, told(health, row.health, why, at)] : [],
  };
}

interface Judgement {
  health: DeploymentRow['health'];
  why: string;
}

const missing = ({ name, resourceGroup }: DeploymentRow): Judgement => ({
  health: 'Missing',
  why: `Resource group '${resourceGroup}' has no container group '${name}' of this deployment any more`,
});

function healthOf(group: ContainerGroupState, row: DeploymentRow): Judgement {
  const containers = everyContainer(group);
  if (row.status === 'Stopped')
    return { health: 'Healthy', why: 'The container group is stopped, as it was asked' };
  // All that Azure tells of a container may be missing (recorded traffic).
  if (containers.every(({ state }) => state === undefined))
    return {
      health: row.health === 'Missing' ? 'Unknown' : row.health,
      why: 'The container group is there; Azure does not say how its containers are',
    };
  switch (observe(since(group, row.intent.before), row.spec).kind) {
    case 'running':
      return { health: 'Healthy', why: 'Every container runs' };
    case 'completed':
      return { health: 'Healthy', why: 'Every container ended with exit code 0' };
    default:
      return { health: 'Degraded', why: describe(group) };
  }
}

function describe(group: ContainerGroupState): string {
  const unwell = group.containers.filter(({ state, exitCode }) => state !== 'Running' && exitCode !== 0);
  const words = unwell.map(({ name, state, detailStatus, exitCode, previousState, restartCount }) => {
    const exit = exitCode ?? previousState?.exitCode;
    const more = [
      ...(detailStatus ? [detailStatus] : []),
      ...(exit === undefined ? [] : [`exit code ${exit}`]),
      ...(restartCount > 0 ? [`restarted ${restartCount} times`] : []),
    ];
    return `container '${name}' is ${state ?? 'not started'}${more.length > 0 ? ` (${more.join(', ')})` : ''}`;
  });
  return words.length > 0
    ? words.join('; ')
    : `the container group is ${group.provisioningState ?? 'not running'}`;
}

const told = (health: Finding['health'], was: Finding['health'], message: string, at: Date): NewEvent => ({
  at,
  source: 'Slipway',
  type: health,
  message,
  data: { health, was },
});
