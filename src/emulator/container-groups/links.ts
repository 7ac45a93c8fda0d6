import type { FastifyRequest } from 'fastify';
import type { ArmAccess } from '../arm/access.ts';
import type { Parts } from '../parts.ts';
import { type ContainerGroup, lookUp, type World } from '../world.ts';
import { type Draft, propertiesOf } from './draft.ts';

/** Who puts a group with identities or a subnet must have rights on these too. */
export function checkLinks(
  request: FastifyRequest,
  draft: Draft,
  { tier, world }: Parts,
  access: ArmAccess,
): void {
  const link = (action: string, id: string) => {
    requireSubscription(request, action, id, { draft, world, access });
    access.link(request, action, id);
  };
  for (const id of Object.keys(draft.identity?.userAssignedIdentities ?? {})) {
    link('Microsoft.ManagedIdentity/userAssignedIdentities/assign/action', id);
    if (tier !== 'simulated' && !world.identities[id.toLowerCase()])
      throw access.error(
        400,
        'FailedIdentityOperation',
        `Identity operation for resource '${draft.id}' failed with error 'The identity '${id}' was not found.'`,
      );
  }
  const { subnetIds = [], containerGroupProfile } = propertiesOf(draft);
  for (const { id = '' } of subnetIds) link('Microsoft.Network/virtualNetworks/subnets/join/action', id);
  if (containerGroupProfile?.id)
    link('Microsoft.ContainerInstance/containerGroupProfiles/read', containerGroupProfile.id);
}

/** A subscription that the tenant does not have is nobody's to link to (recorded traffic). */
function requireSubscription(
  request: FastifyRequest,
  action: string,
  id: string,
  { draft, world, access }: { draft: Draft; world: World; access: ArmAccess },
): void {
  const subscription = /^\/subscriptions\/([^/]+)\//i.exec(id)?.[1];
  if (!subscription || lookUp(world.subscriptions, subscription.toLowerCase())) return;
  const { clientId, principalId } = access.caller(request);
  throw access.error(
    403,
    'LinkedAuthorizationFailed',
    `The client '${clientId}' with object id '${principalId}' has permission to perform action '${action}' on scope '${draft.id}', however the current tenant '${world.tenantId}' is not authorized to access linked subscription '${subscription}'.`,
  );
}

const attachedTo = ({ identity }: ContainerGroup) =>
  Object.keys(identity?.userAssignedIdentities ?? {}).map(id => id.toLowerCase());

type Lenders = Pick<Parts, 'world' | 'changed'>;

/** From now on the group, by its id, is an asker that has these identities. */
export function attachIdentities({ world, changed }: Lenders, group: ContainerGroup): void {
  const asker = group.id.toLowerCase();
  detachIdentities({ world, changed }, group);
  for (const id of attachedTo(group)) {
    world.identities[id]?.attachedTo.push(asker);
    changed('identities', id);
  }
}

export function detachIdentities({ world, changed }: Lenders, group: Pick<ContainerGroup, 'id'>): void {
  const asker = group.id.toLowerCase();
  for (const [id, identity] of Object.entries(world.identities))
    if (identity.attachedTo.includes(asker)) {
      identity.attachedTo = identity.attachedTo.filter(each => each !== asker);
      changed('identities', id);
    }
}
