import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { testDatabaseUrl } from '../support/database.ts';
import { eventually, startDemoWorld } from '../support/demo-world.ts';
import { createCaller, requestFor, startProcess } from '../support/service.ts';

const world = await startDemoWorld(t);
const env = { ...world.env, ...(await testDatabaseUrl(t)) };
const service = await startProcess(t, ['src/main.ts'], env);
const ask = createCaller(service.url, await world.token());
const asOther = createCaller(service.url, await world.token('other'));
const asNobody = createCaller(service.url, null);

const acr = 'myregistry.azurecr.io';
const armGroup =
  '/subscriptions/00000000-0000-0000-0000-00000000bbbb/resourceGroups/my-resource-group/providers/Microsoft.ContainerInstance/containerGroups';
const pullIdentity =
  '/subscriptions/00000000-0000-0000-0000-00000000bbbb/resourceGroups/my-resource-group/providers/Microsoft.ManagedIdentity/userAssignedIdentities/aci-acr-identity';

t.test('a name and an image are enough: policy names the credential, the digest is pinned', async t => {
  const { status, json } = await ask('POST', '/deployments', {
    body: { name: 'smallest', containers: [{ image: `${acr}/my-app:v1.0` }] },
    headers: { prefer: 'wait=30' },
  });
  t.equal(status, 200);
  t.match(json, {
    status: 'Running',
    settled: true,
    team: 'demo',
    target: 'demo',
    liveRevision: 1,
    spec: { location: 'eastus', containers: [{ name: 'smallest' }] },
    images: [
      {
        pinned: true,
        digest: /^sha256:[0-9a-f]{64}$/,
        verifiedWith: 'serviceIdentity',
        resolved: /^myregistry\.azurecr\.io\/my-app@sha256:/,
      },
    ],
    credentials: [{ server: acr, identity: pullIdentity }],
    containerGroup: { provisioningState: 'Succeeded', containers: [{ name: 'smallest', state: 'Running' }] },
    health: 'Healthy',
    failure: null,
  });
  t.same(
    json.timeline.map(({ phase }: { phase: string }) => phase),
    ['Accepted', 'Resolving', 'Submitting', 'Provisioning', 'Running'],
  );
  const events = (await ask('GET', `/deployments/${json.id}/events`)).json.value;
  t.ok(
    events.some(
      ({ source, type }: { source: string; type: string }) => source === 'Aci' && type === 'Pulled',
    ),
    "Azure's events are on record",
  );
  t.match((await ask('GET', `/operations/${json.operation}`)).json, { status: 'Succeeded', kind: 'Create' });
});

t.test(
  'the group in Azure has the pinned image, the credential and our tag, and the record has no secret',
  async t => {
    const { json } = await ask('POST', '/deployments', {
      body: requestFor('stored', {
        labels: { release: '7' },
        containers: [
          {
            name: 'app',
            image: `${acr}/my-app:v1.0`,
            environmentVariables: [{ name: 'DB', secretName: 'orders-db' }],
          },
        ],
      }),
      headers: { prefer: 'wait=30' },
    });
    t.match(json, {
      status: 'Running',
      images: [{ verifiedWith: 'credential' }],
      credentials: [{ secretName: 'acr-admin', secretVersion: /^[0-9a-f]{32}$/ }],
    });
    const { containerGroups } = (await world.control('GET', 'world')) as {
      containerGroups: Record<
        string,
        { name: string; tags: object; properties: { imageRegistryCredentials: object[] } }
      >;
    };
    const group = Object.values(containerGroups).find(({ name }) => name === 'stored');
    t.match(group, {
      tags: { 'slipway-deployment': json.id, release: '7', 'slipway-image-app': `${acr}/my-app:v1.0` },
    });
    t.match(group?.properties.imageRegistryCredentials, [{ server: acr, username: 'myregistry' }]);
  },
);

t.test(
  'a workload secret that has expired is not handed on, and a tag is sent where the caller wants tags',
  async t => {
    const expired = { name: 'orders-db', value: 'a-value-of-old', tags: {}, expires: 1 };
    await world.control('POST', 'world', { secrets: [{ vault: 'demo-vault', ...expired }] });
    const variables = [{ name: 'DB', secretName: 'orders-db' }];
    const containers = [{ name: 'app', image: `${acr}/my-app:v1.0`, environmentVariables: variables }];
    const old = await ask('POST', '/deployments', { body: requestFor('old-secret', { containers }) });
    const target = '/containers/0/environmentVariables/0/secretName';
    const failure = { code: 'CredentialExpired', stage: 'Resolving', target };
    t.match(old, { status: 422, json: { code: 'CredentialExpired', failure } }, 'found in the first stage');
    const tagged = await ask('POST', '/deployments', {
      body: requestFor('tagged', { imagePinning: 'tag' }),
      headers: { prefer: 'wait=30' },
    });
    t.match(tagged.json, {
      status: 'Running',
      images: [{ pinned: false, digest: /^sha256:/, resolved: `${acr}/my-app:v1.0` }],
    });
  },
);

