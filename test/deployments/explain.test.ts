import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { circuitOpenCode } from '../../src/circuits.ts';
import { type ExplainContext, explain, type Observation } from '../../src/deployments/explain.ts';
import { failureKinds } from '../../src/failures.ts';
import { apiHost, createRegistryClient, type RegistryProblem } from '../../src/registry/client.ts';
import { parseReference } from '../../src/registry/reference.ts';
import { retryBudgetCode } from '../../src/retry-budget.ts';
import type { Failure } from '../../src/schemas/failure.ts';
import { Secret } from '../../src/secret.ts';
import { startHttpsHosts } from '../support/https-hosts.ts';

interface Vector {
  id: string;
  where: 'arm-error' | 'aci-event' | 'registry-response' | 'node-error';
  text?: string;
  status?: number;
  code?: string;
  message?: string;
  headers?: Record<string, string>;
  eventName?: string;
  state?: { state?: string; exitCode?: number; detailStatus?: string };
  image: string;
  credential: 'none' | 'password' | 'identity';
  expected: string;
  alternatives?: string[];
  ambiguous: boolean;
  owner: string;
  retryable: boolean;
}

const vectors: Vector[] = JSON.parse(
  readFileSync(join(import.meta.dirname, '../vectors/pull-failures.json'), 'utf8'),
);

/** What the registry client says of such an answer. */
function problemOf({ status, code, message, text, headers = {}, credential }: Vector): RegistryProblem {
  const challenge = headers['www-authenticate'] ?? '';
  const isPage = /html/.test(headers['content-type'] ?? '') || /^\s*</.test(text ?? '');
  return {
    step: 'manifest',
    host: 'registry.example',
    signedIn: credential !== 'none',
    ...(status !== undefined ? { status } : {}),
    ...(code ? { registryCode: code } : {}),
    ...(message || (text && !isPage)
      ? { registryMessage: [message ?? text, /error="(\w+)"/.exec(challenge)?.[1]].filter(Boolean).join(' ') }
      : {}),
    ...(isPage ? { notARegistry: true } : {}),
  };
}

function observationOf(vector: Vector): Observation {
  const { where, status, code, message, text, eventName, state } = vector;
  switch (where) {
    case 'arm-error':
      return {
        kind: 'arm',
        ...(status !== undefined ? { status } : {}),
        ...(code ? { code } : {}),
        message: message ?? text ?? '',
      };
    case 'aci-event':
      return {
        kind: 'event',
        ...(eventName ? { name: eventName } : {}),
        message: message ?? text ?? '',
        ...state,
      };
    case 'registry-response':
      return { kind: 'registry', problem: problemOf(vector) };
    case 'node-error':
      return { kind: 'text', text: text ?? message ?? '' };
  }
}

function contextOf({ credential, image }: Pick<Vector, 'credential' | 'image'>): ExplainContext {
  const server = 'registry.example';
  const identity =
    '/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/puller';
  return {
    stage: 'Provisioning',
    group: 'web',
    resourceGroup: 'rg',
    image,
    credential:
      credential === 'none'
        ? { kind: 'none' }
        : credential === 'identity'
          ? { kind: 'identity', id: identity, server }
          : { kind: 'secret', vault: 'kv', secretName: 'pull', secretVersion: 'abc', username: 'me', server },
  };
}

t.test('the recorded failures are explained: code, owner, retry and certainty', async t => {
  let right = 0;
  for (const vector of vectors) {
    const found = explain(observationOf(vector), contextOf(vector));
    const codes = [vector.expected, ...(vector.alternatives ?? [])];
    const same = found.code === vector.expected;
    const fits =
      codes.includes(found.code) &&
      (!same ||
        (found.owner === vector.owner &&
          found.retryable === vector.retryable &&
          (found.confidence === 'low') === vector.ambiguous));
    if (fits) right += 1;
    t.ok(
      fits,
      `${vector.id}: ${found.code} ${found.owner} ${found.retryable} ${found.confidence}, expected ${vector.expected} ${vector.owner} ${vector.retryable} ${vector.ambiguous}`,
    );
    t.ok(
      found.fixes.length > 0 && found.evidence.length > 0 && found.detail.length > 10,
      `${vector.id} has detail, evidence and a fix`,
    );
    t.equal(
      found.causes !== undefined,
      found.confidence === 'low',
      `${vector.id} lists causes where it is not certain`,
    );
  }
  t.comment(`pull failures explained ${right}/${vectors.length}`);
  t.ok(vectors.length > 100);
});

