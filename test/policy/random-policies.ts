import { findContradictions } from '../../src/policy/contradictions.ts';
import type { Policy, Team } from '../../src/policy/policy.ts';

/** A seeded source of chance: the same seed, the same policies and requests. */
export interface Chance {
  below(n: number): number;
  often(share: number): boolean;
  one<T>(from: readonly T[]): T;
  /** Each with the same chance, in their order; at least `least`. */
  some<T>(from: readonly T[], least?: number): T[];
}

/** Mulberry32: small, and good enough to pick names. */
export function createChance(seed: number): Chance {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (n: number) => Math.floor(next() * n);
  const one = <T>(from: readonly T[]): T => {
    const found = from[below(from.length)];
    if (found === undefined) throw new Error('nothing to pick from');
    return found;
  };
  return {
    below,
    often: share => next() < share,
    one,
    some(from, least = 0) {
      const picked = from.filter(() => next() < 0.5);
      return picked.length >= least ? picked : from.slice(0, least);
    },
  };
}

const subscription = '0a0b0c0d-0000-4000-8000-00000000000a';
const identityId = (group: string, name: string) =>
  `/subscriptions/${subscription}/resourceGroups/${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`;

/** Every name that a policy or a request may speak of; some of each are in no policy. */
export const universe = {
  teams: ['red', 'blue', 'green', 'grey'],
  targets: ['red-prod', 'blue-prod', 'shared', 'nowhere'],
  locations: ['westeurope', 'eastus', 'northeurope'],
  hosts: ['ghcr.io', 'docker.io', 'red.azurecr.io', 'harbor.corp.example:8443', 'evil.example'],
  repositories: ['a', 'app', 'library/app', 'red/app', 'red/x/app', 'red/x/y/app', 'blue/app', 'blue-x/app'],
  repositoryGlobs: [
    ...['**', '*', 'red/**', 'red/*', 'red/*/app', '*/app', '**/app', 'blue*', 'blue*/*', 'blue**'],
    ...['red/app', 'library/**', 'red/**/app', 'r*d/*/**', '***', 'a*', 'red/x/y/app'],
  ],
  secrets: ['ghcr-pull', 'acr-sp', 'orders-db', 'orders-key', 'shared'],
  secretGlobs: ['ghcr-pull', 'acr-sp', 'orders-*', '*-pull', 'Shared', '*', 'ORDERS-db', '*r*', 'gh*ll'],
  vaults: ['kv-red', 'kv-blue', 'kv-grey'],
  identities: [
    ...['puller', 'worker', 'both'].map(name => identityId('rg-red', name)),
    ...['puller', 'worker'].map(name => identityId('rg-blue', name)),
  ],
  subnets: ['red', 'blue'].map(
    name =>
      `/subscriptions/${subscription}/resourceGroups/rg-red/providers/Microsoft.Network/virtualNetworks/vnet/subnets/${name}`,
  ),
  workspaces: ['0a0b0c0d-0000-4000-8000-0000000000aa', '0a0b0c0d-0000-4000-8000-0000000000bb'],
  storageAccounts: ['redfiles', 'bluefiles'],
} as const;

/** One that would be loaded, but for secrets that globs make both kinds where `bothKinds`: policy denies them twice. */
export function usablePolicy(chance: Chance, bothKinds = true): Policy {
  for (;;) {
    const policy = randomPolicy(chance);
    const others = [...findContradictions(policy)].filter(
      ({ message }) => !bothKinds || !message.includes('one or the other'),
    );
    if (others.length === 0) return policy;
  }
}

function randomPolicy(chance: Chance): Policy {
  const vaults = chance.some(universe.vaults, 1);
  const targets = chance.some(universe.targets.slice(0, 3), 1);
  const teams = chance.some(universe.teams.slice(0, 3), 1);
  return {
    version: 1,
    issuers: [
      {
        name: 'entra',
        issuer: `https://login.microsoftonline.com/${subscription}/v2.0`,
        audience: subscription,
      },
    ],
    teams: Object.fromEntries(teams.map(name => [name, randomTeam(chance, targets, vaults)])),
    targets: Object.fromEntries(targets.map(name => [name, randomTarget(chance)])),
    vaults: Object.fromEntries(
      vaults.map(name => [
        name,
        { url: `https://${name}.vault.azure.net`, ...(chance.often(0.7) ? { ownersBind: true } : {}) },
      ]),
    ),
    ...(chance.often(0.8) ? { bindings: randomBindings(chance, vaults) } : {}),
  };
}

export function randomTeam(chance: Chance, targets: readonly string[], vaults: readonly string[]): Team {
  return {
    principals: [],
    targets: chance.some(targets, 1),
    vaults: chance.often(0.6) ? [chance.one(vaults)] : chance.some(vaults),
    registrySecrets: chance.some(universe.secretGlobs).slice(0, 4),
    ...(chance.often(0.7) ? { workloadSecrets: [chance.one(universe.secretGlobs)] } : {}),
    identities: randomIdentities(chance),
    registries: Array.from({ length: 1 + chance.below(5) }, () => randomEntry(chance)),
  };
}

function randomIdentities(chance: Chance): NonNullable<Team['identities']> {
  return chance.some(universe.identities).map(id => ({
    id: chance.often(0.2) ? id.toUpperCase().replace('/SUBSCRIPTIONS', '/subscriptions') : id,
    use: chance.often(0.5) ? ('pull' as const) : ('workload' as const),
    ...(chance.often(0.5) ? { registries: chance.some(universe.hosts.slice(0, 4)) } : {}),
  }));
}

function randomEntry(chance: Chance): NonNullable<Team['registries']>[number] {
  const credential = chance.one(['anonymous', 'secret', 'identity', 'none']);
  return {
    server: chance.one(universe.hosts.slice(0, 4)),
    ...(chance.often(0.7) ? { repositories: chance.some(universe.repositoryGlobs).slice(0, 4) } : {}),
    ...(credential === 'anonymous' ? { anonymous: true } : {}),
    ...(credential === 'secret' ? { credential: chance.one(universe.secrets) } : {}),
    ...(credential === 'secret' && chance.often(0.5) ? { vault: chance.one(universe.vaults) } : {}),
    ...(credential === 'identity' ? { credential: chance.one(['puller', 'worker', 'both']) } : {}),
    ...(chance.often(0.2) ? { tags: chance.one(['pinned', 'any'] as const) } : {}),
  };
}

function randomTarget(chance: Chance): Policy['targets'][string] {
  return {
    subscription,
    resourceGroup: 'rg-red',
    locations: chance.some(universe.locations.slice(0, 2), 1),
    ...(chance.often(0.7)
      ? { network: { public: chance.often(0.7), subnets: chance.some(universe.subnets) } }
      : {}),
    ...(chance.often(0.7) ? { workspaces: chance.some(universe.workspaces) } : {}),
    ...(chance.often(0.7) ? { storageAccounts: chance.some(universe.storageAccounts) } : {}),
  };
}

function randomBindings(chance: Chance, vaults: readonly string[]): NonNullable<Policy['bindings']> {
  const pairs = vaults.flatMap(vault => universe.secrets.map(secret => ({ vault, secret })));
  return chance
    .some(pairs)
    .slice(0, 4)
    .map(({ vault, secret }) => ({
      vault,
      secret: chance.often(0.3) ? secret.toUpperCase() : secret,
      registry: chance.one(universe.hosts.slice(0, 4)),
      ...(chance.often(0.4) ? { repositories: chance.some(universe.repositoryGlobs, 1).slice(0, 3) } : {}),
      ...(chance.often(0.5) ? { username: 'u' } : {}),
    }));
}
