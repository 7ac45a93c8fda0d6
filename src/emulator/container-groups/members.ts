import type { Member, Shape } from './shape.ts';

/**
 * A container group member by member, from the REST reference of each version, in the order of recorded answers. What
 * is `later` the official examples answer to GET and to an update, and not to the PUT that makes a group.
 */
type More = Omit<Member, 'kind'>;

const text = (more: More = {}): Member => ({ kind: 'text', ...more });
const texts = (more: More = {}): Member => ({ kind: 'text', list: true, ...more });
const integer = (more: More = {}): Member => ({ kind: 'integer', ...more });
const number = (more: More = {}): Member => ({ kind: 'number', ...more });
const flag = (more: More = {}): Member => ({ kind: 'flag', ...more });
const map = (more: More = {}): Member => ({ kind: 'map', ...more });
const object = (more: More = {}): Member => ({ kind: 'object', ...more });
const free = (more: More = {}): Member => ({ kind: 'free', ...more });
const one = (kind: Shape, more: More = {}): Member => ({ kind, ...more });
const many = (kind: Shape, more: More = {}): Member => ({ kind, list: true, ...more });
const oneOf = (...words: string[]): Member => ({ kind: 'text', words });
const required: More = { required: true };
const answered: More = { readOnly: true };

const gpu = one({
  type: 'GpuResource',
  members: { count: integer(required), sku: { ...oneOf('K80', 'P100', 'V100'), required: true } },
});
const amounts = { memoryInGB: number(), cpu: number(), gpu };
const protocol = oneOf('TCP', 'UDP');
const port = many({ type: 'Port', members: { protocol, port: integer(required) } });

const httpHeader: Shape = { type: 'HttpHeader', members: { name: text(), value: text() } };
const probe = one({
  type: 'ContainerProbe',
  members: {
    exec: one({ type: 'ContainerExec', members: { command: texts() } }),
    httpGet: one({
      type: 'ContainerHttpGet',
      members: {
        path: text(),
        port: integer(required),
        scheme: oneOf('http', 'https'),
        httpHeaders: many(httpHeader, { since: '2020-11-01' }),
      },
    }),
    initialDelaySeconds: integer(),
    periodSeconds: integer(),
    failureThreshold: integer(),
    successThreshold: integer(),
    timeoutSeconds: integer(),
  },
});

const securityContext = one(
  {
    type: 'SecurityContextDefinition',
    members: {
      privileged: flag(),
      allowPrivilegeEscalation: flag(),
      capabilities: one({
        type: 'SecurityContextCapabilitiesDefinition',
        members: { add: texts(), drop: texts() },
      }),
      runAsGroup: integer(),
      runAsUser: integer(),
      seccompProfile: text(),
    },
  },
  { since: '2022-10-01' },
);

/** The family of references to secrets in a vault came together. */
const reference: More = { since: '2024-10-01' };

const environmentVariables = many({
  type: 'EnvironmentVariable',
  members: {
    name: text(required),
    value: text(),
    secureValue: text({ secret: true }),
    secureValueReference: text(reference),
  },
});
const volumeMounts = many({
  type: 'VolumeMount',
  members: { name: text(required), mountPath: text(required), readOnly: flag() },
});

const container: Shape = {
  type: 'ContainerPropertiesDefinition',
  members: {
    image: text(),
    command: texts(),
    ports: port,
    environmentVariables,
    configMap: one({ type: 'ConfigMap', members: { keyValuePairs: map() } }, { since: '2024-05-01' }),
    instanceView: free(answered),
    resources: one({
      type: 'ResourceRequirements',
      members: {
        requests: one({ type: 'ResourceRequests', members: amounts }),
        limits: one({ type: 'ResourceLimits', members: amounts }),
      },
    }),
    volumeMounts,
    livenessProbe: probe,
    readinessProbe: probe,
    securityContext,
  },
};

const initContainer: Shape = {
  type: 'InitContainerPropertiesDefinition',
  members: {
    image: text(),
    command: texts(),
    environmentVariables,
    instanceView: free(answered),
    volumeMounts,
    securityContext,
  },
};

const named = (type: string, properties: Shape): Shape => ({
  type,
  members: { name: text(required), properties: one(properties, required) },
});

const volume: Shape = {
  type: 'Volume',
  members: {
    name: text(required),
    azureFile: one({
      type: 'AzureFileVolume',
      members: {
        shareName: text(required),
        readOnly: flag(),
        storageAccountName: text(required),
        storageAccountKey: text({ secret: true }),
        storageAccountKeyReference: text(reference),
      },
    }),
    emptyDir: object(),
    secret: map({ secret: 'contents' }),
    secretReference: map(reference),
    gitRepo: one({
      type: 'GitRepoVolume',
      members: { repository: text(required), directory: text(), revision: text() },
    }),
  },
};

const credential: Shape = {
  type: 'ImageRegistryCredential',
  members: {
    server: text(required),
    username: text(),
    password: text({ secret: true }),
    passwordReference: text(reference),
    identity: text(),
    identityUrl: text({ since: '2021-07-01' }),
    isDelegatedIdentity: flag({ ...answered, since: '2022-09-01' }),
  },
};

