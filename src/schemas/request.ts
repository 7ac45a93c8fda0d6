import { type Static, Type } from 'typebox';
import { Container, InitContainer } from './container.ts';
import {
  IdentityId,
  PolicyName,
  RegistryServer,
  ResourceName,
  SecretName,
  WorkspaceResourceId,
} from './names.ts';
import { DnsConfig, IpAddress, Subnet } from './network.ts';
import { Volume } from './volume.ts';

const closed = { additionalProperties: false };

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

const LogAnalytics = Type.Object(
  {
    workspaceId: Type.String({
      pattern: '^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$',
      description: "The workspace's id, a GUID; must be one of the target's",
    }),
    workspaceKeySecretName: SecretName,
    vault: Type.Optional(PolicyName),
    workspaceResourceId: Type.Optional(WorkspaceResourceId),
    logType: Type.Optional(Type.Enum(['ContainerInsights', 'ContainerInstanceLogs'])),
    metadata: Type.Optional(
      Type.Record(
        Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$' }),
        Type.String({ maxLength: 256 }),
        {
          ...closed,
          maxProperties: 20,
        },
      ),
    ),
  },
  closed,
);

const Label = Type.String({ maxLength: 256 });

/** What `POST /deployments` takes. Property names are ACI's own, without the `properties` wrappers. */
export const DeploymentRequest = Type.Object(
  {
    team: Type.Optional(PolicyName),
    target: Type.Optional(PolicyName),
    name: ResourceName,
    location: Type.Optional(Type.String({ minLength: 1, maxLength: 64, pattern: '^[A-Za-z0-9 ]+$' })),
    containers: Type.Array(Container, { minItems: 1, maxItems: 60 }),
    initContainers: Type.Optional(Type.Array(InitContainer, { maxItems: 59 })),
    volumes: Type.Optional(Type.Array(Volume, { maxItems: 20 })),
    imageRegistryCredentials: Type.Optional(Type.Array(RegistryCredentialReference, { maxItems: 60 })),
    identity: Type.Optional(
      Type.Object({ userAssignedIdentities: Type.Array(IdentityId, { minItems: 1, maxItems: 20 }) }, closed),
    ),
    osType: Type.Optional(Type.Enum(['Linux', 'Windows'])),
    restartPolicy: Type.Optional(Type.Enum(['Always', 'OnFailure', 'Never'])),
    ipAddress: Type.Optional(IpAddress),
    subnetIds: Type.Optional(Type.Array(Subnet, { minItems: 1, maxItems: 5 })),
    dnsConfig: Type.Optional(DnsConfig),
    zones: Type.Optional(
      Type.Array(Type.Enum(['1', '2', '3']), {
        minItems: 1,
        maxItems: 1,
        description: 'ACI pins a group to one zone',
      }),
    ),
    priority: Type.Optional(Type.Enum(['Regular', 'Spot'])),
    diagnostics: Type.Optional(Type.Object({ logAnalytics: LogAnalytics }, closed)),
    imagePinning: Type.Optional(Type.Enum(['digest', 'tag'])),
    onExisting: Type.Optional(
      Type.Enum(['fail', 'replace'], {
        description: 'Where the target has a deployment of this name: `replace` makes a new revision of it',
      }),
    ),
    onBusy: Type.Optional(
      Type.Enum(['fail', 'queue', 'supersede'], {
        description: 'While another operation of the deployment runs; `supersede` ends that one',
      }),
    ),
    onFailure: Type.Optional(
      Type.Enum(['keep', 'rollback'], {
        description: '`rollback`: back to the revision that was live; the operation is `Failed` all the same',
      }),
    ),
    expiresAt: Type.Optional(
      Type.String({ format: 'date-time', description: 'The container group is deleted then' }),
    ),
    steadySeconds: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 600,
        description: '`Running` is reached once every container has run for so long without a restart',
      }),
    ),
    timeoutSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 86_400 })),
    keepFailed: Type.Optional(Type.Boolean()),
    labels: Type.Optional(
      Type.Record(Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$' }), Label, {
        ...closed,
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