t.test("the tutorial's four texts get one explanation each, however they come to us", async t => {
  const problem = (more: Partial<RegistryProblem>): Observation => ({
    kind: 'registry',
    problem: { step: 'manifest', host: 'ghcr.io', signedIn: true, ...more },
  });
  const event = (text: string): Observation => ({
    kind: 'event',
    name: 'Failed',
    message: `Failed to pull image "ghcr.io/o/a:1": rpc error: code Unknown desc Error response from daemon: Get https://ghcr.io/v2/o/a/manifests/1: ${text}`,
  });
  const cases: [string, string, Observation, RegExp][] = [
    [
      'unauthorized: authentication required',
      'RegistryAuthenticationFailed',
      problem({ step: 'token', status: 401, registryCode: 'UNAUTHORIZED' }),
      /^az keyvault secret set --vault-name kv --name pull .*slipway-registry=ghcr\.io slipway-username=me$/,
    ],
    [
      'manifest unknown: manifest unknown',
      'ImageNotFound',
      problem({ status: 404, registryCode: 'MANIFEST_UNKNOWN' }),
      /^skopeo list-tags docker:\/\/ghcr\.io\/o\/a$/,
    ],
    [
      'dial tcp: lookup ghcr.io: no such host',
      'RegistryHostNotFound',
      problem({ step: 'connect', networkCode: 'ENOTFOUND' }),
      /^nslookup ghcr\.io$/,
    ],
    [
      'toomanyrequests: rate limit exceeded',
      'RegistryRateLimited',
      problem({ status: 429, registryCode: 'TOOMANYREQUESTS' }),
      /^az acr cache create .*--source-repo ghcr\.io\/o\/a /,
    ],
  ];
  const context: ExplainContext = {
    image: 'ghcr.io/o/a:1',
    credential: {
      kind: 'secret',
      vault: 'kv',
      secretName: 'pull',
      secretVersion: 'abc',
      username: 'me',
      server: 'ghcr.io',
    },
  };
  for (const [text, code, found, command] of cases) {
    const explanations = waysToUs(found, event(text), text).map(observation => explain(observation, context));
    for (const explanation of explanations) {
      t.equal(explanation.code, code, text);
      t.ok(
        explanation.fixes.some(({ command: line = '' }) => command.test(line)),
        `${text}: the fix is a command with the caller's names`,
      );
    }
    for (const other of ['none', 'identity', 'password'] as const) {
      const [first, ...later] = waysToUs(found, event(text), text).map(observation => ({
        ...explain(observation, contextOf({ credential: other, image: 'ghcr.io/o/a:1' })),
        evidence: [],
      }));
      for (const one of later) t.same(one, first, `${text}, ${other}: word for word the same`);
    }
  }
});

const waysToUs = (found: Observation, event: Observation, text: string): Observation[] => [
  found,
  event,
  { kind: 'text', text },
  { kind: 'arm', code: 'Failed', message: text },
];

