import type { ColumnType, Generated } from 'kysely';
import type {
  Condition,
  ContainerGroupView,
  CredentialRecord,
  Event,
  ImageRecord,
  JobResult,
  OperationKind,
  OperationStatus,
  Phase,
  Status,
  Wait,
  WorkloadSecretRecord,
} from '../schemas/deployment.ts';
import type { Failure } from '../schemas/failure.ts';
import type { Intent } from '../schemas/intent.ts';
import type { Caller, Principal } from '../schemas/principal.ts';
import type { DeploymentRequest } from '../schemas/request.ts';
import type { RotationItem } from '../schemas/rotation.ts';

/** A column of JSON: read as the value, written as text that `json()` makes. */
type Json<T> = ColumnType<T, T, T>;
/** A column that may be left out where a row is inserted. */
type Defaulted<T> = ColumnType<T, T | undefined, T>;

export interface Tables {
  teams: { team: string };
  deployments: DeploymentsTable;
  revisions: RevisionsTable;
  rotations: RotationsTable;
  operations: OperationsTable;
  events: EventsTable;
  eventCounters: { team: string; last: number };
  savedLogs: SavedLogsTable;
  looks: { subscription: string; resourceGroup: string; dueAt: Date; everyMs: number };
  listTurns: { subscription: string; resourceGroup: string; dueAt: Date };
  audit: AuditTable;
  auditBatches: AuditBatchesTable;
  idempotency: IdempotencyTable;
  spentTokens: SpentTokensTable;
  policies: PoliciesTable;
  policyActivations: PolicyActivationsTable;
  paces: PacesTable;
  places: PlacesTable;
  turns: { team: string; last: number };
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
  waitingFor: Json<Wait | null>;
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
  workloadSecrets: Defaulted<WorkloadSecretRecord[]>;
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
  intent: Json<Intent>;
  conditions: ColumnType<Condition[], Condition[] | undefined, Condition[]>;
  expiresAt: Defaulted<Date | null>;
}

export interface RevisionsTable {
  deploymentId: string;
  team: string;
  number: number;
  spec: Json<DeploymentRequest>;
  images: Json<ImageRecord[]>;
  credentials: Json<CredentialRecord[]>;
  workloadSecrets: Defaulted<WorkloadSecretRecord[]>;
  createdAt: Date;
  createdBy: Json<Principal>;
  onBehalfOf: Defaulted<string | null>;
  outcome: OperationStatus | null;
  /** How it came to be, and by which operation. */
  kind: OperationKind;
  operationId: string;
  plan: Json<object>;
  policyDigest: string;
  cpu: number;
  memoryInGb: number;
}

/** One operation over many deployments: a secret's new version in place of the old ones. */
export interface RotationsTable {
  id: string;
  team: string;
  vault: string;
  secretName: string;
  caller: Json<Caller>;
  policyDigest: string;
  /** The new one; null until it is proven. */
  version: string | null;
  /** The deployments that were behind; null until the new version is proven on all of them. */
  items: Json<RotationItem[] | null>;
  deadlineAt: Date;
  retries: number;
}

interface OperationsTable {
  /** In the order in which they were accepted. */
  number: Generated<number>;
  id: string;
  /** Null where it is over many. */
  deploymentId: string | null;
  team: string;
  kind: OperationKind;
  revision: number;
  status: OperationStatus;
  createdAt: Date;
  endedAt: Date | null;
  steps: Json<Phase[]>;
  waitingFor: Json<Wait | null>;
  failure: Json<Failure | null>;
  /** What it is to do once its turn comes. */
  intent: Json<Intent>;
  result: ColumnType<JobResult | null, JobResult | null | undefined, JobResult | null>;
  /** The trace in which it was asked for. */
  traceparent: Defaulted<string | null>;
}

/** The last lines of a container whose group was taken away. */
interface SavedLogsTable {
  deploymentId: string;
  team: string;
  container: string;
  revision: number;
  at: Date;
  content: string;
}

export interface EventsTable {
  deploymentId: string;
  seq: number;
  team: string;
  /** In the order of the team: counts from 1, over all its deployments. */
  position: number;
  /** By the database's clock. */
  recordedAt: Generated<Date>;
  at: Date;
  source: 'Slipway' | 'Arm' | 'Aci';
  type: string;
  phase: Status | null;
  container: string | null;
  message: string;
  data: Json<Event['data'] | null>;
}

export interface AuditTable {
  id: Generated<number>;
  at: Date;
  team: string | null;
  /** Null where nobody was signed in. */
  principal: Json<Principal | null>;
  onBehalfOf: Defaulted<string | null>;
  action: string;
  target: string | null;
  /** Null where it was allowed. */
  code: string | null;
  policyDigest: string | null;
  requestId: string;
  idempotencyKeyHash: Defaulted<string | null>;
  count: Generated<number>;
  /** Null until the row is sealed. */
  batch: Defaulted<number | null>;
}

/** A link of the chain: `entries` are the ids and hashes of its rows. */
interface AuditBatchesTable {
  number: number;
  previous: string;
  head: string;
  entries: Json<[id: number, hash: string][]>;
  sealedAt: Date;
}

interface IdempotencyTable {
  keyHash: string;
  team: string;
  requestHash: string;
  deploymentId: string | null;
  operationId: string;
  expiresAt: Date;
}

export interface PoliciesTable {
  digest: string;
  files: Json<{ name: string; text: string }[]>;
}

export interface PolicyActivationsTable {
  number: Generated<number>;
  digest: string;
  at: Date;
  /** The process that made it active. */
  by: string;
  cause: 'start' | 'change' | 'signal';
}

/** Tokens that are good for one change and have made it, until they expire. */
interface SpentTokensTable {
  tokenHash: string;
  expiresAt: Date;
}

/** What Azure lets through by one key, as all replicas see it: by windows, or as a bucket that is full again at `fullAt`. */
export interface PacesTable {
  key: string;
  most: number[];
  lengthsMs: number[];
  /** By window: calls that were not ours, made then. */
  foreignCalls: Json<({ count: number; at: number } | null)[]>;
  blockedUntil: Date | null;
  fullAt: Date | null;
  size: number | null;
}

/** A call that was made, or whose time is set; `admitted`: it waits for the bucket alone. */
interface PlacesTable {
  number: Generated<number>;
  key: string;
  deployment: string;
  team: string;
  at: Date;
  state: 'waiting' | 'admitted' | 'used';
}
