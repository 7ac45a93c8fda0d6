import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { UsageError } from '../../src/commands/command.ts';
import { importCommand } from '../../src/commands/import/import.ts';
import { temporaryDirectory } from '../support/service.ts';
import { slipway } from '../support/slipway.ts';

const root = join(import.meta.dirname, '..', 'support', 'azure-files');
const subscription = '00000000-0000-0000-0000-00000000bbbb';
const identity = `/subscriptions/${subscription}/resourceGroups/my-resource-group/providers/Microsoft.ManagedIdentity/userAssignedIdentities/aci-acr-identity`;

t.test(
  "the tutorial's three files become requests, and their passwords az lines without a value",
  async t => {
    const [admin, managed, several] = await Promise.all([
      slipway(['import', join(root, 'registry-credentials.yaml'), '--vault', 'demo-vault']),
      slipway(['import', join(root, 'managed-identity.yaml'), '--set', `sub-id=${subscription}`]),
      slipway([
        'import',
        join(root, 'several-registries.yaml'),
        ...['--secret', 'myregistry.azurecr.io=acr-admin', '--secret', 'ghcr.io=ghcr-pull', '--team', 'demo'],
      ]),
    ]);
    t.same([admin.code, managed.code, several.code], [0, 0, 0]);
    const address = { type: 'Public', ports: [{ port: 80, protocol: 'TCP' }] };
    const app = (image: string, cpu: number, memoryInGB: number, more: object = {}) => ({
      image,
      resources: { requests: { cpu, memoryInGB } },
      ...more,
    });
    const ports = { ports: [{ port: 80, protocol: 'TCP' }] };
    t.same(parse(admin.out), {
      location: 'eastus',
      name: 'my-private-app',
      osType: 'Linux',
      containers: [{ name: 'app', ...app('myregistry.azurecr.io/my-app:v1.0', 1, 2, ports) }],
      imageRegistryCredentials: [
        { server: 'myregistry.azurecr.io', secretName: 'myregistry-azurecr-io-pull' },
      ],
      ipAddress: address,
    });
    t.match(
      admin.err,
      /^az keyvault secret set --vault-name demo-vault --name myregistry-azurecr-io-pull --file \/dev\/stdin --tags slipway-registry=myregistry\.azurecr\.io slipway-username=myregistry$/m,
    );
    t.match(parse(managed.out), {
      name: 'my-app-with-identity',
      imageRegistryCredentials: [{ server: 'myregistry.azurecr.io', identity }],
    });
    t.equal(parse(managed.out).identity, undefined, 'what pulls is attached by that');
    t.equal(managed.err, '');
    t.match(parse(several.out), {
      team: 'demo',
      containers: [
        { name: 'app', ...app('myregistry.azurecr.io/web-app:latest', 1, 1.5, ports) },
        { name: 'sidecar', ...app('ghcr.io/myorg/log-forwarder:latest', 0.5, 0.5) },
      ],
      imageRegistryCredentials: [
        { server: 'myregistry.azurecr.io', secretName: 'acr-admin' },
        { server: 'ghcr.io', secretName: 'ghcr-pull' },
      ],
    });
    for (const { out, err } of [admin, managed, several])
      t.notMatch(out + err, /not-a-real|another-made-up/, 'no value is shown');
  },
);

const secret = 'Zq9vKexample7714';
const githubToken = `ghp_${'a1'.repeat(18)}`;

