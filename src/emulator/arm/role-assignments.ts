import { randomUUID } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { ownPrincipalOf } from '../container-groups/group-identity.ts';
import type { Parts } from '../parts.ts';
import type { RoleAssignment, World } from '../world.ts';
import type { ArmAccess } from './access.ts';
import { readAssignmentFilter } from './assignment-filter.ts';
import { internal, scopeOf } from './authorization-paths.ts';
import { noRole } from './definitions.ts';
import { createPropagation } from './propagation.ts';
import { findRole, roleId, subscriptionOf } from './role-definitions.ts';

type Named = { Params: { name: string } };
type Filtered = { Querystring: { $filter?: string } };
type AssignmentInput = {
  Body: { properties?: { roleDefinitionId?: string; principalId?: string; principalType?: string } } | null;
};

const read = 'Microsoft.Authorization/roleAssignments/read';

/** `Microsoft.Authorization/roleAssignments`, at any scope. */
export function registerRoleAssignments(arm: FastifyInstance, parts: Parts, arms: ArmAccess): void {
  const { world } = parts;
  const propagation = createPropagation(parts);
  const path = internal.roleassignments;
  arm.get<Filtered>(path, async request => {
    const scope = scopeOf(request);
    arms.allow(request, read, scope);
    const matches = readAssignmentFilter(request.query.$filter ?? '', scope, arms);
    return { value: Object.values(world.roleAssignments).filter(matches).map(describe) };
  });
  arm.get<Named>(`${path}/:name`, async request => {
    const scope = scopeOf(request);
    arms.allow(request, read, scope);
    const found = find(world, scope, request.params.name);
    if (!found) throw arms.error(404, 'RoleAssignmentNotFound', notFound(request.params.name));
    return describe(found);
  });
  arm.put<Named & AssignmentInput>(`${path}/:name`, async (request, reply) => {
    const scope = scopeOf(request);
    arms.allow(request, 'Microsoft.Authorization/roleAssignments/write', scope);
    const made = readAssignment(parts, arms, scope, request.params.name, request.body);
    const known = find(world, scope, made.name);
    if (known && isSame(known, made)) return describe(known);
    refuseConflict(parts, arms, made, known);
    propagation.begin(made);
    return reply.code(201).send(describe(made));
  });
  arm.delete<Named>(`${path}/:name`, async (request, reply) => {
    const scope = scopeOf(request);
    arms.allow(request, 'Microsoft.Authorization/roleAssignments/delete', scope);
    const found = find(world, scope, request.params.name);
    if (!found) return reply.code(204).send();
    propagation.end(found);
    return describe(found);
  });
}

function find(world: World, scope: string, name: string): RoleAssignment | undefined {
  const found = world.roleAssignments[assignmentId(scope, name).toLowerCase()];
  return found?.goesAt === undefined ? found : undefined;
}

function readAssignment(
  { world, clock }: Pick<Parts, 'world' | 'clock'>,
  arms: ArmAccess,
  scope: string,
  name: string,
  body: AssignmentInput['Body'],
): RoleAssignment {
  const { roleDefinitionId = '', principalId = '', principalType } = body?.properties ?? {};
  if (!/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(name))
    throw arms.error(
      400,
      'InvalidRoleAssignmentId',
      `The role assignment ID '${name}' is not valid. The role assignment ID must be a GUID.`,
    );
  const role = findRole(world, String(roleDefinitionId));
  if (!role) throw arms.error(404, 'RoleDefinitionDoesNotExist', noRole(String(roleDefinitionId)));
  const principal = String(principalId).toLowerCase();
  // Azure waives the check for a principal that is new, where the caller says what it is.
  if (!exists(world, principal) && principalType !== 'ServicePrincipal')
    throw arms.error(400, 'PrincipalNotFound', principalNotFound(world, principal));
  return {
    id: assignmentId(scope, name),
    name,
    scope,
    roleDefinitionId: roleId(subscriptionOf(scope), role.name),
    principalId: principal,
    principalType: principalType ?? 'ServicePrincipal',
    createdOn: new Date(clock.now()).toISOString(),
  };
}

/** Who signs in, or is a container group's own identity. */
const exists = ({ principals, containerGroups }: World, principal: string) =>
  Object.values(principals).some(({ principalId }) => principalId === principal) ||
  Object.values(containerGroups).some(group => ownPrincipalOf(group) === principal);

const roleOf = ({ roleDefinitionId }: RoleAssignment) => roleDefinitionId.split('/').at(-1);

const isSame = (one: RoleAssignment, other: RoleAssignment) =>
  one.principalId.toLowerCase() === other.principalId.toLowerCase() &&
  roleOf(one) === roleOf(other) &&
  one.scope.toLowerCase() === other.scope.toLowerCase();

function refuseConflict(
  { world, limits }: Pick<Parts, 'world' | 'limits'>,
  arms: ArmAccess,
  made: RoleAssignment,
  known: RoleAssignment | undefined,
): void {
  if (known)
    throw arms.error(
      400,
      'RoleAssignmentUpdateNotPermitted',
      'Tenant ID, application ID, principal ID, and scope are not allowed to be updated.',
    );
  const standing = Object.values(world.roleAssignments).filter(({ goesAt }) => goesAt === undefined);
  const other = standing.find(each => isSame(each, made));
  if (other)
    throw arms.error(
      409,
      'RoleAssignmentExists',
      `The role assignment already exists. The ID of the conflicting role assignment is ${other.name.replaceAll('-', '')}.`,
    );
  const ofSubscription = standing.filter(({ scope }) => subscriptionOf(scope) === subscriptionOf(made.scope));
  if (ofSubscription.length >= limits.settings().roleAssignments.perSubscription)
    throw arms.error(
      400,
      'RoleAssignmentLimitExceeded',
      'No more role assignments can be created (code: RoleAssignmentLimitExceeded).',
    );
}

function assignmentId(scope: string, name: string): string {
  return `${scope === '/' ? '' : scope}/providers/Microsoft.Authorization/roleAssignments/${name}`;
}

/** Puts an assignment into the world, as the demo world and the control surface do: it holds at once. */
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

function notFound(name: string): string {
  return `The role assignment '${name}' is not found.`;
}

function principalNotFound(world: World, principalId: string): string {
  return `Principal ${principalId.replaceAll('-', '')} does not exist in the directory ${world.tenantId}. Check that you have the correct principal ID. If you are creating this principal and then immediately assigning a role, this error might be related to a replication delay. In this case, set the role assignment principalType property to a value, such as ServicePrincipal, User, or Group.  See https://aka.ms/docs-principaltype`;
}

function describe(assignment: RoleAssignment): object {
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
