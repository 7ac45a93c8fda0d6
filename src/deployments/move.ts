import type {
  Condition,
  ContainerGroupView,
  CredentialRecord,
  ImageRecord,
  JobResult,
  OperationStatus,
  Status,
  Wait,
  WorkloadSecretRecord,
} from '../schemas/deployment.ts';
import type { Failure } from '../schemas/failure.ts';
import type { Intent } from '../schemas/intent.ts';
import type { DeploymentRow, NewEvent, Settlement } from '../store/deployments.ts';

/** What a stage makes of a deployment: saved in one transaction together with the next job. */
export interface Move {
  to: Status;
  /** When the stage of `to` runs; absent where nothing moves any more. */
  againInMs?: number;
  patch?: Patch;
  events?: NewEvent[];
  /** Ends the operation. */
  outcome?: Extract<OperationStatus, 'Succeeded' | 'Failed' | 'Canceled'>;
  result?: JobResult;
  /** It has a place in Azure's limits: then is when the stage runs. */
  place?: true;
  /** What the store does beside it; what each means stands there. */
  revisionOutcome?: NonNullable<Settlement['revisionOutcome']>;
  operationFailure?: Failure;
  ends?: NonNullable<Settlement['ends']>;
  resumes?: string;
  undo?: NonNullable<Settlement['undo']>;
  begins?: NonNullable<Settlement['begins']>;
  waitingEnd?: Failure;
}

export interface Patch {
  images?: ImageRecord[];
  credentials?: CredentialRecord[];
  workloadSecrets?: WorkloadSecretRecord[];
  containerGroup?: ContainerGroupView | null;
  failure?: Failure | null;
  waitingFor?: Wait | null;
  operationUrl?: string | null;
  health?: 'Healthy' | 'Degraded' | 'Missing' | 'Unknown';
  observedAt?: Date;
  liveRevision?: number | null;
  /** The name is taken while this is true. */
  holdsName?: boolean;
  retries?: number;
  /** Keys of Azure's events that are on record already. */
  seenEvents?: string[];
  deadlineAt?: Date;
  intent?: Intent;
  conditions?: Condition[];
}

/** The deployment goes on to the next stage at once. */
export function goOn(to: Status, patch: Patch = {}, events: NewEvent[] = []): Move {
  return { to, againInMs: 0, patch: { ...patch, waitingFor: null, retries: 0 }, events };
}

/** The same stage looks again later. */
export function stay(to: Status, againInMs: number, patch: Patch = {}, events: NewEvent[] = []): Move {
  return { to, againInMs, patch, events };
}

/** The deployment failed, for good. */
export function fail(failure: Failure, at: Date, patch: Patch = {}): Move {
  return {
    to: 'Failed',
    outcome: 'Failed',
    patch: { ...patch, failure, waitingFor: null, operationUrl: null },
    events: [
      {
        at,
        source: 'Slipway',
        type: 'Failed',
        phase: 'Failed',
        message: `${failure.code}: ${failure.detail}`,
      },
    ],
  };
}

/**
 * The change failed before Azure has anything of it. What was live stays; where nothing was, the name is free again and the
 * deployment is at its end.
 */
export function refuse(row: DeploymentRow, failure: Failure, at: Date, patch: Patch = {}): Move {
  const { liveRevision = row.liveRevision } = patch;
  return fail(failure, at, liveRevision === null ? { ...patch, holdsName: false } : patch);
}

/** The deployment reached what was asked for. */
export function settle(to: Status, patch: Patch, events: NewEvent[]): Move {
  return {
    to,
    outcome: 'Succeeded',
    patch: { ...patch, failure: null, waitingFor: null, operationUrl: null, retries: 0 },
    events,
  };
}
