import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { testDatabaseUrl } from '../support/database.ts';
import { eventually, startDemoWorld } from '../support/demo-world.ts';
import { createCaller, startProcess } from '../support/service.ts';

/* What is known of an identity before Azure is asked to pull as it: its role, and what its registry's settings say. */

const world = await startDemoWorld(t);
const group = '/subscriptions/00000000-0000-0000-0000-00000000bbbb/resourceGroups/my-resource-group';
const identityId = (name: string) =>
  `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`;
const registryId = (name: string) => `${group}/providers/Microsoft.ContainerRegistry/registries/${name}`;
const [legacy, abac, hidden, gone] = ['legacy', 'abac', 'hidden', 'gone'].map(
  name => `${name}reg.azurecr.io`,
);
const names = ['young', 'older', 'known', 'nobody'] as const;
const identities = Object.fromEntries(names.map(name => [name, identityId(`${name}-identity`)])) as Record<
  (typeof names)[number],
  string
>;
const registryOf = (host = '') => host.replace('.azurecr.io', '');
const slipway = '00000000-0000-0000-0000-0000000d0000';

await world.control('POST', 'world', {
  identities: names.map(name => ({ name: `${name}-identity` })),
  containerRegistries: [legacy, abac, hidden, gone].map(host => ({
    name: registryOf(host),
    roleAssignmentMode: host === abac ? 'AbacRepositoryPermissions' : 'LegacyRegistryPermissions',
  })),
  registries: [legacy, abac].map(host => ({ host, kind: 'acr' })),
  images: [legacy, abac].map(host => ({ host, repository: 'team/app', tag: '1' })),
});
const { principals, identities: made } = (await world.control('GET', 'world')) as {
  principals: Record<string, { principalId: string }>;
  identities: Record<string, { principalId: string }>;
};
const principalOf = (name: (typeof names)[number]) => made[identities[name].toLowerCase()]?.principalId ?? '';
const own = principals[slipway]?.principalId ?? '';
const ago = (ms: number) => new Date(Date.now() - ms).toISOString();
const grant = (principalId: string, role: string, scope: string, createdOn = ago(3_600_000)) => ({
  principalId,
  role,
  scope,
  createdOn,
});
await world.control('POST', 'world', {
  roleAssignments: [
    ...[legacy, abac, hidden, gone].map(host => grant(own, 'Reader', registryId(registryOf(host)))),
    grant(own, 'AcrPull', registryId('legacyreg')),
    ...[...Object.values(identities), identityId('not-there')].map(id =>
      grant(own, 'Managed Identity Operator', id),
    ),
    ...['legacyreg', 'abacreg', 'hiddenreg', 'gonereg'].map(name =>
      grant(principalOf('known'), 'AcrPull', registryId(name)),
    ),
    grant(principalOf('older'), 'AcrPull', registryId('legacyreg'), ago(60_000)),
  ],
});

const policyFile = join(world.data, 'identities.json');
const entra = 'https://login.microsoftonline.com/00000000-0000-0000-0000-00000000aaaa/v2.0';
writeFileSync(
  policyFile,
  JSON.stringify({
    version: 1,
    issuers: [{ name: 'embedded', issuer: entra, audience: '00000000-0000-0000-0000-00000000dddd' }],
    teams: {
      demo: {
        principals: [
          {
            issuer: 'embedded',
            client: '00000000-0000-0000-0000-0000000d0001',
            permissions: ['deploy', 'read'],
          },
        ],
        targets: ['demo'],
        identities: [...Object.values(identities), identityId('not-there')].map(id => ({ id, use: 'pull' })),
        registries: [legacy, abac, hidden, gone, 'ghcr.io'].map(server => ({ server })),
      },
    },
    targets: {
      demo: {
        subscription: '00000000-0000-0000-0000-00000000bbbb',
        resourceGroup: 'my-resource-group',
        locations: ['eastus'],
      },
    },
    registries: Object.fromEntries(
      [legacy, abac, hidden, gone].map(host => [
        host,
        { id: registryId(registryOf(host)), ...(host === hidden ? { preflight: 'bestEffort' } : {}) },
      ]),
    ),
  }),
);
const { port } = new URL(world.azure.url);
const hosts = [legacy, abac].map(host => `${host}=127.0.0.1:${port}`).join(' ');
const env = {
  ...world.env,
  ...(await testDatabaseUrl(t)),
  SLIPWAY_POLICY: policyFile,
  // The others are not found: they are in a network of their own.
  SLIPWAY_HOSTS: `${hosts} ${world.env.SLIPWAY_HOSTS ?? ''}`,
};
const service = await startProcess(t, ['src/main.ts'], env);
const ask = createCaller(service.url, await world.token());
const test = (host = '', identity: string, more: object = {}) =>
  ask('POST', '/credentials/test', {
    body: { server: host, identity, image: `${host}/team/app:1`, ...more },
  });
const deploy = (name: string, identity: string, host = legacy, headers = {}) =>
  ask('POST', '/deployments', {
    headers,
    body: {
      name,
      containers: [{ name: 'app', image: `${host}/team/app:1` }],
      imageRegistryCredentials: [{ server: host, identity }],
    },
  });

t.test('an identity with the role is proven by it, and the image with our own', async t => {
  const { status, json } = await test(legacy, identities.known);
  t.match(
    { status, json },
    { status: 200, json: { usable: true, verifiedWith: 'serviceIdentity', digest: /^sha256:/ } },
  );
  t.notOk(json.waitingFor);
});

