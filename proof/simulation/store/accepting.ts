import type { Acceptance, Accepted } from '../../../src/store/accepting.ts';
import { beginnings } from '../../../src/store/beginning.ts';
import type { ChangeAcceptance, ChangeAccepted } from '../../../src/store/changing.ts';
import type { DeploymentRow } from '../../../src/store/deployments.ts';
import type { Replayable, Replayed } from '../../../src/store/idempotency.ts';
import { enter } from '../../../src/store/phases.ts';
import type { QuotaExceeded } from '../../../src/store/quota.ts';
import { deploymentOf } from '../../../src/store/reading.ts';
import { isUnderWay, refusalOf, turnOf, wholeIntent } from '../../../src/store/whose-turn.ts';
import { endOthers } from './operations.ts';
import { addOperation, addRevision, begin, deploymentIn, type Records, tell, write } from './records.ts';

export function accept(records: Records, asked: Acceptance): Accepted {
  const replayed = replay(records, asked);
  if (replayed) return replayed;
  const holder = [...records.deployments.values()].find(
    row => row.holdsName && row.name === asked.name && row.resourceGroup === asked.resourceGroup,
  );
  if (holder) return { outcome: 'exists', id: holder.id };
  const kind = asked.adopts ? 'Adopt' : 'Create';
  const intent = { ...asked.intent, kind } as const;
  records.deployments.set(asked.id, firstRow(asked, intent));
  const made = { ...madeBy(asked), deploymentId: asked.id, operationId: asked.operation, kind } as const;
  addRevision(records, asked, made);
  const { status } = deploymentIn(records, asked.id);
  addOperation(
    records,
    { id: asked.operation, deploymentId: asked.id, team: asked.team, kind, revision: 1, intent },
    status,
    asked.now,
  );
  const message = 'It was accepted';
  tell(records, asked.id, [{ at: asked.now, source: 'Slipway', type: status, phase: status, message }]);
  remember(records, asked);
  records.queue.enqueue(asked.id);
  return { outcome: 'accepted', deployment: deploymentOf(deploymentIn(records, asked.id)) };
}

function firstRow(asked: Acceptance, intent: DeploymentRow['intent']): DeploymentRow {
  const { now, spec, size } = asked;
  const { id, operation, team, name, target, subscription, resourceGroup, location } = asked;
  const { plan, policyDigest, createdBy, onBehalfOf, deadlineAt } = asked;
  const status = asked.adopts ? 'Adopting' : 'Accepted';
  return {
    ...{ id, operation, team, name, target, subscription, resourceGroup, location, spec, plan },
    ...{ policyDigest, createdBy, onBehalfOf, deadlineAt, status, intent, settled: false, revision: 1 },
    ...{ liveRevision: null, health: 'Unknown', observedAt: null, waitingFor: null, createdAt: now },
    ...{ updatedAt: now, images: [], credentials: [], workloadSecrets: [], containerGroup: null },
    ...{ failure: null, timeline: enter([], status, now), operationUrl: null, seenEvents: [] },
    ...{ holdsName: true, cpu: size.cpu, memoryInGb: size.memoryInGB, eventSeq: 0, retries: 0 },
    ...{ conditions: [], expiresAt: spec.expiresAt === undefined ? null : new Date(spec.expiresAt) },
  };
}

const madeBy = ({ team, policyDigest, createdBy, onBehalfOf, now }: Acceptance | ChangeAcceptance) => ({
  ...{ team, policyDigest, createdBy, onBehalfOf, createdAt: now },
});

export function acceptChange(records: Records, change: ChangeAcceptance): ChangeAccepted {
  const replayed = replay(records, change);
  if (replayed) return replayed;
  const row = deploymentIn(records, change.id);
  if (isUnderWay(row, change)) return acceptedAs(records, { ...change, operation: row.operation });
  const refused = refusalOf(row, change) ?? overQuota(records, row, change);
  if (refused) return refused;
  record(records, row, change);
  records.queue.enqueue(change.id);
  records.written.add(change.id);
  return acceptedAs(records, change);
}

function acceptedAs(records: Records, change: ChangeAcceptance): ChangeAccepted {
  remember(records, change);
  const { id, operation } = change;
  return { outcome: 'accepted', deployment: deploymentOf(deploymentIn(records, id)), operation };
}

function record(records: Records, row: DeploymentRow, change: ChangeAcceptance): void {
  const { id, team, operation, now, intent, superseded: failure } = change;
  const { kind } = intent;
  const made = { ...madeBy(change), deploymentId: id, operationId: operation, kind };
  const revision = change.revision ? addRevision(records, change.revision, made) : row.revision;
  const turn = turnOf(row, change);
  const whole = wholeIntent(row, change);
  const phase = beginnings[kind].status;
  addOperation(records, { id: operation, deploymentId: id, team, kind, revision, intent: whole }, phase, now);
  if (turn === 'now' && !row.settled) endOthers(records, id, operation, failure, now);
  if (turn === 'now' || kind === 'Cancel')
    begin(records, id, { operation, kind, revision, intent: whole, now });
}

/** Of cores alone: memory is counted as they are. */
function overQuota(
  records: Records,
  row: DeploymentRow,
  { revision, team }: ChangeAcceptance,
): QuotaExceeded | null {
  if (!revision) return null;
  const more = Math.max(0, revision.size.cpu - row.cpu);
  const used = usedCpu(records, team);
  const limit = revision.quota.cpu;
  if (limit !== undefined && more > 0 && used + more > limit)
    return { outcome: 'quotaExceeded', which: 'cpu', limit, used };
  write(records, row.id, { cpu: row.cpu + more });
  return null;
}

export const usedCpu = ({ deployments }: Records, team: string): number =>
  [...deployments.values()].reduce((sum, row) => sum + (row.holdsName && row.team === team ? row.cpu : 0), 0);

export function replay(records: Records, { idempotency, now }: Replayable): Replayed | null {
  const known = idempotency && records.keys.get(idempotency.keyHash);
  if (!known || known.expiresAt <= now) return null;
  if (known.requestHash !== idempotency.requestHash || known.deploymentId === null)
    return { outcome: 'keyReused' };
  const deployment = deploymentOf(deploymentIn(records, known.deploymentId));
  return { outcome: 'replayed', deployment, operation: known.operationId };
}

type Remembered = Replayable & { id: string; operation: string };

function remember(records: Records, { idempotency, id, operation }: Remembered): void {
  if (!idempotency || records.flaws.has('forgottenKey')) return;
  const { keyHash, requestHash, expiresAt } = idempotency;
  records.keys.set(keyHash, { requestHash, expiresAt, deploymentId: id, operationId: operation });
}
