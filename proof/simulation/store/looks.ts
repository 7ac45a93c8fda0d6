import type { DeploymentRow } from '../../../src/store/deployments.ts';
import type { Finding, Look } from '../../../src/store/health.ts';
import { kept, type Records, tell, write } from './records.ts';

const isObserved = ({ holdsName, settled, liveRevision }: DeploymentRow) =>
  holdsName && settled && liveRevision !== null;

const keyOf = ({ subscription, resourceGroup }: Pick<Look, 'subscription' | 'resourceGroup'>) =>
  `${subscription}/${resourceGroup}`.toLowerCase();

export function claimLook(records: Records, now: Date, leaseUntil: Date): Look | null {
  for (const row of [...records.deployments.values()].filter(isObserved))
    if (!records.looks.has(keyOf(row))) {
      const { subscription, resourceGroup } = row;
      records.looks.set(keyOf(row), { subscription, resourceGroup, dueAt: now, everyMs: 15_000 });
    }
  const due = [...records.looks.values()].find(({ dueAt }) => dueAt <= now);
  if (due) records.looks.set(keyOf(due), { ...due, dueAt: leaseUntil });
  return due ?? null;
}

export function planLook(
  { looks }: Records,
  look: Look,
  next: { dueAt: Date; everyMs: number } | null,
): void {
  const present = looks.get(keyOf(look));
  if (!next) looks.delete(keyOf(look));
  else if (present) looks.set(keyOf(look), { ...present, ...next });
}

export const observedIn = ({ deployments }: Records, look: Look): DeploymentRow[] =>
  [...deployments.values()]
    .filter(row => isObserved(row) && keyOf(row) === keyOf(look))
    .sort((a, b) => (a.observedAt?.getTime() ?? 0) - (b.observedAt?.getTime() ?? 0));

export function saw(records: Records, rows: readonly DeploymentRow[], at: Date): void {
  for (const { id } of rows) {
    const present = records.deployments.get(id);
    if (present && isObserved(present)) write(records, id, { observedAt: at });
  }
}

/** Unless the deployment was changed or looked at since. */
export function saveFinding(records: Records, row: DeploymentRow, finding: Finding): boolean {
  const present = records.deployments.get(row.id);
  const same =
    present?.status === row.status &&
    present.operation === row.operation &&
    present.revision === row.revision &&
    present.observedAt?.getTime() === row.observedAt?.getTime();
  if (!same) return false;
  const { health, at, containerGroup, seenEvents, events } = finding;
  write(records, row.id, {
    ...{ health, observedAt: at },
    ...(containerGroup ? { containerGroup: kept(containerGroup) } : {}),
    ...(seenEvents ? { seenEvents: kept(seenEvents) } : {}),
    ...(health === row.health ? {} : { updatedAt: at }),
  });
  tell(records, row.id, events);
  return true;
}
