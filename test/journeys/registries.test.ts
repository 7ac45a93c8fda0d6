import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { testDatabaseUrl } from '../support/database.ts';
import { startDemoWorld } from '../support/demo-world.ts';
import { noDockerRegistry, startDockerRegistries } from '../support/docker-registry.ts';
import { createCaller, startProcess } from '../support/service.ts';
import { furnish, lookAlikes, ownGitLab, type Row, realOnes, secretOf } from './registries-world.ts';

/* Every kind of registry, as the running service meets it: the right credential pulls, and each mistake is told apart. */

const real = noDockerRegistry ? null : await startDockerRegistries(t);
const places = Object.entries(real?.places ?? {}).map(([host, place]) => `${host}=${place}`);
const world = await startDemoWorld(t, {
  env: places.length > 0 ? { EMULATOR_REGISTRIES: places.join(',') } : {},
});
const rows = [...lookAlikes, ownGitLab, ...(real ? realOnes : [])];
const settings = await furnish(world, rows);
const env = { ...world.env, ...(await testDatabaseUrl(t)), ...settings };
const service = await startProcess(t, ['src/main.ts'], env);
const ask = createCaller(service.url, await world.token());

const tagOf = ({ kind }: Row) => (kind === null ? '1' : '1.4.2');
const test = (row: Row, image: string, which: 'right' | 'wrong' | 'stranger') =>
  ask('POST', '/credentials/test', { body: { server: row.host, secretName: secretOf(row, which), image } });

/** Each step of a row that was as it should be. */
async function goThrough(t: Test, row: Row): Promise<boolean> {
  const { name, host, repository, other, wrong, denied, denies } = row;
  const image = `${host}/${repository}:${tagOf(row)}`;
  const right = await test(row, image, 'right');
  const usable = { usable: true, verifiedWith: 'credential', digest: /^sha256:[0-9a-f]{64}$/ };
  let good = t.match(right, { status: 200, json: usable }, `${name}: the right credential pulls`);

  const told = async (
    what: string,
    [asked, which]: [string, 'right' | 'wrong' | 'stranger'],
    code: RegExp,
  ) => {
    const { status, json } = await test(row, asked, which);
    const failure = { code, target: '/image', evidence: [{ step: String }], fixes: [{ action: String }] };
    const fine = t.match(
      { status, json },
      { status: 200, json: { usable: false, failure } },
      `${name}: ${what}`,
    );
    // A low confidence lists what it may be.
    const causes = json.failure?.confidence !== 'low' || json.failure.causes?.length > 1;
    return t.ok(causes, `${name}: ${what}: causes`) && fine;
  };
  good = (await told('a wrong one is explained', [image, 'wrong'], wrong)) && good;
  good =
    (await told('a missing tag is explained', [`${host}/${repository}:1.4.3`, 'right'], /^ImageNotFound$/)) &&
    good;
  const asked: [string, 'right' | 'stranger'] =
    denies === 'stranger' ? [image, 'stranger'] : [`${host}/${other}:${tagOf(row)}`, 'right'];
  return (await told('a repository without right is explained', asked, denied)) && good;
}

t.test('each look-alike and each real registry: right, wrong, missing, without right', async t => {
  let right = 0;
  for (const row of rows) if (await goThrough(t, row)) right += 1;
  t.comment(`registries ${right}/${rows.length}`);
  t.equal(right, rows.length);
});

t.test('what was explained names the caller’s own secret, user and tags', async t => {
  const [acr, , , harbor] = lookAlikes;
  if (!acr || !harbor) throw new Error('no rows');
  const missing = await test(acr, `${acr.host}/${acr.repository}:1.4.3`, 'right');
  t.match(missing.json.failure, {
    detail: /The nearest tags are 1\.4\.[12], 1\.4\.[12]/,
    evidence: [{ step: 'manifest', host: acr.host, status: 404, registryCode: 'MANIFEST_UNKNOWN' }],
    fixes: [
      {
        command: `az acr repository show-tags --name lookalike --repository ${acr.repository} --output table`,
      },
      { action: /lookalike\.azurecr\.io\/team\/app:1\.4\.[12]$/ },
    ],
  });
  const wrong = await test(harbor, `${harbor.host}/team/app:1.4.2`, 'wrong');
  t.match(wrong.json.failure, {
    owner: 'caller',
    confidence: 'high',
    evidence: [{ step: 'token', host: harbor.host, status: 401 }],
    fixes: [
      {
        command: `az keyvault secret set --vault-name demo-vault --name ${secretOf(harbor, 'wrong')} --file /dev/stdin --tags slipway-registry=${harbor.host} slipway-username='robot$team+puller'`,
      },
    ],
  });
});

