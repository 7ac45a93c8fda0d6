import { type Static, Type } from 'typebox';
import { Failure } from './failure.ts';
import { Principal } from './principal.ts';
import { ref } from './ref.ts';
import { DeploymentRequest } from './request.ts';

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
  'Canceled',
  'Deleting',
  'Deleted',
] as const;
export const Status = Type.Enum([...statuses]);
export type Status = Static<typeof Status>;

/** Nothing moves any more by itself in these. */
export const settledStatuses: readonly Status[] = ['Running', 'Succeeded', 'Failed', 'Canceled', 'Deleted'];

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
    identity: Type.Optional(Type.String()),
    isolated: Type.Optional(
      Type.Boolean({
        description: 'Of an identity: Azure keeps the workload from using it; absent before it was attached',
      }),
    ),
  },
  closed,
);
export type CredentialRecord = Static<typeof CredentialRecord>;

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
    containerGroup: Nullable(ContainerGroupView),
    failure: Nullable(ref(Failure)),
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
export const OperationKind = Type.Enum(['Create', 'Adopt', 'Delete']);
export type OperationKind = Static<typeof OperationKind>;

/** One accepted change and its outcome, whatever came after it. Any Azure poller can follow it. */
export const Operation = Type.Object(
  {
    id: Id,
    kind: OperationKind,
    deployment: Id,
    revision: Type.Integer(),
    status: OperationStatus,
    createdAt: Instant,
    endedAt: Nullable(Instant),
    steps: Type.Array(Phase),
    waitingFor: Type.Optional(WaitingFor),
    failure: Type.Optional(ref(Failure)),
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

export const EventPage = Type.Object(
  { value: Type.Array(ref(Event)), nextLink: Type.Optional(Type.String()) },
  { ...closed, $id: 'EventPage' },
);
