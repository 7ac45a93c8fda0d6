import t from 'tap';
import { assignRole } from '../../src/emulator/arm/role-assignments.ts';
import { roles } from '../../src/emulator/arm/role-definitions.ts';
import { demo } from '../../src/emulator/demo-ids.ts';
import { demoIdentity } from '../../src/emulator/demo-world.ts';
import { type Answer, startTestEmulator, type TestEmulator } from '../support/emulator.ts';

const arm = 'https://management.azure.com';
const acr = 'myregistry.azurecr.io';
const { subscriptionId, resourceGroup } = demo;
const home = `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}`;
const pathOf = (name: string) => `${home}/providers/Microsoft.ContainerInstance/containerGroups/${name}`;
const requests = { cpu: 1, memoryInGB: 1.5 };

type Body = Record<string, unknown>;

const container = (image: string, name = 'app', more: Body = {}) => ({
  name,
  properties: { image, resources: { requests }, ...more },
});

/** A good body, `properties` and `more` over it. */
function group(image: string, properties: Body = {}, more: Body = {}): Body {
  return {
    location: 'eastus',
    ...more,
    properties: { osType: 'Linux', containers: [container(image)], ...properties },
  };
}

/** One refusal: what is put as `refused`, and what Azure says. */
interface Refusal {
  what: string;
  body: Body | ((emulator: TestEmulator) => Body);
  status: number;
  code: string;
  message: string | RegExp;
  version?: string;
  /** Only where a registry is asked. */
  registry?: true;
  /** What is there before. */
  before?: (wire: Wire) => Promise<unknown>;
  /** Who asks; the administrator, who may do everything, unless said. */
  client?: string;
}

interface Wire {
  emulator: TestEmulator;
  ask(
    method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE',
    name: string,
    body?: Body,
    more?: Asked,
  ): Promise<Answer>;
}

interface Asked {
  version?: string | undefined;
  client?: string | undefined;
}

function wireTo(emulator: TestEmulator): Wire {
  return {
    emulator,
    async ask(method, name, body, { version = '2025-09-01', client = 'administrator' } = {}) {
      const token = await emulator.token(client, `${arm}/.default`);
      const [path, query] = name.split('?');
      const url = `${arm}${pathOf(path ?? '')}?api-version=${version}${query ? `&${query}` : ''}`;
      return emulator.ask(url, { method, token, ...(body ? { body } : {}) });
    },
  };
}

const passwordOf = ({ world }: TestEmulator, host: string, user: string) =>
  world.registries[host]?.users[user]?.password ?? 'x';
const login = (emulator: TestEmulator) => ({
  server: acr,
  username: 'myregistry',
  password: passwordOf(emulator, acr, 'myregistry'),
});
const withLogin =
  (image: string, more: Body = {}) =>
  (emulator: TestEmulator) =>
    group(image, { imageRegistryCredentials: [{ ...login(emulator), ...more }] });

const image = `${acr}/my-app:v1.0`;
const identity = demoIdentity('aci-acr-identity');
const attached = { identity: { type: 'UserAssigned', userAssignedIdentities: { [identity]: {} } } };
const within = "in the 'imageRegistryCredentials' of container group 'refused'";
const inaccessible = (name: string) =>
  `The image '${name}' in container group 'refused' is not accessible. Please check the image and registry credential.`;
const unreadable = (reason: string) =>
  new RegExp(
    `^The request content was invalid and could not be deserialized: '${reason} Path '[^']+', line 1, position \\d+\\.'\\.$`,
  );
const updates =
  "The updates on container group 'refused' are invalid. If you are going to update the os type, restart policy, network profile, CPU, memory or GPU resources for a container group, you must delete it first and then create a new one.";
const put =
  (body: Body, name = 'refused') =>
  async (wire: Wire) => {
    const { status, text } = await wire.ask('PUT', name, body);
    if (status !== 201) throw new Error(text);
    await settle(wire, name);
  };

/** The emulator's time stands still until somebody lets it pass. */
async function settle({ emulator, ask }: Wire, name: string): Promise<void> {
  for (let left = 500; left > 0; left -= 1) {
    emulator.clock.advance(400);
    const { json } = await ask('GET', name);
    if (/Succeeded|Failed/.test(json.properties.provisioningState)) return;
    await new Promise(resolve => setTimeout(resolve, 10));
  }
  throw new Error(`${name} did not settle`);
}

