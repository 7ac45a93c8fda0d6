import { type Static, Type } from 'typebox';

const closed = { additionalProperties: false };

/** Azure's rule for container groups and containers: 1 to 63 lower-case letters, digits and single hyphens. */
export const ResourceName = Type.String({
  minLength: 1,
  maxLength: 63,
  pattern: '^[a-z0-9](?:-?[a-z0-9])*$',
  description: 'Lower-case letters, digits and single hyphens',
});

const PolicyName = Type.String({
  minLength: 1,
  maxLength: 63,
  pattern: '^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$',
});

/** Key Vault's rule. Dot segments never match, which the SDK would let through into the path (measured). */
export const SecretName = Type.String({ minLength: 1, maxLength: 127, pattern: '^[0-9A-Za-z-]+$' });

/** A host name as a registry credential names it: no scheme, no path, no user, ASCII only. */
export const RegistryServer = Type.String({
  minLength: 1,
  maxLength: 255,
  pattern:
    '^(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)(?:\\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\\.?(?::[0-9]{1,5})?$',
  description: 'A registry host without scheme or path, such as `myregistry.azurecr.io`',
});

export const IdentityId = Type.String({
  minLength: 1,
  maxLength: 512,
  pattern: '^/[sS]ubscriptions/[A-Za-z0-9_.()/-]+$',
  description: 'The ARM id of a user-assigned managed identity',
});

const Port = Type.Integer({ minimum: 1, maximum: 65535 });
const Protocol = Type.Enum(['TCP', 'UDP']);

const ContainerPort = Type.Object({ port: Port, protocol: Type.Optional(Protocol) }, closed);

const EnvironmentVariable = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 63, pattern: '^[A-Za-z_][A-Za-z0-9_]*$' }),
    value: Type.Optional(Type.String({ maxLength: 8192 })),
    secretName: Type.Optional(SecretName),
    vault: Type.Optional(PolicyName),
  },
  {
    ...closed,
    description: 'Either a plain `value`, or `secretName`: a workload secret, sent as `secureValue`',
  },
);

const Resources = Type.Object(
  {
    requests: Type.Object(
      {
        cpu: Type.Number({ minimum: 0.1, maximum: 31 }),
        memoryInGB: Type.Number({ minimum: 0.1, maximum: 240 }),
      },
      closed,
    ),
  },
  closed,
);

const Container = Type.Object(
  {
    name: Type.Optional(ResourceName),
    image: Type.String({ minLength: 1, maxLength: 1024, description: 'As `docker pull` takes it' }),
    resources: Type.Optional(Resources),
    command: Type.Optional(Type.Array(Type.String({ maxLength: 4096 }), { maxItems: 128 })),
    ports: Type.Optional(Type.Array(ContainerPort, { maxItems: 20 })),
    environmentVariables: Type.Optional(Type.Array(EnvironmentVariable, { maxItems: 500 })),
  },
  closed,
);

export const RegistryCredentialReference = Type.Object(
  {
    server: RegistryServer,
    secretName: Type.Optional(SecretName),
    vault: Type.Optional(PolicyName),
    identity: Type.Optional(IdentityId),
  },
  {
    ...closed,
    description:
      'Exactly one of `secretName` and `identity`. Never a username or password: they belong to the binding',
  },
);
export type RegistryCredentialReference = Static<typeof RegistryCredentialReference>;

const Label = Type.String({ maxLength: 256 });

/** What `POST /deployments` takes. Property names are ACI's own, without the `properties` wrappers. */
export const DeploymentRequest = Type.Object(
  {
    team: Type.Optional(PolicyName),
    target: Type.Optional(PolicyName),
    name: ResourceName,
    location: Type.Optional(Type.String({ minLength: 1, maxLength: 64, pattern: '^[A-Za-z0-9 ]+$' })),
    containers: Type.Array(Container, { minItems: 1, maxItems: 60 }),
    imageRegistryCredentials: Type.Optional(Type.Array(RegistryCredentialReference, { maxItems: 60 })),
    identity: Type.Optional(
      Type.Object({ userAssignedIdentities: Type.Array(IdentityId, { minItems: 1, maxItems: 20 }) }, closed),
    ),
    osType: Type.Optional(Type.Enum(['Linux', 'Windows'])),
    restartPolicy: Type.Optional(Type.Enum(['Always', 'OnFailure', 'Never'])),
    ipAddress: Type.Optional(
      Type.Object(
        {
          type: Type.Enum(['Public', 'Private']),
          ports: Type.Array(ContainerPort, { minItems: 1, maxItems: 5 }),
          dnsNameLabel: Type.Optional(
            Type.String({ minLength: 5, maxLength: 63, pattern: '^[a-z](?:-?[a-z0-9])*$' }),
          ),
        },
        closed,
      ),
    ),
    imagePinning: Type.Optional(Type.Enum(['digest', 'tag'])),
    onExisting: Type.Optional(Type.Enum(['fail'])),
    timeoutSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 86_400 })),
    keepFailed: Type.Optional(Type.Boolean()),
    labels: Type.Optional(
      Type.Record(Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$' }), Label, {
        maxProperties: 30,
      }),
    ),
    source: Type.Optional(
      Type.Object(
        {
          repository: Type.Optional(Type.String({ maxLength: 512 })),
          revision: Type.Optional(Type.String({ maxLength: 128 })),
          runUrl: Type.Optional(Type.String({ maxLength: 1024 })),
        },
        closed,
      ),
    ),
  },
  { ...closed, $id: 'DeploymentRequest' },
);
export type DeploymentRequest = Static<typeof DeploymentRequest>;
export type ContainerRequest = DeploymentRequest['containers'][number];
