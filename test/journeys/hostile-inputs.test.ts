import { globSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { findCanaries } from '../../src/commands/canaries.ts';
import { createLog } from '../../src/log.ts';
import { readRows } from '../../src/store/rows.ts';
import { testDatabaseUrl } from '../support/database.ts';
import { startDemoWorld } from '../support/demo-world.ts';
import { type Answer, createCaller, startProcess, temporaryDirectory } from '../support/service.ts';

type Lists = Record<
  | 'registryServers'
  | 'imageReferences'
  | 'secretNames'
  | 'secretVersions'
  | 'identityIds'
  | 'resourceNames'
  | 'contentTypes',
  string[]
>;
interface Vectors extends Lists {
  baseline: Record<string, string>;
  equivalents: { registryServers: string[]; identityIds: string[] };
  inlineSecrets: { field: string; value: string; rule: string }[];
  jsonBodies: {
    name: string;
    body: string;
    expect: 'reject' | 'reject-or-faithful' | 'reject-or-last-wins';
  }[];
}

const vectors: Vectors = JSON.parse(
  readFileSync(join(import.meta.dirname, '../vectors/hostile-inputs.json'), 'utf8'),
);
const baseline = {
  server: 'myacr.azurecr.io',
  image: 'myacr.azurecr.io/team/app:1',
  secretName: 'registry-password',
  identity: vectors.baseline.identityId ?? '',
};

/** Allows the baseline and nothing else; and one foreign host, to prove that a call to one would be seen. */
const policy = {
  version: 1,
  issuers: [
    {
      name: 'embedded',
      issuer: 'https://login.microsoftonline.com/00000000-0000-0000-0000-00000000aaaa/v2.0',
      audience: '00000000-0000-0000-0000-00000000dddd',
    },
  ],
  teams: {
    demo: {
      principals: [
        {
          issuer: 'embedded',
          client: '00000000-0000-0000-0000-0000000d0001',
          permissions: ['deploy', 'read', 'delete'],
        },
      ],
      targets: ['demo'],
      vaults: ['demo-vault'],
      registrySecrets: [baseline.secretName],
      identities: [
        { id: baseline.identity, use: 'pull' },
        { id: baseline.identity, use: 'workload' },
      ],
      registries: [
        { server: baseline.server, repositories: ['team/**'], credential: baseline.secretName },
        { server: 'foreign.example', anonymous: true },
      ],
    },
  },
  targets: {
    demo: {
      subscription: '00000000-0000-0000-0000-00000000bbbb',
      resourceGroup: 'my-resource-group',
      locations: ['eastus'],
    },
  },
  vaults: { 'demo-vault': { url: 'https://demo-vault.vault.azure.net' } },
  bindings: [
    { vault: 'demo-vault', secret: baseline.secretName, registry: baseline.server, username: 'myacr' },
  ],
};

const world = await startDemoWorld(t, { strangers: ['foreign.example'] });
const directory = temporaryDirectory(t);
const policyFile = join(directory, 'policy.json');
writeFileSync(policyFile, JSON.stringify(policy));
const [, , , , resourceGroup] = baseline.identity.split('/');
const subscriptionId = '00000000-0000-0000-0000-000000000000';
const { principals } = (await world.control('GET', 'world')) as {
  principals: Record<string, { principalId: string }>;
};
await world.control('POST', 'world', {
  subscriptions: [{ id: subscriptionId }],
  resourceGroups: [{ name: resourceGroup, subscriptionId }],
  roleAssignments: [
    {
      principalId: principals['00000000-0000-0000-0000-0000000d0000']?.principalId ?? '',
      role: 'Managed Identity Operator',
      scope: baseline.identity,
    },
  ],
  identities: [{ subscriptionId, resourceGroup, name: 'pay-run' }],
  secrets: [{ name: baseline.secretName, value: 'the-password-of-myacr' }],
  registries: [
    {
      host: baseline.server,
      kind: 'acr',
      users: { myacr: { password: 'the-password-of-myacr', kind: 'admin' } },
    },
  ],
  images: [{ host: baseline.server, repository: 'team/app', tag: '1' }],
});
const everywhere = ['com', 'example', 'io', 'cn', 'net', 'internal']
  .map(domain => `*.${domain}=127.0.0.1:${new URL(world.azure.url).port}`)
  .join(' ');
const env = {
  ...world.env,
  ...(await testDatabaseUrl(t)),
  SLIPWAY_POLICY: policyFile,
  LOG_LEVEL: 'trace',
  // Whatever a value could lead to leads to the journal.
  SLIPWAY_HOSTS: (world.env.SLIPWAY_HOSTS ?? '').replace('*=none', `${everywhere} *=none`),
};
const service = await startProcess(t, ['src/main.ts'], env);
const answers: string[] = [];
const token = await world.token();
const ask = createCaller(service.url, token, answers);

/** A request that is allowed but for what a test changes. */
const request = (more: object = {}, container: object = {}) => ({
  name: 'web-1',
  containers: [{ name: 'web', image: baseline.image, ...container }],
  imageRegistryCredentials: [{ server: baseline.server, secretName: baseline.secretName }],
  ...more,
});
const post = (body: unknown) => ask('POST', '/deployments', { body });

type Place = [where: string, send: (value: string) => Promise<Answer>];
const credential = (more: object) => post(request({ imageRegistryCredentials: [more] }));
const path = (value: string) => encodeURIComponent(value);
const { server, secretName } = baseline;

const places: Record<Exclude<keyof Lists, 'contentTypes'>, Place[]> = {
  registryServers: [
    ['the server of a credential', value => credential({ server: value, secretName })],
    ['the server of an identity', value => credential({ server: value, identity: baseline.identity })],
    ['the host of an image', value => post(request({}, { image: `${value}/team/app:1` }))],
  ],
  imageReferences: [
    ['an image', value => post(request({}, { image: value }))],
    ['an image without credential', value => post({ name: 'web-1', containers: [{ image: value }] })],
  ],
  secretNames: [
    ['a registry secret', value => credential({ server, secretName: value })],
    ['its vault', value => credential({ server, secretName, vault: value })],
    [
      'a workload secret',
      value => post(request({}, { environmentVariables: [{ name: 'A', secretName: value }] })),
    ],
  ],
  secretVersions: [
    ['a version', value => credential({ server, secretName, secretVersion: value })],
    ['a version in the name', value => credential({ server, secretName: `${secretName}/${value}` })],
  ],
  identityIds: [
    ['a pull identity', value => credential({ server, identity: value })],
    ['a workload identity', value => post(request({ identity: { userAssignedIdentities: [value] } }))],
    [
      'one of two identities',
      value => post(request({ identity: { userAssignedIdentities: [baseline.identity, value] } })),
    ],
  ],
  resourceNames: [
    ['the name', value => post(request({ name: value }))],
    ['the name of a container', value => post(request({}, { name: value }))],
    ['a team', value => post(request({ team: value }))],
    ['a target', value => post(request({ target: value }))],
    ['a record', value => ask('GET', `/deployments/${path(value)}`)],
    ['a record by name', value => ask('GET', `/deployments/demo:${path(value)}`)],
    // Behind the target: clients fold `..` away before they ask, and the events of the team are no record's.
    ['the events of a record', value => ask('GET', `/deployments/demo:${path(value)}/events`)],
    ['what is deleted', value => ask('DELETE', `/deployments/demo:${path(value)}`)],
    ['an operation', value => ask('GET', `/operations/${path(value) || '%20'}`)],
  ],
};

/** Whether an answer refuses: a status of the caller's, and a problem. */
function refuses({ status, headers, json }: Answer): boolean {
  return (
    status >= 400 &&
    status < 500 &&
    /^application\/problem\+json/.test(headers.get('content-type') ?? '') &&
    json.status === status &&
    // It was not even accepted.
    json.deployment === undefined
  );
}

/** What Azure and registries were asked; tokens and keys of the issuer are asked for by nobody's request. */
const calls = async (since: number) =>
  (await world.journal(since)).filter(
    ({ host, path }) => !/^login\./.test(host) && !path.startsWith('/_emulator'),
  );
const begun = (await world.journal()).at(-1)?.seq ?? 0;

for (const [list, where] of Object.entries(places) as [keyof typeof places, Place[]][])
  t.test(`${list}: refused wherever it stands`, async t => {
    let refused = 0;
    for (const value of vectors[list]) {
      let everywhere = true;
      for (const [place, send] of where) {
        // `GET /deployments/` is the list, and `web-1` a team or a name as good as any.
        if (list === 'resourceNames' && place === 'a record' && value === '') continue;
        const answer = await send(value);
        everywhere &&= t.ok(
          refuses(answer),
          `${JSON.stringify(value).slice(0, 100)} as ${place}: ${answer.status}`,
        );
      }
      if (everywhere) refused += 1;
    }
    t.comment(`${list} ${refused}/${vectors[list].length}`);
    t.equal(refused, vectors[list].length);
  });

t.test('what is made of them is refused as well', async t => {
  const changes: ((value: string, at: number) => string)[] = [
    // Not JavaScript's own capitals: those of the long s are a plain S, and the baseline.
    value => value.replace(/[a-z]/g, letter => letter.toUpperCase()),
    (value, at) => `${value.slice(0, at)}\u200b${value.slice(at)}`,
    (value, at) =>
      `${value.slice(0, at)}%${(value.charCodeAt(at) & 0x7f).toString(16).padStart(2, '0')}${value.slice(at + 1)}`,
    value => value.replace(/[!-~]/, c => String.fromCharCode(c.charCodeAt(0) + 0xfee0)),
    value => ` ${value}`,
    value => `${value}\n`,
    value => `${value}/..`,
    value => `${value}\u0000`,
    value => encodeURIComponent(encodeURIComponent(`../${value}`)),
    value => `${value}@evil.example`,
  ];
  const names = Object.keys(places) as (keyof typeof places)[];
  const hostile = fc.constantFrom(...names.flatMap(list => vectors[list].map(value => ({ list, value }))));
  let sent = 0;
  await fc.assert(
    fc.asyncProperty(
      hostile,
      fc.constantFrom(...changes),
      fc.nat({ max: 40 }),
      fc.nat(),
      async ({ list, value }, change, at, where) => {
        const changed = change(value, Math.min(at, value.length));
        // Capitals of what was wrong only in its case.
        if (/^[A-Z0-9_-]*$/.test(changed) && list === 'secretVersions') return;
        const [place, send] = places[list][where % places[list].length] ?? [];
        if (!send || (place === 'a record' && changed === '')) return;
        const answer = await send(changed);
        if (!refuses(answer)) throw new Error(`${place}: ${answer.status} for ${JSON.stringify(changed)}`);
        sent += 1;
      },
    ),
    { numRuns: 300 },
  );
  t.ok(sent > 250);
});

/** `name` in the vectors' words, as a request of ours. */
const fields: Record<string, (value: string) => object> = {
  'env.value': value => request({}, { environmentVariables: [{ name: 'SETTING', value }] }),
  'env.value (name DB_PASSWORD)': value =>
    request({}, { environmentVariables: [{ name: 'DB_PASSWORD', value }] }),
  'env.value (name API_TOKEN)': value =>
    request({}, { environmentVariables: [{ name: 'API_TOKEN', value }] }),
  'command[]': value => request({}, { command: ['sh', '-c', value] }),
  'tag.value': value => request({ labels: { tag: value } }),
  'gitRepo.repository': value => request({ volumes: [{ name: 'v', gitRepo: { repository: value } }] }),
  'volume.content': value => request({ volumes: [{ name: 'v', secret: { file: value } }] }),
  'httpHeader.value': value =>
    request({}, { livenessProbe: { httpGet: { path: '/', port: 80, httpHeaders: [{ name: 'A', value }] } } }),
  'azureFile.storageAccountKey': value =>
    request({
      volumes: [
        { name: 'v', azureFile: { shareName: 's', storageAccountName: 'a', storageAccountKey: value } },
      ],
    }),
  'logAnalytics.workspaceKey': value =>
    request({ diagnostics: { logAnalytics: { workspaceId: 'w', workspaceKey: value } } }),
  'imageRegistryCredentials[].password': value =>
    request({ imageRegistryCredentials: [{ server, username: 'u', password: value }] }),
};

t.test('inlineSecrets: refused in their field and in every other', async t => {
  let refused = 0;
  const anywhere = [
    ...Object.values(fields).slice(3),
    (value: string) => request({ name: value }),
    (value: string) => request({}, { image: value }),
    (value: string) => request({}, { environmentVariables: [{ name: value, value: 'x' }] }),
    (value: string) => request({ labels: { [value]: 'x' } }),
    (value: string) => request({ source: { repository: value } }),
    (value: string) => request({ source: { runUrl: encodeURIComponent(value) } }),
    (value: string) => request({ source: { revision: Buffer.from(value).toString('base64') } }),
    (value: string) => request({ unknown: [{ deep: value }] }),
  ];
  for (const { field, value, rule } of vectors.inlineSecrets) {
    const ofField = fields[field];
    if (!ofField) throw new Error(`the field ${field} has no place here`);
    const bodies = /^(?:sensitive-name|field-not-allowed)/.test(rule) ? [ofField] : [ofField, ...anywhere];
    let everywhere = true;
    for (const [index, body] of bodies.entries()) {
      const headers = { 'idempotency-key': `${refused}-${index}` };
      const answer = await ask('POST', '/deployments', { body: body(value), headers });
      everywhere &&= t.ok(refuses(answer), `${rule} in ${field}, ${index}: ${answer.status}`);
      if (rule !== 'field-not-allowed')
        everywhere &&= t.match(
          answer.json.code,
          /^(?:SecretInRequest|PasswordNotAccepted)$/,
          `${rule} ${index}`,
        );
      t.notOk(answer.text.includes(value), 'the value is not repeated');
    }
    if (everywhere) refused += 1;
  }
  t.comment(`inlineSecrets ${refused}/${vectors.inlineSecrets.length}`);
  t.equal(refused, vectors.inlineSecrets.length);
});

/** Sends a request byte for byte, as no client would; resolves with the answer's status and head. */
function sendRaw(
  headers: string,
  body: string | Buffer,
): Promise<{ status: number; head: string; body: string }> {
  const { hostname, port } = new URL(service.url);
  const head = `POST /deployments HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: Bearer ${token}\r\n${headers}content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n`;
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(Number(port), hostname, () =>
      socket.write(Buffer.concat([Buffer.from(head, 'latin1'), Buffer.from(body)])),
    );
    socket.on('data', chunk => chunks.push(chunk));
    socket.on('error', reject);
    socket.on('close', () => {
      const text = Buffer.concat(chunks).toString('utf8');
      answers.push(text);
      const [start = '', ...rest] = text.split('\r\n\r\n');
      resolve({
        status: Number(/^HTTP\/1\.1 (\d+)/.exec(start)?.[1]),
        head: start,
        body: rest.join('\r\n\r\n'),
      });
    });
  });
}

