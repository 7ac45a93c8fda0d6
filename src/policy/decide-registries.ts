import { parseArmId } from '../arm-id.ts';
import { unboundByPolicy } from './bind.ts';
import type { Ask, AskedCredential, AskedImage, PlannedRegistry } from './decide.ts';
import { Denied } from './denied.ts';
import { matchesAny } from './glob.ts';
import type { Policy, Team, TeamRegistry } from './policy.ts';
import { listed, usableIdentity, usableSecret } from './usable.ts';

/** How each registry that an image names is pulled from. */
export function decideRegistries(
  policy: Policy,
  team: Team,
  ask: Pick<Ask, 'images' | 'credentials'>,
): PlannedRegistry[] {
  checkCredentials(ask);
  const hosts = [...new Set(ask.images.map(({ host }) => host))];
  const covered = hosts.map(host => ({
    host,
    images: ask.images.filter(image => image.host === host),
    credential: ask.credentials.find(({ server }) => server === host),
  }));
  for (const { host, images, credential } of covered)
    if (!credential) for (const image of images) requireCover(team, host, image);
  return covered.map(registry => planRegistry(policy, team, registry));
}

function checkCredentials({ credentials, images }: Pick<Ask, 'images' | 'credentials'>): void {
  const seen = new Set<string>();
  for (const { pointer, server, secretName, identity } of credentials) {
    if ((secretName === undefined) === (identity === undefined))
      throw new Denied('InvalidRequest', pointer, 'needs exactly one of secretName and identity');
    if (!images.some(({ host }) => host === server))
      throw new Denied('InvalidRequest', `${pointer}/server`, `no image is of registry ${server}`);
    if (seen.has(server))
      throw new Denied('InvalidRequest', `${pointer}/server`, `a second entry for ${server}`);
    seen.add(server);
  }
}

/** An image needs a credential of the caller's, or one of policy's, or a registry that policy says is open. */
function requireCover(team: Team, host: string, { pointer, repository }: AskedImage): void {
  const entries = entriesOf(team, host);
  const covering = entries.filter(entry => entry.anonymous || entry.credential !== undefined);
  if (covering.some(entry => allows(entry, repository))) return;
  if (covering.length > 0) throw repositoryNotAllowed(entries, host, repository, pointer);
  throw new Denied(
    'RegistryCredentialMissing',
    pointer,
    `nothing says how to pull from ${host}: add an entry for it to imageRegistryCredentials`,
  );
}

const entriesOf = ({ registries = [] }: Team, host: string) =>
  registries.filter(({ server }) => server === host);
const allows = ({ repositories }: TeamRegistry, repository: string) =>
  repositories === undefined || matchesAny(repositories, repository);

interface Registry {
  host: string;
  images: AskedImage[];
  credential: AskedCredential | undefined;
}

function planRegistry(policy: Policy, team: Team, { host, images, credential }: Registry): PlannedRegistry {
  const entries = entriesOf(team, host);
  if (entries.length === 0) {
    const pointer = credential ? `${credential.pointer}/server` : (images[0]?.pointer ?? '');
    const usable = [...new Set((team.registries ?? []).map(({ server }) => server))];
    throw new Denied(
      'RegistryNotAllowed',
      pointer,
      `Registry '${host}' is not allowed for the team; it may use ${listed(usable)}.`,
    );
  }
  for (const image of images) checkImage(entries, host, image);
  const base = {
    host,
    repositories: [...new Set(images.map(({ repository }) => repository))],
    pointer: credential?.pointer ?? images[0]?.pointer ?? '',
  };
  return credential
    ? planNamed(policy, team, base, credential)
    : planDefault(policy, team, base, entries, images);
}

function checkImage(
  entries: readonly TeamRegistry[],
  host: string,
  { pointer, repository, tag, digest }: AskedImage,
): void {
  const applying = entries.filter(entry => allows(entry, repository));
  if (applying.length === 0) throw repositoryNotAllowed(entries, host, repository, pointer);
  // Any entry that speaks of the repository may ask for it, whichever stands first.
  const pinned = applying.some(({ tags }) => tags === 'pinned');
  if (pinned && digest === null && (tag === null || tag === 'latest'))
    throw new Denied(
      'RegistryNotAllowed',
      pointer,
      `Images of ${host} need a tag other than latest, or a digest.`,
    );
}

function repositoryNotAllowed(
  entries: readonly TeamRegistry[],
  host: string,
  repository: string,
  pointer: string,
): Denied {
  const usable = entries.flatMap(({ repositories }) => repositories ?? []);
  return new Denied(
    'RegistryNotAllowed',
    pointer,
    `Repository '${repository}' of ${host} is not allowed for the team; it may use ${listed(usable)}.`,
  );
}

type Base = Pick<PlannedRegistry, 'host' | 'repositories' | 'pointer'>;

function planNamed(policy: Policy, team: Team, base: Base, credential: AskedCredential): PlannedRegistry {
  if (credential.identity !== undefined)
    return planIdentity(policy, team, base, credential.identity, `${credential.pointer}/identity`);
  return planSecret(
    policy,
    team,
    base,
    credential.secretName ?? '',
    credential.vault,
    `${credential.pointer}/secretName`,
  );
}

/** What policy names for the registry when the caller names nothing. */
function planDefault(
  policy: Policy,
  team: Team,
  base: Base,
  entries: readonly TeamRegistry[],
  images: readonly AskedImage[],
): PlannedRegistry {
  const entry = entries.find(
    candidate =>
      images.every(({ repository }) => allows(candidate, repository)) &&
      (candidate.anonymous || candidate.credential !== undefined),
  );
  if (!entry)
    throw new Denied(
      'RegistryCredentialMissing',
      base.pointer,
      `policy names no one credential for these images of ${base.host}: add an entry to imageRegistryCredentials`,
    );
  if (entry.credential === undefined) return { ...base, kind: 'anonymous' };
  const identity = pullIdentityCalled(team, entry.credential, base.host);
  if (identity !== undefined) return planIdentity(policy, team, base, identity, base.pointer);
  return planSecret(policy, team, base, entry.credential, entry.vault, base.pointer);
}

/** The one for this registry, where several resource groups have one of that name. */
function pullIdentityCalled({ identities = [] }: Team, name: string, host: string): string | undefined {
  const called = identities.filter(
    ({ id, use }) => use === 'pull' && parseArmId(id)?.name.toLowerCase() === name.toLowerCase(),
  );
  const fitting = called.find(({ registries }) => registries === undefined || registries.includes(host));
  return (fitting ?? called[0])?.id;
}

function planIdentity(
  policy: Policy,
  team: Team,
  base: Base,
  identity: string,
  pointer: string,
): PlannedRegistry {
  const id = usableIdentity(team, identity, 'pull', pointer, base.host);
  return { ...base, kind: 'identity', id, registryId: policy.registries?.[base.host]?.id ?? null };
}

function planSecret(
  policy: Policy,
  team: Team,
  base: Base,
  secretName: string,
  vault: string | undefined,
  pointer: string,
): PlannedRegistry {
  const secret = usableSecret(policy, team, 'registry', { pointer, secretName, vault });
  // What policy binds to another registry is refused here: the vault need not be asked.
  const planned = { ...base, kind: 'secret' as const, ...secret };
  const unbound = unboundByPolicy(policy, planned);
  if (unbound) throw new Denied('CredentialNotBoundToRegistry', pointer, unbound);
  return planned;
}
