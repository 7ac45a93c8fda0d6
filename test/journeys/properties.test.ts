import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import type { DeploymentRequest } from '../../src/schemas/request.ts';
import { testDatabaseUrl } from '../support/database.ts';
import { startDemoWorld } from '../support/demo-world.ts';
import { createCaller, requestFor, startProcess } from '../support/service.ts';

const subscription = '00000000-0000-0000-0000-00000000bbbb';
const resources = `/subscriptions/${subscription}/resourceGroups/my-resource-group/providers`;
const subnet = `${resources}/Microsoft.Network/virtualNetworks/demo-net/subnets/aci`;
const identity = (name: string) => `${resources}/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`;
const workspace = '11111111-2222-3333-4444-555555555555';
const workspaceResource = `${resources}/Microsoft.OperationalInsights/workspaces/logs`;
const acr = 'myregistry.azurecr.io';
const secrets = {
  'files-key': 'the-key-of-the-share-7f3a',
  'logs-key': 'the-key-of-the-workspace-91bc',
  'app-config': 'the-content-of-a-file-5d20',
};

const world = await startDemoWorld(t);
for (const [name, value] of Object.entries(secrets))
  await world.control('POST', 'world', { secrets: [{ vault: 'demo-vault', name, value, tags: {} }] });
const slipway = (
  (await world.control('GET', 'world')) as {
    identities: Record<string, { name: string; principalId: string }>;
  }
).identities;
const { principalId } = Object.values(slipway).find(({ name }) => name === 'slipway') ?? { principalId: '' };
await world.control('POST', 'world', {
  roleAssignments: [{ principalId, role: 'Contributor', scope: subnet }],
});

/** The embedded policy, and what its target allows besides. */
const policy = parse(readFileSync(join(import.meta.dirname, '../../src/policy/embedded.yaml'), 'utf8'));
policy.targets.demo.network.subnets = [subnet];
policy.targets.demo.workspaces = [workspace, workspaceResource];
policy.targets.demo.storageAccounts = ['demofiles'];
policy.teams.demo.workloadSecrets.push(...Object.keys(secrets));
policy.teams.demo.identities.push({ id: identity('fresh-identity'), use: 'workload' });
const policyPath = join(world.data, 'policy.yaml');
writeFileSync(policyPath, JSON.stringify(policy));

const env = { ...world.env, ...(await testDatabaseUrl(t)), SLIPWAY_POLICY: policyPath };
const service = await startProcess(t, ['src/main.ts'], env);
const answers: string[] = [];
const ask = createCaller(service.url, await world.token(), answers);

const groupPath = (name: string) => `${resources}/Microsoft.ContainerInstance/containerGroups/${name}`;
const stored = (name: string, version = '2023-05-01') =>
  world.readArm(`${groupPath(name)}?api-version=${version}`);

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

/** What Azure keeps and never answers, as the emulator shows it: secrets by their SHA-256. */
async function inside(name: string) {
  const { containerGroups } = (await world.control('GET', 'world')) as {
    containerGroups: Record<string, { name: string; properties: object }>;
  };
  return Object.values(containerGroups).find(group => group.name === name)?.properties;
}

async function deploy(request: DeploymentRequest) {
  const { status, json } = await ask('POST', '/deployments', {
    body: request,
    headers: { prefer: 'wait=45' },
  });
  if (json.status !== 'Running') throw new Error(`${request.name}: ${status} ${JSON.stringify(json)}`);
  return json;
}

const app = (more: object = {}): DeploymentRequest['containers'] => [
  { name: 'app', image: `${acr}/my-app:v1.0`, ...more },
];

