import { createHash } from 'node:crypto';
import type { ContainerGroup, World } from '../world.ts';

/** A group's `identity` as Azure answers it. */
export function describeIdentity(group: ContainerGroup, world: World): object {
  const { identity } = group;
  const attached = Object.keys(identity?.userAssignedIdentities ?? {}).map(each => {
    const known = world.identities[each.toLowerCase()] ?? presumedIdentity(each);
    return [each, { principalId: known.principalId, clientId: known.clientId }];
  });
  return {
    userAssignedIdentities: attached.length > 0 ? Object.fromEntries(attached) : undefined,
    principalId: ownPrincipalOf(group),
    tenantId: world.tenantId,
    type: identity?.type,
  };
}

/** The object id of a group's system-assigned identity, if it has one. */
export const ownPrincipalOf = ({ id, identity }: ContainerGroup): string | undefined =>
  /system/i.test(identity?.type ?? '') ? idFrom(id) : undefined;

/** In tier `simulated` every identity that is named exists. */
const presumedIdentity = (id: string) => ({
  principalId: idFrom(`${id} principal`),
  clientId: idFrom(`${id} client`),
});

function idFrom(text: string): string {
  const digest = createHash('sha256').update(text.toLowerCase()).digest('hex');
  return digest.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, '$1-$2-$3-$4-$5');
}
