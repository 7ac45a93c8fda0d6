import type { FastifyRequest } from 'fastify';
import type { ArmAccess } from '../arm/access.ts';
import type { Parts } from '../parts.ts';
import type { ContainerGroup } from '../world.ts';
import { type Draft, propertiesOf } from './draft.ts';

/** Who puts a group with identities or a subnet must have rights on these too. */
export function checkLinks(
  request: FastifyRequest,
  draft: Draft,
  { tier, world }: Parts,
  access: ArmAccess,
): void {
  for (const id of Object.keys(draft.identity?.userAssignedIdentities ?? {})) {
    access.link(request, 'Microsoft.ManagedIdentity/userAssignedIdentities/assign/action', id);
    if (tier !== 'simulated' && !world.identities[id.toLowerCase()])
      throw access.error(
        400,
        'FailedIdentityOperation',
        `Identity operation for resource '${draft.id}' failed with error 'The identity '${id}' was not found.'`,
      );
  }
  for (const { id = '' } of propertiesOf(draft).subnetIds ?? [])
    access.link(request, 'Microsoft.Network/virtualNetworks/subnets/join/action', id);
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
