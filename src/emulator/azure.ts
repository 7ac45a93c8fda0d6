import { createArm } from './arm/arm.ts';
import { registerContainerGroups } from './container-groups/container-groups.ts';
import { administrator } from './demo-ids.ts';
import { createEntra, createFederatedIssuer } from './entra/entra.ts';
import type { IssuerKeys } from './entra/keys.ts';
import { createManagedIdentity } from './entra/managed-identity.ts';
import type { EntraTokens } from './entra/tokens.ts';
import { createExternalRegistries } from './external-registries.ts';
import type { ContainerGroups, Parts, Service } from './parts.ts';
import { createRegistries } from './registry/registry.ts';
import { createVaults } from './vault/vault.ts';

/** Every service of the embedded Azure, the first that answers for a host being the one, and the life of its groups. */
export function createAzure(
  parts: Parts & { tokens: EntraTokens },
  keys: IssuerKeys,
  external: Record<string, string>,
): { services: Service[]; groups: ContainerGroups } {
  const { service: arm, arms } = createArm(parts, administrator);
  const groups: ContainerGroups = registerContainerGroups(arm.app, parts, arms);
  const services = [
    createExternalRegistries(external),
    createEntra({ ...parts, keys }),
    createFederatedIssuer(keys),
    createManagedIdentity(parts),
    createVaults(parts),
    createRegistries(parts),
    arm,
  ];
  return { services, groups };
}
