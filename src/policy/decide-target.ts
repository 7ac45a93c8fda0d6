import { formatSubnetId, parseArmId, parseSubnetId } from '../arm-id.ts';
import type { Ask, Plan } from './decide.ts';
import { Denied } from './denied.ts';
import type { Policy, Target, Team } from './policy.ts';
import { listed } from './usable.ts';

/** Where the group goes, and what of networks and data it may reach from there: only what its target names. */
export function decideTarget(policy: Policy, team: Team, ask: Ask): Pick<Plan, 'target' | 'subnets'> {
  const { name, target } = targetOf(policy, team, ask);
  const location = locationOf(name, target, ask);
  if (ask.publicAddress && target.network?.public !== true)
    throw notAllowed('/ipAddress/type', `Target '${name}' allows no public address.`);
  for (const workspace of ask.workspaces ?? []) requireWorkspace(name, target, workspace);
  for (const account of ask.storageAccounts ?? []) requireStorageAccount(name, target, account);
  return {
    target: { name, subscription: target.subscription, resourceGroup: target.resourceGroup, location },
    subnets: (ask.subnets ?? []).map(subnet => subnetOf(name, target, subnet)),
  };
}

const notAllowed = (pointer: string, detail: string) => new Denied('TargetNotAllowed', pointer, detail);

function targetOf(policy: Policy, team: Team, ask: Ask): { name: string; target: Target } {
  const name = ask.target ?? team.targets[0] ?? '';
  const target = team.targets.includes(name) ? policy.targets[name] : undefined;
  if (target) return { name, target };
  throw notAllowed(
    '/target',
    `Target '${name}' is not available to the team; it may use ${team.targets.join(', ')}.`,
  );
}

function locationOf(name: string, { locations }: Target, ask: Ask): string {
  const asked = ask.location?.toLowerCase().replaceAll(' ', '');
  const location = asked === undefined ? locations[0] : locations.find(candidate => candidate === asked);
  if (location !== undefined) return location;
  throw notAllowed(
    '/location',
    `Location '${ask.location}' is not available in target '${name}'; it has ${locations.join(', ')}.`,
  );
}

/** The id made anew from the parts of policy's own. */
function subnetOf(
  target: string,
  { network }: Target,
  { pointer, id }: { pointer: string; id: string },
): string {
  const asked = parseSubnetId(id);
  if (!asked) throw new Denied('InvalidRequest', pointer, 'is not the ARM id of a subnet');
  const usable = (network?.subnets ?? []).flatMap(subnet => {
    const parsed = parseSubnetId(subnet);
    return parsed ? [formatSubnetId(parsed)] : [];
  });
  const found = usable.find(subnet => subnet.toLowerCase() === formatSubnetId(asked).toLowerCase());
  if (found !== undefined) return found;
  throw notAllowed(
    pointer,
    `Subnet '${asked.name}' of '${asked.network.name}' is not available in target '${target}'; it has ${listed(usable)}.`,
  );
}

function requireWorkspace(
  target: string,
  { workspaces = [] }: Target,
  { pointer, id }: { pointer: string; id: string },
): void {
  if (workspaces.some(workspace => workspace.toLowerCase() === id.toLowerCase())) return;
  throw notAllowed(
    pointer,
    `Log Analytics workspace '${id}' is not available in target '${target}'; it has ${listed(workspaces)}.`,
  );
}

/** An account's name is unique in all of Azure: an entry may be the name, or the id that ends in it. */
function requireStorageAccount(
  target: string,
  { storageAccounts = [] }: Target,
  { pointer, name }: { pointer: string; name: string },
): void {
  const usable = storageAccounts.map(account => (parseArmId(account)?.name ?? account).toLowerCase());
  if (usable.includes(name.toLowerCase())) return;
  throw notAllowed(
    pointer,
    `Storage account '${name}' is not available in target '${target}'; it has ${listed(usable)}.`,
  );
}
