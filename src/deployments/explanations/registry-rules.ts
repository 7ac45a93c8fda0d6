import { addressRefusedCode } from '../../hosts.ts';
import type { RegistryProblem } from '../../registry/client.ts';
import type { Signs } from '../observation.ts';
import {
  all,
  any,
  type Condition,
  from,
  not,
  problem,
  quotes,
  type Rule,
  says,
  status,
  uncertain,
  withCredential,
  withIdentity,
  withoutCredential,
} from './rule.ts';

const registryStatus = (...statuses: number[]) => all(from('registry'), status(...statuses));
const network = (...codes: string[]) =>
  problem(({ networkCode = '' }) => codes.some(code => networkCode.startsWith(code)));
const atStep = (...steps: RegistryProblem['step'][]) => problem(({ step }) => steps.includes(step));
const at =
  (host: RegExp): Condition =>
  ({ registry = '' }: Signs) =>
    host.test(registry);
const dockerHub = at(/^(?:registry-1\.)?docker\.io$/);
const azure = any(at(/\.azurecr\./), quotes(/\.azurecr\./));

/** The narrow before the wide: a firewall also says "denied", a missing platform also "not found". */
const places: readonly Rule[] = [
  { code: 'UppercaseRepository', when: says(/must be lowercase/) },
  {
    code: 'InvalidImageReference',
    when: says(/invalid reference format|couldn't parse image (?:reference|name)|InvalidImageName/),
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
  { code: 'RegistryAdminDisabled', when: says(/admin user is disabled/i) },
  {
    code: 'CredentialExpired',
    when: says(
      /(?:token|password|secret|keys?)\b[^.;]*\b(?:has|have|is|are|was) expired|expired token|AADSTS7000222/i,
    ),
  },
  {
    code: 'RegistryRateLimited',
    when: any(says(/toomanyrequests|too many requests|rate limit|pull QPS exceeded/i), registryStatus(429)),
  },
  // Slipway's own rule, which its policy can widen.
  {
    code: 'RegistryUnreachable',
    when: network(addressRefusedCode),
    but: { owner: 'platform', retryable: false },
  },
  {
    code: 'RegistryHostNotFound',
    when: any(says(/no such host|name or service not known/i), network('ENOTFOUND')),
  },
  // The name service is out of order, not the registry.
  {
    code: 'RegistryUnreachable',
    when: any(
      says(/server misbehaving|temporary failure in name resolution|\blookup \S+(?: on \S+)?: /i),
      network('EAI_AGAIN'),
    ),
    but: { owner: 'platform' },
  },
  {
    code: 'RegistryTlsError',
    when: any(
      says(/x509:|\btls: |certificate (?:has|is|verify|signed|chain)|HTTP response to HTTPS client/i),
      network('CERT_', 'UNABLE_TO_', 'DEPTH_ZERO', 'SELF_SIGNED', 'ERR_TLS', 'ERR_SSL', 'HOSTNAME_MISMATCH'),
    ),
  },
  {
    code: 'RegistryUnreachable',
    when: any(
      says(
        /i\/o timeout|connection (?:refused|reset|timed out)|deadline exceeded|TLS handshake timeout|request canceled|no route to host|(?:network|host) is unreachable|(?<!unexpected )\bEOF\b/i,
      ),
      problem(({ networkCode }) => networkCode !== undefined),
    ),
  },
  {
    code: 'PlatformMismatch',
    when: any(
      says(
        /no match for platform|no matching manifest|no image found in manifest list|not match the (?:specified|expected) platform/i,
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
    ),
  },
];

const atTokenService = any(
  says(/\[token service\]|bearer token|(?:oauth|anonymous|auth) token/i),
  atStep('token', 'exchange'),
);
const forbidden = any(says(/\b403\b|Forbidden/), registryStatus(403));
const unauthorized = any(says(/unauthorized|authentication required|\b401\b/i), registryStatus(401));
const anonymous = says(/anonymous token/i);
const mayNotPull = says(
  /unauthorized to access repository|access forbidden|access to the requested resource is not authorized|requested access to the resource is denied|insufficient_scope/,
);

/** Who signs in how, and what that opens. */
const signIn: readonly Rule[] = [
  { code: 'CredentialMalformed', when: says(/X-Registry-Auth|illegal base64/) },
  {
    code: 'IdentityNotUsableForPull',
    when: all(
      atStep('exchange'),
      problem(({ signedIn }) => !signedIn),
    ),
  },
  // The engine had no credential for this host, whatever is configured for another.
  { code: 'RegistryCredentialMissing', when: says(/no basic auth credentials/) },
  { code: 'RegistryCredentialMissing', when: all(anonymous, unauthorized) },
  { code: 'RegistryNetworkDenied', when: all(anonymous, forbidden, azure), but: uncertain },
  { code: 'RegistryCredentialMissing', when: all(anonymous, forbidden), but: uncertain },
  {
    code: 'RepositoryNotFoundOrDenied',
    when: any(
      says(/pull access denied|or it may not exist/),
      all(any(withoutCredential, dockerHub), says(/requested access to the resource is denied/)),
      all(dockerHub, says(/insufficient_scope/)),
    ),
  },
  {
    code: 'IdentityMissingPullRole',
    when: all(withIdentity, any(mayNotPull, unauthorized, forbidden, says(/\bdenied: |\bDENIED\b/))),
    but: uncertain,
  },
  { code: 'RegistryCredentialMissing', when: all(withoutCredential, mayNotPull), but: uncertain },
  // GitLab's token service says the same to a wrong token and to one without right.
  { code: 'RegistryAccessDenied', when: all(atStep('token'), says(/access forbidden/)), but: uncertain },
  { code: 'RegistryAccessDenied', when: mayNotPull },
  {
    code: 'RegistryAccessDenied',
    when: all(withCredential, forbidden, quotes(/\/jwt\/auth/)),
    but: uncertain,
  },
  {
    code: 'RegistryAuthenticationFailed',
    when: says(
      /incorrect username or password|invalid username\/password|not registered with AAD|cannot be authenticated with the token|AADSTS7000215|bad credentials/i,
    ),
  },
  // Some say no more than that to a token that is wrong, has expired, or opens something else.
  {
    code: 'RegistryAuthenticationFailed',
    when: all(
      withCredential,
      any(
        says(/denied: denied|DENIED denied/),
        says(/ERROR-400|user_id not found in jwt/),
        all(atTokenService, forbidden),
        all(from('registry'), status(400), says(/unauthorized/i)),
      ),
    ),
    but: uncertain,
  },
  {
    code: 'RegistryCredentialMissing',
    when: all(
      withoutCredential,
      not(unauthorized),
      any(forbidden, says(/denied: denied|DENIED denied|ERROR-400/)),
    ),
    but: uncertain,
  },
  { code: 'RegistryCredentialMissing', when: all(withoutCredential, unauthorized) },
  { code: 'RegistryAuthenticationFailed', when: any(unauthorized, says(/oauth token/i)) },
  { code: 'RegistryAccessDenied', when: any(forbidden, says(/\bdenied: /)), but: uncertain },
];

/** Resource Manager misses things of its own. */
const aboutImage = any(not(from('arm')), says(/\bimages?\b|\bpull|manifest|repositor/i));

const answers: readonly Rule[] = [
  {
    code: 'ImageNotFound',
    when: any(
      says(/manifest unknown|MANIFEST_UNKNOWN|name unknown|NAME_UNKNOWN|not known to registry/),
      all(aboutImage, says(/not found/i)),
      registryStatus(404),
    ),
  },
  {
    code: 'RegistryUnavailable',
    when: any(
      says(
        /\b5\d\d\b \(?(?:Internal|Bad Gateway|Service|Gateway)|unexpected (?:HTTP )?status(?: code)?:? 5/i,
      ),
      all(from('registry'), ({ status: seen = 0 }) => seen >= 500),
    ),
  },
];

/** Registries, found by us or told by ACI: one set of rules for both. */
export const registryRules: readonly Rule[] = [...places, ...signIn, ...answers].map(rule => ({
  ...rule,
  when: all(not(from('container', 'vault')), rule.when),
}));
