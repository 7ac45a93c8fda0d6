import { type Static, Type } from 'typebox';
import { failureCodes, owners } from '../failures.ts';

const closed = { additionalProperties: false };

export const Evidence = Type.Object(
  {
    step: Type.String({
      description: 'What was being done: `manifest`, `token`, `vault`, `arm`, `event`, ...',
    }),
    host: Type.Optional(Type.String()),
    status: Type.Optional(Type.Integer({ description: 'HTTP status of the answer' })),
    registryCode: Type.Optional(Type.String({ description: "The registry's own error code" })),
    code: Type.Optional(Type.String({ description: 'An error code of Azure or of the network' })),
    message: Type.Optional(Type.String()),
  },
  closed,
);
export type Evidence = Static<typeof Evidence>;

export const Fix = Type.Object(
  {
    who: Type.Enum([...owners]),
    action: Type.String(),
    command: Type.Optional(
      Type.String({ description: 'A command to paste, with the names of this deployment' }),
    ),
  },
  closed,
);
export type Fix = Static<typeof Fix>;

/** Why a deployment failed, or would: one shape for a refused request, a failed operation and an event. */
export const Failure = Type.Object(
  {
    code: Type.Enum(failureCodes),
    title: Type.String(),
    detail: Type.String(),
    stage: Type.Optional(Type.String({ description: 'The status in which it was found' })),
    target: Type.Optional(Type.String({ description: 'JSON pointer into the request' })),
    owner: Type.Enum([...owners]),
    retryable: Type.Boolean(),
    confidence: Type.Enum(['high', 'low']),
    causes: Type.Optional(
      Type.Array(Type.String(), { description: 'The plausible causes, where `confidence` is low' }),
    ),
    evidence: Type.Array(Evidence),
    fixes: Type.Array(Fix),
  },
  { ...closed, $id: 'Failure' },
);
export type Failure = Static<typeof Failure>;