const nameScopes = ['Unsecure', 'TenantReuse', 'SubscriptionReuse', 'ResourceGroupReuse', 'Noreuse'];
const ipAddress: Shape = {
  type: 'IpAddress',
  members: {
    ports: port,
    ip: text(),
    type: oneOf('Public', 'Private'),
    dnsNameLabel: text(),
    // Renamed within a year, before it was ever stable.
    dnsNameLabelReusePolicy: text({ words: nameScopes, since: '2021-10-01', until: '2021-10-01' }),
    autoGeneratedDomainNameLabelScope: text({ words: nameScopes, since: '2021-10-01' }),
    fqdn: text(answered),
  },
};

/** Only the workspace is answered (official examples). */
const logAnalytics: Shape = {
  type: 'LogAnalytics',
  members: {
    workspaceId: text(required),
    workspaceKey: text({ required: true, secret: true }),
    logType: text({ words: ['ContainerInsights', 'ContainerInstanceLogs'], secret: true }),
    metadata: map({ secret: true }),
    workspaceResourceId: free({ secret: true, since: '2019-12-01' }),
  },
};

const extension = named('DeploymentExtensionSpec', {
  type: 'DeploymentExtensionSpecProperties',
  members: {
    extensionType: text(required),
    version: text(required),
    settings: object(),
    protectedSettings: object({ secret: true }),
  },
});

const accesses = ['All', 'System', 'User'];
const identityAcls: Shape = {
  type: 'IdentityAcls',
  members: {
    defaultAccess: oneOf(...accesses),
    acls: many({
      type: 'IdentityAccessControl',
      members: { access: oneOf(...accesses), identity: text() },
    }),
  },
};

const profile: More = { since: '2024-05-01' };

export const groupProperties: Shape = {
  type: 'ContainerGroupPropertiesDefinition',
  members: {
    sku: text({ words: ['NotSpecified', 'Standard', 'Dedicated', 'Confidential'], since: '2019-12-01' }),
    encryptionProperties: one(
      {
        type: 'EncryptionProperties',
        members: {
          vaultBaseUrl: text(required),
          keyName: text(required),
          keyVersion: text(required),
          identity: text({ since: '2022-10-01' }),
        },
      },
      { since: '2019-12-01' },
    ),
    confidentialComputeProperties: one(
      { type: 'ConfidentialComputeProperties', members: { ccePolicy: text() } },
      { since: '2022-10-01' },
    ),
    isCreatedFromStandbyPool: flag({ ...answered, ...profile }),
    provisioningState: text(answered),
    provisioningTimeoutInSeconds: integer({ since: '2022-09-01' }),
    isCustomProvisioningTimeout: flag({ ...answered, since: '2022-09-01' }),
    secretReferences: many(
      {
        type: 'SecretReference',
        members: { name: text(required), identity: text(required), secretReferenceUri: text(required) },
      },
      reference,
    ),
    containers: many(named('ContainerDefinition', container)),
    initContainers: many(named('InitContainerDefinition', initContainer), { since: '2019-12-01' }),
    imageRegistryCredentials: many(credential),
    restartPolicy: oneOf('Always', 'OnFailure', 'Never'),
    ipAddress: one(ipAddress),
    osType: text(),
    volumes: many(volume),
    instanceView: free(answered),
    diagnostics: one({ type: 'ContainerGroupDiagnostics', members: { logAnalytics: one(logAnalytics) } }),
    networkProfile: one(
      { type: 'ContainerGroupNetworkProfile', members: { id: text(required) } },
      { until: '2021-03-01' },
    ),
    subnetIds: many(
      { type: 'ContainerGroupSubnetId', members: { id: text(required), name: text() } },
      { since: '2021-07-01' },
    ),
    dnsConfig: one({
      type: 'DnsConfiguration',
      members: {
        nameServers: texts(required),
        searchDomains: text({ later: true }),
        options: text({ later: true }),
      },
    }),
    extensions: many(extension, { since: '2022-10-01' }),
    priority: text({ words: ['Regular', 'Spot'], since: '2022-10-01' }),
    identityAcls: one(identityAcls, { since: '2024-11-01' }),
    containerGroupProfile: one(
      { type: 'ContainerGroupProfileReferenceDefinition', members: { id: text(), revision: integer() } },
      profile,
    ),
    standbyPoolProfile: one(
      {
        type: 'StandbyPoolProfileDefinition',
        members: { id: text(), failContainerGroupCreateOnReuseFailure: flag() },
      },
      // Not answered (recorded traffic).
      { ...profile, secret: true },
    ),
  },
};

/** A container group as it is put and answered. */
export const containerGroup: Shape = {
  type: 'ContainerGroup',
  members: {
    properties: one(groupProperties),
    identity: one({
      type: 'ContainerGroupIdentity',
      members: {
        userAssignedIdentities: object(),
        principalId: text(answered),
        tenantId: text(answered),
        type: text({
          words: [
            'SystemAssigned',
            'UserAssigned',
            'SystemAssigned, UserAssigned',
            'SystemAssigned,UserAssigned',
            'None',
          ],
        }),
      },
    }),
    id: text(),
    name: text(),
    type: text(),
    location: text(),
    zones: texts({ since: '2021-09-01' }),
    tags: map(),
  },
};

/** What PATCH takes: of it, only the tags change anything. */
export const groupPatch: Shape = {
  type: 'Resource',
  members: {
    id: text(),
    name: text(),
    type: text(),
    location: text(),
    zones: texts({ since: '2021-09-01' }),
    tags: map(),
  },
};
