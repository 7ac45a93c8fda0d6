import { createError } from '../errors.ts';
import type { Deployment } from '../schemas/deployment.ts';
import type { Caller, Permission } from '../schemas/principal.ts';
import type { DeploymentStore, ReadTeams } from '../store/deployments.ts';

/** The teams in which the caller may do this. Who may nowhere was refused before. */
export function teamsWith(caller: Caller, permission: Permission): string[] {
  return Object.keys(caller.teams).filter(team => caller.teams[team]?.includes(permission));
}

/** The teams whose records he may read. */
export const recordsFor = (caller: Caller): ReadTeams =>
  caller.operator ? 'all' : teamsWith(caller, 'read');

/** By its id, or by target and name. Another team's deployment answers exactly as one that does not exist. */
export async function findOrThrow(
  store: Pick<DeploymentStore, 'find'>,
  teams: ReadTeams,
  ref: string,
): Promise<Deployment> {
  const [target, name] = ref.split(':', 2);
  const found = await store.find(teams, name && target ? { target, name } : { id: ref });
  if (!found) throw createError('NotFound', 'There is no such deployment.');
  return found;
}
