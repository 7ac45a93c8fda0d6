import { type Static, Type } from 'typebox';

const closed = { additionalProperties: false };
const Id = Type.String({ format: 'uuid' });
const Instant = Type.String({ format: 'date-time' });

const live = {
  deployment: Id,
  name: Type.String(),
  target: Type.String(),
  team: Type.String(),
  revision: Type.Integer({ description: 'The live one' }),
};
const PullUse = Type.Object({ ...live, server: Type.String() }, closed);
const WorkloadUse = Type.Object(
  { ...live, pointers: Type.Array(Type.String(), { description: 'Where the spec names it' }) },
  closed,
);

/** Which live deployments use which version of a secret: Azure keeps the one that it was given. */
export const CredentialUsages = Type.Object(
  {
    secretName: Type.String(),
    vault: Type.String(),
    versions: Type.Array(
      Type.Object(
        {
          version: Type.String(),
          current: Type.Boolean({ description: 'The newest in the vault: what is deployed next gets it' }),
          enabled: Type.Union([Type.Boolean(), Type.Null()], {
            description: 'Null: not in the vault any more',
          }),
          expiresOn: Type.Union([Instant, Type.Null()]),
          deployments: Type.Array(PullUse, { description: "Of the caller's own teams: they pull with it" }),
          workloads: Type.Array(WorkloadUse, {
            description: "Of the caller's own teams: their workload was given it",
          }),
          safeToRevoke: Type.Boolean({
            description: 'Not the newest, and nothing that is live or under way uses it, in whatever team',
          }),
        },
        closed,
      ),
    ),
  },
  { ...closed, $id: 'CredentialUsages' },
);
export type CredentialUsages = Static<typeof CredentialUsages>;

/** One of the deployments that a rotation redeploys, in their order. */
export const RotationItem = Type.Object(
  {
    deployment: Id,
    name: Type.String(),
    operation: Type.Union([Id, Type.Null()], { description: 'The redeployment; null before its turn' }),
    outcome: Type.Union([Type.Enum(['Succeeded', 'Failed', 'Skipped']), Type.Null()]),
  },
  closed,
);
export type RotationItem = Static<typeof RotationItem>;

export const Rotation = Type.Object(
  {
    secretName: Type.String(),
    vault: Type.String(),
    version: Type.Union([Type.String(), Type.Null()], {
      description: 'The one that takes the place of the others',
    }),
    deployments: Type.Array(RotationItem),
  },
  closed,
);
export type Rotation = Static<typeof Rotation>;
