import type { Caller, Permission, Principal } from '../schemas/principal.ts';
import { type Claims, groupsOf, isMeant, leavesGroupsOut, readClaims, text } from './claims.ts';
import { entraTenant } from './issuers.ts';
import type { LoadedPolicy } from './load.ts';
import type { Operator } from './people.ts';
import type { Policy } from './policy.ts';

/** Who a verified token speaks for, and what policy grants him, which may be nothing; null where the token names nobody. */
export function callerOf({ policy }: LoadedPolicy, issuer: string, claims: Claims): Caller | null {
  const known = policy.issuers.find(({ name }) => name === issuer);
  const isEntra = known !== undefined && entraTenant(known.issuer) !== null;
  // Entra ID's sub differs from client to client; elsewhere oid is any claim.
  const subject = text(isEntra ? claims.oid : (claims.sub ?? claims.oid));
  if (subject === undefined || typeof claims.exp !== 'number') return null;
  const client = text(claims.azp);
  const principal: Principal = { issuer, subject, ...(client ? { client } : {}) };
  const meant = (entry: Operator) => entry.issuer === issuer && isMeant(entry, claims, isEntra);
  return {
    principal,
    ...rolesOf(policy, meant),
    ...(leavesGroupsOut(claims) ? { groupsLeftOut: true as const } : {}),
    expiresAt: claims.exp,
    claims: keptClaims(policy, claims),
  };
}

/**
 * What policy grants a caller of earlier, by the claims that were kept of his token: a right that was withdrawn from him
 * in between is gone. Without kept claims he has none.
 */
export function callerAgain(loaded: LoadedPolicy, caller: Caller): Caller {
  const { principal, claims, expiresAt, onBehalfOf } = caller;
  const again = claims && callerOf(loaded, principal.issuer, { ...claims, exp: expiresAt });
  if (!again) return { ...caller, teams: {} };
  return onBehalfOf === undefined ? again : actForUser(again, onBehalfOf);
}

/** A portal while it acts for one of its users: it has its own rights, and only in the teams where it may do so. */
export function actForUser(portal: Caller, onBehalfOf: string): Caller {
  const { teams, actsForUsersIn = [], operator: _, ...rest } = portal;
  const left = Object.entries(teams).filter(([team]) => actsForUsersIn.includes(team));
  return { ...rest, actsForUsersIn, teams: Object.fromEntries(left), onBehalfOf };
}

/** What a portal does for its teams; the audit is not its business. */
const portalPermissions: Permission[] = ['deploy', 'read', 'logs', 'cancel', 'delete'];

function rolesOf(policy: Policy, meant: (entry: Operator) => boolean) {
  const portals = (policy.portals ?? []).filter(meant);
  const teams = Object.entries(policy.teams).flatMap(([team, { principals }]) => {
    const asPrincipal = principals.filter(meant).flatMap(({ permissions }) => permissions);
    const asPortal = portals
      .filter(portal => portal.teams.includes(team))
      .flatMap(({ permissions = portalPermissions }) => permissions);
    const granted = [...new Set([...asPrincipal, ...asPortal])];
    return granted.length > 0 ? [[team, granted] as const] : [];
  });
  const actsForUsersIn = portals.flatMap(portal => (portal.actsForUsers ? portal.teams : []));
  return {
    teams: Object.fromEntries(teams),
    ...(policy.operators?.some(meant) ? { operator: true as const } : {}),
    ...(actsForUsersIn.length > 0 ? { actsForUsersIn: [...new Set(actsForUsersIn)] } : {}),
  };
}

/** The claims that policy looks at; of the groups, which may be hundreds, those that it names. */
function keptClaims(
  { teams, operators = [], portals = [] }: Policy,
  claims: Claims,
): Record<string, unknown> {
  const entries = [...Object.values(teams).flatMap(({ principals }) => principals), ...operators, ...portals];
  const named = new Set(entries.map(({ group }) => group?.toLowerCase()));
  const groups = groupsOf(claims).filter(group => named.has(group));
  const kept = readClaims.filter(name => claims[name] !== undefined).map(name => [name, claims[name]]);
  return { ...Object.fromEntries(kept), ...(groups.length > 0 ? { groups } : {}) };
}