/** Wordings that no vector has, after public issues, engine sources and documentation; names are ours. */
const otherWordings: [text: string, credential: Vector['credential'], image: string, code: string][] = [
  [
    'Head "https://ghcr.io/v2/o/a/manifests/1": unauthorized',
    'password',
    'ghcr.io/o/a:1',
    'RegistryAuthenticationFailed',
  ],
  [
    '401 Unauthorized - Server message: unauthorized: unauthenticated: User cannot be authenticated with the token provided.',
    'password',
    'ghcr.io/o/a:1',
    'RegistryAuthenticationFailed',
  ],
  [
    'failed to authorize: failed to fetch oauth token: unexpected status from POST request to https://r.azurecr.io/oauth2/token: 401 Unauthorized',
    'password',
    'r.azurecr.io/a:1',
    'RegistryAuthenticationFailed',
  ],
  [
    'failed to authorize: failed to fetch oauth token: unexpected status: 403 Forbidden',
    'password',
    'ghcr.io/o/a:1',
    'RegistryAuthenticationFailed',
  ],
  [
    'unable to retrieve auth token: invalid username/password',
    'password',
    'ghcr.io/o/a:1',
    'RegistryAuthenticationFailed',
  ],
  [
    'Requesting bearer token: received unexpected HTTP status: 403 Forbidden',
    'password',
    'ghcr.io/o/a:1',
    'RegistryAuthenticationFailed',
  ],
  [
    'Invalid value: "ghcr.io/o/a:1": GET https:: UNAUTHORIZED: authentication required',
    'password',
    'ghcr.io/o/a:1',
    'RegistryAuthenticationFailed',
  ],
  [
    '{"detail": "user_id not found in jwt", "error": true}',
    'password',
    'registry.hub.docker.com/o/a:1',
    'RegistryAuthenticationFailed',
  ],
  [
    'failed to authorize: failed to fetch oauth token: unexpected status: 401 Unauthorized',
    'identity',
    'r.azurecr.io/a:1',
    'IdentityMissingPullRole',
  ],
  [
    'Get https://r.azurecr.io/v2/a/manifests/1: unauthorized: authentication required',
    'identity',
    'r.azurecr.io/a:1',
    'IdentityMissingPullRole',
  ],
  [
    'pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials',
    'password',
    'r.example/a:1',
    'RegistryCredentialMissing',
  ],
  [
    'failed to fetch anonymous token: unexpected status from GET request to https://r.azurecr.io/oauth2/token?scope=repository%3Aa%3Apull&service=r.azurecr.io: 401 Unauthorized',
    'password',
    'r.azurecr.io/a:1',
    'RegistryCredentialMissing',
  ],
  [
    'failed to fetch anonymous token: unexpected status from GET request to https://ghcr.io/token?scope=repository%3Ao%2Fa%3Apull&service=ghcr.io: 403 Forbidden',
    'none',
    'ghcr.io/o/a:1',
    'RegistryCredentialMissing',
  ],
  [
    'unauthorized: unauthorized to access repository: p/r, action: pull',
    'none',
    'harbor.example/p/r:1',
    'RegistryCredentialMissing',
  ],
  [
    '[ERROR-400] DOCKER Either Authorization header is missing or invalid',
    'none',
    'nexus.example/a:1',
    'RegistryCredentialMissing',
  ],
  [
    'login attempt failed with status: 403 Forbidden',
    'password',
    'r.azurecr.io/a:1',
    'RegistryNetworkDenied',
  ],
  [
    'unexpected status from GET request to https://gitlab.com/jwt/auth?account=x&service=container_registry: 403 Forbidden',
    'password',
    'registry.gitlab.com/g/p:1',
    'RegistryAccessDenied',
  ],
  ['denied: requested access to the resource is denied', 'password', 'r.example/a:1', 'RegistryAccessDenied'],
  ['denied: requested access to the resource is denied', 'password', 'me/a:1', 'RepositoryNotFoundOrDenied'],
  [
    "pull access denied for me/a, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
    'password',
    'me/a:1',
    'RepositoryNotFoundOrDenied',
  ],
  [
    "error parsing HTTP 403 response body: invalid character 'Y' looking for beginning of value: \"Your Authorization Token has expired. Please run 'aws ecr get-login'\"",
    'password',
    '1.dkr.ecr.us-east-1.amazonaws.com/a:1',
    'CredentialExpired',
  ],
  [
    'manifest for r.example/preprocess:latest not found: manifest unknown: manifest unknown',
    'password',
    'r.example/preprocess',
    'ImageNotFound',
  ],
  [
    'Error fetching blob: invalid status code from registry 404 (Not Found)',
    'password',
    'r.example/a:1',
    'ImageNotFound',
  ],
  [
    'manifest unknown: manifest tagged by "v1" is not found',
    'identity',
    'r.azurecr.io/a:v1',
    'ImageNotFound',
  ],
  [
    'OCI index found, but Accept header does not support OCI indexes: 404 Not Found',
    'password',
    'ghcr.io/o/a:1',
    'ImageNotFound',
  ],
  [
    'failed to copy: httpReadSeeker: failed open: unexpected status code https://registry-1.docker.io/v2/library/redis/blobs/sha256:ab: 429 Too Many Requests - Server message: toomanyrequests: You have reached your unauthenticated pull rate limit.',
    'none',
    'redis:7',
    'RegistryRateLimited',
  ],
  [
    'toomanyrequests: retry-after: 985.86µs, allowed: 44000/minute',
    'password',
    'ghcr.io/o/a:1',
    'RegistryRateLimited',
  ],
  ['dial tcp: lookup ghcr.io: Try again', 'password', 'ghcr.io/o/a:1', 'RegistryUnreachable'],
  [
    'dial tcp: lookup registry-1.docker.io on 10.0.2.3:53: read udp 10.0.2.15:53821->10.0.2.3:53: i/o timeout',
    'none',
    'redis:7',
    'RegistryUnreachable',
  ],
  [
    'error pulling image configuration: Get https://r.example/v2/a/blobs/sha256:ab: dial tcp 192.0.2.1:443: i/o timeout',
    'password',
    'r.example/a:1',
    'RegistryUnreachable',
  ],
  [
    'Get "https://r.example/v2/": net/http: TLS handshake timeout',
    'password',
    'r.example/a:1',
    'RegistryUnreachable',
  ],
  ['Head "https://r.example/v2/a/manifests/1": EOF', 'password', 'r.example/a:1', 'RegistryUnreachable'],
  [
    'read tcp 10.0.0.4:5000->192.0.2.1:443: read: connection reset by peer',
    'password',
    'r.example/a:1',
    'RegistryUnreachable',
  ],
  ['dial tcp 192.0.2.1:443: connect: no route to host', 'password', 'r.example/a:1', 'RegistryUnreachable'],
  ['http: server gave HTTP response to HTTPS client', 'password', 'r.example/a:1', 'RegistryTlsError'],
  [
    'x509: certificate is valid for a.example, not r.example',
    'password',
    'r.example/a:1',
    'RegistryTlsError',
  ],
  ['received unexpected HTTP status: 502 Bad Gateway', 'password', 'r.example/a:1', 'RegistryUnavailable'],
  [
    'invalid status code from registry 503 (Service Unavailable)',
    'password',
    'r.example/a:1',
    'RegistryUnavailable',
  ],
  [
    "error unmarshalling content: invalid character '<' looking for beginning of value",
    'none',
    'www.example/a:1',
    'NotARegistry',
  ],
  [
    'no matching manifest for linux/amd64 in the manifest list entries',
    'password',
    'r.example/a:1',
    'PlatformMismatch',
  ],
  ['exec /app: exec format error', 'password', 'r.example/a:1', 'PlatformMismatch'],
  [
    'Failed to apply default image tag "r.example/a:v 1": couldn\'t parse image reference "r.example/a:v 1": invalid reference format',
    'password',
    'r.example/a:v 1',
    'InvalidImageReference',
  ],
  [
    'normalizing image: normalizing name for compat API: repository name must be lowercase',
    'password',
    'r.example/A:1',
    'UppercaseRepository',
  ],
  ['Error: ErrImagePull', 'password', 'r.example/a:1', 'ImageInaccessible'],
  ['Error: ImagePullBackOff', 'password', 'r.example/a:1', 'ImageInaccessible'],
  ['Container app failed liveness probe, will be restarted', 'password', 'r.example/a:1', 'ProbeFailed'],
  [
    'Readiness probe failed: Get "http://10.0.0.4:80/": dial tcp 10.0.0.4:80: connect: connection refused',
    'password',
    'r.example/a:1',
    'ProbeFailed',
  ],
  // Names are no signs.
  [
    'Failed to pull image "r.example/certificate-has-expired/toomanyrequests:x509": manifest unknown',
    'password',
    'r.example/certificate-has-expired/toomanyrequests:x509',
    'ImageNotFound',
  ],
  [
    'Get https://r.example/v2/no-such-host/denied/manifests/401: unauthorized: authentication required',
    'password',
    'r.example/no-such-host/denied:401',
    'RegistryAuthenticationFailed',
  ],
];