t.test('what containers may have arrives in the group as it was asked for', async t => {
  const probe = { periodSeconds: 5, failureThreshold: 2, initialDelaySeconds: 1, timeoutSeconds: 3 };
  const container = {
    command: ['/bin/server', '--port', '8080'],
    resources: { requests: { cpu: 0.5, memoryInGB: 1 }, limits: { cpu: 1, memoryInGB: 2 } },
    ports: [{ port: 8080 }, { port: 53, protocol: 'UDP' as const }],
    livenessProbe: {
      ...probe,
      httpGet: {
        path: '/live',
        port: 8080,
        scheme: 'http' as const,
        httpHeaders: [{ name: 'X-A', value: 'b' }],
      },
    },
    readinessProbe: { ...probe, successThreshold: 2, exec: { command: ['cat', '/tmp/ready'] } },
    securityContext: {
      allowPrivilegeEscalation: false,
      runAsUser: 1000,
      runAsGroup: 1000,
      capabilities: { drop: ['NET_RAW'] },
    },
  };
  await deploy(
    requestFor('containers', {
      containers: app({
        ...container,
        environmentVariables: [
          { name: 'LOG_LEVEL', value: 'info' },
          { name: 'DATABASE', secretName: 'ORDERS-DB' },
        ],
        volumeMounts: [{ name: 'scratch', mountPath: '/scratch', readOnly: true }],
      }),
      initContainers: [
        {
          name: 'prepare',
          image: `${acr}/web-app:1.4.2`,
          command: ['prepare'],
          securityContext: { privileged: false, capabilities: { add: ['CHOWN'] }, seccompProfile: 'e30=' },
          environmentVariables: [{ name: 'DATABASE', secretName: 'orders-db' }],
          volumeMounts: [{ name: 'scratch', mountPath: '/scratch' }],
        },
      ],
      volumes: [{ name: 'scratch', emptyDir: {} }],
      ipAddress: {
        type: 'Public',
        ports: [{ port: 8080 }],
        dnsNameLabel: 'slipway-containers',
        autoGeneratedDomainNameLabelScope: 'TenantReuse',
      },
      zones: ['1'],
    }),
  );
  t.match(await stored('containers'), {
    zones: ['1'],
    properties: {
      containers: [
        {
          name: 'app',
          properties: {
            ...container,
            image: /^myregistry\.azurecr\.io\/my-app@sha256:/,
            ports: [
              { port: 8080, protocol: 'TCP' },
              { port: 53, protocol: 'UDP' },
            ],
            environmentVariables: [{ name: 'LOG_LEVEL', value: 'info' }, { name: 'DATABASE' }],
            volumeMounts: [{ name: 'scratch', mountPath: '/scratch', readOnly: true }],
          },
        },
      ],
      initContainers: [
        {
          name: 'prepare',
          properties: {
            image: /^myregistry\.azurecr\.io\/web-app@sha256:/,
            command: ['prepare'],
            securityContext: { privileged: false, capabilities: { add: ['CHOWN'] } },
            environmentVariables: [{ name: 'DATABASE' }],
            volumeMounts: [{ name: 'scratch', mountPath: '/scratch' }],
          },
        },
      ],
      volumes: [{ name: 'scratch', emptyDir: {} }],
      ipAddress: {
        type: 'Public',
        ports: [{ port: 8080, protocol: 'TCP' }],
        dnsNameLabel: 'slipway-containers',
        autoGeneratedDomainNameLabelScope: 'TenantReuse',
        fqdn: /^slipway-containers\..*eastus\.azurecontainer\.io$/,
      },
    },
  });
});

