import {
  anonymous,
  atStep,
  atTokenService,
  azure,
  barelyDenied,
  deniedAccess,
  dockerHub,
  forbidden,
  mayNotPull,
  registryStatus,
  unauthorized,
} from './registry-signs.ts';
import {
  all,
  any,
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

/** Who signs in how, and what that opens. */
export const signInRules: readonly Rule[] = [
  {
    code: 'IdentityNotUsableForPull',
    when: all(
      atStep('exchange'),
      problem(({ signedIn }) => !signedIn),
    ),
  },
  // Whoever asks: the image may not be had, by a rule of the registry's or for want of a contract.
  {
    code: 'RegistryAccessDenied',
    when: any(registryStatus(402, 412, 451), says(/(?:configured|blocking) policy|is disallowed/)),
    but: uncertain,
  },
  // The engine had no credential for this host, whatever is configured for another.
  { code: 'RegistryCredentialMissing', when: says(/no basic auth credentials/) },
  { code: 'RegistryCredentialMissing', when: all(anonymous, unauthorized) },
  { code: 'RegistryNetworkDenied', when: all(anonymous, forbidden, azure), but: uncertain },
  { code: 'RegistryCredentialMissing', when: all(anonymous, forbidden), but: uncertain },
  {
    code: 'RepositoryNotFoundOrDenied',
    when: any(
      says(/pull access denied|or (?:it|the resource) may not exist/),
      all(dockerHub, says(deniedAccess)),
      all(withoutCredential, not(atTokenService), says(deniedAccess)),
      all(dockerHub, says(/insufficient_scope/)),
    ),
  },
  {
    code: 'IdentityMissingPullRole',
    when: all(withIdentity, any(mayNotPull, unauthorized, forbidden, barelyDenied, says(/\bdenied: /))),
    but: uncertain,
  },
  { code: 'RegistryCredentialMissing', when: all(withoutCredential, mayNotPull), but: uncertain },
  // A token service says the same to a wrong password and to one without right.
  {
    code: 'RegistryAccessDenied',
    when: all(atStep('token'), forbidden, mayNotPull),
    but: uncertain,
  },
  { code: 'RegistryAccessDenied', when: mayNotPull },
  {
    code: 'RegistryAccessDenied',
    when: all(withCredential, forbidden, quotes(/\/jwt\/auth/)),
    but: uncertain,
  },
  {
    code: 'RegistryAuthenticationFailed',
    when: says(
      /incorrect username or password|invalid username\/password|not registered with AAD|cannot be authenticated with the token|AADSTS7000215|bad credentials/,
    ),
  },
  // OAuth's own words.
  {
    code: 'RegistryAuthenticationFailed',
    when: all(withCredential, atTokenService, says(/\binvalid_(?:grant|client|token)\b|unauthorized_client/)),
  },
  // Some say no more than that to a token that is wrong, has expired, or opens something else.
  {
    code: 'RegistryAuthenticationFailed',
    when: all(
      withCredential,
      any(
        barelyDenied,
        says(/ERROR-400|user_id not found in jwt/),
        all(atTokenService, forbidden),
        all(from('registry'), status(400), says(/unauthorized/i)),
      ),
    ),
    but: uncertain,
  },
  {
    code: 'RegistryCredentialMissing',
    when: all(withoutCredential, not(unauthorized), any(forbidden, barelyDenied, says(/ERROR-400/))),
    but: uncertain,
  },
  { code: 'RegistryCredentialMissing', when: all(withoutCredential, unauthorized) },
  { code: 'RegistryAuthenticationFailed', when: any(unauthorized, says(/oauth token/i)) },
  { code: 'RegistryAccessDenied', when: any(forbidden, says(/\bdenied: /)), but: uncertain },
];