t.test('an expired password of ECR says so', async t => {
  const ecr = lookAlikes.find(({ kind }) => kind === 'ecr');
  if (!ecr) throw new Error('no ECR');
  const users = { AWS: { password: 'right-password', expired: true } };
  await world.control('POST', 'world', { registries: [{ host: ecr.host, users }] });
  const { json } = await test(ecr, `${ecr.host}/team/app:1.4.2`, 'right');
  t.match(json, { usable: false, failure: { code: 'CredentialExpired', evidence: [{ status: 403 }] } });
});

t.test('what was proven is what Azure pulls', async t => {
  // Azure takes no port in a server's name; ECR's password has expired above.
  const pulled = rows.filter(({ host, kind }) => kind !== 'ecr' && !host.includes(':'));
  const answers = await Promise.all(
    pulled.map((row, index) =>
      ask('POST', '/deployments', {
        headers: { prefer: 'wait=40' },
        body: {
          name: `registry-${index}`,
          containers: [{ name: 'app', image: `${row.host}/${row.repository}:${tagOf(row)}` }],
          imageRegistryCredentials: [{ server: row.host, secretName: secretOf(row, 'right') }],
        },
      }),
    ),
  );
  for (const [index, { status, json }] of answers.entries()) {
    const image = { pinned: true, verifiedWith: 'credential', resolved: /@sha256:/ };
    const { name, username } = pulled[index] ?? {};
    t.match(
      { status, json },
      { status: 200, json: { status: 'Running', images: [image], credentials: [{ username }] } },
      `${name}: ${json.failure?.detail ?? ''}`,
    );
  }
});

t.test('a credential is tested anew each time, and nothing of it is kept', async t => {
  const ghcr = lookAlikes.find(({ kind }) => kind === 'ghcr');
  if (!ghcr) throw new Error('no GitHub');
  const image = `${ghcr.host}/team/app:1.4.2`;
  await test(ghcr, image, 'right');
  const before = (await world.journal()).at(-1)?.seq ?? 0;
  await test(ghcr, image, 'right');
  const asked = (await world.journal(before)).map(
    ({ host, method, path }) => `${method} ${host}${path.split('?')[0]}`,
  );
  t.ok(
    asked.some(each => each.startsWith('GET demo-vault.vault.azure.net/secrets/')),
    'the vault is asked',
  );
  t.same(
    asked.filter(each => each.includes('ghcr.io')),
    [
      `HEAD ghcr.io/v2/team/app/manifests/1.4.2`,
      'GET ghcr.io/token',
      `GET ghcr.io/v2/team/app/manifests/1.4.2`,
    ],
    'and the registry, from the beginning',
  );
});

