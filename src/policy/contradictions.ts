import { parseArmId } from '../arm-id.ts';
import { matchesGlob } from './glob.ts';
import type { Policy, Team } from './policy.ts';

interface Contradiction {
  pointer: string;
  message: string;
}

const identityType = 'microsoft.managedidentity/userassignedidentities';

/** What the schema cannot see: names that lead nowhere, and secrets that are two things at once. */
export function* findContradictions(policy: Policy): Generator<Contradiction> {
  const issuers = new Set(policy.issuers.map(({ name }) => name));
  for (const [name, team] of Object.entries(policy.teams)) {
    const pointer = `/teams/${name}`;
    yield* unknownNames(team, policy, issuers, pointer);
    yield* bothKinds(team, pointer);
    yield* badIdentities(team, pointer);
    yield* badDefaults(team, pointer);
  }
  for (const [index, { vault }] of (policy.bindings ?? []).entries())
    if (!policy.vaults?.[vault])
      yield {
        pointer: `/bindings/${index}/vault`,
        message: `names a vault '${vault}' that is not in vaults`,
      };
  for (const [index, { team }] of (policy.expect ?? []).entries())
    if (!policy.teams[team])
      yield { pointer: `/expect/${index}/team`, message: `names a team '${team}' that is not in teams` };
}

function* unknownNames(
  team: Team,
  policy: Policy,
  issuers: ReadonlySet<string>,
  pointer: string,
): Generator<Contradiction> {
  for (const [index, target] of team.targets.entries())
    if (!policy.targets[target])
      yield {
        pointer: `${pointer}/targets/${index}`,
        message: `names a target '${target}' that is not in targets`,
      };
  for (const [index, vault] of (team.vaults ?? []).entries())
    if (!policy.vaults?.[vault])
      yield {
        pointer: `${pointer}/vaults/${index}`,
        message: `names a vault '${vault}' that is not in vaults`,
      };
  for (const [index, principal] of team.principals.entries()) {
    const place = `${pointer}/principals/${index}`;
    if (!issuers.has(principal.issuer))
      yield {
        pointer: `${place}/issuer`,
        message: `names an issuer '${principal.issuer}' that is not in issuers`,
      };
    const { subject, group, client, repositoryId, ownerId } = principal;
    if ((repositoryId === undefined) !== (ownerId === undefined))
      yield { pointer: place, message: 'needs repositoryId and ownerId together' };
    if (!subject && !group && !client && !repositoryId)
      yield { pointer: place, message: 'names nobody: give subject, group, client or repositoryId' };
  }
}

function* bothKinds(
  { registrySecrets = [], workloadSecrets = [] }: Team,
  pointer: string,
): Generator<Contradiction> {
  for (const [index, secret] of workloadSecrets.entries())
    if (registrySecrets.some(other => matchesGlob(other, secret) || matchesGlob(secret, other)))
      yield {
        pointer: `${pointer}/workloadSecrets/${index}`,
        message: `'${secret}' is a registry secret too: a secret is one or the other`,
      };
}

function* badIdentities({ identities = [] }: Team, pointer: string): Generator<Contradiction> {
  for (const [index, { id }] of identities.entries())
    if (parseArmId(id)?.type.toLowerCase() !== identityType)
      yield {
        pointer: `${pointer}/identities/${index}/id`,
        message: 'is not the id of a user-assigned identity',
      };
}

function* badDefaults(
  { registries = [], registrySecrets = [], identities = [] }: Team,
  pointer: string,
): Generator<Contradiction> {
  for (const [index, { credential }] of registries.entries()) {
    if (credential === undefined || registrySecrets.some(glob => matchesGlob(glob, credential))) continue;
    if (identities.some(({ id, use }) => use === 'pull' && parseArmId(id)?.name === credential)) continue;
    yield {
      pointer: `${pointer}/registries/${index}/credential`,
      message: `'${credential}' is neither a registry secret nor a pull identity of the team`,
    };
  }
}