const plain = group('nginx:1.27');
const bad = (
  code: string,
  message: string | RegExp,
  what: string,
  body: Refusal['body'],
  more: Partial<Refusal> = {},
) => ({ what, body, status: 400, code, message, ...more }) satisfies Refusal;

const images: Refusal[] = [
  bad('InaccessibleImage', inaccessible(image), 'no credential', group(image), { registry: true }),
  bad('InaccessibleImage', inaccessible(image), 'a wrong password', withLogin(image, { password: 'no' }), {
    registry: true,
  }),
  bad('InaccessibleImage', inaccessible(`${acr}/my-app:v9`), 'a missing tag', withLogin(`${acr}/my-app:v9`), {
    registry: true,
  }),
  bad(
    'InaccessibleImage',
    inaccessible('registry.gone.example/app:1'),
    'a missing host',
    group('registry.gone.example/app:1'),
    { registry: true },
  ),
  bad('InaccessibleImage', inaccessible(`https://${image}`), 'a scheme', withLogin(`https://${image}`)),
  bad(
    'InaccessibleImage',
    inaccessible(`${acr}/My-App:v1.0`),
    'an upper-case name',
    withLogin(`${acr}/My-App:v1.0`),
    { registry: true },
  ),
  bad(
    'InaccessibleImage',
    inaccessible(image),
    'a credential for another server',
    withLogin(image, { server: 'ghcr.io' }),
    { registry: true },
  ),
  bad(
    'InaccessibleImage',
    inaccessible(image),
    'an identity without a role',
    group(
      image,
      { imageRegistryCredentials: [{ server: acr, identity: demoIdentity('fresh-identity') }] },
      {
        identity: { type: 'UserAssigned', userAssignedIdentities: { [demoIdentity('fresh-identity')]: {} } },
      },
    ),
    { registry: true },
  ),
  bad(
    'InaccessibleImage',
    inaccessible(`${acr}/a:1`),
    "an init container's",
    emulator => ({
      ...group('nginx:1.27', {
        initContainers: [{ name: 'first', properties: { image: `${acr}/a:1` } }],
        imageRegistryCredentials: [login(emulator)],
      }),
    }),
    { registry: true },
  ),
  {
    what: 'a registry that limits',
    body: emulator =>
      group('docker.io/myusername/limited:1', {
        imageRegistryCredentials: [
          {
            server: 'index.docker.io',
            username: 'myusername',
            password: passwordOf(emulator, 'docker.io', 'myusername'),
          },
        ],
      }),
    status: 409,
    code: 'RegistryErrorResponse',
    message: "An error response is received from the docker registry 'index.docker.io'. Please retry later.",
    registry: true,
  },
  bad(
    'ImageOsTypeNotMatchContainerGroup',
    `The container image '${acr}/arm-only:1.0' doesn't support specified OS 'Linux' for container group 'refused'.`,
    'another platform',
    withLogin(`${acr}/arm-only:1.0`),
    { registry: true },
  ),
  bad(
    'MultipleErrorsOccurred',
    `Multiple error occurred: 'BadRequest':'InaccessibleImage':'${inaccessible(`${acr}/a:1`)}';'BadRequest':'InaccessibleImage':'${inaccessible(`${acr}/b:1`)}'.`,
    'two images',
    group('', { containers: [container(`${acr}/a:1`, 'a'), container(`${acr}/b:1`, 'b')] }),
    { registry: true },
  ),
  bad(
    'MultipleErrorsOccurred',
    /^Multiple error occurred: 'BadRequest':'InaccessibleImage':'The image 'http:\/\/a'.*';'BadRequest':'InaccessibleImage':'The image 'http:\/\/b'/,
    'two ill-formed images',
    group('', { containers: [container('http://a', 'a'), container('http://b', 'b')] }),
  ),
];

