import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { plainSecretsIn } from '../../src/deployments/plain-secrets.ts';
import { isHarmlessValue, isSecretName } from '../../src/deployments/secret-names.ts';
import { askOf, fillDefaults, readImages } from '../../src/deployments/spec.ts';
import { RequestError } from '../../src/errors.ts';
import { findSecretRule } from '../../src/http/inline-secrets.ts';
import { refuseSecrets } from '../../src/http/refuse-secrets.ts';
import { secretRules } from '../../src/http/secret-rules.ts';
import { decide } from '../../src/policy/decide.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import type { Caller } from '../../src/schemas/principal.ts';
import { harmlessValues, harmlessVariables } from '../support/harmless-values.ts';
import { requestFor } from '../support/service.ts';

interface InlineSecret {
  field: string;
  value: string;
  rule: string;
}

const { inlineSecrets }: { inlineSecrets: InlineSecret[] } = JSON.parse(
  readFileSync(join(import.meta.dirname, '../vectors/hostile-inputs.json'), 'utf8'),
);
const byForm = inlineSecrets.filter(({ rule }) => secretRules.some(({ id }) => rule.startsWith(id)));
const base64 = (text: string, encoding: BufferEncoding = 'utf8') =>
  Buffer.from(text, encoding).toString('base64');

/** The ways in which a value travels inside another. */
const wrappings: Record<string, (value: string) => string> = {
  'as it is': value => value,
  'inside a command': value => `run --now '${value}' -v`,
  'in JSON': value => JSON.stringify({ nested: [value] }),
  'in JSON in JSON': value => JSON.stringify(JSON.stringify({ value })),
  'in an address': value => encodeURIComponent(value),
  'in base64': value => base64(value),
  'in base64, one further': value => base64(`:${value}`),
  'in base64, two further': value => base64(`x ${value}`),
  'in base64 behind a path': value => `/a/bc/${base64(value)}`,
  'in wrapped base64': value => base64(`${' '.repeat(100)}${value}`).replace(/.{76}/g, '$&\n'),
  'in base64 for addresses': value => Buffer.from(`?? ${value}`).toString('base64url'),
  'in base64 of UTF-16': value => base64(value, 'utf16le'),
  'in base64 in an address': value => encodeURIComponent(base64(value)),
  'in hex': value => Buffer.from(value).toString('hex'),
  'in capitals of another width': value =>
    value.replace(/[!-~]/g, c => String.fromCharCode(c.charCodeAt(0) + 0xfee0)),
  'with characters that do not show': value => [...value].join('\u200b'),
};

function refusalOf(body: unknown): RequestError {
  try {
    refuseSecrets(body);
  } catch (error) {
    if (error instanceof RequestError) return error;
  }
  throw new Error('it was not refused');
}

t.test('a secret is found by its form, however it is wrapped', async t => {
  t.ok(byForm.length >= 28);
  for (const { value, rule } of byForm)
    for (const [how, wrap] of Object.entries(wrappings))
      t.equal(findSecretRule(wrap(value)), rule.split(' ')[0], `${rule} ${how}`);
});

t.test(
  'a secret is refused in every place of a request, with its place and rule and without its value',
  async t => {
    const bodies: [string, (value: string) => unknown][] = [
      ['/name', value => ({ name: value })],
      ['/containers/0/image', value => ({ containers: [{ image: value }] })],
      ['/containers/1/command/2', value => ({ containers: [{}, { command: ['sh', '-c', value] }] })],
      [
        '/containers/0/environmentVariables/0/value',
        value => ({ containers: [{ environmentVariables: [{ name: 'A', value }] }] }),
      ],
      [
        '/containers/0/environmentVariables/0/name',
        value => ({ containers: [{ environmentVariables: [{ name: value }] }] }),
      ],
      ['/labels/a~1b', value => ({ labels: { 'a/b': value } })],
      ['/labels', value => ({ labels: { [value]: 'x' } })],
      ['/source/repository', value => ({ source: { repository: value } })],
      ['/not/known/0', value => ({ not: { known: [value] } })],
      ['', value => value],
    ];
    for (const { value, rule } of byForm)
      for (const [pointer, body] of bodies) {
        const error = refusalOf(body(value));
        t.match(error, { code: 'SecretInRequest', statusCode: 400 });
        t.match(error.extras.errors, [{ pointer, rule: rule.split(' ')[0] }], pointer);
        t.notOk(
          `${error.stack}${JSON.stringify(error)}`.includes(value),
          `${rule} at ${pointer} is not repeated`,
        );
      }
  },
);

t.test('every place is told at once', async t => {
  const [first, second] = byForm;
  const error = refusalOf({ labels: { a: first?.value, b: 'x', c: second?.value } });
  t.same(
    error.extras.errors?.map(({ pointer }) => pointer),
    ['/labels/a', '/labels/c'],
  );
});

