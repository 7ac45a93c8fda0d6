import { type Static, Type } from 'typebox';
import { Permission } from './principal.ts';

const closed = { additionalProperties: false };
const Texts = Type.Array(Type.String());
const SecretName = Type.String({ description: 'May be a glob: any name that it matches' });

/** A registry credential as a request names it. */
const CredentialOption = Type.Object(
  {
    secretName: Type.Optional(SecretName),
    vault: Type.Optional(Type.String()),
    identity: Type.Optional(Type.String({ description: 'ARM id' })),
    boundBy: Type.Enum(['policy', 'tags'], {
      description:
        '`tags`: the tags of the secret say whether it is for this registry; `GET /credentials` has read them',
    }),
    default: Type.Boolean({ description: 'Used where the request names none' }),
  },
  closed,
);
export type CredentialOption = Static<typeof CredentialOption>;

const RegistryOption = Type.Object(
  {
    server: Type.String(),
    repositories: Type.Union([Texts, Type.Null()], { description: 'Globs; null: all' }),
    tags: Type.Enum(['any', 'pinned'], { description: '`pinned`: a tag other than latest, or a digest' }),
    anonymous: Type.Boolean({ description: 'Needs no credential' }),
    credentials: Type.Array(CredentialOption),
  },
  closed,
);
export type RegistryOption = Static<typeof RegistryOption>;

const TargetOption = Type.Object(
  {
    name: Type.String(),
    locations: Type.Array(Type.String(), { description: 'The first is used where the request names none' }),
    network: Type.Object({ public: Type.Boolean(), subnets: Texts }, closed),
    workspaces: Texts,
    storageAccounts: Texts,
    limits: Type.Object(
      { containers: Type.Integer(), cpu: Type.Number(), memoryInGB: Type.Number() },
      { ...closed, description: 'What one container group may have at most' },
    ),
  },
  closed,
);
export type TargetOption = Static<typeof TargetOption>;

const Share = Type.Object(
  {
    limit: Type.Union([Type.Number(), Type.Null()], { description: 'null: none' }),
    used: Type.Number(),
    left: Type.Union([Type.Number(), Type.Null()]),
  },
  closed,
);
export type Share = Static<typeof Share>;

/** All that a caller may choose for a deployment of a team. */
export const Options = Type.Object(
  {
    team: Type.String(),
    permissions: Type.Array(Permission),
    targets: Type.Array(TargetOption),
    registries: Type.Array(RegistryOption),
    workloadSecrets: Type.Array(Type.Object({ secretName: SecretName, vault: Type.String() }, closed)),
    identities: Type.Array(Type.String(), { description: 'ARM ids of what a workload may use' }),
    quota: Type.Object({ groups: Share, cpu: Share, memoryInGB: Share, deploysPerHour: Share }, closed),
  },
  { ...closed, $id: 'Options' },
);
export type Options = Static<typeof Options>;
