import type { Operator } from './people.ts';

/** What a verified token says. */
export type Claims = Readonly<Record<string, unknown>>;

/** The claims that an entry of the policy can ask for, beside the groups. */
export const readClaims = [
  'oid',
  'sub',
  'azp',
  'idtyp',
  'repository_id',
  'repository_owner_id',
  'environment',
  'ref',
  'job_workflow_ref',
  'event_name',
] as const;

/** Everything that the policy's entry names must be so, and it names somebody. */
export function isMeant(entry: Operator, claims: Claims, isEntra: boolean): boolean {
  const { subject, group, client, repositoryId, ownerId } = entry;
  const namesSomebody = [subject, group, client, repositoryId].some(name => name !== undefined);
  return (
    namesSomebody &&
    (isEntra ? sameFolded(subject, claims.oid) : sameExactly(subject, claims.sub)) &&
    (client === undefined || (isEntra && claims.idtyp === 'app' && sameFolded(client, claims.azp))) &&
    (group === undefined || (isEntra && groupsOf(claims).includes(group.toLowerCase()))) &&
    sameExactly(repositoryId, claims.repository_id) &&
    sameExactly(ownerId, claims.repository_owner_id) &&
    sameFolded(entry.environment, claims.environment) &&
    sameExactly(entry.ref, claims.ref) &&
    sameExactly(entry.workflow, claims.job_workflow_ref) &&
    isTrustedRun(entry, claims)
  );
}

export const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);
const sameExactly = (asked: string | undefined, found: unknown) => asked === undefined || asked === found;
const sameFolded = (asked: string | undefined, found: unknown) =>
  asked === undefined || asked.toLowerCase() === text(found)?.toLowerCase();

/** With more groups than fit the token points elsewhere for them: then none counts. */
export function groupsOf(claims: Claims): string[] {
  const { groups } = claims;
  if (leavesGroupsOut(claims) || !Array.isArray(groups)) return [];
  return groups.filter(group => typeof group === 'string').map(group => group.toLowerCase());
}

export function leavesGroupsOut({ _claim_names: names, hasgroups }: Claims): boolean {
  return hasgroups !== undefined || (typeof names === 'object' && names !== null && 'groups' in names);
}

/** What takes write access to the repository to set off. `pull_request`, `workflow_run`, `issue_comment` and the like do not. */
const trustedEvents = [
  'push',
  'create',
  'delete',
  'schedule',
  'workflow_dispatch',
  'repository_dispatch',
  'release',
  'deployment',
  'merge_group',
];

/** A build run that outsiders may have set off has the repository's rights all the same: it counts only where it is listed. */
function isTrustedRun({ events }: Operator, { event_name: event }: Claims): boolean {
  if (event === undefined) return events === undefined;
  return typeof event === 'string' && (events ?? trustedEvents).includes(event);
}
