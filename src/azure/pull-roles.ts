/** A role assignment, as Resource Manager lists it. */
export interface Assignment {
  properties?: {
    roleDefinitionId?: string;
    scope?: string;
    createdOn?: string;
    /** Restricts it to some repositories. */
    condition?: string | null;
  };
}

export interface RoleDefinition {
  properties?: { permissions?: Permission[] };
}

interface Permission {
  actions?: string[];
  notActions?: string[];
  dataActions?: string[];
  notDataActions?: string[];
}

export interface PullRoleParts {
  /** The registry's id. */
  scope: string;
  /** In `abac` mode AcrPull and everything else that is no data action does not count (documented). */
  mode: 'legacy' | 'abac';
  assignments: readonly Assignment[];
  /** False where Resource Manager has more of them. */
  whole: boolean;
  /** Null where it is not ours to see. */
  readRole(name: string): Promise<RoleDefinition | null>;
}

type Verdict = { state: 'granted'; grantedAt?: Date } | { state: 'missing' } | { state: 'unknown' };

/** Whether one of the assignments lets its holder pull; a custom role is read, since its name says nothing. */
export async function judgePull({
  scope,
  mode,
  assignments,
  whole,
  readRole,
}: PullRoleParts): Promise<Verdict> {
  let doubt = !whole;
  const grants: (Date | null)[] = [];
  for (const { properties = {} } of assignments) {
    const role = properties.roleDefinitionId?.split('/').at(-1)?.toLowerCase() ?? '';
    if (isBelow(properties.scope, scope)) continue;
    const pulls = builtIn.get(role)?.includes(mode) ?? (await pullsByDefinition(role, mode, readRole));
    if (pulls === false) continue;
    if (pulls === null || properties.condition) doubt = true;
    else grants.push(dateOf(properties.createdOn));
  }
  const [first] = grants.sort((one, other) => Number(one ?? 0) - Number(other ?? 0));
  if (first === undefined) return { state: doubt ? 'unknown' : 'missing' };
  // The oldest is known everywhere first.
  return { state: 'granted', ...(first ? { grantedAt: first } : {}) };
}

function dateOf(text: string | undefined): Date | null {
  const date = new Date(text ?? '');
  return Number.isNaN(date.getTime()) ? null : date;
}

/** Roles that need no reading, and the modes in which they let pull. */
const builtIn = new Map<string, ReadonlyArray<PullRoleParts['mode']>>([
  ['7f951dda-4ed3-4680-a7ca-43fe172d538d', ['legacy']], // AcrPull
  ['8311e382-0749-4cb8-b61a-304f252e45ec', ['legacy']], // AcrPush
  ['8e3af657-a8ff-443c-a75c-2fe8c4bcb635', ['legacy']], // Owner
  ['b24988ac-6180-42a0-ab88-20f7382dd24c', ['legacy']], // Contributor
  ['acdd72a7-3385-48ef-bd42-f606fba81ae7', ['legacy']], // Reader: its `*/read` has the action of pulling in it
  ['b93aa761-3e63-49ed-ac28-beffa264f7ac', ['abac']], // Container Registry Repository Reader
]);

async function pullsByDefinition(
  role: string,
  mode: PullRoleParts['mode'],
  readRole: PullRoleParts['readRole'],
): Promise<boolean | null> {
  if (!/^[0-9a-f-]{36}$/.test(role)) return null;
  const permissions = (await readRole(role))?.properties?.permissions;
  return permissions?.some(permission => allowsPull(permission, mode)) ?? null;
}

function allowsPull(permission: Permission, mode: PullRoleParts['mode']): boolean {
  const { actions, notActions, dataActions, notDataActions } = permission;
  return mode === 'abac'
    ? names(dataActions, contentRead) && !names(notDataActions, contentRead)
    : names(actions, pullRead) && !names(notActions, pullRead);
}

const pullRead = 'microsoft.containerregistry/registries/pull/read';
const contentRead = 'microsoft.containerregistry/registries/repositories/content/read';

/** `*` stands for any run of characters, slashes too; case does not count. */
function names(patterns: readonly string[] | undefined, action: string): boolean {
  return (patterns ?? []).some(pattern => {
    const parts = pattern.toLowerCase().split('*').map(RegExp.escape);
    return new RegExp(`^${parts.join('.*')}$`).test(action);
  });
}

/** What holds only for a part of the registry. */
function isBelow(scope: string | undefined, registry: string): boolean {
  return scope?.toLowerCase().startsWith(`${registry.toLowerCase()}/`) ?? false;
}
