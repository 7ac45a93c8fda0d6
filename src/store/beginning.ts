import { sql, type Transaction, type UpdateObject } from 'kysely';
import type { OperationKind, Status } from '../schemas/deployment.ts';
import type { Intent } from '../schemas/intent.ts';
import type { DeploymentRow } from './deployments.ts';
import { insertEvents } from './events.ts';
import { json } from './json.ts';
import { enter, leave } from './phases.ts';
import { isRevising, loadRevision, type RevisionRow } from './revisions.ts';
import type { Tables } from './tables.ts';

interface Beginning {
  status: Status;
  action: string;
  message: string;
}

/** With which status a change of an existing deployment begins, and what the audit and its first event say. */
export const beginnings: Record<Exclude<OperationKind, 'Create' | 'Adopt' | 'Rotate'>, Beginning> = {
  Update: { status: 'Accepted', action: 'update', message: 'The change was accepted' },
  Redeploy: { status: 'Accepted', action: 'redeploy', message: 'The redeployment was accepted' },
  Rollback: { status: 'Accepted', action: 'rollback', message: 'The rollback was accepted' },
  Restart: { status: 'Restarting', action: 'restart', message: 'The restart was accepted' },
  Stop: { status: 'Stopping', action: 'stop', message: 'The stop was accepted' },
  Start: { status: 'Starting', action: 'start', message: 'The start was accepted' },
  Cancel: { status: 'Canceling', action: 'cancel', message: 'The cancellation was accepted' },
  Delete: { status: 'Deleting', action: 'delete', message: 'The deletion was accepted' },
};

/** What was accepted and now has its turn. */
export interface Begun {
  operation: string;
  kind: keyof typeof beginnings;
  revision: number;
  intent: Intent;
  now: Date;
}

const mostPhases = 40;

/** The deployment leaves its settled status: from here on its row says what is done next. The row is locked. */
export async function begin(trx: Transaction<Tables>, row: DeploymentRow, begun: Begun): Promise<void> {
  const { operation, kind, intent, now } = begun;
  const { status, message } = beginnings[kind];
  const made = isRevising(kind) ? await loadRevision(trx, row.id, begun.revision) : null;
  const before = made ? [] : leave(row.timeline, now);
  const { eventSeq } = await trx
    .updateTable('deployments')
    .set({
      ...(made ? columnsOfRevision(made) : {}),
      status,
      settled: false,
      // What waited behind a creation that came to nothing takes the name again, before anybody else can.
      holdsName: true,
      operation,
      intent: json({ ...intent, previous: row.liveRevision }),
      updatedAt: now,
      retries: 0,
      waitingFor: null,
      failure: null,
      deadlineAt: new Date(now.getTime() + ((made ?? row).spec.timeoutSeconds ?? 1800) * 1000),
      timeline: json(enter(before, status, now).slice(-mostPhases)),
      eventSeq: sql`event_seq + 1`,
    })
    .where('id', '=', row.id)
    .returning('eventSeq')
    .executeTakeFirstOrThrow();
  const event = { at: now, source: 'Slipway' as const, type: status, phase: status, message };
  await insertEvents(trx, row, [event], eventSeq);
}

/** The row shows the revision that is made now. What it holds of the quota is not given back before the end. */
export function columnsOfRevision({
  number,
  spec,
  plan,
  policyDigest,
  images,
  credentials,
  workloadSecrets,
}: RevisionRow) {
  return {
    revision: number,
    spec: json(spec),
    plan: json(plan),
    policyDigest,
    ...(spec.location === undefined ? {} : { location: spec.location }),
    expiresAt: spec.expiresAt === undefined ? null : new Date(spec.expiresAt),
    images: json(images),
    credentials: json(credentials),
    workloadSecrets: json(workloadSecrets),
  } satisfies UpdateObject<Tables, 'deployments'>;
}
