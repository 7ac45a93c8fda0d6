import type { FastifyInstance } from 'fastify';
import type { World } from '../world.ts';
import type { ArmAccess } from './access.ts';
import { can } from './authorization.ts';
import { groupId } from './subscriptions.ts';

type Listed = { Params: { subscription: string; group?: string } };
export type OfResource = { Params: { subscription: string; group: string; name: string } };

interface Provider<T> {
  type: string;
  all(): T[];
  describe(resource: T): object;
}

/** GET of one resource of a type, and the lists by group and by subscription: who asks sees what he may read. */
export function registerReads<T extends { id: string }>(
  arm: FastifyInstance,
  world: World,
  arms: ArmAccess,
  { type, all, describe }: Provider<T>,
): void {
  for (const path of [`/subscriptions/:subscription/providers/${type}`, listPath(type)])
    arm.get<Listed>(path, async request => {
      const { subscription, group } = request.params;
      if (group) arms.requireGroup(subscription, group);
      const { principalId } = arms.caller(request);
      const scope = group ? groupId(subscription, group) : `/subscriptions/${subscription}`;
      const inside = all().filter(({ id }) => id.toLowerCase().startsWith(`${scope}/`.toLowerCase()));
      return { value: inside.filter(({ id }) => can(world, principalId, `${type}/read`, id)).map(describe) };
    });
  arm.get<OfResource>(`${listPath(type)}/:name`, async request => {
    const { subscription, group, name } = request.params;
    const id = resourceId(request.params, type);
    arms.allow(request, `${type}/read`, id);
    arms.requireGroup(subscription, group);
    const found = all().find(each => each.id.toLowerCase() === id.toLowerCase());
    if (found) return describe(found);
    throw resourceNotFound(arms, type, name, group);
  });
}

export const listPath = (type: string) =>
  `/subscriptions/:subscription/resourceGroups/:group/providers/${type}`;

export function resourceId({ subscription, group, name }: OfResource['Params'], type: string): string {
  return `${groupId(subscription, group)}/providers/${type}/${name}`;
}

export function resourceNotFound(arms: ArmAccess, type: string, name: string, group: string): Error {
  return arms.error(
    404,
    'ResourceNotFound',
    `The Resource '${type}/${name}' under resource group '${group}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix`,
  );
}
