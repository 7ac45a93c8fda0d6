import { parseArmId } from '../arm-id.ts';
import { askOf, memberOf, pullOf, samplesOf } from './asking.ts';
import { decide } from './decide.ts';
import { matchesSecret } from './glob.ts';
import type { LoadedPolicy } from './load.ts';
import type { Policy, Team } from './policy.ts';

interface Warning {
  pointer: string;
  message: string;
}

/** What a policy says without effect: likely a slip, and never a reason to refuse it. */
export function* findWarnings(loaded: LoadedPolicy): Generator<Warning> {
  const { policy } = loaded;
  for (const [name, team] of Object.entries(policy.teams)) {
    yield* idleSecrets(loaded, name, team);
    yield* idleRegistries(name, team);
    yield* idleIdentities(name, team);
    if (!deploys(policy, name, team))
      yield { pointer: `/teams/${name}/principals`, message: 'nobody may deploy in this team' };
  }
  yield* unused(policy);
  yield* idleBindings(policy);
  if (!policy.expect?.length)
    yield { pointer: '/teams', message: 'the policy has no `expect`: it does not test itself' };
}

function deploys(policy: Policy, name: string, { principals }: Team): boolean {
  return (
    principals.some(({ permissions }) => permissions.includes('deploy')) ||
    (policy.portals ?? []).some(({ teams }) => teams.includes(name))
  );
}

/** Whether any of the team's registries takes it, by the policy as it decides. */
function* idleSecrets(loaded: LoadedPolicy, name: string, team: Team): Generator<Warning> {
  const { registrySecrets = [], workloadSecrets = [], vaults = [] } = team;
  for (const [index, glob] of registrySecrets.entries()) {
    const named = (loaded.policy.bindings ?? []).map(({ secret }) => secret);
    const secrets = [...samplesOf(glob), ...named.filter(secret => matchesSecret([glob], secret))];
    const usable = vaults.some(vault =>
      secrets.some(secretName => pulls(loaded, name, team, { secretName, vault })),
    );
    if (!usable)
      yield {
        pointer: `/teams/${name}/registrySecrets/${index}`,
        message: `'${glob}' can be used nowhere: no registry of the team takes it`,
      };
  }
  if (workloadSecrets.length > 0 && vaults.length === 0)
    yield { pointer: `/teams/${name}/workloadSecrets`, message: 'the team has no vault to read them from' };
}

function pulls(
  loaded: LoadedPolicy,
  name: string,
  { registries = [] }: Team,
  credential: { secretName: string; vault: string },
): boolean {
  return registries.some(({ server, repositories = ['any'] }) =>
    repositories
      .flatMap(samplesOf)
      .some(
        repository =>
          decide(loaded, memberOf(name), askOf(name, pullOf(server, { repository }, credential))).allowed,
      ),
  );
}

function* idleRegistries(name: string, team: Team): Generator<Warning> {
  const { registries = [], registrySecrets = [], identities = [] } = team;
  for (const [index, { server, anonymous, credential }] of registries.entries()) {
    const pullers = identities.filter(
      ({ use, registries: hosts }) => use === 'pull' && (hosts === undefined || hosts.includes(server)),
    );
    if (!anonymous && credential === undefined && registrySecrets.length === 0 && pullers.length === 0)
      yield {
        pointer: `/teams/${name}/registries/${index}`,
        message: `the team has no credential for ${server}, and it is not anonymous`,
      };
    if (anonymous && credential !== undefined)
      yield {
        pointer: `/teams/${name}/registries/${index}`,
        message: 'has a credential: `anonymous` says nothing',
      };
  }
  if (registries.length === 0)
    yield { pointer: `/teams/${name}`, message: 'the team has no registries: it can deploy nothing' };
}

function* idleIdentities(name: string, { identities = [], registries = [] }: Team): Generator<Warning> {
  for (const [index, { id, use, registries: hosts = [] }] of identities.entries())
    for (const [place, host] of hosts.entries())
      if (use === 'pull' && !registries.some(({ server }) => server === host))
        yield {
          pointer: `/teams/${name}/identities/${index}/registries/${place}`,
          message: `identity '${parseArmId(id)?.name}' may pull from ${host}, which is no registry of the team`,
        };
}

/** Definitions that no team names. */
function* unused({
  teams,
  targets,
  vaults = {},
  registries = {},
  issuers,
  operators = [],
  portals = [],
}: Policy) {
  const all = Object.values(teams);
  const definitions = [
    { kind: 'targets', names: Object.keys(targets), used: all.flatMap(team => team.targets) },
    { kind: 'vaults', names: Object.keys(vaults), used: all.flatMap(team => team.vaults ?? []) },
    {
      kind: 'registries',
      names: Object.keys(registries),
      used: all.flatMap(team => (team.registries ?? []).map(({ server }) => server)),
    },
  ];
  for (const { kind, names, used } of definitions)
    for (const name of names)
      if (!used.includes(name)) yield { pointer: `/${kind}/${name}`, message: 'no team uses it' };
  const people = [...all.flatMap(({ principals }) => principals), ...operators, ...portals];
  for (const [index, { name }] of issuers.entries())
    if (!people.some(({ issuer }) => issuer === name))
      yield { pointer: `/issuers/${index}`, message: `nobody signs in by '${name}'` };
}

function* idleBindings({ bindings = [], teams }: Policy): Generator<Warning> {
  for (const [index, { vault, secret, registry }] of bindings.entries()) {
    const usable = Object.values(teams).some(
      ({ vaults = [], registrySecrets = [], registries = [] }) =>
        vaults.includes(vault) &&
        matchesSecret(registrySecrets, secret) &&
        registries.some(({ server }) => server === registry),
    );
    if (!usable)
      yield {
        pointer: `/bindings/${index}`,
        message: `no team may use '${secret}' of '${vault}' for ${registry}`,
      };
  }
}