/** A template that says everything in another spelling, and its parameters in every way. */
const template = {
  $schema: 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#',
  parameters: {
    name: { type: 'string', defaultValue: 'Orders' },
    port: { type: 'int', defaultValue: 8080 },
    password: { type: 'secureString', defaultValue: secret },
    image: { type: 'string' },
  },
  variables: { server: "[concat('myregistry', '.azurecr.io')]" },
  Resources: [
    { type: 'Microsoft.Storage/storageAccounts', name: 'acct' },
    {
      Type: 'microsoft.containerinstance/containergroups',
      apiVersion: '2023-05-01',
      name: "[toLower(parameters('name'))]",
      location: '[resourceGroup().location]',
      tags: { env: 'prod', 'slipway-id': 'theirs' },
      identity: { type: 'UserAssigned', userAssignedIdentities: { [identity]: {} } },
      Properties: {
        Containers: [
          {
            Name: 'app',
            Properties: {
              Image: "[format('{0}/{1}', variables('server'), parameters('image'))]",
              resources: { requests: { CPU: '0.5', memoryInGb: "[json('1.5')]" } },
              ports: [{ port: "[parameters('port')]", protocol: 'tcp' }],
              environmentVariables: [
                { name: 'DB_PASSWORD', secureValue: secret },
                { name: 'SEED', value: "[parameters('password')]" },
                { name: 'API_TOKEN', value: secret },
                { name: 'NOTE', value: githubToken },
                { name: 'WORKERS', value: 4 },
                { name: 'LITERAL', value: '[[as it is]' },
              ],
            },
          },
        ],
        OsType: 'linux',
        restartPolicy: 'always',
        sku: 'Standard',
        zones: [1],
        imageRegistryCredentials: [
          { server: "[variables('server')]", username: 'deploy', password: "[parameters('password')]" },
        ],
        volumes: [
          { name: 'certs', secret: { 'a.pem': Buffer.from(secret).toString('base64') } },
          {
            name: 'share',
            azureFile: { shareName: 'data', storageAccountName: 'acct', storageAccountKey: secret },
          },
        ],
        diagnostics: {
          logAnalytics: { workspaceId: '00000000-0000-0000-0000-000000000001', workspaceKey: secret },
        },
      },
    },
  ],
};

t.test('a template is resolved, spelled as requests are, and every secret in it gets a name', async t => {
  const directory = temporaryDirectory(t);
  const file = join(directory, 'template.json');
  writeFileSync(file, JSON.stringify(template));
  const { code, out, err } = await slipway(['import', file, '--set', 'image=web:1', '--output', 'json']);
  t.equal(code, 0, err);
  const { request, secrets } = JSON.parse(out);
  t.same(request, {
    osType: 'Linux',
    name: 'orders',
    restartPolicy: 'Always',
    zones: ['1'],
    containers: [
      {
        name: 'app',
        image: 'myregistry.azurecr.io/web:1',
        resources: { requests: { cpu: 0.5, memoryInGB: 1.5 } },
        ports: [{ port: 8080, protocol: 'TCP' }],
        environmentVariables: [
          { name: 'DB_PASSWORD', secretName: 'orders-db-password' },
          { name: 'SEED', secretName: 'orders-seed' },
          { name: 'API_TOKEN', secretName: 'orders-api-token' },
          { name: 'NOTE', secretName: 'orders-note' },
          { name: 'WORKERS', value: '4' },
          { name: 'LITERAL', value: '[as it is]' },
        ],
      },
    ],
    volumes: [
      { name: 'certs', secret: { 'a.pem': { secretName: 'orders-certs-a-pem' } } },
      {
        name: 'share',
        azureFile: {
          shareName: 'data',
          storageAccountName: 'acct',
          storageAccountKeySecretName: 'orders-acct-key',
        },
      },
    ],
    imageRegistryCredentials: [{ server: 'myregistry.azurecr.io', secretName: 'myregistry-azurecr-io-pull' }],
    identity: { userAssignedIdentities: [identity] },
    diagnostics: {
      logAnalytics: {
        workspaceId: '00000000-0000-0000-0000-000000000001',
        workspaceKeySecretName: 'orders-workspace-key',
      },
    },
    labels: { env: 'prod' },
  });
  t.equal(secrets.length, 8);
  for (const { command } of secrets) t.match(command, / --file \/dev\/stdin/);
  t.match(secrets[0], {
    pointer: '/properties/containers/0/properties/environmentVariables/0/secureValue',
    use: 'workload',
    secretName: 'orders-db-password',
  });
  for (const value of [secret, githubToken, Buffer.from(secret).toString('base64')])
    t.notMatch(out + err, value, 'no value is shown');
});

/** In this process, as `slipway` would: a process for each case takes its time. */
async function runHere(t: Test, args: string[]) {
  const [out, err] = [t.capture(console, 'log'), t.capture(console, 'error')];
  const said = (capture: typeof out) =>
    capture()
      .map(({ args }) => args.join(' '))
      .join('\n');
  try {
    const code = await importCommand.run(args);
    return { code, out: said(out), err: said(err) };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return { code: 2, out: said(out), err: error.message };
  } finally {
    out.restore();
    err.restore();
  }
}

