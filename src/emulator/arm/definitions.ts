import type { FastifyInstance } from 'fastify';
import type { Parts } from '../parts.ts';
import type { RoleDefinition, World } from '../world.ts';
import type { ArmAccess } from './access.ts';
import { internal, scopeOf } from './authorization-paths.ts';
import { allRoles, findRole, roleId, subscriptionOf } from './role-definitions.ts';

type Named = { Params: { name: string } };
type Filtered = { Querystring: { $filter?: string } };
interface Permissions {
  actions?: string[];
  notActions?: string[];
  dataActions?: string[];
  notDataActions?: string[];
}
type Input = {
  Body: {
    properties?: {
      roleName?: string;
      description?: string;
      assignableScopes?: string[];
      permissions?: Permissions[];
    };
  } | null;
};

/** `Microsoft.Authorization/roleDefinitions`: the built-in roles that matter here, and custom ones. */
export function registerDefinitions(
  arm: FastifyInstance,
  parts: Pick<Parts, 'world' | 'changed'>,
  arms: ArmAccess,
): void {
  const { world, changed } = parts;
  const path = internal.roledefinitions;
  arm.get<Filtered>(path, async request => {
    const scope = scopeOf(request);
    const matches = readFilter(request.query.$filter ?? '', arms);
    return {
      value: allRoles(world)
        .filter(matches)
        .map(each => describe(scope, each)),
    };
  });
  arm.get<Named>(`${path}/:name`, async request => {
    const found = findRole(world, request.params.name);
    if (!found) throw arms.error(404, 'RoleDefinitionDoesNotExist', noRole(request.params.name));
    return describe(scopeOf(request), found);
  });
  arm.put<Named & Input>(`${path}/:name`, async (request, reply) => {
    const scope = scopeOf(request);
    arms.allow(request, 'Microsoft.Authorization/roleDefinitions/write', scope);
    const made = readDefinition(request.params.name.toLowerCase(), request.body, world, arms);
    world.roleDefinitions[made.name] = made;
    changed('roleDefinitions', made.name);
    return reply.code(201).send(describe(scope, made));
  });
  arm.delete<Named>(`${path}/:name`, async (request, reply) => {
    const scope = scopeOf(request);
    arms.allow(request, 'Microsoft.Authorization/roleDefinitions/delete', scope);
    const found = findRole(world, request.params.name);
    if (!found) return reply.code(204).send();
    requireCustom(found, arms);
    const uses = Object.values(world.roleAssignments).filter(
      each => each.goesAt === undefined && findRole(world, each.roleDefinitionId) === found,
    );
    if (uses.length > 0)
      throw arms.error(
        400,
        'RoleDefinitionHasAssignments',
        `There are existing role assignments referencing role (code: RoleDefinitionHasAssignments): ${uses.length}.`,
      );
    delete world.roleDefinitions[found.name];
    changed('roleDefinitions', found.name);
    return describe(scope, found);
  });
}

export function noRole(id: string): string {
  return `The specified role definition with ID '${id}' does not exist.`;
}

function readFilter(filter: string, arms: ArmAccess): (role: RoleDefinition) => boolean {
  if (filter.trim() === '' || /^\s*atScopeAndBelow\(\)\s*$/i.test(filter)) return () => true;
  const [, field = '', value = ''] = /^\s*(roleName|type)\s+eq\s+'((?:[^']|'')*)'\s*$/i.exec(filter) ?? [];
  const wanted = value.replaceAll("''", "'").toLowerCase();
  if (field.toLowerCase() === 'rolename') return role => role.roleName.toLowerCase() === wanted;
  if (field.toLowerCase() === 'type') return role => role.type.toLowerCase() === wanted;
  throw arms.error(400, 'UnsupportedQuery', `The filter '${filter}' is not supported.`);
}

function readDefinition(name: string, body: Input['Body'], world: World, arms: ArmAccess): RoleDefinition {
  const present = findRole(world, name);
  if (present) requireCustom(present, arms);
  const { roleName, description = '', assignableScopes = [], permissions = [] } = body?.properties ?? {};
  const refuse = (message: string) => arms.error(400, 'InvalidRoleDefinition', message);
  if (typeof roleName !== 'string' || roleName === '') throw refuse('The role name is missing.');
  if (!isTexts(assignableScopes) || assignableScopes.length === 0)
    throw refuse('The assignable scopes of a custom role must not be empty.');
  if (!Array.isArray(permissions) || permissions.length !== 1)
    throw refuse('A custom role has exactly one set of permissions.');
  const { actions = [], notActions = [], dataActions = [], notDataActions = [] } = permissions[0] ?? {};
  if (![actions, notActions, dataActions, notDataActions].every(isTexts))
    throw refuse('The actions of a role are lists of texts.');
  const same = allRoles(world).find(
    each => each.name !== name && each.roleName.toLowerCase() === roleName.toLowerCase(),
  );
  if (same)
    throw arms.error(
      409,
      'RoleDefinitionWithSameNameExists',
      `A custom role with the same name already exists in this directory. Use a different name: '${roleName}'.`,
    );
  const allowed = { actions, notActions, dataActions, notDataActions };
  return {
    name,
    roleName,
    description: String(description),
    type: 'CustomRole',
    assignableScopes,
    ...allowed,
  };
}

const isTexts = (value: unknown) => Array.isArray(value) && value.every(each => typeof each === 'string');

function requireCustom(role: RoleDefinition, arms: ArmAccess): void {
  if (role.type === 'BuiltInRole')
    throw arms.error(
      403,
      'RoleDefinitionIsBuiltIn',
      `The role definition '${role.roleName}' is built in: it can neither be changed nor deleted.`,
    );
}

function describe(scope: string, role: RoleDefinition): object {
  const { actions, notActions, dataActions, notDataActions = [], assignableScopes = ['/'] } = role;
  const { roleName, description, type, name } = role;
  return {
    id: roleId(subscriptionOf(scope), name),
    name,
    type: 'Microsoft.Authorization/roleDefinitions',
    properties: {
      roleName,
      type,
      description,
      assignableScopes,
      permissions: [{ actions, notActions, dataActions, notDataActions }],
    },
  };
}
