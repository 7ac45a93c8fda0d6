import type { FastifyInstance } from 'fastify';
import { lookUp, type World } from '../world.ts';
import type { ArmAccess } from './access.ts';
import { can } from './authorization.ts';

type OfSubscription = { Params: { subscription: string } };

/** Tenants and subscriptions. */
export function registerSubscriptions(
  arm: FastifyInstance,
  { world }: { world: World },
  arms: ArmAccess,
): void {
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
}

/** Azure compares regions without case and blanks: `East US` is `eastus`. */
export function normaliseLocation(location: string): string {
  return location.toLowerCase().replaceAll(' ', '');
}

export function groupId(subscription: string, group: string): string {
  return `/subscriptions/${subscription}/resourceGroups/${group}`;
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
    managedByTenants: [],
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

/** The administrator need not be given a subscription: one that he names exists from then on. */
export function createNamedSubscription(world: World, request: { url: string }): boolean {
  const id = /^\/subscriptions\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:[/?]|$)/i.exec(
    request.url,
  )?.[1];
  if (!id || lookUp(world.subscriptions, id.toLowerCase())) return false;
  world.subscriptions[id.toLowerCase()] = { id: `/subscriptions/${id}`, displayName: `Subscription ${id}` };
  return true;
}
