import { AzureError } from '../azure/failure.ts';
import type { Vault } from '../azure/vault.ts';
import type { Clock } from '../clock.ts';
import { identityChoices, isGlob, type SecretChoice, secretChoices } from '../policy/choices.ts';
import type { LoadedPolicy } from '../policy/load.ts';
import type { Policy, Team } from '../policy/policy.ts';
import type { Credential } from '../schemas/credential.ts';
import type { Caller } from '../schemas/principal.ts';
import { judgeSecret, type Known, nothingKnown, type TeamSecret } from './credential-health.ts';
import { teamFor, teamsOf } from './team-for.ts';

interface CredentialListParts {
  vault: Pick<Vault, 'properties'>;
  policy: () => LoadedPolicy;
  clock: Clock;
}

export type ListCredentials = ReturnType<typeof createCredentialList>;

const atOnce = 8;
/** Who asks again and again does not ask the vault again and again. */
const keptMs = 30_000;
const mostKept = 1_000;
/** A vault that does not answer is not asked for each of its secrets. */
const outMs = 5_000;

/** The secrets and identities that the caller may use and how they are, from policy and the properties in the vault. */
export function createCredentialList({ vault, policy, clock }: CredentialListParts) {
  const kept = new Map<string, { until: number; known: Promise<Known> }>();
  const outUntil = new Map<string, number>();

  return async (caller: Caller, asked: string | undefined): Promise<Credential[]> => {
    const loaded = policy();
    const names = asked === undefined ? teamsOf(caller) : [teamFor(loaded.policy, caller, asked).name];
    const teams = names.flatMap(name => {
      const team = loaded.policy.teams[name];
      return team ? [{ name, team }] : [];
    });
    const secrets = teams.flatMap(({ name, team }) => secretsOf(loaded.policy, name, team));
    const judged = await mapSome(secrets, async secret =>
      judgeSecret(loaded, secret, await look(secret.secret), clock.now()),
    );
    return [...judged, ...teams.flatMap(({ name, team }) => identitiesOf(name, team))];
  };

  async function look(secret: SecretChoice): Promise<Known> {
    if (isGlob(secret.secretName)) return null;
    const key = `${secret.vault.url} ${secret.secretName.toLowerCase()}`;
    const now = clock.now().getTime();
    const before = kept.get(key);
    if (before && now < before.until) return before.known;
    if (now < (outUntil.get(secret.vault.url) ?? 0)) return null;
    if (kept.size >= mostKept) kept.clear();
    const known = read(secret);
    kept.set(key, { until: now + keptMs, known });
    if ((await known) === null) kept.delete(key);
    return known;
  }

  async function read({ vault: { url }, secretName }: SecretChoice): Promise<Known> {
    try {
      return await vault.properties(url, secretName);
    } catch (error) {
      if (!(error instanceof AzureError)) throw error;
      if (error.code === 'SecretNotFound') return [];
      if (error.retryable) outUntil.set(url, clock.now().getTime() + outMs);
      return null;
    }
  }
}

function secretsOf(policy: Policy, name: string, team: Team): TeamSecret[] {
  const hosts = hostsOf(team);
  return (['registry', 'workload'] as const).flatMap(use =>
    secretChoices(policy, team, use).map(secret => ({ team: name, use, secret, hosts })),
  );
}

const hostsOf = ({ registries = [] }: Team) => [...new Set(registries.map(({ server }) => server))];

function identitiesOf(name: string, team: Team): Credential[] {
  const pull = identityChoices(team, 'pull').map(({ id, registries }) => ({
    ...nothingKnown(name, 'registry'),
    identity: id,
    registries: hostsOf(team).filter(host => registries === null || registries.includes(host)),
    detail: 'An identity does not expire; whether it may pull is seen when it does.',
  }));
  const workload = identityChoices(team, 'workload').map(({ id }) => ({
    ...nothingKnown(name, 'workload'),
    identity: id,
  }));
  return [...pull, ...workload];
}

/** As `Promise.all` over a map, a few at a time, in their order. */
async function mapSome<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const queue = items.entries();
  const run = async () => {
    for (const [index, item] of queue) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, run));
  return results;
}