t.test('contentTypes: no spelling leads around the validation', async t => {
  let right = 0;
  for (const type of vectors.contentTypes) {
    const raw = Buffer.from(type, 'utf8').toString('latin1');
    const answer = await sendRaw(
      `content-type: ${raw}\r\n`,
      JSON.stringify(request({ replicas: 3, password: 'x' })),
    );
    const good = t.ok(
      [400, 415].includes(answer.status),
      `${JSON.stringify(type).slice(0, 80)}: ${answer.status}`,
    );
    if (good && t.match(answer.head, /content-type: application\/problem\+json/i)) right += 1;
  }
  t.comment(`contentTypes ${right}/${vectors.contentTypes.length}`);
  t.equal(right, vectors.contentTypes.length);
});

/** The vectors' illustrative members, as ours are called. */
const inOurWords = (body: string) =>
  body
    .replaceAll('"env":', '"environmentVariables":')
    .replaceAll('"tags":', '"labels":')
    .replaceAll('acidep-', 'slipway-')
    .replace(/"cpu":([^,}\]]+)/, '"resources":{"requests":{"cpu":$1,"memoryInGB":1}}');

t.test('jsonBodies: refused, or kept as they are', async t => {
  let right = 0;
  const accepted: string[] = [];
  for (const [index, { name, body, expect }] of vectors.jsonBodies.entries()) {
    let good = true;
    for (const text of new Set([body, inOurWords(body).replaceAll('web-1', `web-${index}`)]))
      for (const type of [
        'application/json',
        ...(name.startsWith('yaml-') ? ['application/yaml', 'text/x-yaml'] : []),
      ]) {
        const answer = await sendRaw(`content-type: ${type}\r\n`, text);
        const refused = answer.status >= 400 && answer.status < 500;
        const record = /^location: (\S+)/im.exec(answer.head)?.[1];
        if (expect === 'reject') good &&= t.ok(refused && !record, `${name}: ${answer.status}`);
        else good &&= t.ok(refused || answer.status === 202, `${name}: ${answer.status}`);
        t.notMatch(answer.head, /x-evil/i);
        t.notOk(answer.head.includes('\u001b'));
        if (record && expect !== 'reject') {
          const { json } = await ask('GET', record);
          const sent = JSON.parse(text.replace(/^\ufeff/, ''));
          good &&= t.match(
            json.spec,
            { name: sent.name, containers: sent.containers },
            `${name} is kept as it is`,
          );
          accepted.push(record);
        }
      }
    if (good) right += 1;
  }
  for (const record of accepted) await ask('DELETE', record, { headers: { prefer: 'wait=20' } });
  t.comment(`jsonBodies ${right}/${vectors.jsonBodies.length}, ${accepted.length} of them accepted`);
  t.equal(right, vectors.jsonBodies.length);
});

