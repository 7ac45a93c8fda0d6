import { askOf, readImages } from '../../src/deployments/spec.ts';
import { type Decision, decide } from '../../src/policy/decide.ts';
import { matchesSecret } from '../../src/policy/glob.ts';
import type { Policy, Team } from '../../src/policy/policy.ts';
import type { DeploymentRequest } from '../../src/schemas/request.ts';
import { type Chance, universe } from './random-policies.ts';

/** What a caller wants, in names of one spelling each; `spell` writes it as a request. */
export interface Wish {
  /** Where the caller may deploy, and the team that he names. */
  deploying: string[];
  team?: string;
  target?: string;
  location?: string;
  public: boolean;
  images: { host: string; repository: string; tag: string | null; digest: string | null }[];
  credentials: ({ host: string } & (NamedSecret | { identity: string }))[];
  workloadSecrets: NamedSecret[];
  workloadIdentities: string[];
  subnets: string[];
  /** Each with the workload secret that opens it. */
  workspace?: { id: string; key: NamedSecret };
  share?: { account: string; key: NamedSecret };
}

interface NamedSecret {
  secret: string;
  vault?: string;
}

/** Mostly of names that the team has, so that every rule is reached; the others are of another team or of nobody. */
export function randomWish(chance: Chance, policy: Policy): Wish {
  const name = chance.often(0.9) ? chance.one(Object.keys(policy.teams)) : chance.one(universe.teams);
  const team = policy.teams[name];
  const deploying = chance.often(0.85) ? [name] : chance.some(universe.teams);
  const images = Array.from({ length: chance.often(0.75) ? 1 : 2 }, () => randomImage(chance, team));
  const target = mostly(chance, team?.targets, universe.targets);
  return {
    deploying,
    ...(deploying.length !== 1 || chance.often(0.5) ? { team: name } : {}),
    ...(chance.often(0.7) ? { target } : {}),
    ...(chance.often(0.3)
      ? { location: mostly(chance, policy.targets[target]?.locations, universe.locations) }
      : {}),
    public: chance.often(0.15),
    images,
    credentials: randomCredentials(chance, team, images),
    workloadSecrets: chance.often(0.75) ? [] : [randomSecret(chance, team, 'workload')],
    workloadIdentities: chance.often(0.8) ? [] : [randomIdentity(chance, team, 'workload')],
    ...randomPlaces(chance, policy, target, team),
  };
}

/** Networks and data; seldom, or little would be allowed. */
function randomPlaces(
  chance: Chance,
  policy: Policy,
  target: string,
  team: Team | undefined,
): Pick<Wish, 'subnets' | 'workspace' | 'share'> {
  const { network, workspaces, storageAccounts } = policy.targets[target] ?? {};
  const key = () => randomSecret(chance, team, 'workload');
  return {
    subnets: chance.often(0.9) ? [] : [mostly(chance, network?.subnets, universe.subnets)],
    ...(chance.often(0.1)
      ? { workspace: { id: mostly(chance, workspaces, universe.workspaces), key: key() } }
      : {}),
    ...(chance.often(0.1)
      ? { share: { account: mostly(chance, storageAccounts, universe.storageAccounts), key: key() } }
      : {}),
  };
}

function mostly<T>(chance: Chance, own: readonly T[] | undefined, all: readonly T[]): T {
  return own && own.length > 0 && chance.often(0.85) ? chance.one(own) : chance.one(all);
}

function randomImage(chance: Chance, team: Team | undefined): Wish['images'][number] {
  const hosts = (team?.registries ?? []).map(({ server }) => server);
  const host = mostly(chance, hosts, universe.hosts);
  const repository = chance.one(universe.repositories);
  return {
    host,
    // Docker Hub's short form has a long one.
    repository: host === 'docker.io' && !repository.includes('/') ? `library/${repository}` : repository,
    tag: chance.one(['1.0', '1.0', '1.0', 'latest', null]),
    digest: chance.often(0.2) ? `sha256:${'0123456789abcdef'.repeat(4)}` : null,
  };
}

function randomCredentials(
  chance: Chance,
  team: Team | undefined,
  images: Wish['images'],
): Wish['credentials'] {
  const hosts = chance.often(0.95) ? [...new Set(images.map(({ host }) => host))] : [...universe.hosts];
  return hosts
    .filter(() => chance.often(0.6))
    .map(host => ({
      host,
      ...(chance.often(0.7)
        ? randomSecret(chance, team, 'registry')
        : { identity: randomIdentity(chance, team, 'pull') }),
    }));
}