t.test('a role that is missing is named, by its registry’s mode, for the principal', async t => {
  const missing = await test(legacy, identities.nobody);
  t.match(missing.json, {
    usable: false,
    failure: {
      code: 'IdentityMissingPullRole',
      owner: 'registryOwner',
      fixes: [{ command: new RegExp(`--assignee-object-id ${principalOf('nobody')} .* --role AcrPull `) }],
    },
  });
  // It has AcrPull, which does not count there.
  t.match((await test(abac, identities.known)).json, {
    usable: false,
    failure: {
      code: 'IdentityMissingPullRole',
      evidence: [{ message: /ABAC mode/ }],
      fixes: [{ command: /--role 'Container Registry Repository Reader' / }],
    },
  });
  const reader = grant(principalOf('known'), 'Container Registry Repository Reader', registryId('abacreg'));
  await world.control('POST', 'world', { roleAssignments: [reader] });
  // Slipway's own identity may not read there: the role is all that is known.
  t.match((await test(abac, identities.known)).json, { usable: true, verifiedWith: 'roleOnly' });
  t.match((await test(legacy, identityId('not-there'))).json, { failure: { code: 'IdentityNotFound' } });
  t.match((await test('ghcr.io', identities.known)).json, { failure: { code: 'IdentityNotUsableForPull' } });
});

t.test('an image that is not there is not there for an identity either', async t => {
  const body = { server: legacy, identity: identities.known, image: `${legacy}/team/app:2` };
  t.match((await ask('POST', '/credentials/test', { body })).json, {
    usable: false,
    failure: { code: 'ImageNotFound', detail: /nearest tags are 1/ },
  });
});

t.test(
  'a registry that Slipway cannot reach is no refusal where policy says so, and one where not',
  async t => {
    const known = await test(hidden, identities.known);
    t.match(known.json, { usable: true, verifiedWith: 'roleOnly' });
    t.match((await test(gone, identities.known)).json, {
      usable: false,
      failure: { code: 'RegistryHostNotFound' },
    });
    const { json } = await deploy('hidden', identities.known, hidden, { prefer: 'respond-async' });
    const record = await eventually('the image to be looked at', async () => {
      const answer = await ask('GET', `/deployments/${json.id}`);
      return answer.json.images.length > 0 && answer.json;
    });
    t.match(record.images, [
      { verifiedWith: 'roleOnly', pinned: false, digest: null, resolved: `${hidden}/team/app:1` },
    ]);
  },
);

const settings = async (properties: object) => {
  const { id } = (await world.control('POST', 'faults', {
    host: 'management.azure.com',
    method: 'GET',
    path: '/registries/legacyreg\\?',
    response: { status: 200, body: { properties } },
  })) as { id: string };
  return { [Symbol.asyncDispose]: async () => void (await world.control('DELETE', `faults/${id}`)) };
};

t.test('the registry’s own settings are read: whom its network lets in, which tokens it takes', async t => {
  {
    await using _ = await settings({ publicNetworkAccess: 'Disabled', networkRuleBypassOptions: 'None' });
    t.match((await test(legacy, identities.known)).json, {
      usable: false,
      failure: {
        code: 'RegistryNetworkDenied',
        fixes: [{ command: 'az acr update --name legacyreg --allow-trusted-services true' }],
      },
    });
  }
  {
    await using _ = await settings({
      networkRuleSet: { defaultAction: 'Deny' },
      networkRuleBypassOptions: 'AzureServices',
      policies: { azureADAuthenticationAsArmPolicy: { status: 'disabled' } },
    });
    t.match((await test(legacy, identities.known)).json, {
      usable: true,
      notes: [/no tokens for Azure Resource Manager/, /trusted Microsoft services/],
    });
  }
  t.equal((await test(legacy, identities.known)).json.notes, undefined);
});

t.test('a role of a moment ago is waited for, and it is said', async t => {
  const young = grant(principalOf('young'), 'AcrPull', registryId('legacyreg'), ago(0));
  await world.control('POST', 'world', { roleAssignments: [young] });
  t.match((await test(legacy, identities.young)).json, {
    usable: true,
    waitingFor: { reason: 'RolePropagation', since: young.createdOn },
  });
  const { json } = await deploy('young', identities.young, legacy, { prefer: 'respond-async' });
  const waiting = await eventually('it to be waited for', async () => {
    const answer = await ask('GET', `/deployments/${json.id}`);
    return answer.json.waitingFor && answer.json;
  });
  t.match(waiting, {
    status: 'Resolving',
    waitingFor: { reason: 'RolePropagation' },
    credentials: [{ identity: identities.young, roleGrantedAt: young.createdOn }],
  });
});

t.test('what Azure refuses while a role spreads is tried again', async t => {
  const refusal = {
    error: {
      code: 'InaccessibleImage',
      message: `The image '${legacy}/team/app:1' in container group 'older' is not accessible. Please check the image and registry credential.`,
    },
  };
  const fault = { host: 'management.azure.com', method: 'PUT', path: '/containerGroups/older', times: 1 };
  await world.control('POST', 'faults', { ...fault, response: { status: 400, body: refusal } });
  const { json } = await deploy('older', identities.older, legacy, { prefer: 'respond-async' });
  const seen = new Set<string>();
  const ended = await eventually('it to run', async () => {
    const answer = await ask('GET', `/deployments/${json.id}`);
    if (answer.json.waitingFor) seen.add(answer.json.waitingFor.reason);
    return answer.json.settled && answer.json;
  });
  t.match(ended, { status: 'Running', failure: null });
  t.same([...seen], ['RolePropagation']);

  // To an identity whose role is known everywhere it is final.
  await world.control('POST', 'faults', {
    ...fault,
    path: '/containerGroups/known',
    response: { status: 400, body: refusal },
  });
  t.match(await deploy('known', identities.known, legacy, { prefer: 'wait=20' }), {
    json: { status: 'Failed', failure: { code: 'ImageInaccessible' } },
  });
});
