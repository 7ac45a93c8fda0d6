import { type Static, Type } from 'typebox';
import {
  CredentialRecord,
  ImageRecord,
  OperationKind,
  OperationStatus,
  WorkloadSecretRecord,
} from './deployment.ts';
import { Principal } from './principal.ts';
import { ref } from './ref.ts';
import { DeploymentRequest } from './request.ts';

const closed = { additionalProperties: false };

/** One spec of a deployment: who asked for it and when, what it was made of and what it came to. */
export const Revision = Type.Object(
  {
    number: Type.Integer({ minimum: 1 }),
    kind: OperationKind,
    operation: Type.String({ format: 'uuid', description: 'The operation that made it' }),
    createdAt: Type.String({ format: 'date-time' }),
    createdBy: ref(Principal),
    onBehalfOf: Type.Union([Type.String(), Type.Null()]),
    outcome: Type.Union([OperationStatus, Type.Null()], { description: 'Null while it is being made' }),
    spec: ref(DeploymentRequest),
    images: Type.Array(ImageRecord),
    credentials: Type.Array(CredentialRecord),
    workloadSecrets: Type.Array(WorkloadSecretRecord),
  },
  { ...closed, $id: 'Revision' },
);
export type Revision = Static<typeof Revision>;

export const RevisionPage = Type.Object(
  { value: Type.Array(ref(Revision)), nextLink: Type.Optional(Type.String()) },
  { ...closed, $id: 'RevisionPage' },
);