t.test('what may not be tested is refused before anybody is asked', async t => {
  const [acr, hub] = lookAlikes;
  if (!acr || !hub) throw new Error('no rows');
  const before = (await world.journal()).at(-1)?.seq ?? 0;
  const good = { server: acr.host, secretName: secretOf(acr, 'right'), image: `${acr.host}/team/app:1.4.2` };
  const cases: [string, object, number, string, RegExp][] = [
    ['no credential', { ...good, secretName: undefined }, 400, 'InvalidRequest', /exactly one/],
    ['two', { ...good, identity: `/subscriptions/${'0'.repeat(36)}/x` }, 400, 'InvalidRequest', /./],
    ['a password', { ...good, password: 'x' }, 400, 'PasswordNotAccepted', /./],
    ['another server', { ...good, server: hub.host }, 400, 'InvalidRequest', /no image is of registry/],
    ['a scheme', { ...good, image: `https://${good.image}` }, 400, 'InvalidImageReference', /without/],
    ['capitals', { ...good, image: `${acr.host}/Team/App:1` }, 400, 'UppercaseRepository', /team\/app/],
    [
      'a registry that is not allowed',
      { ...good, server: 'evil.example', image: 'evil.example/a:1' },
      403,
      'RegistryNotAllowed',
      /evil/,
    ],
    ['a secret that is not', { ...good, secretName: 'nobodys' }, 403, 'CredentialNotAvailable', /nobodys/],
    [
      'a secret bound elsewhere',
      { ...good, secretName: secretOf(hub, 'right') },
      403,
      'CredentialNotBoundToRegistry',
      /docker\.io/,
    ],
    [
      'no dot in the registry',
      { ...good, image: 'lookalike/team/app:1.4.2' },
      400,
      'InvalidRequest',
      /Docker Hub's lookalike\/team\/app: .* lookalike\.azurecr\.io\/team\/app:1\.4\.2/,
    ],
    ['no registry at all', { ...good, image: 'app:1' }, 400, 'InvalidRequest', /Docker Hub's library\/app/],
  ];
  for (const [what, body, status, code, text] of cases) {
    const answer = await ask('POST', '/credentials/test', { body });
    t.match(answer, { status, json: { code, detail: text } }, what);
  }
  const asked = (await world.journal(before)).filter(({ host }) => !/^login\./.test(host));
  t.same(asked, []);
});

t.test('no hostile server or image leads anywhere', async t => {
  const file = join(import.meta.dirname, '../vectors/hostile-inputs.json');
  const vectors: Record<'registryServers' | 'imageReferences', string[]> = JSON.parse(
    readFileSync(file, 'utf8'),
  );
  const [acr] = lookAlikes;
  if (!acr) throw new Error('no row');
  const good = { server: acr.host, secretName: secretOf(acr, 'right'), image: `${acr.host}/team/app:1.4.2` };
  const before = (await world.journal()).at(-1)?.seq ?? 0;
  const bodies = [
    ...vectors.registryServers.flatMap(server => [
      { ...good, server },
      { ...good, image: `${server}/team/app:1` },
      { ...good, server, image: `${server}/team/app:1` },
    ]),
    ...vectors.imageReferences.map(image => ({ ...good, image })),
  ];
  let refused = 0;
  for (const body of bodies) {
    const { status } = await ask('POST', '/credentials/test', { body });
    if (t.ok(status >= 400 && status < 500, `${status} ${JSON.stringify(body).slice(0, 120)}`)) refused += 1;
  }
  t.comment(`hostile servers and images ${refused}/${bodies.length}`);
  t.same(await world.calls(before), []);
});

t.test('an outage of our own vault is 503, not a verdict', async t => {
  const [acr] = lookAlikes;
  if (!acr) throw new Error('no row');
  const { id } = (await world.control('POST', 'faults', {
    host: 'demo-vault.vault.azure.net',
    response: { status: 503, body: '' },
  })) as { id: string };
  const answer = await test(acr, `${acr.host}/team/app:1.4.2`, 'right');
  t.match(answer, { status: 503, json: { code: 'AzureUnavailable' } });
  t.match(answer.headers.get('retry-after'), /^\d+$/);
  await world.control('DELETE', `faults/${id}`);
  t.match(await test(acr, `${acr.host}/team/app:1.4.2`, 'right'), { json: { usable: true } });
});

t.test('an image that may be a slip is refused with what may have been meant', async t => {
  const [acr] = lookAlikes;
  if (!acr) throw new Error('no row');
  const body = {
    name: 'slip',
    containers: [{ name: 'app', image: 'lookalike/team/app:1.4.2' }],
    imageRegistryCredentials: [{ server: acr.host, secretName: secretOf(acr, 'right') }],
  };
  const meant = /where lookalike is a registry, .*lookalike\.azurecr\.io\/team\/app:1\.4\.2/;
  t.match(await ask('POST', '/deployments', { body }), {
    status: 400,
    json: { code: 'InvalidRequest', errors: [{ detail: meant }] },
  });
  const alone = { ...body, imageRegistryCredentials: [] };
  t.match(await ask('POST', '/deployments', { body: alone }), {
    status: 400,
    json: { code: 'RegistryCredentialMissing', detail: meant },
  });
});
