import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type ExplainContext, explain, type Observation } from '../../src/deployments/explain.ts';
import { failureKinds } from '../../src/failures.ts';
import type { RegistryProblem } from '../../src/registry/client.ts';

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

function contextOf({ credential, image }: Vector): ExplainContext {
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
      /^az acr import/,
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
    const explanations = [
      found,
      event(text),
      { kind: 'text' as const, text },
      { kind: 'arm' as const, code: 'Failed', message: text },
    ].map(observation => explain(observation, context));
    for (const explanation of explanations) {
      t.equal(explanation.code, code, text);
      t.same(explanation.fixes, explanations[0]?.fixes, 'the same fix');
      t.ok(
        explanation.fixes.some(({ command: line = '' }) => command.test(line)),
        `${text}: the fix is a command with the caller's names`,
      );
    }
  }
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
