import type { Principal, World } from '../world.ts';

/** Who a managed identity is, by its ARM id. */
export function principalOf({ identities, principals }: World, id: string): Principal | undefined {
  const identity = identities[id.toLowerCase()];
  return identity ? principals[identity.clientId.toLowerCase()] : undefined;
}