const credentials: Refusal[] = [
  bad(
    'InvalidImageRegistryPassword',
    `The password ${within} cannot be empty.`,
    'an empty password',
    withLogin(image, { password: '' }),
  ),
  bad(
    'InvalidImageRegistryPassword',
    `The password ${within} cannot be empty.`,
    'no password',
    group(image, { imageRegistryCredentials: [{ server: acr, username: 'a' }] }),
  ),
  bad(
    'InvalidImageRegistryUsername',
    `The username ${within} cannot be empty.`,
    'an empty user name',
    withLogin(image, { username: '' }),
  ),
  ...[`https://${acr}`, '', '172.30.182.251:5000', `${acr}/team`].map(server =>
    bad(
      'InvalidImageRegistryServer',
      `The server '${server}' ${within} is invalid. It should be a valid host name without protocol.`,
      `the server '${server}'`,
      withLogin(image, { server }),
    ),
  ),
  bad(
    'InvalidImageRegistryIdentity',
    `The identity ${within} not found in container group identity list.`,
    'an identity that is not attached',
    group(image, { imageRegistryCredentials: [{ server: acr, identity }] }),
  ),
  bad(
    'AmbiguousImageResitryCredentialType',
    `The registry credential type ${within} cannot be detected. Please set exactly one of username or identity`,
    'both kinds of credential',
    withLogin(image, { identity }),
  ),
  bad(
    'AmbiguousImageResitryCredentialType',
    `The registry credential type ${within} cannot be detected. Please set exactly one of username or identity`,
    'neither',
    group(image, { imageRegistryCredentials: [{ server: acr }] }),
  ),
  bad(
    'InvalidImageRegistryCredentialType',
    "Identity in 'imageRegistryCredentials' of container group 'refused' is not supported.",
    'an identity before there were any',
    group(image, { imageRegistryCredentials: [{ server: acr, identity }] }, attached),
    { version: '2021-03-01' },
  ),
  bad(
    'MoreImageRegistryCredentialsThanContainers',
    "More image registry credentials provided than containers in container group 'refused'.",
    'too many credentials',
    emulator =>
      group(image, {
        imageRegistryCredentials: [login(emulator), { ...login(emulator), server: 'ghcr.io' }],
      }),
  ),
  bad(
    'SecretReferenceNotFound',
    /'none'/,
    'a reference to nothing',
    group(image, { imageRegistryCredentials: [{ server: acr, username: 'a', passwordReference: 'none' }] }),
  ),
  bad(
    'InvalidSecretReferenceIdentity',
    /'ref'/,
    'a reference by an identity that is not attached',
    group(image, {
      secretReferences: [
        { name: 'ref', identity, secretReferenceUri: 'https://demo-vault.vault.azure.net/secrets/a' },
      ],
    }),
  ),
];

