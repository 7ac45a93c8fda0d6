import { isNetwork } from '../addresses.ts';
import { parseArmId, parseSubnetId } from '../arm-id.ts';
import { canonicalRegistry } from '../hosts.ts';
import { matchesSecret, secretGlobsMeet } from './glob.ts';
import { findIssuerContradictions } from './issuer-contradictions.ts';
import type { Policy, Team, TeamRegistry } from './policy.ts';

interface Contradiction {
  pointer: string;
  message: string;
}

const identityType = 'microsoft.managedidentity/userassignedidentities';

/** What the schema cannot see: names that lead nowhere, and secrets that are two things at once. */
export function* findContradictions(policy: Policy): Generator<Contradiction> {
  for (const [name, team] of Object.entries(policy.teams)) {
    const pointer = `/teams/${name}`;
    yield* unknownNames(team, policy, pointer);
    yield* bothKinds(team, pointer);
    yield* badIdentities(team, pointer);
    yield* badDefaults(team, pointer);
  }
  yield* badSubnets(policy);
  yield* badAddresses(policy);
  yield* findIssuerContradictions(policy);
  yield* namedTwice(policy);
  yield* sameVaults(policy);
  yield* boundForWorkloads(policy);
  yield* otherSpellings(policy);
  for (const [index, { vault }] of (policy.bindings ?? []).entries())
    if (!has(policy.vaults, vault))
      yield {
        pointer: `/bindings/${index}/vault`,
        message: `names a vault '${vault}' that is not in vaults`,
      };
  for (const [index, { team }] of (policy.expect ?? []).entries())
    if (!has(policy.teams, team))
      yield { pointer: `/expect/${index}/team`, message: `names a team '${team}' that is not in teams` };
}

/** Own members only: `constructor` would be found in any object. */
const has = (map: object | undefined, name: string) => map !== undefined && Object.hasOwn(map, name);

/** In lists the first would win: another team's file could speak for an issuer or a secret that is not its own. */
function* namedTwice({ issuers, bindings = [] }: Policy): Generator<Contradiction> {
  const lists = {
    issuers: issuers.map(({ name }) => name),
    bindings: bindings.map(({ vault, secret }) => `${vault}/${secret.toLowerCase()}`),
  };
  for (const [list, names] of Object.entries(lists))
    for (const [index, name] of names.entries())
      if (names.indexOf(name) < index)
        yield { pointer: `/${list}/${index}`, message: `is a second entry for '${name}'` };
}

/** Under a second name nothing would be bound that is bound under the first. */
function* sameVaults({ vaults = {} }: Policy): Generator<Contradiction> {
  const first = new Map<string, string>();
  for (const [name, { url }] of Object.entries(vaults)) {
    const known = first.get(url.replace(/\/$/, ''));
    if (known !== undefined)
      yield { pointer: `/vaults/${name}/url`, message: `is that of vault '${known}': give it one name` };
    else first.set(url.replace(/\/$/, ''), name);
  }
}

/** What is bound to a registry is a registry's password: a workload that is given it could read it. */
function* boundForWorkloads({ teams, bindings = [] }: Policy): Generator<Contradiction> {
  for (const [index, { vault, secret }] of bindings.entries())
    for (const [name, { vaults = [], workloadSecrets = [] }] of Object.entries(teams))
      if (vaults.includes(vault) && matchesSecret(workloadSecrets, secret))
        yield {
          pointer: `/bindings/${index}`,
          message: `binds '${secret}', which is a workload secret of team '${name}'`,
        };
}

/** Requests are compared in the one form of a registry's name: an entry in another would never match. */
function* otherSpellings({ teams, registries = {} }: Policy): Generator<Contradiction> {
  const places: [string, string][] = Object.keys(registries).map(host => [`/registries/${host}`, host]);
  for (const [host, { tokenHost }] of Object.entries(registries))
    if (tokenHost !== undefined) places.push([`/registries/${host}/tokenHost`, tokenHost]);
  for (const [name, team] of Object.entries(teams)) {
    for (const [index, { server }] of (team.registries ?? []).entries())
      places.push([`/teams/${name}/registries/${index}/server`, server]);
    for (const [index, identity] of (team.identities ?? []).entries())
      for (const [nth, host] of (identity.registries ?? []).entries())
        places.push([`/teams/${name}/identities/${index}/registries/${nth}`, host]);
  }
  for (const [pointer, host] of places)
    if (canonicalRegistry(host) !== host)
      yield { pointer, message: `'${host}' is written '${canonicalRegistry(host)}' in a policy` };
}

