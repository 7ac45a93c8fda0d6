import { randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { RoleAssignment, World } from '../world.ts';
import type { ArmAccess } from './access.ts';
import { covers } from './authorization.ts';
import { findRole, type RoleDefinition, roleDefinitions, roleId } from './role-definitions.ts';

/**
 * `Microsoft.Authorization` hangs under any resource at any depth, which no router's pattern says: such URLs are
 * rewritten to these two, and the scope is read from the URL as it came.
 */
const internal = {
  roleassignments: '/~authorization/assignments',
  roledefinitions: '/~authorization/definitions',
};
const authorizationPath =
  /^(\/.*?)?\/providers\/Microsoft\.Authorization\/(roleAssignments|roleDefinitions)(?:\/([^/?]+))?\/?(\?.*)?$/i;

export function rewriteAuthorizationUrl(asked: string): string {
  const url = withoutDoubleSlashes(asked);
  const [, , kind, name, query] = authorizationPath.exec(url) ?? [];
  if (!kind) return url.startsWith('/~') ? '/not-here' : url;
  const target =
    kind.toLowerCase() === 'roleassignments' ? internal.roleassignments : internal.roledefinitions;
  return target + (name ? `/${name}` : '') + (query ?? '');
}

function scopeOf(request: FastifyRequest): string {
  const scope = authorizationPath.exec(withoutDoubleSlashes(request.originalUrl))?.[1];
  return scope ? decodeURIComponent(scope) : '/';
}

/** The SDK writes a scope, which begins with a slash, after a slash (measured). */
function withoutDoubleSlashes(url: string): string {
  const query = url.indexOf('?');
  const path = query < 0 ? url : url.slice(0, query);
  return path.replace(/\/{2,}/g, '/') + url.slice(path.length);
}

type Named = { Params: { name: string } };
type Filtered = { Querystring: { $filter?: string } };
type AssignmentInput = {
  Body: { properties?: { roleDefinitionId?: string; principalId?: string; principalType?: string } } | null;
};

const read = 'Microsoft.Authorization/roleAssignments/read';

export function registerAuthorization(
  arm: FastifyInstance,
  parts: { world: World; clock: { now(): number }; changed(): void },
  arms: ArmAccess,
): void {
  const { world, changed } = parts;
  const path = internal.roleassignments;
  arm.get<Filtered>(path, async request => {
    const scope = scopeOf(request);
    arms.allow(request, read, scope);
    return { value: list(world, scope, request.query.$filter ?? '').map(describeAssignment) };
  });
  arm.get<Named>(`${path}/:name`, async request => {
    const scope = scopeOf(request);
    arms.allow(request, read, scope);
    const found = world.roleAssignments[assignmentId(scope, request.params.name).toLowerCase()];
    if (!found) throw arms.error(404, 'RoleAssignmentNotFound', notFound(request.params.name));
    return describeAssignment(found);
  });
  arm.put<Named & AssignmentInput>(`${path}/:name`, async (request, reply) => {
    const scope = scopeOf(request);
    arms.allow(request, 'Microsoft.Authorization/roleAssignments/write', scope);
    const made = readAssignment(parts, arms, scope, request.params.name, request.body);
    refuseDuplicate(world, arms, made);
    world.roleAssignments[made.id.toLowerCase()] = made;
    changed();
    return reply.code(201).send(describeAssignment(made));
  });
  arm.delete<Named>(`${path}/:name`, async (request, reply) => {
    const scope = scopeOf(request);
    arms.allow(request, 'Microsoft.Authorization/roleAssignments/delete', scope);
    const id = assignmentId(scope, request.params.name).toLowerCase();
    const found = world.roleAssignments[id];
    if (!found) return reply.code(204).send();
    delete world.roleAssignments[id];
    changed();
    return describeAssignment(found);
  });
  registerDefinitions(arm, arms);
}

function registerDefinitions(arm: FastifyInstance, arms: ArmAccess): void {
  arm.get<Filtered>(internal.roledefinitions, async request => {
    const scope = scopeOf(request);
    const roleName = /roleName eq '((?:[^']|'')*)'/i.exec(request.query.$filter ?? '')?.[1];
    const found = roleDefinitions.filter(
      each => !roleName || each.roleName.toLowerCase() === roleName.toLowerCase(),
    );
    return { value: found.map(each => describeDefinition(scope, each)) };
  });
  arm.get<Named>(`${internal.roledefinitions}/:name`, async request => {
    const found = findRole(request.params.name);
    if (!found)
      throw arms.error(
        404,
        'RoleDefinitionDoesNotExist',
        `The specified role definition with ID '${request.params.name}' does not exist.`,
      );
    return describeDefinition(scopeOf(request), found);
  });
}

