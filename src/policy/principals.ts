import type { Caller, Permission, Principal } from '../schemas/principal.ts';
import { entraTenant } from './issuers.ts';
import type { LoadedPolicy } from './load.ts';
import type { Policy, PolicyPrincipal } from './policy.ts';

type Claims = Readonly<Record<string, unknown>>;

/** Who a verified token speaks for, and what policy grants him, which may be nothing; null where the token names nobody. */
export function callerOf({ policy }: LoadedPolicy, issuer: string, claims: Claims): Caller | null {
  const known = policy.issuers.find(({ name }) => name === issuer);
  const isEntra = known !== undefined && entraTenant(known.issuer) !== null;
  // Entra ID's sub differs from client to client; elsewhere oid is any claim.
  const subject = text(isEntra ? claims.oid : (claims.sub ?? claims.oid));
  if (subject === undefined || typeof claims.exp !== 'number' || isForeignRun(claims)) return null;
  const client = text(claims.azp);
  const principal: Principal = { issuer, subject, ...(client ? { client } : {}) };
  const teams: [string, Permission[]][] = [];
  for (const [name, { principals }] of Object.entries(policy.teams)) {
    const granted = principals
      .filter(candidate => candidate.issuer === issuer && isMeant(candidate, claims, isEntra))
      .flatMap(({ permissions }) => permissions);
    if (granted.length > 0) teams.push([name, [...new Set(granted)]]);
  }
  return {
    principal,
    teams: Object.fromEntries(teams),
    expiresAt: claims.exp,
    claims: keptClaims(policy, claims),
  };
}

/**
 * What policy grants a caller of earlier, by the claims that were kept of his token: a right that was withdrawn from him
 * in between is gone. Without kept claims he has none.
 */
export function callerAgain(loaded: LoadedPolicy, caller: Caller): Caller {
  const { principal, claims, expiresAt } = caller;
  const again = claims && callerOf(loaded, principal.issuer, { ...claims, exp: expiresAt });
  return again ?? { ...caller, teams: {} };
}

const looked = [
  'oid',
  'sub',
  'azp',
  'idtyp',
  'repository_id',
  'repository_owner_id',
  'environment',
  'event_name',
];

/** The claims that policy looks at; of the groups, which may be hundreds, those that it names. */
function keptClaims(policy: Policy, claims: Claims): Record<string, unknown> {
  const named = new Set(
    Object.values(policy.teams).flatMap(({ principals }) =>
      principals.map(({ group }) => group?.toLowerCase()),
    ),
  );
  const groups = groupsOf(claims).filter(group => named.has(group));
  const kept = looked.filter(name => claims[name] !== undefined).map(name => [name, claims[name]]);
  return { ...Object.fromEntries(kept), ...(groups.length > 0 ? { groups } : {}) };
}

/** Everything that the policy's entry names must be so, and it names somebody. */
function isMeant(
  { subject, group, client, repositoryId, ownerId, environment }: PolicyPrincipal,
  claims: Claims,
  isEntra: boolean,
): boolean {
  const namesSomebody = [subject, group, client, repositoryId].some(name => name !== undefined);
  return (
    namesSomebody &&
    (isEntra ? sameFolded(subject, claims.oid) : sameExactly(subject, claims.sub)) &&
    (client === undefined || (isEntra && claims.idtyp === 'app' && sameFolded(client, claims.azp))) &&
    (group === undefined || (isEntra && groupsOf(claims).includes(group.toLowerCase()))) &&
    sameExactly(repositoryId, claims.repository_id) &&
    sameExactly(ownerId, claims.repository_owner_id) &&
    sameFolded(environment, claims.environment)
  );
}

const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);
const sameExactly = (asked: string | undefined, found: unknown) => asked === undefined || asked === found;
const sameFolded = (asked: string | undefined, found: unknown) =>
  asked === undefined || asked.toLowerCase() === text(found)?.toLowerCase();

/** With more groups than fit the token points elsewhere for them: then none counts. */
function groupsOf({ groups, ...claims }: Claims): string[] {
  if (leavesGroupsOut(claims) || !Array.isArray(groups)) return [];
  return groups.filter(group => typeof group === 'string').map(group => group.toLowerCase());
}

function leavesGroupsOut({ _claim_names: names, hasgroups }: Claims): boolean {
  return hasgroups !== undefined || (typeof names === 'object' && names !== null && 'groups' in names);
}

// Started by people who may not write to the repository, with its rights.
const foreignEvents = new Set(['pull_request', 'pull_request_target', 'workflow_run']);

/** Whether a build run of a repository was, or could have been, set off from outside it. */
function isForeignRun({ repository_id: repository, event_name: event }: Claims): boolean {
  return repository !== undefined && typeof event === 'string' && foreignEvents.has(event);
}
