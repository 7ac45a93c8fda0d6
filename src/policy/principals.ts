import type { Caller, Permission, Principal } from '../schemas/principal.ts';
import type { LoadedPolicy } from './load.ts';
import type { PolicyPrincipal } from './policy.ts';

type Claims = Readonly<Record<string, unknown>>;

const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);

/** Who a verified token speaks for, and what policy grants him, which may be nothing; null where the token names nobody. */
export function callerOf({ policy }: LoadedPolicy, issuer: string, claims: Claims): Caller | null {
  const subject = text(claims.oid) ?? text(claims.sub);
  const expiresAt = claims.exp;
  if (!subject || typeof expiresAt !== 'number') return null;
  const client = text(claims.azp) ?? text(claims.appid);
  const principal: Principal = { issuer, subject, ...(client ? { client } : {}) };
  const teams: Record<string, Permission[]> = {};
  for (const [name, { principals }] of Object.entries(policy.teams)) {
    const granted = principals
      .filter(candidate => candidate.issuer === issuer && isHe(candidate, claims))
      .flatMap(({ permissions }) => permissions);
    if (granted.length > 0) teams[name] = [...new Set(granted)];
  }
  return { principal, teams, expiresAt };
}

/** Everything that the policy's entry names must be so. */
function isHe(
  { subject, group, client, repositoryId, ownerId, environment }: PolicyPrincipal,
  claims: Claims,
): boolean {
  const same = (asked: string | undefined, found: unknown) =>
    asked === undefined || asked.toLowerCase() === text(found)?.toLowerCase();
  return (
    same(subject, claims.oid ?? claims.sub) &&
    (client === undefined || (claims.idtyp === 'app' && same(client, claims.azp))) &&
    (group === undefined || groupsOf(claims).includes(group.toLowerCase())) &&
    same(repositoryId, claims.repository_id) &&
    same(ownerId, claims.repository_owner_id) &&
    same(environment, claims.environment)
  );
}

/** With more groups than fit, the token names none: no group is then granted anything. */
function groupsOf({ groups }: Claims): string[] {
  return Array.isArray(groups)
    ? groups.filter(group => typeof group === 'string').map(group => group.toLowerCase())
    : [];
}