t.test('it reads fragments, not whole texts', async t => {
  for (const [text, credential, image, code] of otherWordings) {
    const context = contextOf({ credential, image });
    for (const observation of [
      { kind: 'text' as const, text },
      {
        kind: 'event' as const,
        name: 'Failed',
        message: `Failed to pull image "${image}": rpc error: code Unknown desc ${text}`,
      },
    ]) {
      // What the runtime refuses to parse or reports of a running container comes in no pull.
      if (observation.kind === 'event' && /Invalid|Uppercase|Probe/.test(code)) continue;
      t.equal(
        explain(observation, context).code,
        code,
        `${observation.kind}, ${credential}: ${text.slice(0, 90)}`,
      );
    }
  }
});

const armWordings: [
  status: number | undefined,
  code: string | undefined,
  message: string,
  expected: string,
][] = [
  [
    400,
    undefined,
    "The username in the 'imageRegistryCredentials' of container group 'g' cannot be empty.",
    'CredentialMalformed',
  ],
  [
    400,
    undefined,
    "Failed to start the container group 'g'. Error: The image 'r.azurecr.io/a:1' in container group 'g' is not accessible. Please check the image and registry credential.",
    'ImageInaccessible',
  ],
  [
    undefined,
    undefined,
    "(InaccessibleImage) The image 'r.azurecr.io/a:1' in container group 'g' is not accessible.\nCode: InaccessibleImage",
    'ImageInaccessible',
  ],
  [undefined, undefined, '{"error":{"code":"ContainerGroupQuotaReached","message":"no"}}', 'QuotaExceeded'],
  [
    400,
    'ServiceUnavailable',
    "Resource type 'Microsoft.ContainerInstance/containerGroups' container group quota 'ContainerGroups' exceeded in region 'westus'. Limit: '0', Usage: '0' Requested: '1'.",
    'QuotaExceeded',
  ],
  [409, 'ServiceUnavailable', 'no room', 'RegionCapacity'],
  [503, 'ServiceUnavailable', 'The service is unavailable.', 'ArmUnavailable'],
  [200, 'Failed', 'InsufficientCapacity.', 'RegionCapacity'],
  [
    400,
    'IdentityNotSupportedOnWindows',
    'Managed service identity is not supported for Windows container groups.',
    'IdentityNotUsableForPull',
  ],
  [
    400,
    'FailedIdentityOperation',
    "Identity operation failed: The resource '/x' was not found.",
    'IdentityNotFound',
  ],
  [409, 'AnotherOperationInProgress', 'Another operation is in progress.', 'GroupTransitioning'],
  [
    400,
    'SpotPriorityContainerGroupWithGPUResourcesNotSupported',
    'Spot Priority Container Group with GPU resources is not supported.',
    'SpotUnavailable',
  ],
  [
    401,
    'InvalidAuthenticationTokenTenant',
    'The access token is from the wrong issuer.',
    'AuthorizationFailed',
  ],
  [403, 'RequestDisallowedByPolicy', "Resource 'g' was disallowed by policy.", 'Unknown'],
  [404, 'ResourceGroupNotFound', "Resource group 'rg' could not be found.", 'Unknown'],
  [404, 'ResourceNotFound', "The Resource 'Microsoft.Network/virtualNetworks/v' was not found.", 'Unknown'],
  [undefined, undefined, 'connect ECONNREFUSED 192.0.2.1:443', 'ArmUnavailable'],
  [
    200,
    'ResourceOperationFailure',
    "The resource operation completed with terminal provisioning state 'Failed'. toomanyrequests: rate limit exceeded",
    'RegistryRateLimited',
  ],
  [
    200,
    'Failed',
    "Failed to pull image \"r.azurecr.io/a:1\": manifest unknown;Subscription deployment didn't reach a successful provisioning state after '00:30:00'.",
    'ImageNotFound',
  ],
];

