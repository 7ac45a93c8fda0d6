import type { RoleAssignment } from '../world.ts';
import type { ArmAccess } from './access.ts';
import { covers } from './authorization.ts';

/**
 * Assignments at the scope, above it and below it; `atScope()` leaves out those below. `principalId eq` and
 * `assignedTo()` pick those of one principal. Throws 400 for any other filter.
 */
export function readAssignmentFilter(
  filter: string,
  scope: string,
  arms: ArmAccess,
): (assignment: RoleAssignment) => boolean {
  const terms = filter.trim() === '' ? [] : filter.split(/\s+and\s+/i);
  const principals = terms.flatMap(term => principalOf(term) ?? []);
  const others = terms.filter(term => principalOf(term) === undefined);
  if (principals.length > 1 || others.length > 1 || others.some(term => !/^\s*atScope\(\)\s*$/i.test(term)))
    throw arms.error(
      400,
      'UnsupportedQuery',
      `The filter '${filter}' is not supported. Supported filters are either 'atScope()' or 'principalId eq '{value}' or assignedTo('{value}')'.`,
    );
  const [principalId] = principals;
  return each =>
    each.goesAt === undefined &&
    (covers(each.scope, scope) || (others.length === 0 && covers(scope, each.scope))) &&
    (principalId === undefined || each.principalId.toLowerCase() === principalId);
}

function principalOf(term: string): string | undefined {
  const [, equal, assigned] =
    /^\s*(?:principalId\s+eq\s+'([^']*)'|assignedTo\(\s*'([^']*)'\s*\))\s*$/i.exec(term) ?? [];
  return (equal ?? assigned)?.toLowerCase();
}
