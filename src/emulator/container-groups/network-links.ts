import type { FastifyInstance } from 'fastify';
import { type Draft, propertiesOf } from './draft.ts';
import { findGroup, type GroupParts, groupPath, type OfGroup } from './group-requests.ts';

type OfSubnet = { Params: { subscription: string; group: string; network: string; subnet: string } };

/** What ties groups to networks: the endpoints they need, and the link that their subnet has to them. */
export function registerNetworkLinks(arm: FastifyInstance, all: GroupParts): void {
  const { parts, access } = all;
  arm.get<OfGroup>(`${groupPath}/outboundNetworkDependenciesEndpoints`, async request => {
    findGroup(request, all, 'outboundNetworkDependenciesEndpoints/read');
    // Always empty (REST reference).
    return [];
  });
  arm.delete<OfSubnet>(
    '/subscriptions/:subscription/resourceGroups/:group/providers/Microsoft.Network/virtualNetworks/:network/subnets/:subnet/providers/Microsoft.ContainerInstance/serviceAssociationLinks/default',
    async (request, reply) => {
      const { subscription, group, network, subnet } = request.params;
      const id = `/subscriptions/${subscription}/resourceGroups/${group}/providers/Microsoft.Network/virtualNetworks/${network}/subnets/${subnet}`;
      access.allow(request, 'Microsoft.ContainerInstance/serviceAssociationLinks/delete', id);
      const holder = Object.values(parts.world.containerGroups).find(each => isIn(each, id));
      if (!holder) return reply.code(204).send();
      // In words of our own: how Azure refuses it is not known.
      throw access.error(
        409,
        'SubnetInUse',
        `The subnet '${id}' is in use by container group '${holder.name}'.`,
      );
    },
  );
}

const isIn = (group: Pick<Draft, 'properties'>, subnet: string) =>
  (propertiesOf(group).subnetIds ?? []).some(({ id }) => id?.toLowerCase() === subnet.toLowerCase());