t.test(
  "Resource Manager's codes are found in whatever wraps them, and its own troubles are not the registry's",
  async t => {
    for (const [status, code, message, expected] of armWordings) {
      const observation = {
        kind: 'arm' as const,
        message,
        ...(status ? { status } : {}),
        ...(code ? { code } : {}),
      };
      t.equal(
        explain(observation, contextOf({ credential: 'identity', image: 'r.azurecr.io/a:1' })).code,
        expected,
        message.slice(0, 80),
      );
    }
  },
);

t.test('what Resource Manager refuses to everybody has a way out that is its own', t => {
  const cases: [number, string, string, string][] = [
    [404, 'ResourceGroupNotFound', "Resource group 'rg' could not be found.", 'az group create --name rg '],
    [404, 'SubscriptionNotFound', "The subscription 's' could not be found.", 'az account list '],
    [409, 'ReadOnlyDisabledSubscription', "The subscription 's' is disabled.", 'az account list '],
    [
      409,
      'MissingSubscriptionRegistration',
      "The subscription is not registered to use namespace 'Microsoft.Network'. See https://aka.ms/rps-not-found.",
      'az provider register --namespace Microsoft.Network --wait',
    ],
    [
      403,
      'RequestDisallowedByPolicy',
      "Resource 'g' was disallowed by policy.",
      'az policy assignment list ',
    ],
    [
      409,
      'ScopeLocked',
      "The scope '/x' cannot perform write operation.",
      'az lock list --resource-group rg ',
    ],
    [409, 'Another', 'Nobody knows.', 'az container show --resource-group rg '],
  ];
  for (const [status, code, message, line] of cases) {
    const context = { ...contextOf({ credential: 'password', image: 'a' }), resourceGroup: 'rg' };
    const { fixes, detail } = explain({ kind: 'arm', status, code, message }, context);
    t.equal(detail, message);
    t.equal(fixes[0]?.command?.slice(0, line.length), line);
  }
  t.end();
});