const contents: Refusal[] = [
  bad(
    'InvalidRequestContent',
    unreadable("Could not find member 'identity' on object of type 'ContainerGroupPropertiesDefinition'\\."),
    'an unknown member',
    group(image, { identity: 'me' }),
  ),
  bad(
    'InvalidRequestContent',
    unreadable("Could not find member 'pasword' on object of type 'ImageRegistryCredential'\\."),
    'one deep inside',
    withLogin(image, { pasword: 'x' }),
  ),
  bad(
    'InvalidRequestContent',
    unreadable("Required property 'server' not found in JSON\\."),
    'a credential without a server',
    group(image, { imageRegistryCredentials: [{ username: 'a', password: 'b' }] }),
  ),
  bad(
    'InvalidRequestContent',
    unreadable(
      "Cannot deserialize the current JSON value into type 'ContainerDefinition\\[\\]' because the type requires a JSON array\\.",
    ),
    'one container, not a list',
    group(image, { containers: container(image) }),
  ),
  bad(
    'InvalidRequestContent',
    unreadable('Could not convert string to double: many\\.'),
    'a text for a number',
    group(image, {
      containers: [container(image, 'app', { resources: { requests: { cpu: 'many', memoryInGB: 1 } } })],
    }),
  ),
  bad(
    'InvalidRequestContent',
    unreadable('Could not convert string to integer: 80\\.5\\.'),
    'half a port',
    group(image, { ipAddress: { type: 'Public', ports: [{ port: 80.5 }] } }),
  ),
  bad(
    'InvalidRequestContent',
    unreadable('Could not convert string to boolean: maybe\\.'),
    'a text for a flag',
    group(image, {
      containers: [
        container(image, 'app', { volumeMounts: [{ name: 'v', mountPath: '/v', readOnly: 'maybe' }] }),
      ],
    }),
  ),
  bad(
    'InvalidRequestContent',
    /Error converting value "Sometimes" to type 'restartPolicy'/,
    'a word of no enumeration',
    group(image, { restartPolicy: 'Sometimes' }),
  ),
  bad(
    'InvalidRequestContent',
    /Unexpected character encountered while parsing value: \{\./,
    'an object for a text',
    group(image, { restartPolicy: {} }),
  ),
  bad(
    'InvalidRequestContent',
    /Error converting value \[\] to type 'ContainerGroup/,
    'a list for the properties',
    { location: 'eastus', properties: [] },
  ),
  bad(
    'CustomProvisioningTimeoutInSecondsNotSuppported',
    /'refused'/,
    'what GET answered, put back',
    group(image, { provisioningTimeoutInSeconds: 1800 }),
  ),
  bad('LocationRequired', /./, 'no location', { properties: plain.properties }),
  bad(
    'LocationNotAvailableForResourceType',
    /^The provided location 'atlantis' is not available for resource type 'Microsoft\.ContainerInstance\/containerGroups'\. List of available regions for the resource type is '.*eastus,/,
    'no region',
    group(image, {}, { location: 'Atlantis' }),
  ),
  bad(
    'InvalidOsType',
    /The value must be one of 'Windows,Linux'\.$/,
    'an unknown operating system',
    group(image, { osType: 'BeOS' }),
  ),
  bad(
    'InvalidOsType',
    "The 'osType' for container group '<null>' is invalid. The value must be one of 'Windows,Linux'.",
    'none, where it was required',
    { location: 'eastus', properties: { containers: [container(image)] } },
    { version: '2023-05-01' },
  ),
  bad(
    'ResourceRequestsNotSpecified',
    "The resource requests are not specified in container 'app' of contain group 'refused'. Both memory and CPU requests are required since API version '2017-07-01-preview'.",
    'no resource requests',
    group('', { containers: [{ name: 'app', properties: { image } }] }),
  ),
  bad(
    'IdentityNotSupportedOnWindows',
    'Managed service identity is not supported for Windows container groups.',
    'an identity on Windows',
    group(image, { osType: 'Windows' }, attached),
    { version: '2023-05-01' },
  ),
  bad(
    'InvalidContainerName',
    /'App_1'/,
    'a container name',
    group('', { containers: [container(image, 'App_1')] }),
  ),
  bad(
    'MissingImage',
    /'app'/,
    'no image',
    group('', { containers: [{ name: 'app', properties: { resources: { requests } } }] }),
  ),
  bad(
    'InvalidContainerName',
    /'app'/,
    'a name twice',
    group('nginx:1.27', { initContainers: [{ name: 'app', properties: { image: 'nginx:1.27' } }] }),
  ),
  bad(
    'MissingImage',
    /'first'/,
    'no image for an init container',
    group('nginx:1.27', { initContainers: [{ name: 'first', properties: {} }] }),
  ),
  bad(
    'InvalidRequestContent',
    unreadable("Required property 'properties' not found in JSON\\."),
    'a container that is nothing but a name',
    group('nginx:1.27', { initContainers: [{ name: 'first' }] }),
  ),
  bad(
    'InvalidRequestContent',
    /Error converting value "mine" to type/,
    'a text for the identities',
    group('nginx:1.27', {}, { identity: { type: 'UserAssigned', userAssignedIdentities: 'mine' } }),
  ),
  bad(
    'InvalidRequestContent',
    unreadable("Could not find member '__proto__' on object of type 'ContainerGroup'\\."),
    'a member of every object',
    JSON.parse('{"__proto__": {"location": "eastus"}}'),
  ),
  bad('MissingRequiredProperty', /'refused'/, 'no container', group('', { containers: [] })),
  bad(
    'InvalidDnsNameLabel',
    "The DNS name label 'a' in container group 'refused' is invalid. It can contain only lowercase letters, numbers and hyphens. The first character must be a letter. The last character must be a letter or number. The value must be between 5 and 63 characters long.",
    'a short label',
    group('nginx:1.27', { ipAddress: { type: 'Public', ports: [{ port: 80 }], dnsNameLabel: 'a' } }),
  ),
];

const address = { ipAddress: { type: 'Public', ports: [{ port: 80 }], dnsNameLabel: 'taken-label' } };
const sized = (cpu: number) =>
  group('', {
    containers: [container('nginx:1.27', 'app', { resources: { requests: { cpu, memoryInGB: 1.5 } } })],
  });

const rooms: Refusal[] = [
  bad(
    'ContainerGroupQuotaReached',
    "Resource type 'Microsoft.ContainerInstance/containerGroups' container group quota 'StandardCores' exceeded in region 'eastus'. Limit: '1000', Usage: '0' Requested: '1001'.",
    'more than the region allows',
    sized(1001),
  ),
  bad(
    'ContainerGroupQuotaReached',
    "Resource type 'Microsoft.ContainerInstance/containerGroups' container group quota 'StandardSpotCores' exceeded in region 'eastus'. Limit: '100', Usage: '0' Requested: '101'.",
    'more than is left over',
    { ...sized(101), properties: { ...Object(sized(101).properties), priority: 'Spot' } },
  ),
  {
    what: 'a region without room',
    body: group('nginx:1.27', {}, { location: 'southindia' }),
    status: 409,
    code: 'ServiceUnavailable',
    message:
      "The requested resource is not available in the location 'southindia' at this moment. Please retry with a different resource request or in another location. Resource requested: '1' CPU '1.5' GB memory 'Linux' OS",
  },
  bad(
    'DnsNameLabelAlreadyTaken',
    "The DNS name label 'taken-label' in container group 'refused' is not available. Try using a different label.",
    'a taken label',
    group('nginx:1.27', address),
    { before: put(group('nginx:1.27', address), 'first') },
  ),
  ...(
    [
      ['CPU', sized(2)],
      ['the restart policy', group('nginx:1.27', { restartPolicy: 'Never' })],
      ['the operating system', group('nginx:1.27', { osType: 'Windows' })],
      [
        'the subnet',
        group('nginx:1.27', {
          subnetIds: [{ id: `${home}/providers/Microsoft.Network/virtualNetworks/v/subnets/s` }],
        }),
      ],
    ] as const
  ).map(([what, body]) =>
    bad('InvalidContainerGroupUpdate', updates, `another ${what}`, body, { before: put(plain) }),
  ),
  {
    what: 'a PUT while it is made',
    body: plain,
    status: 409,
    code: 'ContainerGroupTransitioning',
    message: "The container group 'refused' is still transitioning, please retry later.",
    before: wire => wire.ask('PUT', 'refused', plain),
  },
  {
    what: 'another place',
    body: group('nginx:1.27', {}, { location: 'westeurope' }),
    status: 409,
    code: 'InvalidResourceLocation',
    message: /already exists in location 'eastus'/,
    before: put(plain),
  },
];

const rights: Refusal[] = [
  {
    what: 'nobody',
    body: plain,
    status: 403,
    code: 'AuthorizationFailed',
    message:
      /^The client '.+' with object id '.+' does not have authorization to perform action 'Microsoft\.ContainerInstance\/containerGroups\/write' over scope '.+\/containerGroups\/refused' or the scope is invalid\. If access was recently granted, please refresh your credentials\.$/,
    client: 'demo-client',
  },
  {
    what: 'an identity that is not his to lend',
    body: group('nginx:1.27', {}, attached),
    status: 403,
    code: 'LinkedAuthorizationFailed',
    message:
      /has permission to perform action 'Microsoft\.ContainerInstance\/containerGroups\/write' on scope '.+'; however, it does not have permission to perform action 'Microsoft\.ManagedIdentity\/userAssignedIdentities\/assign\/action' on the linked scope\(s\) '.+aci-acr-identity'/,
    client: 'demo-client',
    before: async ({ emulator }) => {
      const { principalId = '' } = emulator.world.principals[demo.demoClientId] ?? {};
      assignRole(emulator.world, principalId, roles.slipwayDeployer, home);
    },
  },
  {
    what: 'an identity of a subscription that the tenant does not have',
    body: group(
      'nginx:1.27',
      {},
      {
        identity: {
          type: 'UserAssigned',
          userAssignedIdentities: {
            [identity.replace(subscriptionId, '11111111-1111-1111-1111-111111111111')]: {},
          },
        },
      },
    ),
    status: 403,
    code: 'LinkedAuthorizationFailed',
    message: /however the current tenant '.+' is not authorized to access linked subscription '1{8}-.+'\.$/,
  },
  bad(
    'FailedIdentityOperation',
    /none/,
    'an identity that does not exist',
    group(
      'nginx:1.27',
      {},
      { identity: { type: 'UserAssigned', userAssignedIdentities: { [demoIdentity('none')]: {} } } },
    ),
    { registry: true },
  ),
  bad(
    'NoRegisteredProviderFound',
    /^No registered resource provider found for location 'eastus' and API version '2018-04-01' for type 'containerGroups'\. The supported api-versions are '2018-10-01, .*2025-09-01'\. The supported locations are '.*eastus.*'\.$/,
    'a version that is not published',
    plain,
    { version: '2018-04-01' },
  ),
];

const table = [...images, ...credentials, ...contents, ...rooms, ...rights];

for (const tier of ['simulated', 'registry'] as const)
  t.test(`what Azure refuses is refused in its words, in tier ${tier}`, async t => {
    const emulator = await startTestEmulator(t, { tier });
    emulator.clock.setRate(0);
    const wire = wireTo(emulator);
    const cases = table.filter(({ registry }) => tier === 'registry' || !registry);
    let right = 0;
    for (const { what, body, status, code, message, version, client, before } of cases) {
      await emulator.ask(`${arm}/_emulator/world`, { method: 'DELETE' });
      // No limit of requests is in the way.
      emulator.clock.advance(300_000);
      await before?.(wire);
      const there = Object.keys(emulator.world.containerGroups).length;
      const sent = typeof body === 'function' ? body(emulator) : body;
      const answer = await wire.ask('PUT', 'refused', sent, { version, client });
      const said = answer.json.error ?? {};
      t.equal(answer.status, status, what);
      t.equal(said.code, code, what);
      if (typeof message === 'string') t.equal(said.message, message, what);
      else t.match(said.message, message, what);
      t.equal(Object.keys(emulator.world.containerGroups).length, there, 'nothing of it was made');
      const fits = typeof message === 'string' ? said.message === message : message.test(said.message);
      if (answer.status === status && said.code === code && fits) right += 1;
    }
    t.comment(`refusals ${right}/${cases.length} in tier ${tier}`);
  });

t.test('every code that the catalogue has is in the table', async t => {
  const codes = new Set(table.map(({ code }) => code));
  for (const code of [
    'InaccessibleImage',
    'InvalidImageRegistryPassword',
    'InvalidImageRegistryServer',
    'InvalidImageRegistryIdentity',
    'InvalidImageRegistryCredentialType',
    'AmbiguousImageResitryCredentialType',
    'MoreImageRegistryCredentialsThanContainers',
    'IdentityNotSupportedOnWindows',
    'ResourceRequestsNotSpecified',
    'ImageOsTypeNotMatchContainerGroup',
    'ContainerGroupQuotaReached',
    'InvalidContainerGroupUpdate',
    'ContainerGroupTransitioning',
    'DnsNameLabelAlreadyTaken',
    'RegistryErrorResponse',
    'ServiceUnavailable',
    'LinkedAuthorizationFailed',
    'AuthorizationFailed',
    'MultipleErrorsOccurred',
  ])
    t.ok(codes.has(code), code);
});

t.test('other verbs refuse too', async t => {
  const emulator = await startTestEmulator(t, { tier: 'simulated' });
  emulator.clock.setRate(0);
  const wire = wireTo(emulator);
  await wire.ask('PUT', 'busy', plain);
  const transitioning = {
    status: 409,
    json: {
      error: {
        code: 'ContainerGroupTransitioning',
        message: "The container group 'busy' is still transitioning, please retry later.",
      },
    },
  };
  for (const verb of ['start', 'stop', 'restart'])
    t.match(await wire.ask('POST', `busy/${verb}`), transitioning, verb);
  const missing = { status: 404, json: { error: { code: 'ResourceNotFound' } } };
  t.match(await wire.ask('GET', 'none'), missing);
  t.match(await wire.ask('PATCH', 'none', { tags: {} }), missing);
  t.match(await wire.ask('POST', 'none/restart'), missing);
  t.equal((await wire.ask('DELETE', 'none')).status, 204);
  t.match(await wire.ask('PATCH', 'busy', { properties: {} }), {
    status: 400,
    json: { error: { code: 'InvalidRequestContent', message: /Could not find member 'properties'/ } },
  });
  const other = { status: 404, json: { error: { code: 'ContainerNotFound' } } };
  t.match(await wire.ask('GET', 'busy/containers/none/logs'), other);
  t.match(await wire.ask('POST', 'busy/containers/none/exec', { command: 'ls' }), other);
  t.match(await wire.ask('GET', 'busy', undefined, { version: '2030-01-01' }), {
    status: 404,
    json: {
      error: {
        code: 'InvalidResourceType',
        message:
          /^The resource type 'containerGroups' could not be found in the namespace 'Microsoft\.ContainerInstance' for api version '2030-01-01'\. The supported api-versions are '.*2025-09-01'\.$/,
      },
    },
  });
});
