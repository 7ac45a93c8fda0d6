import type { FastifyInstance } from 'fastify';
import type { World } from '../world.ts';
import type { ArmAccess } from './access.ts';
import { can } from './authorization.ts';
import { groupId } from './subscriptions.ts';

type Listed = {
  Params: { subscription: string; group?: string };
  Querystring: { $filter?: string; $top?: string };
};

interface Resource {
  id: string;
  name: string;
  type: string;
  location: string;
  tags: Record<string, string>;
}

/** The resources of every provider in one list, as `az` looks for them by name: `GET .../resources?$filter=`. */
export function registerResources(arm: FastifyInstance, { world }: { world: World }, arms: ArmAccess): void {
  for (const path of [
    '/subscriptions/:subscription/resources',
    '/subscriptions/:subscription/resourceGroups/:group/resources',
  ])
    arm.get<Listed>(path, async request => {
      const { subscription, group } = request.params;
      if (group) arms.requireGroup(subscription, group);
      const scope =
        `${group ? groupId(subscription, group) : `/subscriptions/${subscription}`}/`.toLowerCase();
      const wanted = readFilter(request.query.$filter, arms);
      const { principalId } = arms.caller(request);
      const found = resourcesOf(world).filter(
        each =>
          each.id.toLowerCase().startsWith(scope) &&
          wanted(each) &&
          can(world, principalId, `${each.type}/read`, each.id),
      );
      return { value: found.slice(0, Number(request.query.$top ?? found.length) || 0) };
    });
}

function resourcesOf(world: World): Resource[] {
  return [
    ...typed('Microsoft.ManagedIdentity/userAssignedIdentities', world.identities),
    ...typed('Microsoft.ContainerRegistry/registries', world.containerRegistries),
    ...typed('Microsoft.KeyVault/vaults', world.vaults),
    ...typed('Microsoft.ContainerInstance/containerGroups', world.containerGroups),
  ];
}

function typed(
  type: string,
  found: Record<string, { id: string; name: string; location: string; tags?: Record<string, string> }>,
): Resource[] {
  return Object.values(found).map(({ id, name, location, tags = {} }) => ({
    id,
    name,
    type,
    location,
    tags,
  }));
}

const fields: Record<string, (resource: Resource) => string> = {
  resourcetype: ({ type }) => type,
  name: ({ name }) => name,
  location: ({ location }) => location,
  resourcegroup: ({ id }) => id.split('/')[4] ?? '',
};

/** ARM's grammar as far as clients use it: `field eq 'value'`, joined by `and`; names and values without case. */
function readFilter(filter: string | undefined, arms: ArmAccess): (resource: Resource) => boolean {
  if (!filter?.trim()) return () => true;
  const terms = filter.split(/\s+and\s+/i).map(term => {
    const [, field = '', value = ''] = /^\s*([A-Za-z]+)\s+eq\s+'((?:[^']|'')*)'\s*$/i.exec(term) ?? [];
    const read = fields[field.toLowerCase()];
    if (!read)
      throw arms.error(
        400,
        'InvalidFilterInQueryString',
        `Invalid $filter '${filter}' specified in the query string.`,
      );
    return (resource: Resource) => read(resource).toLowerCase() === value.replaceAll("''", "'").toLowerCase();
  });
  return resource => terms.every(term => term(resource));
}
