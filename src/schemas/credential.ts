import { type Static, Type } from 'typebox';
import { ref } from './ref.ts';

const closed = { additionalProperties: false };
const Nullable = <T extends ReturnType<typeof Type.String>>(type: T, description?: string) =>
  Type.Union([type, Type.Null()], description === undefined ? {} : { description });
const Instant = Type.String({ format: 'date-time' });

export const CredentialHealth = Type.Enum(
  ['Healthy', 'Expiring', 'Expired', 'NotYetValid', 'Disabled', 'Unbound', 'Missing', 'Unknown'],
  {
    description:
      '`Expiring`: within 30 days; `Unbound`: to no registry of the team; `Missing`: not in the vault; `Unknown`: the vault was not asked or did not answer',
  },
);
export type CredentialHealth = Static<typeof CredentialHealth>;

/** A secret or an identity that a team may use. There is no value in it. */
export const Credential = Type.Object(
  {
    team: Type.String(),
    use: Type.Enum(['registry', 'workload'], { description: 'To pull images, or by what runs in them' }),
    secretName: Type.Optional(Type.String({ description: 'May be a glob: any name that it matches' })),
    vault: Type.Optional(Type.String()),
    identity: Type.Optional(Type.String({ description: 'ARM id' })),
    registries: Type.Array(Type.String(), { description: 'Where it may be used, of those of the team' }),
    username: Nullable(Type.String()),
    version: Nullable(Type.String(), 'The newest, which counts'),
    expiresOn: Nullable(Instant),
    notBefore: Nullable(Instant),
    health: CredentialHealth,
    detail: Nullable(Type.String(), 'Why it is not healthy'),
  },
  { ...closed, $id: 'Credential' },
);
export type Credential = Static<typeof Credential>;

export const CredentialList = Type.Object(
  { value: Type.Array(ref(Credential)) },
  { ...closed, $id: 'CredentialList' },
);
