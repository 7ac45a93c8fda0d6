import type {
  ContainerGroupView,
  CredentialRecord,
  ImageRecord,
  OperationStatus,
  Status,
  Wait,
} from '../schemas/deployment.ts';
import type { Failure } from '../schemas/failure.ts';
import type { NewEvent } from '../store/deployments.ts';

/** What a stage makes of a deployment: saved in one transaction together with the next job. */
export interface Move {
  to: Status;
  /** When the stage of `to` runs; absent where nothing moves any more. */
  againInMs?: number;
  patch?: Patch;
  events?: NewEvent[];
  /** Ends the operation. */
  outcome?: Extract<OperationStatus, 'Succeeded' | 'Failed' | 'Canceled'>;
}

export interface Patch {
  images?: ImageRecord[];
  credentials?: CredentialRecord[];
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
}

/** The deployment goes on to the next stage at once. */
export function goOn(to: Status, patch: Patch = {}, events: NewEvent[] = []): Move {
  return { to, againInMs: 0, patch: { ...patch, waitingFor: null, retries: 0 }, events };
}

/** The same stage looks again later. */
export function stay(to: Status, againInMs: number, patch: Patch = {}, events: NewEvent[] = []): Move {
  return { to, againInMs, patch, events };
}

/** The deployment failed, for good. Until Azure has accepted a group, its name is free again. */
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

/** The deployment reached what was asked for. */
export function settle(to: Status, patch: Patch, events: NewEvent[]): Move {
  return {
    to,
    outcome: 'Succeeded',
    patch: { ...patch, failure: null, waitingFor: null, operationUrl: null, retries: 0 },
    events,
  };
}
