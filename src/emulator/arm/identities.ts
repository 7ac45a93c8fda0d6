import { randomUUID } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import type { UserAssignedIdentity, World } from '../world.ts';
import type { ArmAccess } from './access.ts';
import { can } from './authorization.ts';
import { groupId, normaliseLocation } from './subscriptions.ts';

type OfSubscription = { Params: { subscription: string } };
type OfGroup = { Params: { subscription: string; group: string } };
type OfIdentity = { Params: { subscription: string; group: string; name: string } };
type Input = { Body: { location?: string; tags?: Record<string, string> } | null };

const provider = 'Microsoft.ManagedIdentity/userAssignedIdentities';

/** `Microsoft.ManagedIdentity/userAssignedIdentities`. */
export function registerIdentities(
  arm: FastifyInstance,
  parts: { world: World; changed(): void },
  arms: ArmAccess,
): void {
  const { world, changed } = parts;
  const ofGroup = `/subscriptions/:subscription/resourceGroups/:group/providers/${provider}`;

  arm.put<OfIdentity & Input>(`${ofGroup}/:name`, async (request, reply) => {
    const { subscription, group, name } = request.params;
    const id = identityId(subscription, group, name);
    arms.allow(request, `${provider}/write`, id);
    arms.requireGroup(subscription, group);
    const known = world.identities[id.toLowerCase()];
    const location = normaliseLocation(request.body?.location ?? known?.location ?? '');
    if (!location)
      throw arms.error(400, 'LocationRequired', 'The location property is required for this definition.');
    const tags = request.body?.tags ?? {};
    const identity = known ? Object.assign(known, { tags }) : createIdentity(world, id, location, tags);
    changed();
    return reply.code(known ? 200 : 201).send(describe(world, identity));
  });
  arm.get<OfIdentity>(`${ofGroup}/:name`, async request => {
    const { subscription, group, name } = request.params;
    const id = identityId(subscription, group, name);
    arms.allow(request, `${provider}/read`, id);
    arms.requireGroup(subscription, group);
    const found = world.identities[id.toLowerCase()];
    if (!found) throw arms.error(404, 'ResourceNotFound', notFound(name, group));
    return describe(world, found);
  });
  arm.delete<OfIdentity>(`${ofGroup}/:name`, async (request, reply) => {
    const { subscription, group, name } = request.params;
    const id = identityId(subscription, group, name);
    arms.allow(request, `${provider}/delete`, id);
    const found = world.identities[id.toLowerCase()];
    if (!found) return reply.code(204).send();
    delete world.identities[id.toLowerCase()];
    delete world.principals[found.clientId];
    changed();
    return reply.code(200).send();
  });
  registerLists(arm, world, arms, ofGroup);
}

function registerLists(arm: FastifyInstance, world: World, arms: ArmAccess, ofGroup: string): void {
  arm.get<OfGroup>(ofGroup, async request => {
    const scope = groupId(request.params.subscription, request.params.group);
    arms.allow(request, `${provider}/read`, scope);
    arms.requireGroup(request.params.subscription, request.params.group);
    return { value: within(world, scope).map(each => describe(world, each)) };
  });
  arm.get<OfSubscription>(`/subscriptions/:subscription/providers/${provider}`, async request => {
    const { principalId } = arms.caller(request);
    const visible = within(world, `/subscriptions/${request.params.subscription}`).filter(({ id }) =>
      can(world, principalId, `${provider}/read`, id),
    );
    return { value: visible.map(each => describe(world, each)) };
  });
}

/** A new identity has a principal of its own, with no role yet. */
export function createIdentity(
  world: World,
  id: string,
  location: string,
  tags: Record<string, string> = {},
  clientId: string = randomUUID(),
  principalId: string = randomUUID(),
): UserAssignedIdentity {
  const [, , subscriptionId = '', , resourceGroup = ''] = id.split('/');
  const name = id.split('/').at(-1) ?? '';
  const identity = {
    id,
    name,
    resourceGroup,
    subscriptionId,
    location,
    clientId,
    principalId,
    tags,
    attachedTo: [],
  };
  world.identities[id.toLowerCase()] = identity;
  world.principals[clientId] = {
    clientId,
    principalId,
    displayName: name,
    kind: 'ManagedIdentity',
    secrets: [],
    federated: [],
  };
  return identity;
}

function within(world: World, scope: string): UserAssignedIdentity[] {
  const start = `${scope}/`.toLowerCase();
  return Object.entries(world.identities)
    .filter(([id]) => id.startsWith(start))
    .map(([, identity]) => identity);
}

export function identityId(subscription: string, group: string, name: string): string {
  return `${groupId(subscription, group)}/providers/${provider}/${name}`;
}

function notFound(name: string, group: string): string {
  return `The Resource '${provider}/${name}' under resource group '${group}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix`;
}

function describe(world: World, identity: UserAssignedIdentity): object {
  const { id, name, location, tags, clientId, principalId } = identity;
  return {
    id,
    name,
    type: provider,
    location,
    tags,
    properties: { tenantId: world.tenantId, principalId, clientId },
  };
}