function readAssignment(
  { world, clock }: { world: World; clock: { now(): number } },
  arms: ArmAccess,
  scope: string,
  name: string,
  body: AssignmentInput['Body'],
): RoleAssignment {
  const { roleDefinitionId = '', principalId = '', principalType } = body?.properties ?? {};
  const role = findRole(roleDefinitionId);
  if (!role)
    throw arms.error(
      404,
      'RoleDefinitionDoesNotExist',
      `The specified role definition with ID '${roleDefinitionId}' does not exist.`,
    );
  const known = Object.values(world.principals).some(each => each.principalId === principalId.toLowerCase());
  // Azure waives the check for a principal that is new, where the caller says what it is.
  if (!known && principalType !== 'ServicePrincipal')
    throw arms.error(400, 'PrincipalNotFound', principalNotFound(world, principalId));
  return {
    id: assignmentId(scope, name),
    name,
    scope,
    roleDefinitionId: roleId(subscriptionOf(scope), role.name),
    principalId: principalId.toLowerCase(),
    principalType: principalType ?? 'ServicePrincipal',
    createdOn: new Date(clock.now()).toISOString(),
  };
}

function refuseDuplicate(world: World, arms: ArmAccess, made: RoleAssignment): void {
  const same = (each: RoleAssignment) =>
    each.principalId === made.principalId &&
    each.roleDefinitionId.split('/').at(-1) === made.roleDefinitionId.split('/').at(-1) &&
    each.scope.toLowerCase() === made.scope.toLowerCase();
  const other = Object.values(world.roleAssignments).find(same);
  if (other)
    throw arms.error(
      409,
      'RoleAssignmentExists',
      `The role assignment already exists. The ID of the conflicting role assignment is ${other.name.replaceAll('-', '')}.`,
    );
}

/**
 * Assignments at the scope, above it and below it; `atScope()` leaves out those below. `principalId eq` and
 * `assignedTo()` pick those of one principal.
 */
function list(world: World, scope: string, filter: string): RoleAssignment[] {
  const principalId = /(?:principalId\s+eq\s+|assignedTo\(\s*)'([^']*)'/i.exec(filter)?.[1]?.toLowerCase();
  const below = !/atScope\(\)/i.test(filter);
  return Object.values(world.roleAssignments)
    .filter(each => covers(each.scope, scope) || (below && covers(scope, each.scope)))
    .filter(each => principalId === undefined || each.principalId.toLowerCase() === principalId);
}

export function assignmentId(scope: string, name: string): string {
  return `${scope === '/' ? '' : scope}/providers/Microsoft.Authorization/roleAssignments/${name}`;
}

/** Puts an assignment into the world, as the demo world and the control surface do. */
export function assignRole(
  world: World,
  principalId: string,
  role: string,
  scope: string,
  createdOn = new Date().toISOString(),
): void {
  const name = randomUUID();
  const id = assignmentId(scope, name);
  world.roleAssignments[id.toLowerCase()] = {
    id,
    name,
    scope,
    roleDefinitionId: roleId(subscriptionOf(scope), role),
    principalId,
    principalType: 'ServicePrincipal',
    createdOn,
  };
}

function subscriptionOf(scope: string): string {
  return /^\/subscriptions\/([^/]+)/i.exec(scope)?.[1] ?? '00000000-0000-0000-0000-000000000000';
}

function notFound(name: string): string {
  return `The role assignment '${name}' is not found.`;
}

function principalNotFound(world: World, principalId: string): string {
  return `Principal ${principalId.replaceAll('-', '')} does not exist in the directory ${world.tenantId}. Check that you have the correct principal ID. If you are creating this principal and then immediately assigning a role, this error might be related to a replication delay. In this case, set the role assignment principalType property to a value, such as ServicePrincipal, User, or Group.  See https://aka.ms/docs-principaltype`;
}

function describeAssignment(assignment: RoleAssignment): object {
  const { id, name, scope, roleDefinitionId, principalId, principalType, createdOn } = assignment;
  return {
    id,
    name,
    type: 'Microsoft.Authorization/roleAssignments',
    properties: {
      roleDefinitionId,
      principalId,
      principalType,
      scope,
      condition: null,
      conditionVersion: null,
      createdOn,
      updatedOn: createdOn,
      createdBy: null,
      updatedBy: null,
      delegatedManagedIdentityResourceId: null,
      description: null,
    },
  };
}

function describeDefinition(scope: string, role: RoleDefinition): object {
  const { actions, notActions, dataActions, roleName, description, type, name } = role;
  return {
    id: roleId(subscriptionOf(scope), name),
    name,
    type: 'Microsoft.Authorization/roleDefinitions',
    properties: {
      roleName,
      type,
      description,
      assignableScopes: ['/'],
      permissions: [{ actions, notActions, dataActions, notDataActions: [] }],
    },
  };
}
