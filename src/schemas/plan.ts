import { type Static, Type } from 'typebox';
import { CredentialRecord, Difference, ImageRecord, WorkloadSecretRecord } from './deployment.ts';
import { Failure } from './failure.ts';
import { ref } from './ref.ts';

const closed = { additionalProperties: false };
const Nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T, description?: string) =>
  Type.Union([schema, Type.Null()], description === undefined ? {} : { description });

/** What stands in the way: of the request, of policy, or of what it names. */
const Trouble = Type.Object(
  {
    code: Type.String(),
    detail: Type.String(),
    pointer: Type.Optional(Type.String({ description: 'JSON pointer into the request' })),
    failure: Type.Optional(ref(Failure)),
  },
  closed,
);
export type Trouble = Static<typeof Trouble>;

const PlanDecision = Type.Object(
  {
    subject: Type.Enum(['target', 'registry', 'workloadSecret', 'workloadIdentity', 'subnet']),
    name: Type.String(),
    detail: Type.String({ description: 'With what it is used' }),
  },
  closed,
);
export type PlanDecision = Static<typeof PlanDecision>;

const PlannedImage = Type.Object(
  {
    container: Type.String(),
    requested: Type.String(),
    usable: Type.Boolean(),
    image: Type.Optional(ImageRecord),
    failure: Type.Optional(ref(Failure)),
    notes: Type.Optional(Type.Array(Type.String())),
  },
  closed,
);
export type PlannedImage = Static<typeof PlannedImage>;

const PlannedQuota = Type.Object(
  {
    which: Type.Enum(['groups', 'cpu', 'memoryInGB', 'deploysPerHour']),
    used: Type.Number(),
    asked: Type.Number({ description: 'More than now' }),
    limit: Nullable(Type.Number(), 'Null: none'),
    exceeded: Type.Boolean(),
  },
  closed,
);
export type PlannedQuota = Static<typeof PlannedQuota>;

export const ChangeKind = Type.Enum(['create', 'inPlace', 'replace', 'none'], {
  description:
    '`inPlace`: Azure restarts every container; `replace`: it deletes and makes anew, with `allowReplace`; `none`: nothing that can be seen differs, though Azure never shows a secret',
});
export type ChangeKind = Static<typeof ChangeKind>;

/** What `POST /deployments` would do, without doing it. Nothing in it was answered from a cache. */
export const DeploymentPlan = Type.Object(
  {
    possible: Type.Boolean({ description: 'Nothing stands in the way that is known now' }),
    deployment: Nullable(Type.String({ format: 'uuid' }), 'The one that has the name'),
    changeKind: Nullable(ChangeKind, 'Null where the live group could not be compared'),
    replaces: Type.Array(Type.String(), { description: 'What Azure cannot change in place' }),
    effect: Type.String({ description: 'What it means for what runs' }),
    decisions: Type.Array(PlanDecision),
    images: Type.Array(PlannedImage),
    credentials: Type.Array(CredentialRecord),
    workloadSecrets: Type.Array(WorkloadSecretRecord),
    quota: Type.Array(PlannedQuota),
    diff: Type.Array(Difference, { description: 'Against the live group; secrets are masked' }),
    troubles: Type.Array(Trouble),
  },
  { ...closed, $id: 'DeploymentPlan' },
);
export type DeploymentPlan = Static<typeof DeploymentPlan>;
