import { type Static, Type } from 'typebox';
import { Failure } from './failure.ts';
import { Principal } from './principal.ts';
import { ref } from './ref.ts';
import { DeploymentRequest } from './request.ts';
import { Rotation } from './rotation.ts';

const closed = { additionalProperties: false };
const Id = Type.String({ format: 'uuid' });
const Instant = Type.String({ format: 'date-time' });
const Nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) =>
  Type.Union([schema, Type.Null()]);

export const statuses = [
  'Accepted',
  'Adopting',
  'Resolving',
  'Submitting',
  'Provisioning',
  'Running',
  'Succeeded',
  'Failed',
  'Canceling',
  'Canceled',
  'Restarting',
  'Stopping',
  'Stopped',
  'Starting',
  'Deleting',
  'Deleted',
] as const;
export const Status = Type.Enum([...statuses]);
export type Status = Static<typeof Status>;

/** Nothing moves any more by itself in these. */
export const settledStatuses: readonly Status[] = [
  'Running',
  'Succeeded',
  'Failed',
  'Canceled',
  'Stopped',
  'Deleted',
];

/** How the digest of an image was read. `roleOnly`: only the identity's role was looked at. */
export const Verification = Type.Enum(['credential', 'anonymous', 'serviceIdentity', 'roleOnly', 'none']);
export type Verification = Static<typeof Verification>;

export const ImageRecord = Type.Object(
  {
    container: Type.String(),
    requested: Type.String(),
    resolved: Type.String({ description: 'What Azure Resource Manager is sent' }),
    digest: Nullable(Type.String()),
    pinned: Type.Boolean(),
    verifiedWith: Verification,
  },
  closed,
);
export type ImageRecord = Static<typeof ImageRecord>;

export const CredentialRecord = Type.Object(
  {
    server: Type.String(),
    vault: Type.Optional(Type.String()),
    secretName: Type.Optional(Type.String()),
    secretVersion: Type.Optional(Type.String()),
    username: Type.Optional(Type.String({ description: 'Who signs in with the secret' })),
    identity: Type.Optional(Type.String()),
    roleGrantedAt: Type.Optional(
      Type.String({
        format: 'date-time',
        description: 'Of an identity: since when a role lets it pull, where that could be read',
      }),
    ),
    isolated: Type.Optional(
      Type.Boolean({
        description: 'Of an identity: Azure keeps the workload from using it; absent before it was attached',
      }),
    ),
  },
  closed,
);
export type CredentialRecord = Static<typeof CredentialRecord>;

/** A secret that the workload was given: Azure keeps this version of it. */
export const WorkloadSecretRecord = Type.Object(
  {
    vault: Type.String(),
    secretName: Type.String(),
    secretVersion: Type.String(),
    pointers: Type.Array(Type.String(), { description: 'Where the spec names it' }),
  },
  closed,
);
export type WorkloadSecretRecord = Static<typeof WorkloadSecretRecord>;

/** One field that is otherwise: `live` is what Azure has, `wanted` what the spec says. What is secret is told as a secret. */
export const Difference = Type.Object(
  { path: Type.String(), live: Type.Optional(Type.Unknown()), wanted: Type.Optional(Type.Unknown()) },
  closed,
);
export type Difference = Static<typeof Difference>;

export const ContainerState = Type.Object(
  {
    name: Type.String(),
    state: Nullable(Type.String()),
    restartCount: Type.Integer(),
    exitCode: Nullable(Type.Integer()),
    detailStatus: Type.Optional(Type.String()),
  },
  closed,
);

export const ContainerGroupView = Type.Object(
  {
    id: Type.String(),
    provisioningState: Nullable(Type.String()),
    state: Nullable(Type.String()),
    ipAddress: Type.Optional(
      Type.Object({ ip: Type.Optional(Type.String()), fqdn: Type.Optional(Type.String()) }, closed),
    ),
    containers: Type.Array(ContainerState),
  },
  closed,
);
export type ContainerGroupView = Static<typeof ContainerGroupView>;

export const Phase = Type.Object(
  { phase: Status, startedAt: Instant, durationMs: Nullable(Type.Integer()) },
  closed,
);
export type Phase = Static<typeof Phase>;

export const WaitingFor = Type.Object(
  { reason: Type.String(), since: Instant, until: Type.Optional(Instant) },
  closed,
);
export type WaitingFor = Static<typeof WaitingFor>;
/** As it is kept: with what went wrong, which the record shows as its `failure` for as long as it is tried again. */
export type Wait = WaitingFor & { failure?: Failure };

