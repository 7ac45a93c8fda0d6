const id = '019aa1b2-0000-7000-8000-000000000001';
const operation = '019aa1b2-0000-7000-8000-000000000002';
const at = '2026-11-24T12:00:00.000Z';

const failure = {
  code: 'RegistryAuthenticationFailed',
  title: 'The registry refused the credential',
  detail: "ghcr.io refused secret 'ghcr-wrong' (version 3f2c0000) for myorg/log-forwarder:2.0.1.",
  stage: 'Resolving',
  target: '/containers/0/image',
  owner: 'caller',
  retryable: false,
  confidence: 'high',
  evidence: [{ step: 'token', host: 'ghcr.io', status: 403, registryCode: 'DENIED' }],
  fixes: [
    {
      who: 'caller',
      action:
        'Get a valid password or token from the registry and store it as a new version of the secret, tags repeated',
      command:
        'az keyvault secret set --vault-name demo-vault --name ghcr-wrong --file /dev/stdin --tags slipway-registry=ghcr.io slipway-username=myghuser',
    },
  ],
};

/** Of the embedded Azure's world, so that they can be sent as they stand. */
const requests = [
  { name: 'example-smallest', containers: [{ image: 'myregistry.azurecr.io/my-app:v1.0' }] },
  {
    name: 'example-registries',
    containers: [
      {
        name: 'app',
        image: 'myregistry.azurecr.io/web-app:1.4.2',
        resources: { requests: { cpu: 1, memoryInGB: 1.5 } },
        ports: [{ port: 80, protocol: 'TCP' }],
        environmentVariables: [
          { name: 'LOG_LEVEL', value: 'info' },
          { name: 'DB_PASSWORD', secretName: 'orders-db' },
        ],
      },
      { name: 'sidecar', image: 'ghcr.io/myorg/log-forwarder:2.0.1' },
    ],
    imageRegistryCredentials: [
      { server: 'myregistry.azurecr.io', secretName: 'acr-admin' },
      { server: 'ghcr.io', secretName: 'ghcr-pull' },
    ],
    osType: 'Linux',
    restartPolicy: 'Always',
    ipAddress: { type: 'Public', ports: [{ port: 80, protocol: 'TCP' }] },
    imagePinning: 'digest',
    timeoutSeconds: 1800,
    labels: { release: '2026.11.3' },
    source: { repository: 'https://github.com/x/y', revision: 'abc123' },
  },
];

const problem = {
  type: '/docs/errors/RegistryAuthenticationFailed',
  title: failure.title,
  status: 422,
  detail: failure.detail,
  instance: `urn:uuid:${id}`,
  code: failure.code,
  failure,
  deployment: `/deployments/${id}`,
  operation: `/operations/${operation}`,
};

const steps = [
  { phase: 'Accepted', startedAt: at, durationMs: 12 },
  { phase: 'Resolving', startedAt: at, durationMs: null },
];

const operations = [
  {
    id: operation,
    kind: 'Create',
    deployment: id,
    revision: 1,
    status: 'Running',
    createdAt: at,
    endedAt: null,
    steps,
    waitingFor: { reason: 'VaultOutage', since: at, until: at },
  },
];

const events = [
  {
    seq: 1,
    at,
    source: 'Slipway',
    type: 'Accepted',
    phase: 'Accepted',
    message: 'The deployment was accepted',
  },
];

/** Examples of the document by the schema that they belong to; each is tested against it, and requests are sent. */
export const examples: Readonly<Record<string, readonly object[]>> = {
  DeploymentRequest: requests,
  AdoptionRequest: [{ target: 'demo', name: 'made-by-hand' }],
  CredentialTestRequest: [
    { server: 'ghcr.io', secretName: 'ghcr-pull', image: 'ghcr.io/myorg/log-forwarder:2.0.1' },
  ],
  Failure: [failure],
  Problem: [problem],
  Operation: operations,
  Event: events,
};

/** Of bodies whose schema has no name, by operation. */
export const bodyExamples: Readonly<Record<string, readonly object[]>> = {
  putImages: [{ app: 'myregistry.azurecr.io/my-app:v1.0' }],
  patchDeployment: [{ labels: { release: '2026.11.4' } }],
  rollBack: [{}, { revision: 1 }],
};
