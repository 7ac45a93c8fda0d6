import type { DeploymentRequest } from '../schemas/request.ts';

/** One step of the demo: what is asked, and how it must end. */
export interface Step {
  title: string;
  request: DeploymentRequest;
  expect: { status: 'Running' } | { code: string; http: number };
  /** No vault, registry or ARM call may be made for it. */
  noCalls?: true;
}

const subscription = '00000000-0000-0000-0000-00000000bbbb';
const pullIdentity = `/subscriptions/${subscription}/resourceGroups/my-resource-group/providers/Microsoft.ManagedIdentity/userAssignedIdentities/aci-acr-identity`;
const acr = 'myregistry.azurecr.io';

const one = (
  name: string,
  image: string,
  server: string,
  credential: { secretName: string } | { identity: string },
): DeploymentRequest => ({
  name,
  containers: [{ name: 'app', image, ports: [{ port: 80 }] }],
  imageRegistryCredentials: [{ server, ...credential }],
  ipAddress: { type: 'Public', ports: [{ port: 80 }] },
});

/** The tutorial's examples and its troubleshooting, as requests. */
export const story: readonly Step[] = [
  {
    title: 'Azure Container Registry, with the admin password from Key Vault',
    request: one('acr-admin-app', `${acr}/my-app:v1.0`, acr, { secretName: 'acr-admin' }),
    expect: { status: 'Running' },
  },
  {
    title: 'The same with a managed identity: no password anywhere',
    request: one('acr-identity-app', `${acr}/my-app:v1.0`, acr, { identity: pullIdentity }),
    expect: { status: 'Running' },
  },
  {
    title: 'The same with a service principal, whose secret lies in Key Vault',
    request: one('acr-sp-app', `${acr}/my-app:v1.0`, acr, { secretName: 'acr-sp' }),
    expect: { status: 'Running' },
  },
  {
    title: 'A private repository on Docker Hub',
    request: one('hub-app', 'myusername/my-private-app:1.0.0', 'docker.io', { secretName: 'dockerhub-pull' }),
    expect: { status: 'Running' },
  },
  {
    title: 'Two registries in one group: an app and its sidecar',
    request: {
      name: 'multi-registry-app',
      containers: [
        {
          name: 'app',
          image: `${acr}/web-app:1.4.2`,
          resources: { requests: { cpu: 1, memoryInGB: 1.5 } },
          ports: [{ port: 80 }],
        },
        {
          name: 'sidecar',
          image: 'ghcr.io/myorg/log-forwarder:2.0.1',
          resources: { requests: { cpu: 0.5, memoryInGB: 0.5 } },
        },
      ],
      imageRegistryCredentials: [
        { server: acr, identity: pullIdentity },
        { server: 'ghcr.io', secretName: 'ghcr-pull' },
      ],
      ipAddress: { type: 'Public', ports: [{ port: 80 }] },
    },
    expect: { status: 'Running' },
  },
  {
    title: 'A self-hosted registry',
    request: one('company-app', 'registry.mycompany.com/team/my-app:v2.0', 'registry.mycompany.com', {
      secretName: 'company-registry',
    }),
    expect: { status: 'Running' },
  },
  {
    title: '"unauthorized": the secret holds a wrong password',
    request: one('wrong-password', 'ghcr.io/myorg/log-forwarder:2.0.1', 'ghcr.io', {
      secretName: 'ghcr-wrong',
    }),
    expect: { code: 'RegistryAuthenticationFailed', http: 422 },
  },
  {
    title: '"manifest unknown": the tag does not exist',
    request: one('wrong-tag', `${acr}/my-app:v9.9`, acr, { secretName: 'acr-admin' }),
    expect: { code: 'ImageNotFound', http: 422 },
  },
  {
    title: '"no such host": the registry is gone',
    request: one('wrong-host', 'registry.gone.example/app:1', 'registry.gone.example', {
      secretName: 'gone-pull',
    }),
    expect: { code: 'RegistryHostNotFound', http: 422 },
  },
  {
    title: '"toomanyrequests": Docker Hub limits the pulls',
    request: one('limited', 'docker.io/myusername/limited:1', 'docker.io', { secretName: 'dockerhub-pull' }),
    expect: { code: 'RegistryRateLimited', http: 422 },
  },
  {
    title: 'An attack: an allowed secret, to be sent to a registry of the attacker',
    request: one('attack', 'registry.attacker.example/app:1', 'registry.attacker.example', {
      secretName: 'ghcr-pull',
    }),
    expect: { code: 'RegistryNotAllowed', http: 403 },
    noCalls: true,
  },
];