t.test('what az exports is read too: nulls are not there, and secure values have to be stored', async t => {
  const file = join(temporaryDirectory(t), 'export.yaml');
  const exported = {
    ...{
      additional_properties: {},
      apiVersion: '2021-10-01',
      identity: null,
      location: 'eastus',
      name: 'web',
    },
    properties: {
      containers: [
        {
          name: 'app',
          properties: {
            environmentVariables: [{ name: 'KEY' }, { name: 'EMPTY', value: '' }],
            image: 'ghcr.io/myorg/app:1',
            ports: [{ port: 80, protocol: null }],
            resources: { requests: { cpu: 1.0, memoryInGB: 1.0 }, limits: null },
          },
        },
      ],
      volumes: [{ name: 'scratch', emptyDir: {} }],
      ...{ imageRegistryCredentials: [{ server: 'ghcr.io', username: 'u' }], initContainers: [] },
      ...{ osType: 'Linux', restartPolicy: 'Always', sku: 'Standard' },
    },
    ...{ tags: {}, type: 'Microsoft.ContainerInstance/containerGroups' },
  };
  writeFileSync(file, JSON.stringify(exported));
  const { code, out, err } = await runHere(t, [file, '--output', 'json']);
  t.equal(code, 0, err);
  const { request, secrets } = JSON.parse(out);
  t.match(request.containers[0], {
    environmentVariables: [
      { name: 'KEY', secretName: 'web-key' },
      { name: 'EMPTY', value: '' },
    ],
    ports: [{ port: 80 }],
  });
  t.same(request.volumes, [{ name: 'scratch', emptyDir: {} }]);
  t.same(
    secrets.map(({ secretName }: { secretName: string }) => secretName),
    ['web-key', 'ghcr-io-pull'],
  );
});

t.test('aliases, merged members, conditions and functions are what Azure makes of them', async t => {
  const file = join(temporaryDirectory(t), 'file');
  const container = (name: string) => ({ name, image: 'nginx:1.27', ports: [{ port: 80 }] });
  writeFileSync(
    file,
    `name: web
properties:
  containers:
  - name: one
    properties: &same {image: "nginx:1.26", ports: [{port: 80}]}
  - name: two
    properties: {<<: *same, image: "nginx:1.27"}
`,
  );
  const merged = await slipway(['import', file]);
  t.match(
    parse(merged.out),
    { containers: [{ name: 'one', image: 'nginx:1.26' }, container('two')] },
    merged.err,
  );

  const type = 'Microsoft.ContainerInstance/containerGroups';
  const image = "[concat('nginx:', if(equals(parameters('stage'), 'prod'), string(27), 'latest'))]";
  writeFileSync(
    file,
    JSON.stringify({
      parameters: { stage: { type: 'string', defaultValue: 'prod' } },
      resources: [
        { condition: false, type, name: 'never', properties: { containers: [] } },
        {
          ...{ condition: true, type, name: "[toLower(concat('WEB-', toUpper(parameters('stage'))))]" },
          properties: { containers: [{ name: 'app', properties: { image } }] },
        },
      ],
    }),
  );
  const computed = await slipway(['import', file, '--set', 'stage=dev']);
  t.match(parse(computed.out), { name: 'web-dev', containers: [{ image: 'nginx:latest' }] }, computed.err);
});

