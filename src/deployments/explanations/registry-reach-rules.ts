import { addressRefusedCode } from '../../hosts.ts';
import { atStep, network, registryStatus, told } from './registry-signs.ts';
import { all, any, not, problem, quotes, type Rule, says, uncertain } from './rule.ts';

/**
 * Names, and how far one comes with them. The narrow before the wide: a firewall also says "denied", a missing platform
 * also "not found".
 */
export const reachRules: readonly Rule[] = [
  { code: 'UppercaseRepository', when: says(/must be lowercase/) },
  {
    code: 'InvalidImageReference',
    when: says(
      /invalid reference format|couldn't parse image (?:reference|name)|InvalidImageName|\b(?:NAME|TAG|DIGEST)_INVALID\b|invalid (?:repository|tag) name/,
    ),
  },
  {
    code: 'RegistryNetworkDenied',
    when: any(
      says(/client with IP|<Code>AuthorizationFailure|not allowed access|public network access/i),
      quotes(/aka\.ms\/acr\/firewall/),
    ),
  },
  // The registry's network rules, says its documentation of this text.
  { code: 'RegistryNetworkDenied', when: says(/login attempt failed with status: 403/), but: uncertain },
  // A certificate expires like a token, and may be that of who issues tokens.
  {
    code: 'RegistryTlsError',
    when: any(
      says(
        /x509:|\btls: |certificate (?:has|is|verify|signed|chain|problem)|verify the first certificate|altnames|HTTP response to HTTPS client/,
      ),
      network(
        /CERT_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED|ERR_TLS_(?!HANDSHAKE_TIMEOUT)|ERR_SSL|HOSTNAME_MISMATCH|INVALID_(?:CA|PURPOSE)|EPROTO/,
      ),
    ),
  },
  { code: 'CredentialMalformed', when: says(/X-Registry-Auth|illegal base64|no username present/) },
  { code: 'RegistryAdminDisabled', when: says(/admin user is disabled/i) },
  {
    code: 'CredentialExpired',
    when: says(
      /\b(?:token|password|secret|keys?|credentials?|account)\b[^.;]*\bexpired\b|expired (?:token|credential)|AADSTS7000222/,
    ),
  },
  {
    code: 'RegistryRateLimited',
    when: any(
      says(/toomanyrequests|too many requests|rate limit|rate exceeded|QPS exceeded/),
      registryStatus(429),
    ),
  },
  // Slipway's own rule, which its policy can widen.
  {
    code: 'RegistryUnreachable',
    when: problem(({ networkCode }) => networkCode === addressRefusedCode),
    but: { owner: 'platform', retryable: false },
  },
  {
    code: 'RegistryHostNotFound',
    when: any(says(/no such host|name or service not known/), network(/ENOTFOUND|ENODATA|EAI_NO/)),
  },
  // The name service is out of order, not the registry.
  {
    code: 'RegistryUnreachable',
    when: any(
      says(/server misbehaving|temporary failure in name resolution|\blookup \S+(?: on \S+)?: /i),
      network(/EAI_(?:AGAIN|FAIL)|ESERVFAIL/),
    ),
    but: { owner: 'platform' },
  },
  // It does not speak HTTP, or says without end what should be short.
  { code: 'NotARegistry', when: network(/HPE_|ANSWER_TOO_LONG/) },
  // It is not asked now: how it answered of late is why.
  { code: 'RegistryUnavailable', when: network(/ECIRCUITOPEN|ERETRYBUDGET/) },
  {
    code: 'RegistryUnreachable',
    when: any(
      says(
        /i\/o timeout|connection (?:refused|reset|closed|lost|timed out)|deadline exceeded|TLS handshake timeout|request canceled|no route to host|(?:network|host) is unreachable|broken pipe|socket hang up|other side closed|due to timeout|connect timeout|GOAWAY|stream error|proxyconnect|\bEOF\b/,
      ),
      network(/ECONN|EHOST|ENET|ETIMEDOUT|EPIPE|UND_ERR/),
      problem(({ networkCode }) => networkCode !== undefined),
    ),
  },
  {
    code: 'PlatformMismatch',
    when: any(
      says(
        /no match for platform|no matching manifest|no image found in|no child with platform|not match the (?:specified|expected|detected host) platform|cannot be used on this platform/,
      ),
      atStep('platform'),
    ),
  },
  {
    code: 'NotARegistry',
    when: any(
      // Its tokens are not where it says.
      all(atStep('token', 'exchange'), registryStatus(404, 405, 410)),
      says(/media type [^ ]*text\/html|invalid character '<'/),
      problem(
        ({ notARegistry, foreignRealm, redirectedTo }) =>
          notARegistry === true || foreignRealm !== undefined || redirectedTo !== undefined,
      ),
      registryStatus(301, 302, 303, 307, 308),
      all(registryStatus(405), not(told(/DENIED/))),
    ),
  },
  // An engine tries without a credential after that, and tells of both.
  { code: 'ImageNotFound', when: says(/\bcode (?:= )?NotFound\b.*: not found/) },
];