t.test(
  'volumes and logs get their secrets from Key Vault, in a subnet with its own name servers',
  async t => {
    await deploy(
      requestFor('in-a-subnet', {
        containers: app({
          ports: [{ port: 80 }],
          volumeMounts: [
            { name: 'files', mountPath: '/files' },
            { name: 'config', mountPath: '/etc/app', readOnly: true },
          ],
        }),
        volumes: [
          {
            name: 'files',
            azureFile: {
              shareName: 'share',
              storageAccountName: 'demofiles',
              storageAccountKeySecretName: 'files-key',
              readOnly: true,
            },
          },
          { name: 'config', secret: { 'app.json': { secretName: 'app-config' } } },
        ],
        ipAddress: { type: 'Private', ports: [{ port: 80 }] },
        subnetIds: [{ id: subnet.toLowerCase(), name: 'inside' }],
        dnsConfig: { nameServers: ['10.0.0.10'], searchDomains: 'corp.example', options: 'ndots:2' },
        diagnostics: {
          logAnalytics: {
            workspaceId: workspace,
            workspaceKeySecretName: 'logs-key',
            logType: 'ContainerInsights',
            metadata: { team: 'demo' },
            workspaceResourceId: workspaceResource,
          },
        },
      }),
    );
    t.match(await stored('in-a-subnet'), {
      properties: {
        volumes: [
          {
            name: 'files',
            azureFile: { shareName: 'share', storageAccountName: 'demofiles', readOnly: true },
          },
          { name: 'config', secret: {} },
        ],
        ipAddress: { type: 'Private', ip: /^10\./ },
        subnetIds: [{ id: subnet, name: 'inside' }],
        dnsConfig: { nameServers: ['10.0.0.10'], searchDomains: 'corp.example', options: 'ndots:2' },
        diagnostics: { logAnalytics: { workspaceId: workspace } },
      },
    });
    t.match(await inside('in-a-subnet'), {
      volumes: [
        { azureFile: { storageAccountKeySha256: sha256(secrets['files-key']) } },
        { secretSha256: { 'app.json': sha256(Buffer.from(secrets['app-config']).toString('base64')) } },
      ],
      diagnostics: {
        logAnalytics: { logType: 'ContainerInsights', workspaceKeySha256: sha256(secrets['logs-key']) },
      },
    });
  },
);

t.test('Spot is taken as such', async t => {
  await deploy(requestFor('spot', { priority: 'Spot' }));
  t.match(await stored('spot'), { properties: { priority: 'Spot' } });
});

t.test('an identity that pulls is kept from the workload, and the record says so', async t => {
  const pull = identity('aci-acr-identity');
  const orders = identity('orders-identity');
  const credentials = [
    { server: acr, identity: pull.toLowerCase().replace('resourcegroups', 'resourceGroups') },
  ];
  const record = await deploy(
    requestFor('isolated', {
      imageRegistryCredentials: credentials,
      identity: { userAssignedIdentities: [orders] },
    }),
  );
  t.match(record.credentials, [{ server: acr, identity: pull, isolated: true }]);
  const newer = (await stored('isolated', '2025-09-01')) as { properties: { identityAcls: unknown } };
  t.same(newer.properties.identityAcls, {
    defaultAccess: 'System',
    acls: [
      { identity: pull, access: 'System' },
      { identity: orders, access: 'User' },
    ],
  });
  const token = (name: string) =>
    world.knock(
      '169.254.169.254',
      `/msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fmanagement.azure.com&mi_res_id=${identity(name)}`,
      { 'x-identity-header': groupPath('isolated').toLowerCase() },
    );
  t.equal(await token('orders-identity'), 200, 'its own');
  t.equal(await token('aci-acr-identity'), 400, 'not the one that pulls');

  await world.control('POST', 'faults', {
    host: 'management.azure.com',
    method: 'PUT',
    path: 'containerGroups/old-cloud\\?api-version=2025-09-01',
    times: 1,
    response: {
      status: 400,
      body: {
        error: { code: 'NoRegisteredProviderFound', message: 'No registered resource provider found.' },
      },
    },
  });
  const old = await deploy(requestFor('old-cloud', { imageRegistryCredentials: credentials }));
  t.match(old.credentials, [{ identity: pull, isolated: false }], 'where Azure does not know how');
});

