import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type ExplainContext, explain } from '../../src/deployments/explain.ts';
import { apiHost, createRegistryClient } from '../../src/registry/client.ts';
import { parseReference } from '../../src/registry/reference.ts';
import type { Failure } from '../../src/schemas/failure.ts';
import { Secret } from '../../src/secret.ts';
import { type Host, type Reply, startHttpsHosts } from '../support/https-hosts.ts';

// Failures as no vector tells them: after what registries, engines and Azure are known to say; the names are ours.

interface Case {
  /** Code (`~`: not certain), owner, and whether a retry may help. */
  expected: string;
}

interface Pull extends Case {
  credential: 'none' | 'password' | 'identity';
  image: string;
}

interface Answer extends Pull, Reply {
  /** Who answers so, if it is not the manifest's place. */
  at?: 'token' | 'exchange';
}

const read = <Row extends Case>(name: string): Row[] =>
  readFileSync(join(import.meta.dirname, `told-otherwise/${name}.jsonl`), 'utf8')
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line));

const told = ({ code, confidence, owner, retryable }: Failure) =>
  `${code}${confidence === 'low' ? '~' : ''} ${owner}${retryable ? ' retryable' : ''}`;

function contextOf({ credential, image }: Pick<Pull, 'credential' | 'image'>): ExplainContext {
  const server = 'registry.example';
  const credentials = {
    none: { kind: 'none' },
    password: { kind: 'secret', vault: 'kv', secretName: 'pull', server },
    identity: { kind: 'identity', id: '/subscriptions/s/userAssignedIdentities/puller', server },
  } as const;
  return { image, group: 'web', resourceGroup: 'rg', credential: credentials[credential] };
}

const ofAcr = contextOf({ credential: 'password', image: 'contoso.azurecr.io/shop/api:7' });

t.test('what is said of a pull is read alike as a text, as an event and in an operation', async t => {
  for (const { expected, message, ...pull } of read<Pull & { message: string }>('messages')) {
    const context = contextOf(pull);
    t.equal(told(explain({ kind: 'text', text: message }, context)), expected, message);
    t.equal(
      told(explain({ kind: 'event', name: 'Failed', message }, context)),
      expected,
      `event: ${message}`,
    );
    // Azure's operations have lost their equals signs, and go on.
    const part = message.replaceAll(/(code|desc) = /g, '$1 ');
    const operation = `The resource operation completed with terminal provisioning state 'Failed'. ${part};Back-off pulling image "${pull.image}"`;
    t.equal(
      told(explain({ kind: 'arm', code: 'Failed', message: operation }, context)),
      expected,
      `operation: ${message}`,
    );
  }
});

t.test('refusals and failed operations of Resource Manager', async t => {
  type ArmError = Case & { status?: number; code?: string; message: string };
  for (const { expected, ...error } of read<ArmError>('arm-errors'))
    t.equal(told(explain({ kind: 'arm', ...error }, ofAcr)), expected, error.message);
});

t.test('what keeps a registry from being reached', async t => {
  for (const { expected, networkCode } of read<Case & { networkCode: string }>('network-codes')) {
    const problem = { step: 'connect', host: 'registry.example', networkCode, signedIn: false } as const;
    t.equal(told(explain({ kind: 'registry', problem }, ofAcr)), expected, networkCode);
  }
});

t.test('what registries, their token services and whatever stands in front answer', async t => {
  const answers = read<Answer>('registry-answers');
  let now = answers[0];
  const host: Host = ({ path, authorization, host }) => {
    if (!now) return { status: 500 };
    if (path.startsWith('/oauth2/exchange'))
      return now.at === 'exchange' ? now : { body: { refresh_token: 'r' } };
    if (/^\/(?:oauth2\/)?token/.test(path))
      return now.at === 'token' ? now : { body: { token: 'a', access_token: 'a' } };
    return (now.at || now.credential !== 'none') && !authorization ? askToSignIn(now, host) : now;
  };
  const hosts = answers.flatMap(answer => [hostOf(answer), realmOf(hostOf(answer))]);
  const { dispatcher } = await startHttpsHosts(t, Object.fromEntries(hosts.map(each => [each, host])));
  for (const answer of answers) {
    now = answer;
    const found = await pullAndExplain(answer, createRegistryClient({ dispatcher }));
    const { image, at = 'manifest', status, body } = answer;
    t.equal(found && told(found), answer.expected, `${image} ${at} ${status} ${JSON.stringify(body)}`);
  }
});

const referenceOf = ({ image }: Pull) => {
  const parsed = parseReference(image);
  if (!parsed.ok) throw new Error(image);
  return parsed.reference;
};

const hostOf = (answer: Pull) => apiHost(referenceOf(answer).domain);

const realms: Record<string, string> = {
  'registry-1.docker.io': 'auth.docker.io',
  'registry.gitlab.com': 'gitlab.com',
};
const realmOf = (host: string) => realms[host] ?? host;

function askToSignIn({ at, credential }: Answer, host: string): Reply {
  const isBearer = at || credential === 'identity' || host in realms;
  const challenge = isBearer
    ? `Bearer realm="https://${realmOf(host)}/token",service="x"`
    : 'Basic realm="x"';
  return { status: 401, headers: { 'www-authenticate': challenge } };
}

async function pullAndExplain(answer: Answer, { resolve }: ReturnType<typeof createRegistryClient>) {
  using secret = new Secret('a-password');
  const credentials = {
    none: null,
    password: { username: 'me', password: secret },
    identity: { entraToken: secret, tenantId: 't' },
  };
  const pull = await resolve({
    reference: referenceOf(answer),
    credential: credentials[answer.credential],
    platform: { os: 'linux', architecture: 'amd64' },
  });
  return pull.ok ? null : explain({ kind: 'registry', problem: pull.problem }, contextOf(answer));
}
