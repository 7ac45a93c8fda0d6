import { parseReference } from '../../registry/reference.ts';
import type { Signs } from '../observation.ts';
import { all, any, coded, from, not, quotes, type Rule, says, status, uncertain } from './rule.ts';

const inaccessible = any(coded('InaccessibleImage'), quotes(/is not accessible\. Please check the image/));

/** What the grammar refuses in the image that ARM names: it reports that too as `InaccessibleImage` (recorded). */
const imageIs =
  (isUppercase: boolean) =>
  ({ said, image = '' }: Signs) => {
    const parsed = parseReference(/The image '([^']+)'/i.exec(said)?.[1] ?? image);
    return !parsed.ok && (parsed.reason === 'UPPERCASE') === isUppercase;
  };

const dockerHub = quotes(/\b(?:index\.|registry-1\.)?docker\.io\b/);
const resourceManager: readonly Rule[] = [
  { code: 'UppercaseRepository', when: all(inaccessible, imageIs(true)) },
  { code: 'InvalidImageReference', when: all(inaccessible, imageIs(false)) },
  { code: 'ImageInaccessible', when: inaccessible },
  // Docker Hub's limit on Azure's shared addresses shows so (documented); so does a firewall elsewhere.
  { code: 'RegistryRateLimited', when: all(coded('RegistryErrorResponse'), dockerHub), but: uncertain },
  { code: 'RegistryUnavailable', when: coded('RegistryErrorResponse'), but: uncertain },
  {
    code: 'CredentialMalformed',
    when: any(
      coded('InvalidImageRegistryPassword', 'InvalidImageRegistryUsername'),
      quotes(/The (?:password|username) in the 'imageRegistryCredentials'.*cannot be empty/),
    ),
  },
  {
    code: 'InvalidRegistryServer',
    when: any(
      coded('InvalidImageRegistryServer'),
      quotes(/The server '.*' in the 'imageRegistryCredentials'|Required property 'server' not found/),
    ),
  },
  {
    code: 'TooManyCredentials',
    when: any(
      coded('MoreImageRegistryCredentialsThanContainers'),
      quotes(/More image registry credentials provided than/),
    ),
  },
  {
    code: 'IdentityNotUsableForPull',
    when: any(
      coded('InvalidImageRegistryCredentialType', 'IdentityNotSupportedOnWindows'),
      quotes(
        /Identity in 'imageRegistryCredentials'.*is not supported|Managed service identity is not supported/,
      ),
    ),
  },
  {
    code: 'AmbiguousCredential',
    when: any(
      coded('AmbiguousImageResitryCredentialType', 'AmbiguousImageRegistryCredentialType'),
      quotes(/exactly one of username or identity/),
    ),
  },
  {
    code: 'IdentityNotAttached',
    when: any(coded('InvalidImageRegistryIdentity'), quotes(/not found in container group identity list/)),
  },
  {
    code: 'IdentityNotFound',
    when: all(coded('FailedIdentityOperation'), quotes(/not found|does not exist/i)),
  },
];

const lacksRight = any(
  coded('LinkedAuthorizationFailed', 'AuthorizationFailed'),
  quotes(/does not have (?:permission|authorization) to perform action/),
);

const rights: readonly Rule[] = [
  { code: 'SubnetJoinDenied', when: all(lacksRight, quotes(/subnets\/join/)) },
  { code: 'IdentityAssignDenied', when: all(lacksRight, quotes(/userAssignedIdentities\/assign/)) },
  {
    code: 'AuthorizationFailed',
    when: any(
      lacksRight,
      all(
        from('arm'),
        any(
          coded('AuthenticationFailed', 'InvalidAuthenticationToken\\w*', 'ExpiredAuthenticationToken'),
          status(401),
          all(status(403), ({ code }) => code === '' || code === 'Forbidden'),
        ),
      ),
    ),
  },
];

