import type { RoleAssignment, RoleDefinition, World } from '../world.ts';
import { findRole } from './role-definitions.ts';

/** Whether the principal may do `action` (such as `Microsoft.KeyVault/vaults/read`) on the ARM id `scope`. */
export function can(world: World, principalId: string, action: string, scope: string): boolean {
  return rolesOn(world, principalId, scope).some(
    role => names(role.actions, action) && !names(role.notActions, action),
  );
}

/** The same for data actions: what is inside a vault or a registry. No `Owner` has these by being owner. */
export function canData(world: World, principalId: string, dataAction: string, scope: string): boolean {
  return rolesOn(world, principalId, scope).some(
    role => names(role.dataActions, dataAction) && !names(role.notDataActions ?? [], dataAction),
  );
}

/**
 * Whether the principal may pull from the registry with that ARM id. A registry in ABAC mode does not honour AcrPull,
 * only the repository roles.
 */
export function hasPullRole(world: World, principalId: string, registryId: string): boolean {
  const registry = world.containerRegistries[registryId.toLowerCase()];
  return registry?.roleAssignmentMode === 'AbacRepositoryPermissions'
    ? canData(
        world,
        principalId,
        'Microsoft.ContainerRegistry/registries/repositories/content/read',
        registryId,
      )
    : can(world, principalId, 'Microsoft.ContainerRegistry/registries/pull/read', registryId);
}

/** Whether an assignment at `outer` holds on `inner` too: it is inherited downward. */
export function covers(outer: string, inner: string): boolean {
  const above = normalise(outer);
  const below = normalise(inner);
  return above === '' || below === above || below.startsWith(`${above}/`);
}

function rolesOn(world: World, principalId: string, scope: string): RoleDefinition[] {
  return assignmentsOf(world, principalId)
    .filter(assignment => covers(assignment.scope, scope))
    .map(assignment => findRole(world, assignment.roleDefinitionId))
    .filter(role => role !== undefined);
}

function assignmentsOf(world: World, principalId: string): RoleAssignment[] {
  const id = principalId.toLowerCase();
  return Object.values(world.roleAssignments).filter(
    // One that was made a moment ago may not have reached everybody yet.
    each => each.comesAt === undefined && each.principalId.toLowerCase() === id,
  );
}

function normalise(scope: string): string {
  return scope.toLowerCase().replace(/\/+$/, '');
}

function names(patterns: string[], action: string): boolean {
  return patterns.some(pattern => matcher(pattern).test(action));
}

const matchers = new Map<string, RegExp>();

/** `*` stands for any run of characters, slashes too; case does not count. */
function matcher(pattern: string): RegExp {
  let found = matchers.get(pattern);
  if (!found) {
    const source = pattern.split('*').map(escapeRegExp).join('.*');
    found = new RegExp(`^${source}$`, 'i');
    matchers.set(pattern, found);
  }
  return found;
}

function escapeRegExp(text: string): string {
  return text.replace(/[.+?^${}()|[\]\\]/g, '\\$&');
}