/** What holds beside the status: kept up to date while the deployment is settled. */
export const Condition = Type.Object(
  {
    type: Type.Enum(['CredentialExpiring', 'CredentialRotated', 'Drifted']),
    since: Instant,
    message: Type.String(),
    diff: Type.Optional(Type.Array(Difference)),
  },
  closed,
);
export type Condition = Static<typeof Condition>;

/** The record of a deployment. It outlives the container group. */
export const Deployment = Type.Object(
  {
    id: Id,
    team: Type.String(),
    name: Type.String(),
    target: Type.String(),
    status: Status,
    settled: Type.Boolean(),
    revision: Type.Integer(),
    liveRevision: Nullable(Type.Integer()),
    operation: Id,
    health: Type.Enum(['Healthy', 'Degraded', 'Missing', 'Unknown']),
    observedAt: Nullable(Instant),
    waitingFor: Nullable(WaitingFor),
    createdAt: Instant,
    updatedAt: Instant,
    createdBy: ref(Principal),
    onBehalfOf: Nullable(Type.String()),
    spec: ref(DeploymentRequest),
    images: Type.Array(ImageRecord),
    credentials: Type.Array(CredentialRecord),
    workloadSecrets: Type.Array(WorkloadSecretRecord),
    containerGroup: Nullable(ContainerGroupView),
    failure: Nullable(ref(Failure)),
    conditions: Type.Array(Condition),
    timeline: Type.Array(Phase),
  },
  { ...closed, $id: 'Deployment' },
);
export type Deployment = Static<typeof Deployment>;

export const DeploymentPage = Type.Object(
  { value: Type.Array(ref(Deployment)), nextLink: Type.Optional(Type.String()) },
  { ...closed, $id: 'DeploymentPage' },
);

export const OperationStatus = Type.Enum(['NotStarted', 'Running', 'Succeeded', 'Failed', 'Canceled']);
export type OperationStatus = Static<typeof OperationStatus>;
/** `Update` is a new spec, `Redeploy` the same one with credentials and digests resolved again. */
export const operationKinds = [
  'Create',
  'Adopt',
  'Update',
  'Redeploy',
  'Rollback',
  'Restart',
  'Stop',
  'Start',
  'Cancel',
  'Delete',
  'Rotate',
] as const;
export const OperationKind = Type.Enum([...operationKinds]);
export type OperationKind = Static<typeof OperationKind>;

/** What a job came to: of each container how it ended and what it said last. */
export const JobResult = Type.Object(
  {
    containers: Type.Array(
      Type.Object(
        { name: Type.String(), exitCode: Nullable(Type.Integer()), log: Type.Array(Type.String()) },
        closed,
      ),
    ),
  },
  closed,
);
export type JobResult = Static<typeof JobResult>;

/** One accepted change and its outcome, whatever came after it. Any Azure poller can follow it. */
export const Operation = Type.Object(
  {
    id: Id,
    kind: OperationKind,
    deployment: Type.Union([Id, Type.Null()], { description: 'Null where it is over many' }),
    revision: Type.Integer(),
    status: OperationStatus,
    createdAt: Instant,
    endedAt: Nullable(Instant),
    steps: Type.Array(Phase),
    waitingFor: Type.Optional(WaitingFor),
    failure: Type.Optional(ref(Failure)),
    result: Type.Optional(JobResult),
    rotation: Type.Optional(Rotation),
    error: Type.Optional(
      Type.Object(
        { code: Type.String(), message: Type.String() },
        { ...closed, description: "The failure as Azure's pollers read it" },
      ),
    ),
  },
  { ...closed, $id: 'Operation' },
);
export type Operation = Static<typeof Operation>;

export const Event = Type.Object(
  {
    seq: Type.Integer(),
    at: Instant,
    source: Type.Enum(['Slipway', 'Arm', 'Aci']),
    type: Type.String(),
    phase: Type.Optional(Status),
    container: Type.Optional(Type.String()),
    message: Type.String(),
    data: Type.Optional(
      Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()])),
    ),
  },
  { ...closed, $id: 'Event' },
);
export type Event = Static<typeof Event>;

/** An event in the order of its team. */
export const TeamEvent = Type.Object(
  {
    position: Type.Integer({ description: "Counts from 1 over all the team's deployments, without gaps" }),
    team: Type.String(),
    deployment: Id,
    ...Event.properties,
  },
  { ...closed, $id: 'TeamEvent' },
);
export type TeamEvent = Static<typeof TeamEvent>;

export const TeamEventPage = Type.Object(
  { value: Type.Array(ref(TeamEvent)), nextLink: Type.Optional(Type.String()) },
  { ...closed, $id: 'TeamEventPage' },
);

export const EventPage = Type.Object(
  { value: Type.Array(ref(Event)), nextLink: Type.Optional(Type.String()) },
  { ...closed, $id: 'EventPage' },
);
