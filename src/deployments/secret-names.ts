// Words that say what the value is, at their end: `dbPassword`, `GITHUBTOKEN`, `CONNECTION_STRING`.
const secretWord =
  /(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|CONNECTIONSTRING|CONNSTR|(?:API|ACCESS|ACCOUNT|SHARED|SECRET|PRIVATE|MASTER|STORAGE)KEY)S?$/;
const secretWhole = new Set(['PASS', 'PWD', 'SAS', 'AUTHORIZATION']);
// Keys that open nothing.
const openKeys = new Set(
  'PUBLIC PUBLISHABLE SITE PARTITION SORT SHARD ROUTING CACHE LOOKUP FOREIGN GROUP MESSAGE IDEMPOTENCY HOT'.split(
    ' ',
  ),
);
// What is said about a secret is none: `TOKEN_ENDPOINT`, `PASSWORD_FILE`, `SECRET_NAME`.
const aboutIt = new Set(
  'FILE PATH DIR DIRECTORY URL URI ENDPOINT HOST SERVER PORT SERVICE NAME NAMES USERNAME USER ID IDS ARN REF TTL TYPE KIND LENGTH SIZE COUNT LIMIT BUDGET MAX MIN LIFETIME EXPIRY EXPIRES EXPIRATION VALIDITY TIMEOUT INTERVAL SECONDS MINUTES HOURS DAYS AGE ALGORITHM ALG ISSUER AUDIENCE HEADER PREFIX SUFFIX FORMAT VERSION ENABLED DISABLED REQUIRED ALLOWED POLICY MODE SCOPE SCOPES PROVIDER PROVIDERS STORE CACHE BACKEND MANAGER ENGINE CLASS SOURCE PLUGIN DRIVER STRATEGY LOCATION MOUNT REGION VAULT FIELD COLUMN ROTATION ROLE NAMESPACE PARALLELISM MODEL REGEX PATTERN'.split(
    ' ',
  ),
);
const shellsOwn = new Set(['PWD', 'OLDPWD']);

/** Whether a name says that its value is a secret, such as `DB_PASSWORD`, `api-token` or `ConnectionStrings__Default`. */
export function isSecretName(name: string): boolean {
  if (shellsOwn.has(name)) return false;
  const words = wordsOf(name);
  const last = words.at(-1) ?? '';
  if (aboutIt.has(last)) return false;
  return (
    words.some(word => secretWord.test(word) || secretWhole.has(word)) ||
    words.some((word, index) => word === 'CONNECTION' && /^STRINGS?$/.test(words[index + 1] ?? '')) ||
    (/^KEYS?$/.test(last) && words.length > 1 && !openKeys.has(words.at(-2) ?? ''))
  );
}

/** In capitals; a number at the end counts for nothing. */
function wordsOf(name: string): string[] {
  const words = name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toUpperCase()
    .split(/[^A-Z0-9]+/)
    .map(word => word.replace(/\d+$/, ''));
  return words.filter(word => word !== '');
}

// Switches, counts, paths, addresses, references to where the secret is: no secret, whatever the name says.
const harmless = [
  /^$/,
  /^(?:true|false|yes|no|on|off|none|null|enabled|disabled|required|optional)$/i,
  /^(?:\$\{[^}]*\}|\$\([^)]*\)|\$[A-Z_][A-Z0-9_]*|\{\{[^}]*\}\}|<[^>]*>|%\w+%)$/,
  /^(?:\.{0,2}|[A-Za-z]:)(?:[/\\][\w. -]+){2,}$/,
  /^https?:\/\/[^\s@?#]+$/,
  /^@Microsoft\.KeyVault\([^)]+\)$/,
];
const number = /^\d{1,6}(?:\.\d+)?(?:ms|[smhdk%])?$/i;
const secretPart = /(?:password|pwd|key|secret|token|sig|signature)\s*=/i;

/** Whether a value can be no secret, although its name says that it is one. */
export function isHarmlessValue(name: string, value: string): boolean {
  if (harmless.some(form => form.test(value))) return true;
  const words = wordsOf(name);
  if (words.includes('CONNECTION') || /CONNECTIONSTRING|CONNSTR/.test(words.join(' ')))
    return /^[^=;]+=[^;]*;/.test(value) && !secretPart.test(value);
  return number.test(value) && !words.some(word => /^(?:.*PASS(?:WORD|WD|PHRASE)?S?|.*PWD|PIN)$/.test(word));
}