t.test('a job that ends well is Succeeded; one that ends badly is explained with its last words', async t => {
  const job = (name: string, tag: string) =>
    requestFor(name, { restartPolicy: 'Never', containers: [{ name: 'job', image: `${acr}/job:${tag}` }] });
  const good = await ask('POST', '/deployments', {
    body: job('job-ok', 'ok'),
    headers: { prefer: 'wait=30' },
  });
  t.match(
    await eventually(
      'the end',
      async () => {
        const { json } = await ask('GET', `/deployments/${good.json.id}`);
        return json.status === 'Succeeded' && json;
      },
      40_000,
    ),
    { status: 'Succeeded' },
  );
  const bad = await ask('POST', '/deployments', {
    body: job('job-crash', 'crash'),
    headers: { prefer: 'wait=40' },
  });
  t.match(bad.json, { status: 'Failed', failure: { code: 'ContainerCrashed', owner: 'caller' } });
  t.match(bad.json.failure.detail, /1/, 'the exit code is told');
});

t.test('the same key gives the same operation; another body with it is refused', async t => {
  const headers = { 'idempotency-key': '"release-42"' };
  const first = await ask('POST', '/deployments', { body: requestFor('once'), headers });
  const second = await ask('POST', '/deployments', { body: requestFor('once'), headers });
  t.match([first.status, second.status], [202, 202]);
  t.equal(second.json.id, first.json.id);
  t.equal(second.headers.get('operation-location'), first.headers.get('operation-location'));
  t.equal(second.headers.get('idempotency-replayed'), 'true');
  t.match(await ask('POST', '/deployments', { body: requestFor('twice'), headers }), {
    status: 422,
    json: { code: 'IdempotencyKeyReused' },
  });
});

t.test('a name is taken until its deployment is deleted', async t => {
  const first = await ask('POST', '/deployments', {
    body: requestFor('taken'),
    headers: { prefer: 'wait=30' },
  });
  const again = await ask('POST', '/deployments', { body: requestFor('taken') });
  t.match(again, {
    status: 409,
    json: { code: 'DeploymentExists', deployment: `/deployments/${first.json.id}` },
  });
  const deleted = await ask('DELETE', '/deployments/demo:taken', { headers: { prefer: 'wait=30' } });
  t.match(deleted, { status: 200, json: { status: 'Deleted' } });
  t.match(await ask('DELETE', `/deployments/${first.json.id}`), { status: 204 });
  t.match(await ask('POST', '/deployments', { body: requestFor('taken') }), { status: 202 });
  t.match(
    await ask('GET', `/deployments/${first.json.id}`),
    { status: 200, json: { status: 'Deleted' } },
    'the record outlives the group',
  );
});

t.test('a group of that name that Slipway did not make is never touched', async t => {
  const put = await world.asAdministrator('PUT', `${armGroup}/foreign?api-version=2023-05-01`, {
    location: 'eastus',
    tags: { owner: 'someone' },
    properties: {
      containers: [
        {
          name: 'web',
          properties: { image: 'nginx:1.27', resources: { requests: { cpu: 1, memoryInGB: 1 } } },
        },
      ],
      osType: 'Linux',
    },
  });
  t.equal(put, 201);
  const since = (await world.journal()).at(-1)?.seq ?? 0;
  t.match(await ask('POST', '/deployments', { body: requestFor('foreign') }), {
    status: 409,
    json: { code: 'ContainerGroupExists' },
  });
  const changes = (await world.journal(since)).filter(
    ({ method, path }) => ['PUT', 'DELETE', 'PATCH'].includes(method) && path.includes('foreign'),
  );
  t.same(changes, []);
});

t.test("the README's requests run as they stand there", async t => {
  // Key Vault tells versions apart by seconds: those that the deployments above took lie between this one and the expired.
  const renewed = { vault: 'demo-vault', name: 'orders-db', value: 'a-value-of-new', tags: {} };
  await world.control('POST', 'world', { secrets: [renewed] });
  const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8');
  const requests = [...readme.matchAll(/^```json\n(.*?)^```$/gms)].map(([, body = '']) => body);
  t.equal(requests.length, 6);
  for (const raw of requests) {
    const { status, json } = await ask('POST', '/deployments', { raw, headers: { prefer: 'wait=30' } });
    t.match(
      { status, state: json.status },
      { status: 200, state: 'Running' },
      `${json.name}: ${json.failure?.detail}`,
    );
  }
});

