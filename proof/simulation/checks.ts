import { mayMove } from '../../src/deployments/states.ts';
import { beginnings } from '../../src/store/beginning.ts';
import type { DeploymentRow } from '../../src/store/deployments.ts';
import { keyOf, ownerOf, revisionOf } from './azure/groups.ts';
import type { Clients } from './clients.ts';
import type { OperationRow } from './store/records.ts';
import type { Effect, World } from './world.ts';

interface Seen {
  row: DeploymentRow;
  events: number;
}

/** What must hold after every step: puts what does not on the world's list. */
export function createChecks(world: World, clients: Clients): () => void {
  const seen = new Map<string, Seen>();
  const ended = new Map<string, string>();
  const puts = new Map<string, number>();
  const creates: number[] = [];
  return () => {
    const { records, faults } = world;
    for (const effect of world.effects.splice(0)) {
      if (effect.effect === 'made') creates.push(world.time.now());
      faults.push(...checkEffect(world, effect, puts), ...checkPace(world, creates));
    }
    for (const id of records.written) {
      const row = records.deployments.get(id);
      if (!row) continue;
      const before = seen.get(id);
      faults.push(
        ...checkMove(before?.row, row),
        ...checkRow(world, row),
        ...checkEvents(world, row, before),
      );
      seen.set(id, { row, events: records.events.get(id)?.length ?? 0 });
      faults.push(...checkOperations(world, row, ended));
    }
    records.written.clear();
    for (const { what, operations } of clients.keyed())
      if (operations.size > 1) faults.push(`${what}: one key, and ${operations.size} operations`);
  };
}

const changing: ReadonlySet<string> = new Set(Object.values(beginnings).map(({ status }) => status));

function checkMove(before: DeploymentRow | undefined, row: DeploymentRow): string[] {
  if (!before || before.status === row.status) return [];
  const began = before.operation !== row.operation && changing.has(row.status);
  return began || mayMove(before.status, row.status)
    ? []
    : [`${row.name} went from ${before.status} to ${row.status}`];
}

function checkRow(world: World, row: DeploymentRow): string[] {
  const { records, supplies } = world;
  const faults: string[] = [];
  const operation = records.operations.get(row.operation);
  if (!row.settled && !records.queue.of(row.id)) faults.push(`${row.name} is ${row.status} and has no job`);
  if (row.settled && !operation?.endedAt)
    faults.push(`${row.name} is settled and its operation is not ended`);
  if (!row.settled && operation?.endedAt)
    faults.push(`${row.name} is ${row.status} and its operation has ended`);
  if (!row.settled && !row.holdsName) faults.push(`${row.name} is ${row.status} and its name is free`);
  const rivals = [...records.deployments.values()].filter(
    other => other.id !== row.id && other.holdsName && other.name === row.name,
  );
  if (row.holdsName && rivals.length > 0) faults.push(`two deployments hold the name ${row.name}`);
  const text = JSON.stringify([row, records.events.get(row.id)?.slice(-5), operation]);
  if (supplies.values().some(value => text.includes(value)))
    faults.push(`a password is on record of ${row.name}`);
  return faults;
}

function checkEvents({ records }: World, row: DeploymentRow, before: Seen | undefined): string[] {
  const all = records.events.get(row.id) ?? [];
  const from = before?.events ?? 0;
  const gap = all.slice(from).some(({ seq }, index) => seq !== from + index + 1);
  return gap || all.length !== row.eventSeq
    ? [`the events of ${row.name} are not numbered 1 to ${all.length}`]
    : [];
}

const slackMs = 20 * 60_000;

/** An operation ends once, and in its time. */
function checkOperations(world: World, row: DeploymentRow, ended: Map<string, string>): string[] {
  const own = [...world.records.operations.values()].filter(({ deploymentId }) => deploymentId === row.id);
  return own.flatMap(operation => {
    const { id, kind, endedAt, status } = operation;
    if (!endedAt) return [];
    const end = `${status} at ${endedAt.toISOString()}`;
    const before = ended.get(id);
    ended.set(id, end);
    if (before !== undefined)
      return before === end ? [] : [`a ${kind} of ${row.name} ended ${before}, then ${end}`];
    return id === row.operation ? checkDeadline(world, row, operation) : [];
  });
}