t.test('what is no secret is not refused', async t => {
  t.ok(harmlessValues.length >= 500, `${harmlessValues.length} values`);
  for (const value of harmlessValues) t.equal(findSecretRule(value), null, value.slice(0, 120));
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme', maxLength: 300 }),
      fc.webUrl({ withQueryParameters: true }),
      (text, url) => findSecretRule(text) === null && findSecretRule(url) === null,
    ),
  );
});

t.test('a plain value under the name of a secret is found wherever it stands', async t => {
  const names = [
    ...[
      'DB_PASSWORD',
      'API_TOKEN',
      'dbPassword',
      'github-token',
      'GITHUBTOKEN',
      'SECRET_KEY_BASE',
      'CLIENT_SECRET',
    ],
    ...[
      'ACCOUNT_KEY',
      'accountKey',
      'APIKEY',
      'ConnectionStrings__Default',
      'AZURE_STORAGE_CONNECTION_STRING',
      'MYSQL_PWD',
    ],
    ...[
      'db.password',
      'PASSWORD2',
      'TOKEN_GITHUB',
      'SIGNING_KEY',
      'STORAGE_SAS',
      'Authorization',
      'REGISTRY_CREDENTIALS',
    ],
  ];
  for (const name of names) {
    t.ok(isSecretName(name), name);
    t.notOk(isHarmlessValue(name, 'hunter2'), name);
  }
  const spec = {
    ...requestFor('web'),
    labels: { 'api-token': 'hunter2', team: 'x' },
    containers: [
      {
        image: 'nginx',
        command: [
          '--db-password=hunter2',
          '--api-key',
          'hunter2',
          'sh',
          '-c',
          "export X_TOKEN='hunter2'; run --port=1",
        ],
        environmentVariables: [
          { name: 'OPEN', value: 'hunter2' },
          { name: 'DB_PASSWORD', value: 'hunter2' },
          { name: 'API_TOKEN', secretName: 'from-the-vault' },
        ],
      },
    ],
  };
  t.same(
    plainSecretsIn(spec),
    [
      { pointer: '/containers/0/command/0', name: 'db-password' },
      { pointer: '/containers/0/command/5', name: 'X_TOKEN' },
      { pointer: '/containers/0/command/2', name: 'api-key' },
      { pointer: '/containers/0/environmentVariables/1/value', name: 'DB_PASSWORD' },
      { pointer: '/labels/api-token', name: 'api-token' },
    ].sort((a, b) => order(a.pointer) - order(b.pointer)),
  );
  for (const [name, value] of harmlessVariables)
    t.ok(!isSecretName(name) || isHarmlessValue(name, value), `${name}=${value}`);
});

t.test(
  'a plain value under the name of a secret is refused, unless policy allows it to the team',
  async t => {
    const loaded = loadPolicy(join(import.meta.dirname, '../../src/policy/embedded.yaml'));
    const caller: Caller = {
      principal: { issuer: 'embedded', subject: 'someone' },
      teams: { demo: ['deploy'] },
      expiresAt: 4_000_000_000,
    };
    const decisionFor = (more: { name: string; value?: string; secretName?: string }, policy = loaded) => {
      const container = { image: 'myregistry.azurecr.io/my-app:v1.0', environmentVariables: [more] };
      const spec = fillDefaults(requestFor('web', { containers: [{ name: 'a', ...container }] }));
      return decide(policy, caller, askOf(spec, readImages(spec)));
    };
    const plain = { name: 'DB_PASSWORD', value: 'hunter2' };
    const refused = decisionFor(plain);
    t.match(refused, {
      allowed: false,
      code: 'SecretInRequest',
      pointer: '/containers/0/environmentVariables/0/value',
    });
    t.match(refused, { detail: /rule sensitive-name.*secretName/ });
    t.notMatch(JSON.stringify(refused), 'hunter2');
    t.match(decisionFor({ name: 'DB_PASSWORD', secretName: 'orders-db' }), { allowed: true });
    t.match(decisionFor({ name: 'MAX_TOKENS', value: '4096' }), { allowed: true });

    const demo = loaded.policy.teams.demo;
    if (!demo) throw new Error('the embedded policy has a team demo');
    const teams = { ...loaded.policy.teams, demo: { ...demo, allowPlainSensitiveNames: true } };
    t.match(decisionFor(plain, { ...loaded, policy: { ...loaded.policy, teams } }), { allowed: true });
  },
);

const order = (pointer: string) =>
  ['/containers/0/command/0', '/containers/0/command/2', '/containers/0/command/5'].indexOf(pointer) + 1 || 9;
