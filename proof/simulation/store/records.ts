import type {
  JobResult,
  OperationKind,
  OperationStatus,
  Phase,
  Status,
  Wait,
} from '../../../src/schemas/deployment.ts';
import type { Failure } from '../../../src/schemas/failure.ts';
import type { Intent } from '../../../src/schemas/intent.ts';
import { beginnings } from '../../../src/store/beginning.ts';
import type { DeploymentRow, NewEvent, RevisionRow } from '../../../src/store/deployments.ts';
import { storable } from '../../../src/store/json.ts';
import { enter, leave } from '../../../src/store/phases.ts';
import { isRevising, type NewRevision } from '../../../src/store/revisions.ts';
import type { RotationRow } from '../../../src/store/rotations.ts';
import type { Flaws } from '../flaws.ts';
import type { Queue } from './queue.ts';

export interface OperationRow {
  id: string;
  deploymentId: string | null;
  team: string;
  kind: OperationKind;
  revision: number;
  status: OperationStatus;
  createdAt: Date;
  endedAt: Date | null;
  steps: Phase[];
  waitingFor: Wait | null;
  failure: Failure | null;
  intent: Intent;
  result: JobResult | null;
}

export interface Key {
  requestHash: string;
  expiresAt: Date;
  deploymentId: string | null;
  operationId: string;
}

export type StoredEvent = NewEvent & { seq: number };

/** All that is on record. A row is never changed, only replaced: who has read one keeps what he has read. */
export interface Records {
  deployments: Map<string, DeploymentRow>;
  revisions: Map<string, RevisionRow[]>;
  operations: Map<string, OperationRow>;
  events: Map<string, StoredEvent[]>;
  keys: Map<string, Key>;
  rotations: Map<string, RotationRow>;
  looks: Map<string, { subscription: string; resourceGroup: string; dueAt: Date; everyMs: number }>;
  /** When the groups of a resource group may be listed again. */
  turns: Map<string, Date>;
  queue: Queue;
  flaws: Flaws;
  /** The deployments that were written since this was cleared. */
  written: Set<string>;
}

export function createRecords(queue: Queue, flaws: Flaws): Records {
  return {
    deployments: new Map(),
    revisions: new Map(),
    operations: new Map(),
    events: new Map(),
    keys: new Map(),
    rotations: new Map(),
    looks: new Map(),
    turns: new Map(),
    queue,
    flaws,
    written: new Set(),
  };
}

/** What a column of JSON keeps of a value. */
export const kept = storable;

export function deploymentIn({ deployments }: Records, id: string): DeploymentRow {
  const row = deployments.get(id);
  if (!row) throw new Error(`there is no deployment ${id}`);
  return row;
}

export function write(records: Records, id: string, change: Partial<DeploymentRow>): DeploymentRow {
  const row = { ...deploymentIn(records, id), ...change };
  records.deployments.set(id, row);
  records.written.add(id);
  return row;
}

/** Numbers the events on from the last that the row counts. */
export function tell(records: Records, id: string, events: readonly NewEvent[]): void {
  const { eventSeq } = deploymentIn(records, id);
  const told = events.map((event, index) => ({ ...kept(event), at: event.at, seq: eventSeq + index + 1 }));
  records.events.set(id, [...(records.events.get(id) ?? []), ...told]);
  write(records, id, { eventSeq: eventSeq + events.length });
}

export function revisionIn({ revisions }: Records, id: string, number: number): RevisionRow | null {
  return revisions.get(id)?.find(revision => revision.number === number) ?? null;
}

export function writeRevision(
  { revisions }: Records,
  id: string,
  number: number,
  change: Partial<RevisionRow>,
): void {
  const changed = (revisions.get(id) ?? []).map(each =>
    each.number === number ? { ...each, ...change } : each,
  );
  revisions.set(id, changed);
}

type Made = Pick<
  RevisionRow,
  'deploymentId' | 'team' | 'kind' | 'operationId' | 'policyDigest' | 'createdBy' | 'onBehalfOf' | 'createdAt'
>;

/** Returns its number, the next one. */
export function addRevision(records: Records, { spec, plan, size, madeOf }: NewRevision, made: Made): number {
  const before = records.revisions.get(made.deploymentId) ?? [];
  const number = before.length + 1;
  const row: RevisionRow = {
    ...made,
    ...{ number, spec, plan, cpu: size.cpu, memoryInGb: size.memoryInGB },
    images: madeOf?.images ?? [],
    credentials: madeOf?.credentials ?? [],
    workloadSecrets: madeOf?.workloadSecrets ?? [],
    outcome: null,
  };
  records.revisions.set(made.deploymentId, [...before, row]);
  return number;
}

export function addOperation(
  { operations }: Records,
  made: Pick<OperationRow, 'id' | 'deploymentId' | 'team' | 'kind' | 'revision' | 'intent'>,
  phase: Status,
  now: Date,
): void {
  operations.set(made.id, {
    ...made,
    ...{ status: 'NotStarted', createdAt: now, endedAt: null, steps: enter([], phase, now) },
    ...{ waitingFor: null, failure: null, result: null },
  });
}

export interface Begun {
  operation: string;
  kind: keyof typeof beginnings;
  revision: number;
  intent: Intent;
  now: Date;
}

/** The deployment leaves its settled status for what was accepted. */
export function begin(records: Records, id: string, { operation, kind, revision, intent, now }: Begun): void {
  const row = deploymentIn(records, id);
  const { status, message } = beginnings[kind];
  const made = isRevising(kind) ? revisionIn(records, id, revision) : null;
  write(records, id, {
    ...(made ? columnsOfRevision(made) : {}),
    ...{
      status,
      settled: false,
      holdsName: true,
      operation,
      updatedAt: now,
      retries: 0,
      waitingFor: null,
      failure: null,
    },
    intent: { ...intent, previous: row.liveRevision },
    deadlineAt: new Date(now.getTime() + ((made ?? row).spec.timeoutSeconds ?? 1800) * 1000),
    timeline: enter(made ? [] : leave(row.timeline, now), status, now).slice(-40),
  });
  tell(records, id, [{ at: now, source: 'Slipway', type: status, phase: status, message }]);
}

/** The row shows the revision that is made now. */
export function columnsOfRevision({
  number,
  spec,
  plan,
  policyDigest,
  images,
  credentials,
  workloadSecrets,
}: RevisionRow): Partial<DeploymentRow> {
  return {
    ...{ revision: number, spec, plan, policyDigest, images, credentials, workloadSecrets },
    ...(spec.location === undefined ? {} : { location: spec.location }),
    expiresAt: spec.expiresAt === undefined ? null : new Date(spec.expiresAt),
  };
}
