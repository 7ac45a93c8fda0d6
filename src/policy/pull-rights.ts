import { pullOf, samplesOf } from './asking.ts';
import type { Ask, Plan, PlannedRegistry } from './decide.ts';
import type { Policy, Team } from './policy.ts';
import type { Pair, Right } from './rights.ts';

type May = (asked: Partial<Ask>) => Plan | null;
type Credential = { secretName?: string; vault?: string; identity?: string };

/** Which images of which registries, with which credential: all that are allowed of what either policy names. */
export function pullRights(policy: Policy, may: May, teams: readonly Team[], pair: Pair): Right[] {
  const credentials = credentialsOf(teams, pair);
  const servers = unique(teams.flatMap(team => (team.registries ?? []).map(({ server }) => server)));
  return servers.flatMap(server =>
    repositoriesOf(server, teams, pair).flatMap(repository => {
      const found = credentials.flatMap(credential => {
        const planned = planOf(may, server, repository, '1', credential);
        return planned ? [{ credential, planned }] : [];
      });
      const rights = found.map(({ credential, planned }) =>
        rightOf(policy, { server, repository, planned, secret: credential.secretName }),
      );
      const unpinned = found.some(({ credential }) => planOf(may, server, repository, 'latest', credential));
      return unpinned ? [...rights, unpinnedRight(server, repository)] : rights;
    }),
  );
}

/** None, each secret in each vault, each identity; a glob for a secret stands for all that it names. */
function credentialsOf(teams: readonly Team[], pair: Pair): Credential[] {
  const vaults = unique(teams.flatMap(team => team.vaults ?? []));
  // Those that policy binds also by their own names: to a binding a glob says nothing.
  const bound = pair.flatMap(({ policy }) => (policy.bindings ?? []).map(({ secret }) => secret));
  const secrets = unique([...teams.flatMap(team => team.registrySecrets ?? []), ...bound]);
  const ids = teams
    .flatMap(team => team.identities ?? [])
    .flatMap(({ id, use }) => (use === 'pull' ? [id] : []));
  return [
    {},
    ...vaults.flatMap(vault => secrets.map(secretName => ({ secretName, vault }))),
    ...unique(ids).map(identity => ({ identity })),
  ];
}

/** As both policies write them; `**` where one does not say. */
function repositoriesOf(server: string, teams: readonly Team[], pair: Pair): string[] {
  const entries = teams.flatMap(team => team.registries ?? []).filter(entry => entry.server === server);
  const bindings = pair
    .flatMap(({ policy }) => policy.bindings ?? [])
    .filter(({ registry }) => registry === server);
  return unique([
    ...entries.flatMap(({ repositories = ['**'] }) => repositories),
    ...bindings.flatMap(({ repositories = [] }) => repositories),
  ]);
}

/** Allowed only where every sample of the globs is. */
function planOf(
  may: May,
  server: string,
  repository: string,
  tag: string,
  credential: Credential,
): PlannedRegistry | null {
  const { secretName } = credential;
  const named =
    secretName === undefined
      ? [credential]
      : samplesOf(secretName).map(name => ({ ...credential, secretName: name }));
  const plans = named.flatMap(one =>
    samplesOf(repository).map(path => may(pullOf(server, { repository: path, tag }, one))),
  );
  const [first] = plans;
  return plans.every(plan => plan !== null) ? (first?.registries[0] ?? null) : null;
}

interface Found {
  server: string;
  repository: string;
  planned: PlannedRegistry;
  /** As policy lists it, where the caller names it. */
  secret: string | undefined;
}

function rightOf(policy: Policy, { server, repository, planned, secret }: Found): Right {
  const named = secret ?? (planned.kind === 'secret' ? planned.secretName : undefined);
  const means = meansOf(policy, planned);
  const by = named === undefined ? means : `with secret '${named}' ${means}`;
  const text = `pull ${placeOf(server, repository)} ${by}`;
  return { text, means, server, repository, ...(named === undefined ? {} : { secret: named }) };
}

function meansOf(policy: Policy, planned: PlannedRegistry): string {
  switch (planned.kind) {
    case 'anonymous':
      return 'anonymously';
    case 'identity':
      return `as identity ${planned.id}`;
    case 'secret':
      return `of ${planned.vault.url}, bound by ${boundBy(policy, planned)}`;
  }
}

/** A place in words. */
export const placeOf = (server: string, repository: string) =>
  repository === '**' ? server : `${repository} of ${server}`;

function boundBy(
  { bindings = [] }: Policy,
  { vault, secretName }: PlannedRegistry & { kind: 'secret' },
): string {
  const written = bindings.find(
    binding => binding.vault === vault.name && binding.secret.toLowerCase() === secretName.toLowerCase(),
  );
  if (!written) return 'its tags';
  return written.username === undefined ? 'policy' : `policy to user '${written.username}'`;
}

function unpinnedRight(server: string, repository: string): Right {
  const means = 'by `latest` or without a tag';
  return { text: `pull ${placeOf(server, repository)} ${means}`, means, server, repository };
}

const unique = <T>(values: readonly T[]): T[] => [...new Set(values)];