t.test('an identity pulls once its role is there, and the missing role is explained before', async t => {
  const fresh = pullIdentity.replace('aci-acr-identity', 'fresh-identity');
  const refused = await ask('POST', '/deployments', {
    body: requestFor('fresh', { imageRegistryCredentials: [{ server: acr, identity: fresh }] }),
  });
  t.match(refused, {
    status: 422,
    json: {
      code: 'IdentityMissingPullRole',
      failure: { owner: 'registryOwner', fixes: [{ command: /az role assignment create .*AcrPull/ }] },
    },
  });
});

t.test('what cannot be used is refused with its code, at once', async t => {
  const by = (secretName: string, server = 'ghcr.io', image = 'ghcr.io/myorg/log-forwarder:2.0.1') => ({
    name: 'refused',
    containers: [{ image }],
    imageRegistryCredentials: [{ server, secretName }],
  });
  const cases: [string, object, number, string][] = [
    ['a wrong password', by('ghcr-wrong'), 422, 'RegistryAuthenticationFailed'],
    ['an expired secret', by('ghcr-expired'), 422, 'CredentialExpired'],
    ['a secret bound to nothing', by('unbound'), 403, 'CredentialNotBoundToRegistry'],
    [
      'a secret bound elsewhere',
      by('ghcr-pull', acr, `${acr}/my-app:v1.0`),
      403,
      'CredentialNotBoundToRegistry',
    ],
    ['a tag that is not there', by('acr-admin', acr, `${acr}/my-app:v9.9`), 422, 'ImageNotFound'],
    [
      'no such host',
      by('gone-pull', 'registry.gone.example', 'registry.gone.example/app:1'),
      422,
      'RegistryHostNotFound',
    ],
    [
      'the rate limit',
      by('dockerhub-pull', 'docker.io', 'docker.io/myusername/limited:1'),
      422,
      'RegistryRateLimited',
    ],
    ['another platform', by('acr-admin', acr, `${acr}/arm-only:1.0`), 422, 'PlatformMismatch'],
  ];
  for (const [name, body, status, code] of cases) {
    const answer = await ask('POST', '/deployments', { body });
    t.match(answer, { status, json: { code, failure: { code, stage: 'Resolving' } } }, name);
    t.ok(answer.ms < 5_000, `${name}: within 5 s`);
    t.ok(answer.json.failure?.fixes.length > 0, `${name}: with a fix`);
    t.match(
      await ask('GET', String(answer.headers.get('location') ?? answer.json.deployment)),
      { status: 200, json: { status: 'Failed' } },
      `${name}: on record`,
    );
  }
});

t.test('what policy denies answers as what does not exist, and Azure is asked nothing', async t => {
  const by = (secretName: string, server = 'ghcr.io', image = 'ghcr.io/myorg/log-forwarder:2.0.1') => ({
    name: 'denied',
    containers: [{ image }],
    imageRegistryCredentials: [{ server, secretName }],
  });
  const since = (await world.journal()).at(-1)?.seq ?? 0;
  const foreignSecret = await ask('POST', '/deployments', { body: by('other-pull') });
  const noSecret = await ask('POST', '/deployments', { body: by('never-was') });
  t.match([foreignSecret.status, foreignSecret.json.code], [403, 'CredentialNotAvailable']);
  const neutral = (text: string) =>
    text.replaceAll(/other-pull|never-was/g, 'NAME').replaceAll(/urn:uuid:[0-9a-f-]+/g, 'ID');
  t.equal(neutral(foreignSecret.text), neutral(noSecret.text), "another team's secret answers as none");
  t.match(
    await ask('POST', '/deployments', {
      body: by('ghcr-pull', 'registry.attacker.example', 'registry.attacker.example/app:1'),
    }),
    { status: 403, json: { code: 'RegistryNotAllowed' } },
  );
  t.match(
    await ask('POST', '/deployments', { body: by('orders-db') }),
    { status: 403, json: { code: 'CredentialNotAvailable' } },
    'a workload secret is no registry secret',
  );
  const asVariable = requestFor('denied', {
    containers: [
      { image: `${acr}/my-app:v1.0`, environmentVariables: [{ name: 'X', secretName: 'ghcr-pull' }] },
    ],
  });
  t.match(
    await ask('POST', '/deployments', { body: asVariable }),
    { status: 403, json: { code: 'CredentialNotAvailable' } },
    'nor the other way round',
  );
  const foreignIdentity = pullIdentity.replace('aci-acr-identity', 'other-identity');
  t.match(
    await ask('POST', '/deployments', {
      body: requestFor('denied', { imageRegistryCredentials: [{ server: acr, identity: foreignIdentity }] }),
    }),
    { status: 403, json: { code: 'IdentityNotAvailable' } },
  );
  t.match(await ask('POST', '/deployments', { body: requestFor('denied', { target: 'other' }) }), {
    status: 403,
    json: { code: 'TargetNotAllowed' },
  });
  t.same(await world.calls(since), [], 'no vault, registry or ARM call was made');
});

