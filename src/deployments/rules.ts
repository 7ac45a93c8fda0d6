import type { FailureCode, Owner } from '../failures.ts';
import type { RegistryProblem } from '../registry/client.ts';
import type { Observation, Signs } from './observation.ts';

export interface Rule {
  code: FailureCode;
  when: (signs: Signs) => boolean;
  /** Where this sign says otherwise than the code's own entry in the table of failures. */
  but?: { owner?: Owner; retryable?: boolean; confidence?: 'high' | 'low' };
}

const says =
  (pattern: RegExp) =>
  ({ text }: Signs) =>
    pattern.test(text);
const coded =
  (...codes: string[]) =>
  ({ code, text }: Signs) =>
    codes.some(wanted => code === wanted || text.includes(`'${wanted}'`) || text.includes(`"${wanted}"`));
const all =
  (...conditions: Rule['when'][]) =>
  (signs: Signs) =>
    conditions.every(condition => condition(signs));
const any =
  (...conditions: Rule['when'][]) =>
  (signs: Signs) =>
    conditions.some(condition => condition(signs));
const withCredential = ({ credential }: Signs) => credential !== 'none';
const withIdentity = ({ credential }: Signs) => credential === 'identity';
const withoutCredential = ({ credential }: Signs) => credential === 'none';
const from =
  (...kinds: Observation['kind'][]) =>
  ({ observation }: Signs) =>
    kinds.includes(observation.kind);
const problem =
  (test: (problem: RegistryProblem) => boolean) =>
  ({ observation }: Signs) =>
    observation.kind === 'registry' && test(observation.problem);
const status =
  (...statuses: number[]) =>
  (signs: Signs) =>
    signs.status !== undefined && statuses.includes(signs.status);
const exits =
  (test: (code: number) => boolean) =>
  ({ observation }: Signs) =>
    (observation.kind === 'container' || observation.kind === 'event') &&
    typeof observation.exitCode === 'number' &&
    test(observation.exitCode);

const inaccessible = any(coded('InaccessibleImage'), says(/is not accessible\. Please check the image/));
const namesImage =
  (pattern: RegExp) =>
  ({ text, image }: Signs) =>
    pattern.test(/The image '([^']*)'/.exec(text)?.[1] ?? image ?? '');
const dockerHub = /index\.docker\.io|registry-1\.docker\.io/;
const networkCodes = (...codes: string[]) =>
  problem(({ networkCode = '' }) => codes.some(code => networkCode.startsWith(code)));

/** Platform exits: the container was stopped by Azure's own maintenance (documented). */
const maintenance = exits(code => code === 7147 || code === 7148);

/**
 * In this order: what is certain by its code first, then the texts, the narrow before the wide (a firewall also says
 * "denied", a platform also "not found").
 */
