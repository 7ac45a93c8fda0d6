import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DemoWorld } from '../support/demo-world.ts';
import { puller, stranger } from '../support/docker-registry.ts';

/** What is asked of a registry, and what is to be said of it. */
export interface Row {
  name: string;
  /** As images and policy write it. */
  host: string;
  /** How the embedded registry behaves; null for a real one. */
  kind: string | null;
  username: string;
  /** The image that the credential may pull. */
  repository: string;
  /** Another, which it may not. */
  other: string;
  wrong: RegExp;
  denied: RegExp;
  policy?: object;
  /** Other hosts of it. */
  beside?: string[];
  /** A user who is not the first one, for what the first may pull. */
  denies?: 'stranger';
}

const refused = /^RegistryAuthenticationFailed$/;
const noRight = /^RegistryAccessDenied$/;
const unclear = /^RepositoryNotFoundOrDenied$/;

const row = (name: string, host: string, kind: string | null, more: Partial<Row> = {}): Row => ({
  name,
  host,
  kind,
  username: 'puller',
  repository: 'team/app',
  other: 'secret/app',
  wrong: refused,
  denied: noRight,
  ...more,
});

export const lookAlikes: Row[] = [
  row('Azure Container Registry', 'lookalike.azurecr.io', 'acr'),
  row('Docker Hub', 'docker.io', 'dockerhub', { denied: unclear, beside: ['auth.docker.io'] }),
  row('GitHub', 'ghcr.io', 'ghcr'),
  row('Harbor', 'harbor.corp.example', 'harbor', { username: 'robot$team+puller' }),
  row('Nexus', 'nexus.corp.example:8443', 'nexus'),
  // It says the same to both.
  row('GitLab', 'registry.gitlab.com', 'gitlab', { wrong: noRight, beside: ['gitlab.com'] }),
  row('Quay', 'quay.io', 'quay', { username: 'team+robot' }),
  row('Artifact Registry', 'europe-docker.pkg.dev', 'artifactRegistry', {
    username: '_json_key',
    repository: 'project/repo/app',
    other: 'project/secret/app',
    denied: unclear,
  }),
  row('ECR', '123456789012.dkr.ecr.us-east-1.amazonaws.com', 'ecr', { username: 'AWS' }),
  // Whoever has a password there may pull everything; what is not there is all that can be told.
  row("distribution's own", 'registry.corp.example', 'basic', {
    other: 'team/none',
    denied: /^ImageNotFound$/,
  }),
];

/** GitLab in one's own house: policy names the host of its tokens. */
export const ownGitLab = row('a GitLab of one’s own', 'registry.gitlab.corp.example', 'gitlab', {
  wrong: noRight,
  policy: { tokenHost: 'gitlab.corp.example' },
  beside: ['gitlab.corp.example'],
});

export const realOnes: Row[] = [
  row('docker-registry with htpasswd', 'htpasswd.example', null, {
    other: 'team/none',
    denied: /^ImageNotFound$/,
  }),
  row('docker-registry with tokens', 'tokens.example', null, { denies: 'stranger' }),
];

export const secretOf = ({ host }: Pick<Row, 'host'>, which: 'right' | 'wrong' | 'stranger') =>
  `${host.replaceAll(/[^a-z0-9]/g, '-')}-${which}`;

const issuer = 'https://login.microsoftonline.com/00000000-0000-0000-0000-00000000aaaa/v2.0';

/** A policy that allows all of the rows, each secret bound to its registry and user. */
function policyOf(rows: Row[]): object {
  const secrets = rows.flatMap(row =>
    (['right', 'wrong', 'stranger'] as const).map(which => ({
      vault: 'demo-vault',
      secret: secretOf(row, which),
      registry: row.host,
      username: which === 'stranger' ? stranger.username : row.username,
    })),
  );
  return {
    version: 1,
    issuers: [{ name: 'embedded', issuer, audience: '00000000-0000-0000-0000-00000000dddd' }],
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
        registrySecrets: secrets.map(({ secret }) => secret),
        registries: rows.map(({ host }) => ({ server: host })),
      },
    },
    targets: {
      demo: {
        subscription: '00000000-0000-0000-0000-00000000bbbb',
        resourceGroup: 'my-resource-group',
        locations: ['eastus'],
      },
    },
    registries: Object.fromEntries(rows.flatMap(({ host, policy }) => (policy ? [[host, policy]] : []))),
    vaults: { 'demo-vault': { url: 'https://demo-vault.vault.azure.net' } },
    bindings: secrets,
  };
}

/** Puts registries, images, secrets and a policy into the world; resolves with what the service's environment adds. */
export async function furnish(world: DemoWorld, rows: Row[]): Promise<Record<string, string>> {
  const inWorld = rows.flatMap(row => (row.kind === null ? [] : [{ ...row, kind: row.kind }]));
  const bare = (host: string) => host.replace(/:\d+$/, '');
  await world.control('POST', 'world', {
    registries: inWorld.map(({ host, kind, username, repository }) => ({
      host: bare(host),
      kind,
      users: {
        [username]: {
          password: puller.password,
          kind: kind === 'acr' ? 'token' : 'user',
          // Docker Hub's is there already.
          ...(kind === 'basic' ? {} : { repositories: [repository] }),
        },
      },
    })),
    images: inWorld.flatMap(({ host, kind, repository, other }) =>
      [...['1.4.1', '1.4.2', '2.0.0'].map(tag => [repository, tag]), [other, '1.4.2']].flatMap(
        ([name, tag]) =>
          kind === 'basic' && name === other ? [] : [{ host: bare(host), repository: name, tag }],
      ),
    ),
    secrets: rows.flatMap(row => [
      { name: secretOf(row, 'right'), value: puller.password },
      { name: secretOf(row, 'wrong'), value: 'the-wrong-password' },
      { name: secretOf(row, 'stranger'), value: stranger.password },
    ]),
  });
  const policyFile = join(world.data, 'registries.json');
  writeFileSync(policyFile, JSON.stringify(policyOf(rows)));
  const { port } = new URL(world.azure.url);
  const hosts = rows.flatMap(({ host, beside = [] }) => [host, ...beside]);
  const more = hosts.map(host => `${host}=127.0.0.1:${port}`).join(' ');
  return {
    SLIPWAY_POLICY: policyFile,
    SLIPWAY_HOSTS: `${more} ${world.env.SLIPWAY_HOSTS ?? ''}`,
  };
}