function randomSecret(chance: Chance, team: Team | undefined, kind: 'registry' | 'workload'): NamedSecret {
  const globs = kind === 'registry' ? team?.registrySecrets : team?.workloadSecrets;
  const own = universe.secrets.filter(name => matchesSecret(globs ?? [], name));
  const named = (team?.vaults ?? []).length !== 1 || chance.often(0.4);
  return {
    secret: mostly(chance, own, universe.secrets),
    ...(named && chance.often(0.9) ? { vault: mostly(chance, team?.vaults, universe.vaults) } : {}),
  };
}

function randomIdentity(chance: Chance, team: Team | undefined, use: 'pull' | 'workload'): string {
  const own = (team?.identities ?? []).filter(identity => identity.use === use).map(({ id }) => id);
  return mostly(chance, own, universe.identities).toLowerCase();
}

/** The wish as somebody might write it: Azure's names in any case, registries in any of their spellings. */
export function spell(chance: Chance, wish: Wish): DeploymentRequest {
  const spellServer = (host: string) => {
    const known = host === 'docker.io' ? chance.one(['docker.io', 'index.docker.io', 'Docker.IO']) : host;
    const port = /:\d+$/.test(known) ? known : chance.one([known, known, `${known}:443`, `${known}.`]);
    return anyCase(chance, port);
  };
  return {
    name: 'wish',
    ...(wish.team === undefined ? {} : { team: wish.team }),
    ...(wish.target === undefined ? {} : { target: wish.target }),
    ...(wish.location === undefined ? {} : { location: anyCase(chance, wish.location) }),
    ...(wish.public ? { ipAddress: { type: 'Public' as const, ports: [{ port: 80 }] } } : {}),
    containers: wish.images.map((image, index) => ({
      name: `c${index}`,
      image: spellImage(chance, image),
      ...(index === 0 && wish.workloadSecrets.length > 0
        ? { environmentVariables: spellVariables(chance, wish) }
        : {}),
    })),
    imageRegistryCredentials: wish.credentials.map(({ host, ...named }) => ({
      server: spellServer(host),
      ...('identity' in named
        ? { identity: anyCase(chance, named.identity) }
        : {
            secretName: anyCase(chance, named.secret),
            ...(named.vault === undefined ? {} : { vault: named.vault }),
          }),
    })),
    ...(wish.workloadIdentities.length > 0
      ? {
          identity: {
            userAssignedIdentities: wish.workloadIdentities.map(id => anyCase(chance, id)),
          },
        }
      : {}),
    ...spellPlaces(chance, wish),
  };
}

function spellPlaces(chance: Chance, { subnets, workspace, share }: Wish) {
  const vaultOf = ({ vault }: NamedSecret) => (vault === undefined ? {} : { vault });
  return {
    ...(subnets.length > 0 ? { subnetIds: subnets.map(id => ({ id: anyCase(chance, id) })) } : {}),
    ...(workspace
      ? {
          diagnostics: {
            logAnalytics: {
              workspaceId: anyCase(chance, workspace.id),
              workspaceKeySecretName: anyCase(chance, workspace.key.secret),
              ...vaultOf(workspace.key),
            },
          },
        }
      : {}),
    ...(share
      ? {
          volumes: [
            {
              name: 'share',
              azureFile: {
                shareName: 'files',
                storageAccountName: share.account,
                storageAccountKeySecretName: anyCase(chance, share.key.secret),
                ...vaultOf(share.key),
              },
            },
          ],
        }
      : {}),
  };
}

function spellVariables(chance: Chance, { workloadSecrets }: Wish) {
  return workloadSecrets.map(({ secret, vault }, index) => ({
    name: `V${index}`,
    secretName: anyCase(chance, secret),
    ...(vault === undefined ? {} : { vault }),
  }));
}

function spellImage(chance: Chance, { host, repository, tag, digest }: Wish['images'][number]): string {
  const short = host === 'docker.io' && chance.often(0.5);
  const named = host === 'docker.io' ? chance.one(['docker.io', 'index.docker.io']) : host;
  const path = short && chance.often(0.5) ? repository.replace(/^library\//, '') : repository;
  // Without tag and digest engines take `latest`.
  return `${short ? '' : `${named}/`}${path}${tag === null ? '' : `:${tag}`}${digest === null ? '' : `@${digest}`}`;
}

export function anyCase(chance: Chance, text: string): string {
  if (chance.often(0.6)) return text;
  return chance.often(0.5) ? text.toUpperCase() : text.slice(0, 1).toUpperCase() + text.slice(1);
}

/** What `decide` says of the request that the wish was written as. */
export function decideOn(policy: Policy, { deploying }: Wish, request: DeploymentRequest): Decision {
  const caller = {
    principal: { issuer: 'entra', subject: 's' },
    teams: Object.fromEntries(deploying.map(name => [name, ['deploy' as const]])),
    expiresAt: 0,
  };
  return decide({ policy, digest: '' }, caller, askOf(request, readImages(request)));
}