export const rules: readonly Rule[] = [
  // Azure Resource Manager, by its own codes.
  { code: 'InvalidImageReference', when: all(inaccessible, namesImage(/:\/\//)) },
  { code: 'UppercaseRepository', when: all(inaccessible, namesImage(/\/[^:@]*[A-Z]/)) },
  { code: 'ImageInaccessible', when: inaccessible },
  {
    code: 'RegistryRateLimited',
    when: all(coded('RegistryErrorResponse'), says(dockerHub)),
    but: { confidence: 'low' },
  },
  { code: 'RegistryUnavailable', when: coded('RegistryErrorResponse'), but: { confidence: 'low' } },
  {
    code: 'CredentialMalformed',
    when: any(
      coded('InvalidImageRegistryPassword'),
      says(/The (?:password|username) in the 'imageRegistryCredentials'.*cannot be empty/),
    ),
  },
  {
    code: 'InvalidRegistryServer',
    when: any(
      coded('InvalidImageRegistryServer'),
      says(/The server '.*' in the 'imageRegistryCredentials'|Required property 'server' not found/),
    ),
  },
  { code: 'TooManyCredentials', when: coded('MoreImageRegistryCredentialsThanContainers') },
  {
    code: 'IdentityNotUsableForPull',
    when: coded('InvalidImageRegistryCredentialType', 'IdentityNotSupportedOnWindows'),
  },
  {
    code: 'AmbiguousCredential',
    when: any(coded('AmbiguousImageResitryCredentialType', 'AmbiguousImageRegistryCredentialType')),
  },
  { code: 'IdentityNotAttached', when: coded('InvalidImageRegistryIdentity') },
  { code: 'SubnetJoinDenied', when: all(coded('LinkedAuthorizationFailed'), says(/subnets\/join/)) },
  {
    code: 'IdentityAssignDenied',
    when: all(coded('LinkedAuthorizationFailed'), says(/userAssignedIdentities\/assign/)),
  },
  {
    code: 'AuthorizationFailed',
    when: all(from('arm'), coded('AuthorizationFailed', 'LinkedAuthorizationFailed', 'AuthenticationFailed')),
  },
  {
    code: 'QuotaExceeded',
    when: any(coded('ContainerGroupQuotaReached'), says(/container group quota '[^']*' exceeded/)),
  },
  {
    code: 'GroupTransitioning',
    when: any(coded('ContainerGroupTransitioning'), says(/is still transitioning/)),
  },
  {
    code: 'RequiresReplacement',
    when: any(coded('InvalidContainerGroupUpdate'), says(/The updates on container group/)),
  },
  {
    code: 'DnsNameLabelTaken',
    when: any(coded('DnsNameLabelAlreadyTaken'), says(/DNS name label '[^']*'.*not available/)),
  },
  {
    code: 'PlatformMismatch',
    when: any(coded('ImageOsTypeNotMatchContainerGroup'), says(/doesn't support specified OS/)),
  },
  { code: 'OsNotSupported', when: coded('OsVersionNotSupported') },
  { code: 'SpotUnavailable', when: says(/Spot Priority/i), but: { owner: 'caller' } },
  {
    code: 'ArmThrottled',
    when: all(from('arm'), any(status(429), coded('TooManyRequests', 'SubscriptionRequestsThrottled'))),
  },
  { code: 'RegionCapacity', when: says(/is not available in the location|InsufficientCapacity/) },
  {
    code: 'ArmUnavailable',
    when: all(from('arm'), any(status(500, 502, 503, 504), coded('InternalServerError'))),
  },

  // Key Vault.
  { code: 'SecretNotFound', when: all(from('vault'), any(status(404), coded('SecretNotFound'))) },
  { code: 'CredentialDisabled', when: all(from('vault'), any(coded('SecretDisabled'), says(/disabled/i))) },
  { code: 'VaultAccessDenied', when: all(from('vault'), status(401, 403)) },
  { code: 'VaultUnavailable', when: from('vault') },

  // Containers.
  { code: 'Unknown', when: maintenance, but: { retryable: true } },
  { code: 'Unknown', when: says(/CriContainerActivator/), but: { retryable: true } },
  {
    code: 'ContainerOutOfMemory',
    when: any(
      says(/OOMKilled|out of memory/i),
      all(
        from('container'),
        exits(code => code === 137),
      ),
    ),
  },
  { code: 'ProbeFailed', when: says(/(?:liveness|readiness|startup) probe failed/i) },
  { code: 'MountFailed', when: says(/FailedMount|mount error|Failed to mount/i) },
  {
    code: 'ContainerCrashed',
    when: any(
      from('container'),
      says(
        /Back-off restarting failed|CrashLoopBackOff|Failed to start container|failed to create shim task/i,
      ),
    ),
  },

  // Registries, found by us or told by ACI: one set of rules for both.
  { code: 'UppercaseRepository', when: says(/must be lowercase/) },
  { code: 'InvalidImageReference', when: says(/invalid reference format|couldn't parse image reference/) },
  { code: 'RegistryNetworkDenied', when: says(/client with IP|AuthorizationFailure|not allowed access/) },
  { code: 'RegistryAdminDisabled', when: says(/admin user is disabled/i) },
  { code: 'CredentialExpired', when: says(/token has expired/i) },
  {
    code: 'RegistryRateLimited',
    when: any(says(/toomanyrequests|too many requests|rate limit/i), all(from('registry'), status(429))),
  },
  { code: 'RegistryHostNotFound', when: any(says(/no such host/), networkCodes('ENOTFOUND')) },
  {
    code: 'RegistryUnreachable',
    when: any(says(/server misbehaving|Try again/), networkCodes('EAI_AGAIN')),
    but: { owner: 'platform' },
  },
  {
    code: 'RegistryTlsError',
    when: any(
      says(/x509:|certificate|tls: /i),
      networkCodes('CERT_', 'UNABLE_TO_', 'DEPTH_ZERO', 'SELF_SIGNED', 'ERR_TLS', 'ERR_SSL'),
    ),
  },
  {
    code: 'RegistryUnreachable',
    when: any(
      says(
        /i\/o timeout|connection refused|deadline exceeded|TLS handshake timeout|: EOF|network is unreachable/,
      ),
      problem(({ networkCode }) => networkCode !== undefined),
    ),
  },
  {
    code: 'PlatformMismatch',
    when: any(
      says(/no match for platform|no matching manifest|no image found in manifest list/),
      problem(({ step }) => step === 'platform'),
    ),
  },
  {
    code: 'NotARegistry',
    when: any(
      says(/unexpected media type text\/html|invalid character '<'/),
      problem(({ notARegistry, foreignRealm }) => notARegistry === true || foreignRealm !== undefined),
    ),
  },
  {
    code: 'ProvisioningTimeout',
    when: says(/didn't reach a successful provisioning state|allowed timeout period|platform initiated/),
  },
  { code: 'CredentialMalformed', when: says(/X-Registry-Auth/) },
  {
    code: 'RegistryCredentialMissing',
    when: any(
      all(says(/no basic auth credentials/), withoutCredential),
      all(says(/anonymous token/), says(/401/)),
    ),
  },
  {
    code: 'RegistryNetworkDenied',
    when: all(says(/anonymous token/), says(/403/)),
    but: { confidence: 'low' },
  },
  {
    code: 'RepositoryNotFoundOrDenied',
    when: any(
      says(/pull access denied|or it may not exist/),
      all(withoutCredential, says(/requested access to the resource is denied/)),
    ),
  },
  {
    code: 'RegistryAccessDenied',
    when: says(
      /unauthorized to access repository|access forbidden|access to the requested resource is not authorized|requested access to the resource is denied/,
    ),
  },
  {
    code: 'IdentityMissingPullRole',
    when: all(withIdentity, from('registry'), status(401, 403)),
    but: { confidence: 'low' },
  },
  { code: 'RegistryAccessDenied', when: says(/insufficient_scope/) },
  {
    code: 'RegistryAuthenticationFailed',
    when: all(
      withCredential,
      any(
        says(/denied: denied|DENIED denied/),
        problem(({ step, status: seen }) => (step === 'token' || step === 'exchange') && seen === 403),
      ),
    ),
    but: { confidence: 'low' },
  },
  {
    code: 'RegistryAuthenticationFailed',
    when: all(says(/ERROR-400/), withCredential),
    but: { confidence: 'low' },
  },
  {
    code: 'RegistryCredentialMissing',
    when: all(
      withoutCredential,
      any(says(/unauthorized|authentication required|UNAUTHORIZED/), all(from('registry'), status(401))),
    ),
  },
  {
    code: 'RegistryAuthenticationFailed',
    when: any(
      says(/unauthorized|oauth token|incorrect username or password|not registered with AAD|no basic auth/i),
      all(from('registry'), status(401)),
    ),
  },
  {
    code: 'RegistryAccessDenied',
    when: any(says(/403 Forbidden/), all(from('registry'), status(403))),
    but: { confidence: 'low' },
  },
  {
    code: 'ImageNotFound',
    when: any(
      says(/manifest unknown|MANIFEST_UNKNOWN|name unknown|NAME_UNKNOWN|not found/),
      all(from('registry'), status(404)),
    ),
  },
  {
    code: 'RegistryUnavailable',
    when: any(
      says(/50[0234] (?:Internal|Bad|Service|Gateway)|unexpected HTTP status: 5/),
      all(from('registry'), ({ status: seen = 0 }) => seen >= 500),
    ),
  },
  { code: 'ImageInaccessible', when: says(/Back-off pulling image|Failed to pull image/) },
];