function* unknownNames(team: Team, policy: Policy, pointer: string): Generator<Contradiction> {
  for (const [index, target] of team.targets.entries())
    if (!has(policy.targets, target))
      yield {
        pointer: `${pointer}/targets/${index}`,
        message: `names a target '${target}' that is not in targets`,
      };
  for (const [index, vault] of (team.vaults ?? []).entries())
    if (!has(policy.vaults, vault))
      yield {
        pointer: `${pointer}/vaults/${index}`,
        message: `names a vault '${vault}' that is not in vaults`,
      };
}

function* bothKinds(
  { registrySecrets = [], workloadSecrets = [] }: Team,
  pointer: string,
): Generator<Contradiction> {
  for (const [index, secret] of workloadSecrets.entries()) {
    const other = registrySecrets.find(candidate => secretGlobsMeet(candidate, secret));
    if (other === undefined) continue;
    yield {
      pointer: `${pointer}/workloadSecrets/${index}`,
      message: `'${secret}' and the registry secret '${other}' can be the same: a secret is one or the other`,
    };
  }
}

function* badIdentities({ identities = [] }: Team, pointer: string): Generator<Contradiction> {
  for (const [index, { id }] of identities.entries())
    if (parseArmId(id)?.type.toLowerCase() !== identityType)
      yield {
        pointer: `${pointer}/identities/${index}/id`,
        message: 'is not the id of a user-assigned identity',
      };
}

function* badSubnets({ targets }: Policy): Generator<Contradiction> {
  for (const [name, { network }] of Object.entries(targets))
    for (const [index, subnet] of (network?.subnets ?? []).entries())
      if (!parseSubnetId(subnet))
        yield { pointer: `/targets/${name}/network/subnets/${index}`, message: 'is not the id of a subnet' };
}

function* badAddresses({ registries = {} }: Policy): Generator<Contradiction> {
  for (const [host, { addresses = [] }] of Object.entries(registries))
    for (const [index, network] of addresses.entries())
      if (!isNetwork(network))
        yield {
          pointer: `/registries/${host}/addresses/${index}`,
          message: `'${network}' is no network such as 10.1.0.0/16`,
        };
}

function* badDefaults(team: Team, pointer: string): Generator<Contradiction> {
  for (const [index, entry] of (team.registries ?? []).entries()) {
    const { credential } = entry;
    if (credential === undefined) continue;
    const problem = problemOfDefault(team, entry, credential);
    if (problem)
      yield { pointer: `${pointer}/registries/${index}/credential`, message: `'${credential}' ${problem}` };
  }
}

function problemOfDefault(
  { registrySecrets = [], identities = [], vaults = [] }: Team,
  { server, vault }: TeamRegistry,
  credential: string,
): string | null {
  const called = identities.filter(
    ({ id, use }) => use === 'pull' && parseArmId(id)?.name.toLowerCase() === credential.toLowerCase(),
  );
  if (matchesSecret(registrySecrets, credential)) {
    if (called.length > 0) return 'is the name of a registry secret and of a pull identity';
    if (vault !== undefined) return vaults.includes(vault) ? null : `is in no vault of the team: '${vault}'`;
    return vaults.length === 1 ? null : `is a secret, and the team has ${vaults.length} vaults to look in`;
  }
  if (called.length === 0) return 'is neither a registry secret nor a pull identity of the team';
  const serving = called.filter(({ registries }) => registries === undefined || registries.includes(server));
  if (serving.length > 1) return `is the name of ${serving.length} identities`;
  return serving.length === 1 ? null : `is an identity for other registries than ${server}`;
}
