import { type Cell, type Named, nowhere } from './confused-deputy-cells.ts';

/** The policy's YAML as it is written: read here without any of the service's own code. */
export interface Written {
  teams: Record<string, WrittenTeam>;
  vaults: Record<string, { ownersBind?: boolean }>;
  bindings: { vault: string; secret: string; registry: string; repositories?: string[] }[];
}

interface WrittenTeam {
  principals: { client: string; permissions: string[] }[];
  targets: string[];
  vaults: string[];
  registrySecrets: string[];
  workloadSecrets?: string[];
  identities?: { id: string; use: string; registries?: string[] }[];
  registries: { server: string; repositories?: string[]; credential?: string; tags?: string }[];
}

const clients: Record<string, string> = { red: 'e0001', blue: 'e0002', green: 'e0003', both: 'e0004' };

/** A word for every rule of the policy that the cell breaks; none where it is allowed. */
export function* breaches(policy: Written, cell: Cell): Generator<string> {
  const deploying = deployingTeams(policy, cell);
  const name = cell.team ?? (deploying.length === 1 ? deploying[0] : undefined);
  if (name === undefined) return yield 'InvalidRequest';
  const team = policy.teams[name];
  if (!team || !deploying.includes(name)) return yield 'PermissionDenied';

  if (!team.targets.includes(cell.target)) yield 'TargetNotAllowed';
  yield* imageBreaches(team, cell);
  yield* credentialBreaches(policy, team, cell);
  if (!cell.workload) return;
  if ('identity' in cell.workload) {
    if (!identityOf(team, cell.workload.identity, 'workload')) yield 'IdentityNotAvailable';
  } else yield* vaultBreaches(team, cell.workload, team.workloadSecrets ?? []);
}

export function deployingTeams(policy: Written, cell: Cell): string[] {
  return Object.keys(policy.teams).filter(name =>
    policy.teams[name]?.principals.some(
      ({ client, permissions }) => client.endsWith(clients[cell.as] ?? '-') && permissions.includes('deploy'),
    ),
  );
}

function* imageBreaches({ registries }: WrittenTeam, { image }: Cell): Generator<string> {
  const entries = registries.filter(
    ({ server, repositories }) => server === image.host && covers(repositories, image.repository),
  );
  if (entries.length === 0) yield 'RegistryNotAllowed';
  if (image.tag === 'latest' && entries.some(({ tags }) => tags === 'pinned')) yield 'RegistryNotAllowed';
}

function* credentialBreaches(
  policy: Written,
  team: WrittenTeam,
  { image, credential }: Cell,
): Generator<string> {
  if (credential && credential.server !== image.host) return yield 'InvalidRequest';
  const used = credential ?? defaultOf(team, image);
  if (!used) return yield 'RegistryCredentialMissing';
  if ('identity' in used) {
    if (!identityOf(team, used.identity, 'pull', image.host)) yield 'IdentityNotAvailable';
    return;
  }
  yield* vaultBreaches(team, used, team.registrySecrets);
  const vault = used.vault ?? team.vaults[0] ?? '';
  const binding = policy.bindings.find(each => each.vault === vault && each.secret === used.secret);
  const goesThere = binding
    ? binding.registry === image.host && covers(binding.repositories, image.repository)
    : policy.vaults[vault]?.ownersBind === true;
  if (!goesThere) yield 'CredentialNotBoundToRegistry';
}

function* vaultBreaches(
  { vaults }: WrittenTeam,
  { secret, vault }: { secret: string; vault?: string },
  usable: string[],
): Generator<string> {
  if (vault === undefined && vaults.length > 1) yield 'InvalidRequest';
  else if (!covers(usable, secret) || !vaults.includes(vault ?? vaults[0] ?? ''))
    yield 'CredentialNotAvailable';
}

function identityOf({ identities = [] }: WrittenTeam, id: string, use: string, host?: string): boolean {
  return identities.some(
    each =>
      each.use === use &&
      each.id.toLowerCase() === id.toLowerCase() &&
      (host === undefined || !each.registries || each.registries.includes(host)),
  );
}

function defaultOf(
  { registries, identities = [] }: WrittenTeam,
  { host, repository }: Cell['image'],
): Named | null {
  const credential = registries.find(
    entry => entry.server === host && entry.credential && covers(entry.repositories, repository),
  )?.credential;
  if (credential === undefined) return null;
  const identity = identities.find(({ id }) => id.endsWith(`/${credential}`));
  return identity ? { identity: identity.id } : { secret: credential };
}

/** Whether a list of names and globs has the name; no list has all. */
function covers(globs: string[] | undefined, name: string): boolean {
  const pattern = (glob: string) => glob.replaceAll(/\*+/g, stars => (stars === '*' ? '[^/]*' : '.*'));
  return globs === undefined || globs.some(glob => new RegExp(`^${pattern(glob)}$`).test(name));
}

/** The same cell with every name that is not the team's own replaced by one that nobody has. */
export function withoutOthers(policy: Written, cell: Cell): Cell {
  const deploying = deployingTeams(policy, cell);
  const name = cell.team ?? deploying[0] ?? '';
  const team = policy.teams[name];
  if (!team || !deploying.includes(name)) return { ...cell, team: nowhere.team };
  const hosts = team.registries.map(({ server }) => server);
  const repositories = team.registries
    .filter(({ server }) => server === cell.image.host)
    .map(each => each.repositories);
  const host = hosts.includes(cell.image.host) ? cell.image.host : nowhere.host;
  const serverOf = ({ server }: { server: string }) => {
    if (server === cell.image.host) return host;
    return hosts.includes(server) ? server : nowhere.server;
  };
  return {
    ...cell,
    target: team.targets.includes(cell.target) ? cell.target : nowhere.target,
    image: {
      ...cell.image,
      host,
      repository:
        repositories.length === 0 || repositories.some(globs => covers(globs, cell.image.repository))
          ? cell.image.repository
          : nowhere.repository,
    },
    credential: cell.credential && {
      ...ownOf(team, cell.credential, team.registrySecrets),
      server: serverOf(cell.credential),
    },
    ...(cell.workload ? { workload: ownOf(team, cell.workload, team.workloadSecrets ?? []) } : {}),
  };
}

function ownOf({ identities = [], vaults }: WrittenTeam, each: Named, usable: string[]): Named {
  if ('identity' in each)
    return identities.some(({ id }) => id.toLowerCase() === each.identity.toLowerCase())
      ? each
      : { identity: nowhere.identity };
  return {
    secret: covers(usable, each.secret) ? each.secret : nowhere.secret,
    ...(each.vault === undefined ? {} : { vault: vaults.includes(each.vault) ? each.vault : nowhere.vault }),
  };
}
