import { demo } from './demo-ids.ts';
import { putImage } from './registry/images.ts';
import type { Registry, World } from './world.ts';

/** Who has a password in the demo world's registries. */
export const registryUsers = [
  'admin',
  'puller',
  'token',
  'dockerHub',
  'ghcr',
  'otherGhcr',
  'company',
] as const;
export type Passwords = Record<
  (typeof registryUsers)[number] | 'wrong' | 'unbound' | 'gone' | 'orders',
  string
>;

export const registryUserNames = {
  admin: 'myregistry',
  puller: demo.pullerClientId,
  token: 'slipway-pull',
  dockerHub: 'myusername',
  ghcr: 'myghuser',
  otherGhcr: 'otherghuser',
  company: 'deploy-user',
} as const;

/** The registries of the tutorial and the images in them. */
export function addDemoRegistries(world: World, passwords: Passwords): void {
  for (const registry of demoRegistries(passwords)) world.registries[registry.host] = registry;
  for (const [host, repository, tags, image] of images)
    for (const tag of tags) putImage(world, host, repository, tag, image);
}

function demoRegistries(passwords: Passwords): Registry[] {
  const names = registryUserNames;
  return [
    registry('myregistry.azurecr.io', 'acr', {
      [names.admin]: { password: passwords.admin, kind: 'admin' },
      [names.puller]: { password: passwords.puller, kind: 'servicePrincipal' },
      [names.token]: {
        password: passwords.token,
        kind: 'token',
        repositories: ['my-app', 'web-app', 'job', 'arm-only'],
      },
    }),
    {
      ...registry('docker.io', 'dockerhub', {
        [names.dockerHub]: { password: passwords.dockerHub, kind: 'user' },
      }),
      anonymous: ['library/**'],
      limited: ['myusername/limited'],
    },
    registry('ghcr.io', 'ghcr', {
      [names.ghcr]: { password: passwords.ghcr, kind: 'user' },
      [names.otherGhcr]: { password: passwords.otherGhcr, kind: 'user' },
    }),
    registry('registry.mycompany.com', 'basic', {
      [names.company]: { password: passwords.company, kind: 'user' },
    }),
  ];
}

function registry(host: string, kind: Registry['kind'], users: Registry['users']): Registry {
  return { host, kind, users, anonymous: [], limited: [], repositories: {} };
}

type Image = { platform?: 'linux/amd64' | 'linux/arm64'; exitCode?: number };

const images: [host: string, repository: string, tags: string[], image: Image][] = [
  ['myregistry.azurecr.io', 'my-app', ['v1.0'], {}],
  ['myregistry.azurecr.io', 'web-app', ['1.4.2', 'latest'], {}],
  ['myregistry.azurecr.io', 'arm-only', ['1.0'], { platform: 'linux/arm64' }],
  ['myregistry.azurecr.io', 'job', ['ok'], { exitCode: 0 }],
  ['myregistry.azurecr.io', 'job', ['crash'], { exitCode: 1 }],
  ['docker.io', 'myusername/my-private-app', ['1.0.0', 'latest'], {}],
  ['docker.io', 'myusername/limited', ['1'], {}],
  ['docker.io', 'library/nginx', ['1.27', 'latest'], {}],
  ['docker.io', 'library/alpine', ['3.20', 'latest'], { exitCode: 0 }],
  ['ghcr.io', 'myorg/log-forwarder', ['2.0.1', 'latest'], {}],
  ['registry.mycompany.com', 'team/my-app', ['v2.0'], {}],
];
