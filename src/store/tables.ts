import type { ColumnType, Generated } from 'kysely';
import type {
  ContainerGroupView,
  CredentialRecord,
  Event,
  ImageRecord,
  OperationKind,
  OperationStatus,
  Phase,
  Status,
  WaitingFor,
} from '../schemas/deployment.ts';
import type { Failure } from '../schemas/failure.ts';
import type { Principal } from '../schemas/principal.ts';
import type { DeploymentRequest } from '../schemas/request.ts';

/** A column of JSON: read as the value, written as text that `json()` makes. */
type Json<T> = ColumnType<T, T, T>;

export interface Tables {
  teams: { team: string };
  deployments: DeploymentsTable;
  revisions: RevisionsTable;
  operations: OperationsTable;
  events: EventsTable;
  audit: AuditTable;
  idempotency: IdempotencyTable;
}

export interface DeploymentsTable {
  /** UUIDv7, made by the app: the order of ids is the order of creation. */
  id: string;
  team: string;
  name: string;
  target: string;
  subscription: string;
  resourceGroup: string;
  location: string;
  status: Status;
  settled: boolean;
  revision: number;
  liveRevision: number | null;
  operation: string;
  health: 'Healthy' | 'Degraded' | 'Missing' | 'Unknown';
  observedAt: Date | null;
  waitingFor: Json<WaitingFor | null>;
  createdAt: Date;
  updatedAt: Date;
  createdBy: Json<Principal>;
  onBehalfOf: string | null;
  spec: Json<DeploymentRequest>;
  /** What policy was asked and answered; only the heart knows its shape. */
  plan: Json<object>;
  policyDigest: string;
  images: Json<ImageRecord[]>;
  credentials: Json<CredentialRecord[]>;
  containerGroup: Json<ContainerGroupView | null>;
  failure: Json<Failure | null>;
  timeline: Json<Phase[]>;
  operationUrl: string | null;
  seenEvents: Json<string[]>;
  /** The name is taken, and counts against the team's quota, while this is true. */
  holdsName: boolean;
  cpu: number;
  memoryInGb: number;
  deadlineAt: Date;
  eventSeq: number;
  retries: number;
}

interface RevisionsTable {
  deploymentId: string;
  number: number;
  spec: Json<DeploymentRequest>;
  images: Json<ImageRecord[]>;
  credentials: Json<CredentialRecord[]>;
  createdAt: Date;
  createdBy: Json<Principal>;
  outcome: OperationStatus | null;
}

interface OperationsTable {
  id: string;
  deploymentId: string;
  team: string;
  kind: OperationKind;
  revision: number;
  status: OperationStatus;
  createdAt: Date;
  endedAt: Date | null;
  steps: Json<Phase[]>;
  waitingFor: Json<WaitingFor | null>;
  failure: Json<Failure | null>;
}

interface EventsTable {
  deploymentId: string;
  seq: number;
  team: string;
  at: Date;
  source: 'Slipway' | 'Arm' | 'Aci';
  type: string;
  phase: Status | null;
  container: string | null;
  message: string;
  data: Json<Event['data'] | null>;
}

interface AuditTable {
  id: Generated<string>;
  at: Date;
  team: string | null;
  principal: Json<Principal>;
  action: string;
  target: string | null;
  /** Null where it was allowed. */
  code: string | null;
  policyDigest: string | null;
  requestId: string;
}

interface IdempotencyTable {
  keyHash: string;
  requestHash: string;
  deploymentId: string;
  operationId: string;
  expiresAt: Date;
}