const limits: readonly Rule[] = [
  {
    code: 'QuotaExceeded',
    when: any(
      coded('ContainerGroupQuotaReached', 'QuotaExceeded', 'QuotaReached'),
      // Registries have quotas too.
      all(
        not(says(/toomanyrequests|too many requests/)),
        quotes(/\bquota\b[^.]*\bexceeded|\bexceed\w*\b[^.]*\bquota/),
      ),
    ),
  },
  {
    code: 'GroupTransitioning',
    when: any(
      coded('ContainerGroupTransitioning', 'AnotherOperationInProgress'),
      quotes(/is still transitioning/),
    ),
  },
  {
    code: 'RequiresReplacement',
    when: any(
      coded('InvalidContainerGroupUpdate'),
      quotes(/The updates on container group '[^']*' are invalid|you must delete it first/),
    ),
  },
  {
    code: 'DnsNameLabelTaken',
    when: any(
      coded('DnsNameLabelAlreadyTaken', 'DnsNameLabelNotAvailable', 'DnsRecordInUse'),
      quotes(/DNS name label '[^']*'.*(?:not available|already taken|in use)/i),
    ),
  },
  {
    code: 'PlatformMismatch',
    when: any(coded('ImageOsTypeNotMatchContainerGroup'), quotes(/doesn't support specified OS/)),
  },
  {
    code: 'OsNotSupported',
    when: any(
      coded('OsVersionNotSupported', 'InvalidOsType'),
      quotes(
        /OS version of image '[^']*' is not supported|The 'osType' for container group '[^']*' is invalid/,
      ),
    ),
  },
  // What is asked for cannot be had as spot anywhere; an eviction is the platform's.
  {
    code: 'SpotUnavailable',
    when: any(coded('SpotPriority\\w+', 'PriorityNotSpecified'), quotes(/spot priority/i)),
    but: { owner: 'caller' },
  },
  { code: 'SpotUnavailable', when: quotes(/\bspot\b.*\b(?:evict|preempt|not available|unavailable)/i) },
  {
    code: 'ArmThrottled',
    when: all(
      from('arm'),
      any(
        status(429),
        coded('SubscriptionRequestsThrottled', 'OperationNotAllowedThrottled'),
        // Registries say the same word.
        all(coded('TooManyRequests'), not(quotes(/toomanyrequests: |\bpull/))),
      ),
    ),
  },
  {
    code: 'RegionCapacity',
    when: any(
      quotes(
        /is not available in the location '[^']*' at this moment|Insufficient\s?Capacity|sufficient capacity/,
      ),
      coded('SkuNotAvailable', '\\w*AllocationFailed', 'Overconstrained\\w*AllocationRequest'),
      all(from('arm'), coded('ServiceUnavailable'), not(status(500, 502, 503, 504))),
    ),
  },
  {
    code: 'ArmUnavailable',
    when: all(
      from('arm'),
      any(
        status(500, 502, 503, 504),
        coded('InternalServerError', 'ServerTimeout', 'GatewayTimeout'),
        // What an operation says of the network is not ours, nor Resource Manager's.
        all(
          noStatus,
          not(coded('Failed')),
          says(/ECONN|ENOTFOUND|ETIMEDOUT|EAI_AGAIN|ECIRCUITOPEN|ERETRYBUDGET|UND_ERR|socket hang up/),
        ),
      ),
    ),
  },
];

function noStatus(signs: Signs): boolean {
  return signs.status === undefined;
}

const vault: readonly Rule[] = [
  { code: 'CredentialExpired', when: says(/expired secret|secret.*\bexpired\b/i) },
  { code: 'CredentialNotYetValid', when: says(/not yet valid|before its? (?:nbf|activation)/i) },
  {
    code: 'CredentialDisabled',
    when: any(coded('SecretDisabled'), says(/disabled secret|secret.*disabled/i)),
  },
  { code: 'SecretNotFound', when: any(status(404), coded('SecretNotFound')) },
  { code: 'VaultAccessDenied', when: status(401, 403) },
  { code: 'VaultUnavailable', when: () => true },
].map(({ code, when }) => ({ code, when: all(from('vault'), when) }) as Rule);

export const azureRules: readonly Rule[] = [...resourceManager, ...rights, ...limits, ...vault];

/** What says only that something went wrong, or took too long: everything else explains better. */
export const lateRules: readonly Rule[] = [
  {
    code: 'ProvisioningTimeout',
    when: says(
      /did(?:n't| not) reach a successful provisioning state|allowed timeout period|provisioning timed out/i,
    ),
  },
  // The node was not ready: Azure's own affair, and over in minutes.
  { code: 'Unknown', when: says(/CriContainerActivator/), but: { retryable: true } },
  {
    code: 'ImageInaccessible',
    when: all(
      not(from('registry')),
      says(
        /Back-off pulling image|Failed to (?:pull|inspect) image|ErrImagePull|ImagePullBackOff|ImageInspectError/,
      ),
    ),
  },
];