t.test("another team's deployment does not exist", async t => {
  const { json } = await ask('POST', '/deployments', {
    body: requestFor('walled'),
    headers: { prefer: 'wait=30' },
  });
  const unknown = json.id.replace(/.{12}$/, '000000000000');
  for (const path of ['', '/events']) {
    const foreign = await asOther('GET', `/deployments/${json.id}${path}`);
    const none = await asOther('GET', `/deployments/${unknown}${path}`);
    t.equal(foreign.status, 404);
    t.match(foreign.json, { ...none.json, instance: String });
  }
  t.equal((await asOther('GET', `/operations/${json.operation}`)).status, 404);
  t.equal((await asOther('DELETE', `/deployments/${json.id}`)).status, 404);
  t.same((await asOther('GET', '/deployments')).json.value, []);
  t.match(await asOther('POST', '/deployments', { body: requestFor('x', { team: 'demo' }) }), {
    status: 403,
  });
  t.equal((await asNobody('GET', `/deployments/${json.id}`)).status, 401);
});

t.test('requests that are not as they must be say where', async t => {
  const cases: [string, Parameters<typeof ask>[2], number, string, RegExp][] = [
    ['unknown property', { body: { ...requestFor('x'), replicas: 1 } }, 400, 'InvalidRequest', /\/replicas/],
    [
      'wrong type',
      { body: { ...requestFor('x'), containers: 'nginx' } },
      400,
      'InvalidRequest',
      /\/containers/,
    ],
    ['missing name', { body: { containers: [{ image: 'nginx' }] } }, 400, 'InvalidRequest', /\/name/],
    [
      'bad image',
      { body: { name: 'x', containers: [{ image: 'a b' }] } },
      400,
      'InvalidImageReference',
      /\/containers\/0\/image/,
    ],
    [
      'upper case',
      { body: { name: 'x', containers: [{ image: `${acr}/My-App:v1` }] } },
      400,
      'UppercaseRepository',
      /my-app/,
    ],
    [
      'secret ..',
      { body: requestFor('x', { imageRegistryCredentials: [{ server: 'ghcr.io', secretName: '..' }] }) },
      400,
      'InvalidRequest',
      /\/imageRegistryCredentials\/0\/secretName/,
    ],
    [
      'server with user',
      {
        body: requestFor('x', {
          imageRegistryCredentials: [{ server: 'ghcr.io@evil.example', secretName: 'a' }],
        }),
      },
      400,
      'InvalidRequest',
      /\/imageRegistryCredentials\/0\/server/,
    ],
    [
      'no credential for a registry',
      { body: { name: 'x', containers: [{ image: 'unheard.example/app:1' }] } },
      400,
      'RegistryCredentialMissing',
      /\/containers\/0\/image/,
    ],
    ['2 MB', { raw: JSON.stringify({ name: 'x'.repeat(2_000_000) }) }, 413, 'PayloadTooLarge', /64 KiB/],
    [
      'text/plain',
      { raw: 'name: x', headers: { 'content-type': 'text/plain' } },
      415,
      'UnsupportedMediaType',
      /application\/json/,
    ],
  ];
  for (const [name, request, status, code, place] of cases) {
    const answer = await ask('POST', '/deployments', request);
    t.match(answer, { status, json: { code, detail: place } }, name);
  }
  t.match(await asNobody('POST', '/deployments', { body: requestFor('x') }), {
    status: 401,
    json: { code: 'Unauthenticated' },
  });
});

t.test('the list is paged by key, newest first, and filtered', async t => {
  const names: string[] = [];
  for (let page = '/deployments?maxpagesize=3'; page; ) {
    const { status, json } = await ask('GET', page);
    t.equal(status, 200);
    names.push(...json.value.map(({ id }: { id: string }) => id));
    page = json.nextLink ?? '';
  }
  t.ok(names.length > 6);
  t.same(names, names.toSorted().reverse(), 'newest first, none twice');
  t.match((await ask('GET', '/deployments?name=taken&status=Deleted')).json.value, [
    { name: 'taken', status: 'Deleted' },
  ]);
  t.equal((await ask('GET', '/deployments?label=release%3D7')).json.value.length, 1);
});