t.test('what the target does not allow, and what contradicts itself, reaches nothing', async t => {
  const since = (await world.journal()).at(-1)?.seq ?? 0;
  const ports = [{ port: 80 }];
  const elsewhere = subnet.replace('demo-net', 'their-net');
  const files = (more: object) => ({
    volumes: [
      {
        name: 'files',
        azureFile: {
          shareName: 'share',
          storageAccountName: 'demofiles',
          storageAccountKeySecretName: 'files-key',
          ...more,
        },
      },
    ],
  });
  const logs = (more: object) => ({
    diagnostics: { logAnalytics: { workspaceId: workspace, workspaceKeySecretName: 'logs-key', ...more } },
  });
  const cases: [string, object, number, string, string][] = [
    ['another subnet', { subnetIds: [{ id: elsewhere }] }, 403, 'TargetNotAllowed', '/subnetIds/0/id'],
    [
      'a subnet that is none',
      { subnetIds: [{ id: `${subnet}/../x` }] },
      400,
      'InvalidRequest',
      '/subnetIds/0/id',
    ],
    [
      'another workspace',
      logs({ workspaceId: workspace.replace('1', '9') }),
      403,
      'TargetNotAllowed',
      '/diagnostics/logAnalytics/workspaceId',
    ],
    [
      "another workspace's resource",
      logs({ workspaceResourceId: `${resources}/Microsoft.OperationalInsights/workspaces/theirs` }),
      403,
      'TargetNotAllowed',
      '/diagnostics/logAnalytics/workspaceResourceId',
    ],
    [
      'another storage account',
      files({ storageAccountName: 'theirfiles' }),
      403,
      'TargetNotAllowed',
      '/volumes/0/azureFile/storageAccountName',
    ],
    [
      'a registry password as the key of a share',
      files({ storageAccountKeySecretName: 'acr-admin' }),
      403,
      'CredentialNotAvailable',
      '/volumes/0/azureFile/storageAccountKeySecretName',
    ],
    [
      'a registry password as a file',
      { volumes: [{ name: 'files', secret: { a: { secretName: 'acr-admin' } } }] },
      403,
      'CredentialNotAvailable',
      '/volumes/0/secret/a/secretName',
    ],
    [
      'a registry password as the key of logs',
      logs({ workspaceKeySecretName: 'unbound' }),
      403,
      'CredentialNotAvailable',
      '/diagnostics/logAnalytics/workspaceKeySecretName',
    ],
    [
      'a pull identity for the workload',
      { identity: { userAssignedIdentities: [identity('aci-acr-identity')] } },
      403,
      'IdentityNotAvailable',
      '/identity/userAssignedIdentities/0',
    ],
    [
      'a private address',
      { ipAddress: { type: 'Private', ports } },
      400,
      'InvalidRequest',
      '/ipAddress/ports/0',
    ],
    ['a zone of two', { zones: ['1', '2'] }, 400, 'InvalidRequest', '/zones'],
    [
      'GPUs',
      { containers: app({ resources: { requests: { cpu: 1, memoryInGB: 1, gpu: {} } } }) },
      400,
      'InvalidRequest',
      '/containers/0/resources/requests/gpu',
    ],
    [
      'a Git volume',
      { volumes: [{ name: 'files', gitRepo: {} }] },
      400,
      'InvalidRequest',
      '/volumes/0/gitRepo',
    ],
    ['an edition', { sku: 'Confidential' }, 400, 'InvalidRequest', '/sku'],
  ];
  for (const [name, more, status, code, pointer] of cases) {
    const answer = await ask('POST', '/deployments', { body: requestFor('refused', more) });
    t.match(answer, { status, json: { code } }, `${name}: ${answer.text}`);
    t.ok(
      answer.json.errors.some((error: { pointer: string }) => error.pointer === pointer),
      `${name}: ${answer.text}`,
    );
  }
  t.same(await world.calls(since), [], 'nothing was asked of Azure');
});

t.test('no secret shows', async t => {
  const texts = [...answers, service.said()];
  for (const value of Object.values(secrets))
    for (const form of [value, Buffer.from(value).toString('base64')])
      t.notOk(
        texts.some(text => text.includes(form)),
        'in answers and logs',
      );
  const records = await ask('GET', '/deployments');
  t.ok(records.json.value.length >= 5, 'the records were looked at');
});
