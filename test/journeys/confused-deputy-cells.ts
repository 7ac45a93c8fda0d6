import type { DeploymentRequest } from '../../src/schemas/request.ts';
import { identityId } from './confused-deputy-world.ts';

/** One request of the matrix, in names. */
export interface Cell {
  /** The client that asks. */
  as: string;
  team?: string;
  target: string;
  image: { host: string; repository: string; tag: string };
  /** Null: the caller leaves it to the policy. */
  credential: ({ server: string } & Named) | null;
  workload?: Named;
}

export type Named = { secret: string; vault?: string } | { identity: string };

export const nowhere = {
  team: 'no-such-team',
  target: 'no-such-target',
  vault: 'no-such-vault',
  secret: 'no-such-secret',
  host: 'no-such.example',
  server: 'no-such-either.example',
  repository: 'no-such/repository',
  identity: identityId('rg-red', 'no-such-identity'),
} as const;

const callers: { as: string; team?: string }[] = [
  { as: 'red' },
  { as: 'red', team: 'blue' },
  { as: 'blue', team: 'blue' },
  // May read there.
  { as: 'blue', team: 'green' },
  { as: 'green' },
  { as: 'both', team: 'red' },
  { as: 'both' },
];

const hosts = ['ghcr.io', 'myregistry.azurecr.io', 'registry.mycompany.com', 'evil.example'];
const targets = ['red-prod', 'blue-prod', 'shared'];

const named: Named[] = [
  ...['red-pull', 'blue-pull', 'shared-pull', 'orders-db', nowhere.secret].flatMap(secret => [
    { secret },
    ...['kv-red', 'kv-blue', nowhere.vault].map(vault => ({ secret, vault })),
  ]),
  { identity: identityId('rg-red', 'red-puller') },
  { identity: identityId('rg-red', 'RED-worker').toUpperCase().replace('/SUBSCRIPTIONS', '/subscriptions') },
  { identity: identityId('rg-blue', 'blue-puller') },
  // Of the same name, in another group.
  { identity: identityId('rg-blue', 'red-puller') },
];

/** Teams x credentials x servers x hosts of images x repositories x targets, and what a workload may be given. */
export function* allCells(): Generator<Cell> {
  for (const caller of callers)
    for (const target of targets) {
      for (const host of hosts)
        for (const repository of ['red/app', 'blue/app']) {
          const image = { host, repository, tag: '1.0' };
          yield { ...caller, target, image, credential: null };
          for (const each of named) yield { ...caller, target, image, credential: { server: host, ...each } };
        }
      for (const image of imagesOf(caller))
        for (const each of named) yield { ...caller, target, image, credential: null, workload: each };
    }
  yield* serversOfOthers();
  yield* tagsAndBases();
}

/** His own image, his own secret, and a server of his choice: where a password would be sent to. */
function* serversOfOthers(): Generator<Cell> {
  for (const caller of callers)
    for (const server of [...hosts, 'docker.io', nowhere.server])
      for (const image of imagesOf(caller))
        for (const each of named)
          if (server !== image.host)
            yield { ...caller, target: targetOf(caller), image, credential: { server, ...each } };
}

function* tagsAndBases(): Generator<Cell> {
  for (const caller of callers)
    for (const host of hosts)
      for (const [repository, tag] of [
        ['base/app', '1.0'],
        ['red/app', 'latest'],
        ['redder/app', '1.0'],
        ['red/deep/app', '1.0'],
      ] as const)
        for (const each of named.slice(0, 12))
          yield {
            ...caller,
            target: targetOf(caller),
            image: { host, repository, tag },
            credential: { server: host, ...each },
          };
}

const targetOf = ({ as, team }: { as: string; team?: string }) =>
  (team ?? as) === 'blue' ? 'blue-prod' : 'shared';

const imagesOf = ({ as, team }: { as: string; team?: string }) =>
  (team ?? as) === 'blue'
    ? [{ host: 'registry.mycompany.com', repository: 'blue/app', tag: '1.0' }]
    : [{ host: 'ghcr.io', repository: 'red/app', tag: '1.0' }];

export function requestOf(
  { team, target, image, credential, workload }: Cell,
  name: string,
): DeploymentRequest {
  return {
    name,
    target,
    ...(team === undefined ? {} : { team }),
    containers: [
      {
        name: 'app',
        image: `${image.host}/${image.repository}:${image.tag}`,
        ...(workload && 'secret' in workload
          ? { environmentVariables: [{ name: 'V', ...referenceOf(workload) }] }
          : {}),
      },
    ],
    ...(credential
      ? { imageRegistryCredentials: [{ server: credential.server, ...referenceOf(credential) }] }
      : {}),
    ...(workload && 'identity' in workload
      ? { identity: { userAssignedIdentities: [workload.identity] } }
      : {}),
  };
}

const referenceOf = (each: Named) =>
  'identity' in each
    ? { identity: each.identity }
    : { secretName: each.secret, ...(each.vault === undefined ? {} : { vault: each.vault }) };
