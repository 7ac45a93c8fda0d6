/**
 * What exists in the embedded Azure. Plain data: it is what `--data` keeps and what `GET /_emulator/world` shows (with
 * secrets masked). Keys of maps are lower case where Azure compares names without case; objects keep the case given:
 * ARM ids for `resourceGroups`, `identities`, `roleAssignments`, `containerRegistries` and `containerGroups`; names for
 * `vaults` and their secrets; host names for `registries`; client ids for `principals`.
 */
export interface World {
  tenantId: string;
  subscriptions: Record<string, { id: string; displayName: string }>;
  resourceGroups: Record<string, ResourceGroup>;
  /** Service principals and managed identities, by client id. */
  principals: Record<string, Principal>;
  identities: Record<string, UserAssignedIdentity>;
  roleAssignments: Record<string, RoleAssignment>;
  /** Custom ones, by name; the built-in ones are the same everywhere. */
  roleDefinitions: Record<string, RoleDefinition>;
  vaults: Record<string, Vault>;
  /** Vaults that can be recovered, and keep their names until they are purged. */
  deletedVaults: Record<string, DeletedVault>;
  containerRegistries: Record<string, ContainerRegistry>;
  /** The registries that answer here, by host name. */
  registries: Record<string, Registry>;
  containerGroups: Record<string, ContainerGroup>;
  operations: Record<string, Operation>;
}

/** A world in which nothing exists. */
export function emptyWorld(tenantId: string): World {
  return {
    tenantId,
    subscriptions: {},
    resourceGroups: {},
    principals: {},
    identities: {},
    roleAssignments: {},
    roleDefinitions: {},
    vaults: {},
    deletedVaults: {},
    containerRegistries: {},
    registries: {},
    containerGroups: {},
    operations: {},
  };
}

/** The names of the world's maps. */
export type WorldMap = Exclude<keyof World, 'tenantId'>;

export interface ResourceGroup {
  id: string;
  name: string;
  subscriptionId: string;
  location: string;
  tags?: Record<string, string>;
  /** It is being deleted, with everything in it. */
  deleting?: true;
}

/** Something that signs in. `secrets` are client secrets; `federated` are the assertions accepted instead. */
export interface Principal {
  clientId: string;
  /** The object id that role assignments name: never the client id. */
  principalId: string;
  displayName: string;
  kind: 'Application' | 'ManagedIdentity';
  secrets: string[];
  federated: { issuer: string; subject: string; audience: string }[];
}

export interface UserAssignedIdentity {
  id: string;
  name: string;
  resourceGroup: string;
  subscriptionId: string;
  location: string;
  clientId: string;
  principalId: string;
  tags: Record<string, string>;
  /** `X-IDENTITY-HEADER` values of the askers that have this identity attached. */
  attachedTo: string[];
}

export interface RoleAssignment {
  id: string;
  name: string;
  scope: string;
  roleDefinitionId: string;
  principalId: string;
  principalType: string;
  createdOn: string;
  /** Gives no right before that moment of the emulator's time (Unix milliseconds). */
  comesAt?: number;
  /** Deleted; still gives its right until that moment. */
  goesAt?: number;
}

/** What a role allows: `actions` on resources (ARM), `dataActions` on what is inside them (vaults, registries). */
export interface RoleDefinition {
  name: string;
  roleName: string;
  description: string;
  type: 'BuiltInRole' | 'CustomRole';
  actions: string[];
  notActions: string[];
  dataActions: string[];
  notDataActions?: string[];
  /** The scopes at which it can be assigned; all without them. */
  assignableScopes?: string[];
}

export interface Vault {
  id: string;
  name: string;
  resourceGroup: string;
  subscriptionId: string;
  location: string;
  secrets: Record<string, VaultSecret>;
  tags?: Record<string, string>;
  /** What its owner chose; Azure's defaults for what is absent. */
  settings?: VaultSettings;
}

export interface VaultSettings {
  enableRbacAuthorization?: boolean;
  accessPolicies?: { tenantId: string; objectId: string; permissions: { secrets?: string[] } }[];
  enabledForDeployment?: boolean;
  enabledForTemplateDeployment?: boolean;
  enabledForDiskEncryption?: boolean;
  softDeleteRetentionInDays?: number;
  enablePurgeProtection?: boolean;
  publicNetworkAccess?: 'Enabled' | 'Disabled';
  networkAcls?: NetworkRules & { bypass: 'AzureServices' | 'None' };
}

export interface DeletedVault {
  vault: Vault;
  /** In the emulator's time (Unix milliseconds). */
  deletedAt: number;
  purgedAt: number;
}

/** Who may come by the public network: addresses and networks, where not all. */
export interface NetworkRules {
  defaultAction: 'Allow' | 'Deny';
  ipRules: { value: string; action?: 'Allow' }[];
}

export interface VaultSecret {
  name: string;
  /** Oldest first. */
  versions: VaultSecretVersion[];
}

export interface VaultSecretVersion {
  version: string;
  value: string;
  contentType?: string;
  tags: Record<string, string>;
  enabled: boolean;
  /** Unix seconds. */
  notBefore?: number;
  expires?: number;
  created: number;
}