t.test('the vault tells why a secret is not to be had', async t => {
  const cases: [number | null, string | null, string, string][] = [
    [404, 'SecretNotFound', 'A secret with (name/id) x was not found in this key vault.', 'SecretNotFound'],
    [403, 'Forbidden', 'Operation get is not allowed on a disabled secret.', 'CredentialDisabled'],
    [403, 'Forbidden', 'Operation get is not allowed on an expired secret.', 'CredentialExpired'],
    [
      403,
      'Forbidden',
      'Operation get is not allowed on a secret that is not yet valid.',
      'CredentialNotYetValid',
    ],
    [403, 'Forbidden', 'Caller is not authorized to perform action on resource.', 'VaultAccessDenied'],
    [
      403,
      'Forbidden',
      'Client address is not authorized and caller is not a trusted service.',
      'VaultAccessDenied',
    ],
    [
      429,
      'Throttled',
      'Request was not processed because too many requests were received.',
      'VaultUnavailable',
    ],
    [null, 'ENOTFOUND', 'getaddrinfo ENOTFOUND v.vault.azure.net: no such host', 'VaultUnavailable'],
  ];
  for (const [status, code, message, expected] of cases) {
    const found = explain(
      { kind: 'vault', status, code, message },
      contextOf({ credential: 'password', image: 'a' }),
    );
    t.equal(found.code, expected, message);
    t.ok(found.fixes.length > 0);
  }
});

t.test('what a registry answers over the wire is explained as the vectors say', async t => {
  let right = 0;
  const answers = vectors.filter(({ where }) => where === 'registry-response');
  for (const vector of answers) {
    const found = await askAndExplain(t, vector);
    const codes = [vector.expected, ...(vector.alternatives ?? [])];
    const same = found?.code === vector.expected;
    if (
      t.ok(
        found &&
          codes.includes(found.code) &&
          (!same ||
            (found.owner === vector.owner &&
              found.retryable === vector.retryable &&
              (found.confidence === 'low') === vector.ambiguous)),
        `${vector.id}: ${found?.code} ${found?.owner} ${found?.confidence}, expected ${vector.expected}`,
      )
    )
      right += 1;
  }
  t.comment(`registry answers explained over TLS ${right}/${answers.length}`);
});