/** What takes a group away is never given up. */
function checkDeadline({ calmSince }: World, row: DeploymentRow, { kind, endedAt }: OperationRow): string[] {
  if (kind === 'Delete' || kind === 'Cancel' || !endedAt) return [];
  const late = endedAt.getTime() - Math.max(row.deadlineAt.getTime(), calmSince ?? Number.POSITIVE_INFINITY);
  return late > slackMs
    ? [`a ${kind} of ${row.name} ended ${Math.round(late / 1_000)} s after its deadline`]
    : [];
}

// Between a look and what it leads to.
const longestLookMs = 120_000;

/** What Slipway does in Azure is what its record is at. */
function checkEffect(world: World, { effect, group }: Effect, puts: Map<string, number>): string[] {
  const { records } = world;
  const owner = ownerOf(group);
  const row = owner === undefined ? undefined : records.deployments.get(owner);
  if (!row) {
    const wasOurs = world.time.now() - (group.touchedAt ?? 0) < longestLookMs;
    return effect === 'removed' && !wasOurs
      ? [`a group ${group.place.name} that is not ours was deleted`]
      : [];
  }
  const others = world.groups.all().filter(each => ownerOf(each) === owner);
  if (others.length > 1) return [`${row.name} has ${others.length} groups`];
  if (effect === 'removed') return checkRemoval(row, revisionOf(group));
  const key = `${owner} ${revisionOf(group)}`;
  const count = (puts.get(key) ?? 0) + 1;
  puts.set(key, count);
  return count > 2 + world.disturbances
    ? [`revision ${revisionOf(group)} of ${row.name} was put ${count} times`]
    : [];
}

// Of the five minutes that are counted; what was sent at their end may arrive a minute later.
const certainMs = 4 * 60_000;

function checkPace({ time, mostCreates }: World, creates: readonly number[]): string[] {
  const recent = creates.filter(at => at > time.now() - certainMs).length;
  return recent > mostCreates
    ? [`${recent} groups were made in four minutes, where ${mostCreates} may be`]
    : [];
}

/** A cancellation never takes away what was live before. */
function checkRemoval(row: DeploymentRow, revision: number): string[] {
  const { cancels } = row.intent;
  const before = cancels?.intent.previous ?? null;
  // What is made anew was about to go: the deletion may have been under way.
  return row.status === 'Canceling' && !cancels?.intent.replaces && before !== null && before === revision
    ? [`canceling took away revision ${revision} of ${row.name}, which was live before`]
    : [];
}

/** What must hold once nothing is under way any more: the records tell the truth of Azure. */
export function checkEnd(world: World): string[] {
  const { records, groups } = world;
  const rows = [...records.deployments.values()];
  const alone = (row: DeploymentRow) => !world.touched.has(keyOf(row));
  const orphans = groups.all().flatMap(group => {
    const owner = ownerOf(group);
    const row = owner === undefined ? undefined : records.deployments.get(owner);
    if (owner === undefined) return [];
    return row?.holdsName && row.liveRevision === revisionOf(group)
      ? []
      : [`Azure has revision ${revisionOf(group)} of ${group.place.name}; on record is ${told(row)}`];
  });
  const missing = rows.filter(alone).flatMap(row => {
    const group = groups.at(row);
    return row.liveRevision !== null && (!group || ownerOf(group) !== row.id)
      ? [`Azure has no group ${row.name}; on record is ${told(row)}`]
      : [];
  });
  return [...orphans, ...missing, ...rows.flatMap(row => checkHealth(world, row))];
}

const told = (row: DeploymentRow | undefined) =>
  row
    ? `${row.status}, live ${row.liveRevision}, health ${row.health}${row.holdsName ? '' : ', its name is free'}`
    : 'nothing';

/** What is looked at is as the last look says. */
function checkHealth({ groups }: World, row: DeploymentRow): string[] {
  if (!row.holdsName || row.liveRevision === null) return [];
  const group = groups.at(row);
  const there = group !== undefined && ownerOf(group) === row.id;
  return there === (row.health !== 'Missing')
    ? []
    : [`${row.name} is ${told(row)}, and there is ${there ? 'a' : 'no'} group`];
}
