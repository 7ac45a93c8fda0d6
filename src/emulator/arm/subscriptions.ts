import type { FastifyInstance } from 'fastify';
import { lookUp, type ResourceGroup, type World } from '../world.ts';
import type { ArmAccess } from './access.ts';
import { can } from './authorization.ts';

type OfSubscription = { Params: { subscription: string } };
type OfGroup = { Params: { subscription: string; group: string } };

const readGroup = 'Microsoft.Resources/subscriptions/resourceGroups/read';
const writeGroup = 'Microsoft.Resources/subscriptions/resourceGroups/write';

/** Tenants, subscriptions and resource groups. */
export function registerSubscriptions(
  arm: FastifyInstance,
  parts: { world: World; changed(): void },
  arms: ArmAccess,
): void {
  const { world } = parts;
  arm.get('/tenants', async () => ({
    value: [{ id: `/tenants/${world.tenantId}`, tenantId: world.tenantId }],
  }));
  arm.get('/subscriptions', async request => {
    const { principalId } = arms.caller(request);
    const visible = Object.values(world.subscriptions).filter(({ id }) => sees(world, principalId, id));
    return {
      value: visible.map(each => describeSubscription(world, each)),
      count: { type: 'Total', value: visible.length },
    };
  });
  arm.get<OfSubscription>('/subscriptions/:subscription', async request => {
    const { subscription } = request.params;
    const found = lookUp(world.subscriptions, subscription.toLowerCase());
    if (!found || !sees(world, arms.caller(request).principalId, found.id))
      throw arms.error(404, 'SubscriptionNotFound', `The subscription '${subscription}' could not be found.`);
    return describeSubscription(world, found);
  });
  registerGroups(arm, parts, arms);
}

function registerGroups(
  arm: FastifyInstance,
  { world, changed }: { world: World; changed(): void },
  arms: ArmAccess,
): void {
  const path = '/subscriptions/:subscription/resourceGroups/:group';
  arm.get<OfSubscription>('/subscriptions/:subscription/resourceGroups', async request => {
    const { principalId } = arms.caller(request);
    const groups = Object.values(world.resourceGroups).filter(
      ({ id, subscriptionId }) =>
        subscriptionId.toLowerCase() === request.params.subscription.toLowerCase() &&
        can(world, principalId, readGroup, id),
    );
    return { value: groups.map(describeGroup) };
  });
  arm.get<OfGroup>(path, async request => {
    const { subscription, group } = request.params;
    arms.allow(request, readGroup, groupId(subscription, group));
    arms.requireGroup(subscription, group);
    return describeGroup(world.resourceGroups[groupId(subscription, group).toLowerCase()]);
  });
  arm.head<OfGroup>(path, async (request, reply) => {
    const { subscription, group } = request.params;
    arms.allow(request, readGroup, groupId(subscription, group));
    return reply.code(world.resourceGroups[groupId(subscription, group).toLowerCase()] ? 204 : 404).send();
  });
  arm.put<OfGroup & { Body: { location?: string; tags?: Record<string, string> } | null }>(
    path,
    async (request, reply) => {
      const { subscription, group } = request.params;
      const id = groupId(subscription, group);
      arms.allow(request, writeGroup, id);
      const known = world.resourceGroups[id.toLowerCase()];
      const location = normaliseLocation(request.body?.location ?? '');
      if (!location)
        throw arms.error(400, 'LocationRequired', 'The location property is required for this definition.');
      if (known && known.location !== location)
        throw arms.error(
          409,
          'InvalidResourceGroupLocation',
          invalidLocation(group, location, known.location),
        );
      const stored: ResourceGroup = {
        id,
        name: group,
        subscriptionId: subscription,
        location,
        tags: request.body?.tags ?? {},
      };
      world.resourceGroups[id.toLowerCase()] = known ? { ...known, tags: stored.tags } : stored;
      changed();
      return reply.code(known ? 200 : 201).send(describeGroup(stored));
    },
  );
}

/** Azure compares regions without case and blanks: `East US` is `eastus`. */
export function normaliseLocation(location: string): string {
  return location.toLowerCase().replaceAll(' ', '');
}

export function groupId(subscription: string, group: string): string {
  return `/subscriptions/${subscription}/resourceGroups/${group}`;
}

function invalidLocation(group: string, wanted: string, known: string): string {
  return `Invalid resource group location '${wanted}'. The Resource group already exists in location '${known}' (group '${group}').`;
}

/** A subscription is visible to who has any role in it. */
function sees(world: World, principalId: string, subscription: string): boolean {
  if (can(world, principalId, 'Microsoft.Resources/subscriptions/read', subscription)) return true;
  const inside = `${subscription}/`.toLowerCase();
  return Object.values(world.roleAssignments).some(
    each => each.principalId === principalId && each.scope.toLowerCase().startsWith(inside),
  );
}

function describeSubscription(
  world: World,
  { id, displayName }: { id: string; displayName: string },
): object {
  const subscriptionId = id.split('/').at(-1);
  return {
    id,
    authorizationSource: 'RoleBased',
    subscriptionId,
    tenantId: world.tenantId,
    displayName,
    state: 'Enabled',
    subscriptionPolicies: {
      locationPlacementId: 'Public_2014-09-01',
      quotaId: 'PayAsYouGo_2014-09-01',
      spendingLimit: 'Off',
    },
  };
}

function describeGroup(group: ResourceGroup | undefined): object {
  if (!group) return {};
  const { id, name, location, tags } = group;
  return {
    id,
    name,
    type: 'Microsoft.Resources/resourceGroups',
    location,
    tags,
    properties: { provisioningState: 'Succeeded' },
  };
}

/** The administrator need not be given a subscription: one that he names exists from then on. */
export function createNamedSubscription(world: World, request: { url: string }): boolean {
  const id = /^\/subscriptions\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:[/?]|$)/i.exec(
    request.url,
  )?.[1];
  if (!id || lookUp(world.subscriptions, id.toLowerCase())) return false;
  world.subscriptions[id.toLowerCase()] = { id: `/subscriptions/${id}`, displayName: `Subscription ${id}` };
  return true;
}
