import { askOf, memberOf, samplesOf } from './asking.ts';
import { type Ask, decide, type Plan } from './decide.ts';
import type { LoadedPolicy } from './load.ts';
import type { Operator } from './people.ts';
import type { Policy, Team } from './policy.ts';
import { pullRights } from './pull-rights.ts';

/** Something that a policy lets somebody do, in words. */
export interface Right {
  text: string;
  /** What is done, with the same means: rights that differ only in the globs below are parts of one another. */
  means?: string;
  server?: string;
  repository?: string;
  secret?: string;
}

/** Both policies that are compared: what either names is asked of each. */
export type Pair = readonly [LoadedPolicy, LoadedPolicy];

/** What the policy gives to a team, found by asking `decide` for every combination of names that either policy has. */
export function rightsOfTeam(loaded: LoadedPolicy, name: string, pair: Pair): Right[] {
  const { policy } = loaded;
  const team = Object.hasOwn(policy.teams, name) ? policy.teams[name] : undefined;
  if (!team) return [];
  const may = (asked: Partial<Ask>): Plan | null => {
    const decision = decide(loaded, memberOf(name), askOf(name, asked));
    return decision.allowed ? decision.plan : null;
  };
  const teams = teamsOf(name, pair);
  return [
    ...principalRights(policy, team),
    ...targetRights(may, teams, pair),
    ...pullRights(policy, may, teams, pair),
    ...workloadRights(may, teams),
  ];
}

/** What the policy gives to people outside of teams, and to all teams. */
export function commonRights({ policy }: LoadedPolicy): Right[] {
  const { issuers, operators = [], portals = [], registries = {} } = policy;
  const reach = Object.entries(registries).flatMap(
    ([host, { id, preflight, addresses = [], ca, tokenHost }]) => [
      ...addresses.map(range => `${host} may have an address in ${range}`),
      ...(tokenHost === undefined ? [] : [`${host} may have its tokens from ${tokenHost}`]),
      ...(preflight === 'bestEffort' ? [`images of ${host} need not be proven to be there`] : []),
      ...(id ? [`${host} is ${id}`] : []),
      ...(ca ? [`${host} may have a certificate of ${ca}`] : []),
    ],
  );
  const texts = [
    ...issuers.map(
      ({ issuer, audience, singleUse }) =>
        `tokens of ${issuer} for ${audience} are known${singleUse ? ', each for one change' : ''}`,
    ),
    ...operators.map(who => `${describe(policy, who)} is an operator`),
    ...portals.flatMap(({ teams, permissions, actsForUsers, ...who }) =>
      teams.flatMap(team => portalRights(describe(policy, who), team, permissions, actsForUsers)),
    ),
    ...reach,
  ];
  return texts.map(text => ({ text }));
}

function portalRights(
  portal: string,
  team: string,
  permissions: readonly string[] = ['the default'],
  actsForUsers = false,
): string[] {
  const rights = permissions.map(permission => `${portal} is a portal of ${team}: ${permission}`);
  return actsForUsers ? [...rights, `${portal} is a portal of ${team}: acts for its users`] : rights;
}

const teamsOf = (name: string, pair: Pair): Team[] =>
  pair.flatMap(({ policy }) => (Object.hasOwn(policy.teams, name) ? (policy.teams[name] ?? []) : []));

function principalRights(policy: Policy, { principals }: Team): Right[] {
  return principals.flatMap(({ permissions, ...who }) =>
    permissions.map(permission => ({ text: `permission ${permission} for ${describe(policy, who)}` })),
  );
}

/** By the issuer's address: a name is worth what stands behind it. */
function describe({ issuers }: Policy, { issuer, ...who }: Operator): string {
  const found = issuers.find(({ name }) => name === issuer);
  const parts = Object.entries(who).map(([member, value]) => `${member} ${value}`);
  return `${parts.join(', ')} by ${found?.issuer ?? issuer} for ${found?.audience ?? 'nobody'}`;
}

type May = (asked: Partial<Ask>) => Plan | null;

function targetRights(may: May, teams: readonly Team[], pair: Pair): Right[] {
  return unique(teams.flatMap(({ targets }) => targets)).flatMap(target => {
    const definitions = pair.flatMap(({ policy }) => policy.targets[target] ?? []);
    const all = <T>(pick: (definition: (typeof definitions)[number]) => readonly T[] | undefined): T[] =>
      unique(definitions.flatMap(definition => pick(definition) ?? []));
    const place = may({ target })?.target;
    if (!place) return [];
    const where = `${target} (${place.resourceGroup} of ${place.subscription})`;
    const asks: [string, Partial<Ask>][] = [
      ...all(({ locations }) => locations).map((location): [string, Partial<Ask>] => [
        `deploy to ${where} in ${location}`,
        { location },
      ]),
      [`have public addresses in ${where}`, { publicAddress: true }],
      ...all(({ network }) => network?.subnets).map((id): [string, Partial<Ask>] => [
        `join subnet ${id} in ${where}`,
        { subnets: [{ pointer: '', id }] },
      ]),
      ...all(({ workspaces }) => workspaces).map((id): [string, Partial<Ask>] => [
        `send logs to workspace ${id} in ${where}`,
        { workspaces: [{ pointer: '', id }] },
      ]),
      ...all(({ storageAccounts }) => storageAccounts).map((name): [string, Partial<Ask>] => [
        `mount shares of storage account ${name} in ${where}`,
        { storageAccounts: [{ pointer: '', name }] },
      ]),
    ];
    return asks.filter(([, ask]) => may({ target, ...ask })).map(([text]) => ({ text }));
  });
}

function workloadRights(may: May, teams: readonly Team[]): Right[] {
  const vaults = unique(teams.flatMap(team => team.vaults ?? []));
  const secrets = unique(teams.flatMap(team => team.workloadSecrets ?? []));
  const ids = unique(teams.flatMap(team => team.identities ?? []).map(({ id }) => id));
  const named = vaults.flatMap(vault =>
    secrets.flatMap((secret): Right[] => {
      const plans = samplesOf(secret).map(secretName =>
        may({ workloadSecrets: [{ pointer: '', secretName, vault }] }),
      );
      const url = plans.every(plan => plan !== null) ? plans[0]?.workloadSecrets[0]?.vault.url : undefined;
      if (url === undefined) return [];
      const means = `of ${url} in the workload`;
      return [{ text: `read secret '${secret}' ${means}`, means, secret }];
    }),
  );
  const attached = ids
    .filter(id => may({ workloadIdentities: [{ pointer: '', id }] }))
    .map(id => ({ text: `run as identity ${id}` }));
  const plain = may({ plainSecrets: [{ pointer: '', name: 'PASSWORD' }] });
  return [...named, ...attached, ...(plain ? [{ text: 'give plain values the names of secrets' }] : [])];
}

const unique = <T>(values: readonly T[]): T[] => [...new Set(values)];
