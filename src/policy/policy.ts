import { type Static, Type } from 'typebox';
import { Issuer, Name, Operator, Portal, TeamPrincipal } from './people.ts';

const closed = { additionalProperties: false };
/** A host without wildcard, scheme or path, in its one form; no address. */
const Host = Type.String({
  pattern: '^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?(?::[0-9]{1,5})?$',
});
const Guid = Type.String({ pattern: '^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' });
const SecretName = Type.String({ pattern: '^[0-9A-Za-z*-]{1,127}$', description: 'May be a glob' });
const ArmId = Type.String({ pattern: '^/subscriptions/[A-Za-z0-9_.()/-]+$' });
const Glob = Type.String({ minLength: 1, maxLength: 255, pattern: '^[a-z0-9._/*-]+$' });

const Identity = Type.Object(
  {
    id: ArmId,
    use: Type.Enum(['pull', 'workload']),
    registries: Type.Optional(
      Type.Array(Host, { description: 'Where a pull identity may be used; all where absent' }),
    ),
  },
  closed,
);

const TeamRegistry = Type.Object(
  {
    server: Host,
    repositories: Type.Optional(Type.Array(Glob)),
    credential: Type.Optional(
      Type.String({
        description: 'A registry secret or the name of a pull identity, used when the caller names none',
      }),
    ),
    vault: Type.Optional(
      Type.String({ description: 'Where that secret is, for a team with several vaults' }),
    ),
    anonymous: Type.Optional(Type.Boolean()),
    tags: Type.Optional(Type.Enum(['any', 'pinned'])),
  },
  closed,
);

const Quota = Type.Object(
  {
    groups: Type.Optional(Type.Number({ minimum: 0 })),
    cpu: Type.Optional(Type.Number({ minimum: 0 })),
    memoryInGB: Type.Optional(Type.Number({ minimum: 0 })),
    deploysPerHour: Type.Optional(Type.Number({ minimum: 0 })),
  },
  closed,
);

const Rate = Type.Object(
  {
    requestsPerMinute: Type.Optional(Type.Integer({ minimum: 1 })),
    changesPerMinute: Type.Optional(Type.Integer({ minimum: 1 })),
  },
  { ...closed, description: 'At each replica; what is absent has no limit' },
);

const Team = Type.Object(
  {
    principals: Type.Array(TeamPrincipal),
    targets: Type.Array(Name, { minItems: 1 }),
    vaults: Type.Optional(Type.Array(Name)),
    registrySecrets: Type.Optional(Type.Array(SecretName)),
    workloadSecrets: Type.Optional(Type.Array(SecretName)),
    identities: Type.Optional(Type.Array(Identity)),
    registries: Type.Optional(Type.Array(TeamRegistry)),
    quota: Type.Optional(Quota),
    rate: Type.Optional(Rate),
    allowPlainSensitiveNames: Type.Optional(
      Type.Boolean({ description: 'Plain values may have the name of a secret, such as `API_TOKEN`' }),
    ),
  },
  closed,
);
export type Team = Static<typeof Team>;
export type TeamRegistry = Static<typeof TeamRegistry>;

const Target = Type.Object(
  {
    subscription: Guid,
    resourceGroup: Type.String({ pattern: '^[A-Za-z0-9_()-](?:[A-Za-z0-9_.()-]{0,88}[A-Za-z0-9_()-])?$' }),
    locations: Type.Array(Type.String({ pattern: '^[a-z0-9]+$' }), { minItems: 1 }),
    network: Type.Optional(
      Type.Object(
        { public: Type.Optional(Type.Boolean()), subnets: Type.Optional(Type.Array(ArmId)) },
        closed,
      ),
    ),
    workspaces: Type.Optional(
      Type.Array(Type.Union([Guid, ArmId]), {
        description: 'Log Analytics: ids as in `workspaceId`, and ARM ids as in `workspaceResourceId`',
      }),
    ),
    storageAccounts: Type.Optional(
      Type.Array(Type.Union([Type.String({ pattern: '^[a-z0-9]{3,24}$' }), ArmId]), {
        description: 'Names, or ARM ids',
      }),
    ),
  },
  closed,
);
export type Target = Static<typeof Target>;

const Registry = Type.Object(
  {
    id: Type.Optional(ArmId),
    preflight: Type.Optional(
      Type.Enum(['required', 'bestEffort'], {
        description: '`bestEffort`: an image for an identity is not refused where Slipway cannot reach it',
      }),
    ),
    addresses: Type.Optional(
      Type.Array(Type.String(), {
        description: 'Networks (`10.1.0.0/16`) in which it may be, beside the public internet',
      }),
    ),
    ca: Type.Optional(
      Type.String({
        description: 'A certificate in PEM form that is trusted for it, or a file of one beside the policy',
      }),
    ),
    tokenHost: Type.Optional(Host),
  },
  closed,
);

const Vault = Type.Object(
  {
    url: Type.String({
      pattern: '^https://[a-z0-9-]{3,24}\\.vault\\.(?:azure\\.net|azure\\.cn|usgovcloudapi\\.net)/?$',
    }),
    ownersBind: Type.Optional(
      Type.Boolean({ description: 'The tags of a secret may bind it to a registry' }),
    ),
  },
  closed,
);

const Binding = Type.Object(
  {
    vault: Name,
    secret: Type.String({ pattern: '^[0-9A-Za-z-]{1,127}$' }),
    registry: Host,
    username: Type.Optional(Type.String({ minLength: 1 })),
    repositories: Type.Optional(Type.Array(Glob)),
  },
  closed,
);
export type Binding = Static<typeof Binding>;

const Expectation = Type.Object(
  {
    team: Name,
    secret: Type.Optional(Type.String()),
    vault: Type.Optional(Type.String({ description: 'For a team with several' })),
    identity: Type.Optional(Type.String()),
    server: Host,
    repository: Type.Optional(Type.String()),
    decision: Type.Enum(['allow', 'deny']),
  },
  closed,
);
export type Expectation = Static<typeof Expectation>;

const map = <T extends Parameters<typeof Type.Record>[1]>(key: typeof Name, value: T) =>
  Type.Record(key, value, closed);

/** The policy file: who may use what. Deny by default; no negation; no wildcard in a host or an id. */
export const Policy = Type.Object(
  {
    version: Type.Literal(1),
    issuers: Type.Array(Issuer, { minItems: 1 }),
    operators: Type.Optional(Type.Array(Operator)),
    portals: Type.Optional(Type.Array(Portal)),
    teams: map(Name, Team),
    targets: map(Name, Target),
    registries: Type.Optional(map(Host, Registry)),
    vaults: Type.Optional(map(Name, Vault)),
    bindings: Type.Optional(Type.Array(Binding)),
    expect: Type.Optional(Type.Array(Expectation)),
  },
  closed,
);
export type Policy = Static<typeof Policy>;