/** The ARM resource; `loginServer` names its `Registry`. */
export interface ContainerRegistry {
  id: string;
  name: string;
  resourceGroup: string;
  subscriptionId: string;
  location: string;
  loginServer: string;
  adminUserEnabled: boolean;
  roleAssignmentMode: 'LegacyRegistryPermissions' | 'AbacRepositoryPermissions';
  azureADAuthenticationAsArmPolicy: 'enabled' | 'disabled';
  publicNetworkAccess: 'Enabled' | 'Disabled';
  tags?: Record<string, string>;
  sku?: 'Basic' | 'Standard' | 'Premium';
  networkRuleSet?: NetworkRules;
  /** Whether Azure's own services come in past these rules with an identity; they do without it. */
  networkRuleBypassOptions?: 'AzureServices' | 'None';
}

export const registryKinds = [
  'acr',
  'dockerhub',
  'ghcr',
  'harbor',
  'nexus',
  'gitlab',
  'quay',
  'artifactRegistry',
  'ecr',
  'basic',
] as const;
export type RegistryKind = (typeof registryKinds)[number];

export interface Registry {
  host: string;
  /** Which registry it behaves like; `basic` is the distribution project's own with htpasswd. */
  kind: RegistryKind;
  /** Users by name. `repositories` are globs (`team/**`); none means all. */
  users: Record<
    string,
    {
      password: string;
      /** Azure Container Registry gives its admin user two, so that one can be replaced while the other is used. */
      password2?: string;
      kind: 'admin' | 'servicePrincipal' | 'token' | 'user';
      repositories?: string[];
      /** Its time is over, which its registry says. */
      expired?: boolean;
    }
  >;
  /** Repositories that anyone may pull, as globs. */
  anonymous: string[];
  /** Repositories that answer 429. */
  limited: string[];
  repositories: Record<string, Repository>;
}

export interface Repository {
  /** Tag to digest. */
  tags: Record<string, string>;
  manifests: Record<string, { mediaType: string /** base64 */; content: string }>;
  /** Digest to base64. */
  blobs: Record<string, string>;
}

/** A container group with everything stored, secrets included: they never leave by ARM, only to registries. */
export interface ContainerGroup {
  id: string;
  name: string;
  resourceGroup: string;
  subscriptionId: string;
  /** As Azure spells it: without blanks and capitals. */
  location: string;
  /** As it was put, where that is another spelling. */
  writtenLocation?: string;
  tags?: Record<string, string>;
  zones?: string[];
  identity?: { type: string; userAssignedIdentities?: Record<string, unknown> };
  /** `properties` as they were PUT, secrets included. */
  properties: Record<string, unknown>;
  life: Life;
}

/** What becomes of a group: its states and events follow from this and from the clock, also after a restart. */
export interface Life {
  /** When it was put or started last, in the emulator's time (Unix milliseconds). */
  startedAt: number;
  /** The operation that makes it. */
  operation: string;
  ip: string;
  /** The images with the digests that PUT found, by container. */
  images?: Record<string, string>;
  /** How pulling them went, by container; absent until it was tried. */
  pulls?: Record<string, Pull>;
  stoppedAt?: number;
  /** What its containers did before the group was started again, by container. */
  past?: Past;
  /** A life that a test prescribed instead. */
  prescribed?: LifeStep[];
}

export interface Past {
  /** They went on until their successors came. */
  running: boolean;
  containers: Record<string, { currentState?: Record<string, unknown>; events: object[] }>;
}

/** What a simulated container does once it is started. */
export interface Run {
  /** Null where it runs until it is stopped. */
  exitCode: number | null;
  /** How long it works before it ends. */
  lastsMs?: number;
  /** What it writes, and when after its start; absent where nobody knows. */
  lines?: { afterMs: number; text: string }[];
  /** From then on its lines from that one on come again and again. */
  loop?: { fromMs: number; fromLine: number; everyMs: number };
}

export interface Pull {
  /** When the image came, and the run that its container has then. */
  done?: Run & { at: number };
  /** The tries that failed, and what the last one said. */
  failed?: { count: number; firstAt: number; lastAt: number; error: string };
}

/** One step of a prescribed life; what is absent keeps its value. */
export interface LifeStep {
  afterMs: number;
  provisioningState?: string;
  state?: string;
  containers?: {
    name: string;
    currentState?: Record<string, unknown>;
    previousState?: Record<string, unknown>;
    restartCount?: number;
    events?: Record<string, unknown>[];
  }[];
  events?: Record<string, unknown>[];
  error?: { code: string; message: string };
}

export interface Operation {
  id: string;
  resourceId: string;
  subscriptionId: string;
  location: string;
  status: string;
  startTime: string;
  endTime?: string;
  events: unknown[];
  error?: { code: string; message: string };
}

/** What a map has under a key: a name such as `constructor` finds nothing that nobody put there. */
export function lookUp<T>(map: Record<string, T>, key: string): T | undefined {
  return Object.hasOwn(map, key) ? map[key] : undefined;
}