t.test('what cannot be said is refused by its place, all at once, and no value is shown', async t => {
  const directory = temporaryDirectory(t);
  const group = (properties: object) => ({
    type: 'Microsoft.ContainerInstance/containerGroups',
    name: 'web',
    properties: {
      containers: [{ name: 'app', properties: { image: 'nginx:1.27' } }],
      ...properties,
    },
  });
  const cases: [content: object | string, told: RegExp][] = [
    [template, /\/containers\/0\/image: needs a value for image: --set image=\.\.\./],
    [{ ...template, Resources: [] }, /no resource of type Microsoft\.ContainerInstance\/containerGroups/],
    [
      { ...template, Resources: [group({}), { ...group({}), name: 'api' }] },
      /2 container groups: say which with --name \(web, api\)/,
    ],
    [{ type: 'Microsoft.Web/sites', properties: {} }, /of type Microsoft\.Web\/sites, not a container group/],
    [{ name: 'web', containers: [] }, /no `properties`/],
    [group({ sku: 'Confidential' }), /\/sku: is a property of ACI that Slipway does not support yet/],
    [group({ containerz: secret }), /\/containerz: is not known here/],
    [{ ...group({}), identity: { type: 'SystemAssigned' } }, /\/identity\/type: is not known here/],
    [
      group({
        containers: [{ name: 'app', properties: { image: 'x', command: ['run', `--token=${githubToken}`] } }],
      }),
      /\/containers\/0\/command\/1: holds a secret/,
    ],
    [
      group({ imageRegistryCredentials: [{ server: '<server>', username: '{{ USER }}', password: secret }] }),
      /needs a value for server.*\n.*needs a value for USER/s,
    ],
    [group({ osType: '[if(true, 1, 2)]' }), /needs a value for \[if\(true, 1, 2\)\]: --set '\[if/],
    [
      `name: web\npassword: "${secret}\nproperties: {`,
      /:\d+:\d+: [A-Z_]+ \(it is neither YAML nor JSON there\)/,
    ],
    ['- one\n- two', /does not hold an object/],
    ['a: &a [x]\nb: *c', /aliases|[A-Z_]+ \(it is neither/],
    // What is hostile.
    [`a: &a\n  b: *a\nproperties: {}`, /aliases lead nowhere, in a circle, or multiply/],
    [
      `${'abcdefg'.replace(/./g, (name, at: number) => `${name}: &${name} [${'x,'.repeat(at === 0 ? 9 : 0)}${at === 0 ? '' : `*${'abcdefg'[at - 1]},`.repeat(9)}]\n`)}properties: {containers: *g}`,
      /aliases lead nowhere, in a circle, or multiply/,
    ],
    [`name: a\nproperties: ${'['.repeat(20_000)}${']'.repeat(20_000)}`, /:2:\d+: RESOURCE_EXHAUSTION/],
    [`name: web\nname: api\nproperties: {}`, /:2:1: DUPLICATE_KEY/],
    [`name: web\n---\nname: api`, /MULTIPLE_DOCS/],
    ['', /does not hold an object/],
    ['\u0000\u0001', /does not hold an object|[A-Z_]+ \(it is neither/],
    [
      '{"name": "web", "properties": {"__proto__": {"a": 1}, "containers": [{"name": "app", "properties": {"image": "x"}}]}}',
      /^\/__proto__: is not known here$/m,
    ],
    // What is of another kind is not lost on the way.
    [{ name: 'web', properties: [] }, /^\/properties: must be an object$/m],
    [
      group({ ipAddress: 5, volumes: {}, imageRegistryCredentials: { server: 'x' }, diagnostics: 'x' }),
      /volumes: must be a list\n.*Credentials: must be a list\n.*ipAddress: must be an object\n.*diagnostics: must be an object/,
    ],
    [group({ containers: [3, null] }), /containers\/0: must be an object/],
    [
      group({ containers: [{ name: 'app', properties: { image: 'x', environmentVariables: { A: '1' } } }] }),
      /containers\/0\/properties\/environmentVariables: must be a list/,
    ],
    [group({ initContainers: "[parameters('more')]" }), /initContainers: needs a value for \[parameters/],
    [
      group({ imageRegistryCredentials: [{ server: 'ghcr.io', username: 'u', passwordReference: 'p' }] }),
      /Credentials\/0\/passwordReference: is a property of ACI that Slipway does not support/,
    ],
    // Templates that are programs, and names that lead back to themselves.
    [
      { ...template, Resources: [{ ...group({}), copy: { name: 'all', count: 3 } }] },
      /^\/copy: is a loop, which is not unrolled/m,
    ],
    [
      { ...template, Resources: [group({ copy: [{ name: 'containers', count: 2, input: {} }] })] },
      /^\/properties\/copy: is a loop/m,
    ],
    [
      {
        ...{ parameters: { p: { type: 'string', defaultValue: "[parameters('p')]" } } },
        ...{ variables: { a: "[variables('b')]", b: "[concat(variables('a'), 'x')]" } },
        resources: [{ ...group({}), name: "[variables('a')]", location: "[parameters('p')]" }],
      },
      /\/location: needs a value for p: --set p=/,
    ],
  ];
  const file = (at: number) => join(directory, `${at}.yaml`);
  for (const [at, [content, told]] of cases.entries()) {
    writeFileSync(file(at), typeof content === 'string' ? content : JSON.stringify(content));
    const { code, out, err } = await runHere(t, [file(at)]);
    t.equal(code, 2, err);
    t.match(err, told);
    t.equal(out, '');
    t.notMatch(err, secret, 'no value is shown');
    t.notMatch(err, githubToken, 'nor a token');
  }
  t.match(await slipway(['import', join(directory, 'nowhere')]), {
    code: 2,
    err: /cannot be read \(ENOENT\)/,
  });
  t.match(await slipway(['import', file(0), '--secret', 'x=not a name']), {
    code: 2,
    err: /is not a name of Key Vault/,
  });
  t.match(readFileSync(file(0), 'utf8'), secret, 'the file that was read is as it was');
});
