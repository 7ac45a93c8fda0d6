import type { FastifyRequest } from 'fastify';
import type { ArmAccess } from '../arm/access.ts';
import type { Parts } from '../parts.ts';
import { type ContainerGroup, lookUp } from '../world.ts';
import { type Asked, describeGroup } from './answer.ts';
import { viewAt } from './life.ts';
import type { Lives } from './lives.ts';
import type { Puller } from './puller.ts';

export interface OfGroup {
  Params: { subscription: string; group: string; name: string };
}

export interface GroupParts {
  parts: Parts;
  access: ArmAccess;
  puller: Puller;
  lives: Lives;
}

export const provider = 'Microsoft.ContainerInstance/containerGroups';
export const ofGroup = '/subscriptions/:subscription/resourceGroups/:group/providers';
export const groupPath = `${ofGroup}/${provider}/:name`;
export const idOf = ({ subscription, group, name }: OfGroup['Params']) =>
  `/subscriptions/${subscription}/resourceGroups/${group}/providers/${provider}/${name}`;

/** The group that is asked for; throws where there is none, or who asks may not do `action` with it. */
export function findGroup(
  request: FastifyRequest<OfGroup>,
  { parts, access }: GroupParts,
  action: string,
): ContainerGroup {
  const { subscription, group, name } = request.params;
  const id = idOf(request.params);
  access.allow(request, `${provider}/${action}`, id);
  access.requireGroup(subscription, group);
  const found = lookUp(parts.world.containerGroups, id.toLowerCase());
  if (found) return found;
  throw access.error(
    404,
    'ResourceNotFound',
    `The Resource '${provider}/${name}' under resource group '${group}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix`,
  );
}

export function show(
  request: FastifyRequest,
  group: ContainerGroup,
  all: GroupParts,
  kind: Asked['kind'] = 'one',
): object {
  return showTo(group, all, all.access.apiVersion(request), kind);
}

export function showTo(
  group: ContainerGroup,
  { parts }: GroupParts,
  version: string,
  kind: Asked['kind'] = 'one',
): object {
  return describeGroup(group, viewAt(group, parts.clock.now()), parts.world, { version, kind });
}
