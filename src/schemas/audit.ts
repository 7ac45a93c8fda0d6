import { type Static, Type } from 'typebox';
import { Principal } from './principal.ts';
import { ref } from './ref.ts';

const closed = { additionalProperties: false };
const NullableText = (description: string) => Type.Union([Type.String(), Type.Null()], { description });

/** One change or one refusal. Reads are not audited. */
export const AuditRecord = Type.Object(
  {
    id: Type.Integer(),
    at: Type.String({ format: 'date-time' }),
    team: NullableText('The team that it concerns; null where none was named, or nobody was signed in'),
    principal: Type.Union([ref(Principal), Type.Null()]),
    onBehalfOf: NullableText('`<issuer>|<subject>` of the user that a portal acted for'),
    action: Type.String({
      description:
        'Such as `create` or `delete`; `deleteAudit` is Slipway itself, where the time of the oldest rows is over',
    }),
    target: NullableText('The deployment that it was about; of `deleteAudit`, how far it went'),
    code: NullableText('Why it was refused; null where it was allowed'),
    policyDigest: NullableText('The policy that decided'),
    requestId: Type.String(),
    idempotencyKeyHash: NullableText('SHA-256 of the `Idempotency-Key`, in hex'),
    count: Type.Integer({
      description:
        'How many refusals it stands for, more than one only in a flood; of `deleteAudit`, how many rows are gone',
    }),
    batch: Type.Union([Type.Integer(), Type.Null()], {
      description: 'The batch of the chain that it is sealed in; null for some seconds',
    }),
  },
  { ...closed, $id: 'AuditRecord' },
);
export type AuditRecord = Static<typeof AuditRecord>;

export const AuditPage = Type.Object(
  { value: Type.Array(ref(AuditRecord)), nextLink: Type.Optional(Type.String()) },
  { ...closed, $id: 'AuditPage' },
);