/** A registry that asks who may sign in to do so, and then answers as the vector says. */
async function askAndExplain(t: Test, vector: Vector): Promise<Failure | null> {
  const parsed = parseReference(vector.image);
  if (!parsed.ok) throw new Error(vector.id);
  const host = apiHost(parsed.reference.domain);
  const said = vector.message ?? vector.text ?? '';
  const body = vector.code ? { errors: [{ code: vector.code, message: said }] } : said;
  const challenge =
    vector.credential === 'identity' ? `Bearer realm="https://${host}/oauth2/token"` : 'Basic realm="x"';
  const { dispatcher } = await startHttpsHosts(t, {
    [host]: ({ path, authorization }) => {
      if (path.startsWith('/oauth2/'))
        return { body: { refresh_token: 'refresh', access_token: 'access', token: 'access' } };
      if (vector.credential !== 'none' && !authorization)
        return { status: 401, headers: { 'www-authenticate': challenge } };
      return { status: vector.status ?? 401, headers: vector.headers ?? {}, body };
    },
  });
  using secret = new Secret('a-password');
  const credentials = {
    none: null,
    password: { username: 'me', password: secret },
    identity: { entraToken: secret, tenantId: 't' },
  };
  const pull = await createRegistryClient({ dispatcher }).resolve({
    reference: parsed.reference,
    credential: credentials[vector.credential],
    platform: { os: 'linux', architecture: 'amd64' },
  });
  return pull.ok ? null : explain({ kind: 'registry', problem: pull.problem }, contextOf(vector));
}

t.test('commands can be pasted, whatever the names are', async t => {
  const found = explain(
    { kind: 'text', text: 'unauthorized: authentication required' },
    {
      image: 'harbor.example/p/a:1',
      credential: {
        kind: 'secret',
        vault: 'kv',
        secretName: 'pull',
        username: "robot$ci'x",
        server: 'harbor.example',
      },
    },
  );
  t.match(found.fixes[0]?.command, /slipway-username='robot\$ci'\\''x'$/);
});

t.test('a crash tells its exit code and its last words', async t => {
  const found = explain(
    {
      kind: 'container',
      exitCode: 3,
      state: 'Terminated',
      detailStatus: 'Error',
      restartPolicy: 'Never',
      lastLog: 'first\nno database',
    },
    { group: 'web', image: 'x' },
  );
  t.match(found, { code: 'ContainerCrashed', detail: /exit code 3.*no database/ });
});

t.test('a realm elsewhere is told, and what is not known is called so', async t => {
  t.match(
    explain(
      {
        kind: 'registry',
        problem: { step: 'token', host: 'r.example', foreignRealm: 'evil.example', signedIn: true },
      },
      { image: 'r.example/a:1' },
    ),
    { code: 'NotARegistry', detail: /evil\.example/ },
  );
  t.match(explain({ kind: 'arm', code: 'NeverHeardOf', message: 'something new' }, {}), {
    code: 'Unknown',
    detail: 'something new',
    owner: failureKinds.Unknown.owner,
  });
});

t.test('tokens that are not where the registry says are no missing image', async t => {
  const problem: RegistryProblem = {
    step: 'token',
    host: 'r.example',
    status: 404,
    registryCode: 'NOT_FOUND',
    registryMessage: 'not found',
    signedIn: true,
  };
  t.match(explain({ kind: 'registry', problem }, { image: 'r.example/a:1' }), { code: 'NotARegistry' });
});

t.test('a registry that is not asked now is out: so it answered of late', async t => {
  for (const networkCode of [circuitOpenCode, retryBudgetCode]) {
    const problem = { step: 'connect' as const, host: 'r.example', networkCode, signedIn: false };
    t.match(explain({ kind: 'registry', problem }, { image: 'r.example/a:1' }), {
      code: 'RegistryUnavailable',
      retryable: true,
      detail: /^r\.example has not answered as it should of late/,
      evidence: [{ code: networkCode }],
    });
  }
});
