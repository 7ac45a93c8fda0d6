/** Who must act on a failure. */
export const owners = ['caller', 'registryOwner', 'platform'] as const;
export type Owner = (typeof owners)[number];

interface FailureKind {
  title: string;
  owner: Owner;
  /** An unchanged retry can succeed. */
  retryable: boolean;
  /** `low`: the evidence does not prove the cause; every plausible one is listed. */
  confidence: 'high' | 'low';
}

const kind = (title: string, owner: Owner, traits: Partial<FailureKind> = {}): FailureKind => ({
  title,
  owner,
  retryable: false,
  confidence: 'high',
  ...traits,
});

const passes = { retryable: true } as const;
const ambiguous = { confidence: 'low' } as const;

/** Every way in which a deployment can fail: one list for what is found at once and for what ACI reports later. */
export const failureKinds = {
  InvalidImageReference: kind('The image reference is malformed', 'caller'),
  UppercaseRepository: kind('Repository names are lower case', 'caller'),
  ImageNotFound: kind('The registry has no such image', 'caller'),
  RepositoryNotFoundOrDenied: kind(
    'The repository does not exist or the credential may not read it',
    'caller',
    ambiguous,
  ),
  RegistryCredentialMissing: kind('No credential was given for this registry', 'caller'),
  RegistryAuthenticationFailed: kind('The registry refused the credential', 'caller'),
  RegistryAccessDenied: kind('The credential may not pull this repository', 'registryOwner'),
  CredentialExpired: kind('The credential has expired', 'caller'),
  CredentialNotYetValid: kind('The credential is not valid yet', 'caller'),
  CredentialDisabled: kind('The secret is disabled', 'caller'),
  CredentialMalformed: kind('The credential is not usable as it is stored', 'caller'),
  CredentialNotBoundToRegistry: kind('The secret is not bound to this registry', 'caller'),
  SecretBoundToRegistry: kind('The secret is for a registry, and no workload may have it', 'caller'),
  SecretNotFound: kind('The vault has no such secret', 'caller'),
  RegistryAdminDisabled: kind("The registry's admin user is disabled", 'registryOwner'),
  RegistryNetworkDenied: kind("The registry's network rules refuse the client", 'registryOwner'),
  RegistryHostNotFound: kind('No host of this name exists', 'caller'),
  RegistryUnreachable: kind('The registry cannot be reached', 'registryOwner', passes),
  RegistryTlsError: kind("The registry's certificate is not trusted", 'registryOwner'),
  RegistryRateLimited: kind('The registry limits how often images are pulled', 'caller', passes),
  RegistryUnavailable: kind('The registry answers with an error of its own', 'registryOwner', passes),
  NotARegistry: kind('The host does not answer as a container registry', 'caller'),
  PlatformMismatch: kind('The image is not built for the platform', 'caller'),
  ImageInaccessible: kind('Azure could not access the image', 'caller', ambiguous),
  IdentityNotAttached: kind('The pull identity is not attached to the container group', 'caller'),
  IdentityNotFound: kind('The identity does not exist', 'caller'),
  IdentityNotUsableForPull: kind('This kind of identity cannot pull images', 'caller'),
  IdentityAssignDenied: kind("Slipway's identity may not assign this identity", 'platform'),
  IdentityMissingPullRole: kind(
    'The identity has no role that lets it pull from this registry',
    'registryOwner',
  ),
  QuotaExceeded: kind("Azure's quota in this region is used up", 'platform'),
  RegionCapacity: kind('The region has no room for this container group at the moment', 'platform', passes),
  GroupTransitioning: kind('The container group is still changing', 'platform', passes),
  RequiresReplacement: kind('Azure cannot change this in place', 'caller'),
  DnsNameLabelTaken: kind('The DNS name label is taken', 'caller'),
  TooManyCredentials: kind('More registry credentials than containers', 'caller'),
  AmbiguousCredential: kind('A registry credential needs exactly one of username and identity', 'caller'),
  InvalidRegistryServer: kind('The registry server is not a plain host name', 'caller'),
  ContainerGroupExists: kind('A container group of this name exists that Slipway did not make', 'caller'),
  ContainerGroupGone: kind('The container group disappeared while it was being deployed', 'platform'),
  ContainerCrashed: kind('The container stopped with an error', 'caller'),
  ContainerOutOfMemory: kind('The container ran out of memory', 'caller'),
  ProbeFailed: kind('The container does not answer its probe', 'caller'),
  MountFailed: kind('A volume could not be mounted', 'caller'),
  ProvisioningTimeout: kind('The deployment did not finish in time', 'platform', { ...passes, ...ambiguous }),
  ArmThrottled: kind('Azure Resource Manager limits the number of requests', 'platform', passes),
  ArmUnavailable: kind('Azure Resource Manager does not answer as it should', 'platform', passes),
  EntraUnavailable: kind('Entra ID gives Slipway no token', 'platform', passes),
  VaultUnavailable: kind('Key Vault does not answer as it should', 'platform', passes),
  VaultAccessDenied: kind("Slipway's identity may not read this vault", 'platform'),
  AuthorizationFailed: kind("Slipway's identity lacks a right in Azure", 'platform'),
  SubnetJoinDenied: kind("Slipway's identity may not join the subnet", 'platform'),
  SpotUnavailable: kind('Spot container groups are not available here', 'platform'),
  OsNotSupported: kind('This operating system is not supported', 'caller'),
  PolicyRevoked: kind('The right to do this was withdrawn in the meantime', 'caller'),
  Canceled: kind('The change was canceled', 'caller'),
  CancelTooLate: kind('Azure had the change before it could be canceled', 'caller'),
  Superseded: kind('A later change took the place of this one', 'caller'),
  Unknown: kind('Azure reported something that Slipway does not know', 'platform'),
} as const satisfies Record<string, FailureKind>;

export type FailureCode = keyof typeof failureKinds;
export const failureCodes = Object.keys(failureKinds) as FailureCode[];
