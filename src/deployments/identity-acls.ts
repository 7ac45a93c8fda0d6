import type { ContainerGroupBody } from '../azure/container-groups.ts';

/** The identities of a group, by what they are for; an identity can be for both where policy lists it so. */
export interface Attached {
  workload: readonly string[];
  pull: readonly string[];
}

/**
 * Code in a group can mint tokens of every identity attached to it, unless ARM is told whose each is: one that only pulls
 * is the platform's. Undefined where there is nothing to keep apart.
 */
export function identityAcls({ workload, pull }: Attached): ContainerGroupBody['identityAcls'] {
  if (!pull.some(id => !includes(workload, id))) return undefined;
  return {
    defaultAccess: 'System',
    acls: [
      ...pull
        .filter(id => !includes(workload, id))
        .map(identity => ({ identity, access: 'System' as const })),
      ...workload.map(identity => ({
        identity,
        access: includes(pull, identity) ? ('All' as const) : ('User' as const),
      })),
    ],
  };
}

/** Whether the workload is kept from a pull identity: ARM took the list, and it is not the workload's own too. */
export function isIsolated(
  identity: string,
  { workload }: Pick<Attached, 'workload'>,
  taken: boolean,
): boolean {
  return taken && !includes(workload, identity);
}

const includes = (ids: readonly string[], id: string) =>
  ids.some(candidate => candidate.toLowerCase() === id.toLowerCase());
