/** A form that a secret has: its name, as others that look for secrets call it, and what gives it away. */
export interface SecretRule {
  id: string;
  pattern: RegExp;
}

// Where a value is only a place for one, such as `${DB_PASSWORD}`, `$(DB_PASSWORD)`, `{{ password }}`, `<password>`, `***`.
const placeholder = String.raw`(?:\$\{[^}]*\}|\$\([^)]*\)|\$[A-Z_][A-Z0-9_]*|\{\{[^}]*\}\}|<[^>]*>|%[A-Z_]*%|%[sv]|\*+|x{3,}|\.{3})`;

const rule = (id: string, pattern: string, flags = ''): SecretRule => ({
  id,
  pattern: new RegExp(pattern, flags),
});

/**
 * Only forms that nothing else has: a harmless value that is refused costs its owner more than the rule is worth. Each is
 * linear in the text: what repeats is bounded, or ends at a character that it excludes.
 */
export const secretRules: readonly SecretRule[] = [
  rule('github-pat', 'gh[pousr]_[0-9A-Za-z]{36}'),
  rule('github-fine-grained-pat', String.raw`github_pat_\w{82}`),
  rule('gitlab-pat', String.raw`gl(?:pat|dt|rt|cbt|ptt|soat|ft)-[\w-]{20}`),
  rule('docker-hub-pat', String.raw`dckr_[op]at_[\w-]{27}`),
  rule('azure-ad-client-secret', String.raw`[\w~.]{3}\dQ~[\w~.-]{31,34}`),
  rule('azure-container-registry-password', String.raw`[0-9A-Za-z+/]{42}\+ACR[A-D][0-9A-Za-z+/]{5}`),
  rule('azure-devops-pat', '[0-9A-Za-z]{76}AZDO[0-9A-Za-z]{4}'),
  rule('aws', String.raw`\b(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b`),
  rule('artifactory', 'AKCp[A-Za-z0-9]{69}|cmVmd[A-Za-z0-9]{59}'),
  rule('npm', 'npm_[0-9A-Za-z]{36}'),
  rule('pypi', String.raw`pypi-AgEIcHlwaS5vcmc[\w-]{50}`),
  rule('slack', 'xox[abeprs]-[0-9A-Za-z-]{10,}'),
  rule('google-api-key', String.raw`AIza[\w-]{35}`),
  rule('stripe', '[rs]k_(?:live|test)_[0-9A-Za-z]{16}'),
  // From the first dot, back and forth: begun at every `ey` it would be quadratic.
  rule('jwt', String.raw`\.(?<=ey[\w-]{10,}\.)ey[\w-]{10,}\.[\w-]{10}`),
  rule('private-key', '-----BEGIN (?:[A-Z0-9]{1,16} ){0,4}PRIVATE KEY(?: BLOCK)?-----'),
  rule('azure-account-key', String.raw`AccountKey\s{0,8}=\s{0,8}[A-Za-z0-9+/]{86}==`, 'i'),
  rule(
    'azure-shared-access-key',
    String.raw`SharedAccessKey\s{0,8}=\s{0,8}(?!${placeholder})[^;\s"']{8}`,
    'i',
  ),
  rule('azure-sas', '[?&;]sig=[A-Za-z0-9%+/=_-]{40}', 'i'),
  rule('url-userinfo', String.raw`://[^/\s:@?#]{0,64}:(?!\d{0,5}[?#])(?!${placeholder}@)[^/\s@]{1,128}@`),
  rule(
    'docker-config-auth',
    String.raw`"auths"\s{0,8}:\s{0,8}\{[^{}]{0,512}\{[^{}]{0,512}"(?:auth|identitytoken)"\s{0,8}:\s{0,8}"[^"]{8}`,
  ),
  rule(
    'docker-config-auth',
    String.raw`"auth"\s{0,8}:\s{0,8}"(?=[A-Za-z+/]{0,512}[0-9=])[A-Za-z0-9+/]{16,2048}={0,2}"`,
  ),
  rule('basic-authorization', String.raw`\bBasic\s{1,8}(?=[A-Za-z+/]{0,512}[0-9=])[A-Za-z0-9+/]{16}`, 'i'),
  rule(
    'connection-string-password',
    String.raw`(?:^|[;?&])\s{0,8}(?:password|pwd)\s{0,8}=\s{0,8}(?!${placeholder}(?:[;&\s]|$))[^;&\s]`,
    'i',
  ),
];