t.test('nothing of it reached Azure, and the log is still one line each', async t => {
  const armGroup =
    /^\/subscriptions\/00000000-0000-0000-0000-00000000bbbb\/resourceGroups\/my-resource-group\/providers\/Microsoft\.ContainerInstance\//;
  const allowed = (call: { host: string; path: string }) =>
    call.host === baseline.server ||
    (call.host === 'demo-vault.vault.azure.net' && /^\/secrets\/registry-password\//.test(call.path)) ||
    (call.host === 'management.azure.com' && armGroup.test(call.path));
  t.same(
    (await calls(begun)).filter(call => !allowed(call)),
    [],
  );
  for (const line of service
    .said()
    .split('\n')
    .filter(line => line && !line.startsWith('slipway listening')))
    t.doesNotThrow(() => JSON.parse(line), line.slice(0, 80));
});

t.test('the baseline and its other spellings are taken, and sent on in one spelling', async t => {
  const before = (await world.journal()).at(-1)?.seq ?? 0;
  const bodies = [
    ...[baseline.server, ...vectors.equivalents.registryServers].map(server =>
      request({ imageRegistryCredentials: [{ server, secretName }] }),
    ),
    ...[baseline.identity, ...vectors.equivalents.identityIds].map(id =>
      request({ identity: { userAssignedIdentities: [id] } }),
    ),
  ];
  for (const [index, body] of bodies.entries()) {
    const answer = await ask('POST', '/deployments', {
      body: { ...body, name: `same-${index}` },
      headers: { prefer: 'wait=20' },
    });
    t.match(answer, { status: 200, json: { status: 'Running' } }, JSON.stringify(body).slice(0, 200));
  }
  const seen = await calls(before);
  t.ok(seen.some(({ method, path }) => method === 'PUT' && path.includes('/containerGroups/same-0')));
  t.same(
    seen.filter(({ host, path }) => host !== host.toLowerCase() || /RG-PAYMENTS|PAY-RUN/.test(path)),
    [],
  );
});

t.test('a call to a foreign host would have been seen', async t => {
  await post({ name: 'foreign', containers: [{ image: 'foreign.example/app:1' }] });
  t.ok((await calls(begun)).some(({ host }) => host === 'foreign.example'));
});

t.test('no refused secret rests anywhere', async t => {
  await service.stop();
  const options = env.DATABASE_URL ? { url: env.DATABASE_URL } : { directory: world.data };
  const rows = await readRows({ ...options, log: createLog({ level: 'silent' }) });
  const files = globSync('**', { cwd: world.data, exclude: name => name === 'azure' })
    .map(name => join(world.data, name))
    .filter(file => statSync(file).isFile());
  const values = vectors.inlineSecrets.map(({ value }) => value);
  const places = [
    ...answers.map(content => ({ place: 'answer', content })),
    { place: 'log', content: service.said() },
    ...rows.map(({ content }) => ({ place: 'row', content })),
    ...files.map(file => ({ place: file, content: readFileSync(file) })),
  ];
  t.ok(rows.length > 20);
  t.same(findCanaries(places, values), []);
});
