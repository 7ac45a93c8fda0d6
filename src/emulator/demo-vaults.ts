import { groupId } from './arm/subscriptions.ts';
import { demo } from './demo-ids.ts';
import { type Passwords, registryUserNames } from './demo-registries.ts';
import { newVersion } from './vault/secrets.ts';
import type { Vault, World } from './world.ts';

/** The vaults of both teams; a registry secret says by its tags which registry and user it is for. */
export function addDemoVaults(world: World, passwords: Passwords): void {
  const names = registryUserNames;
  const vault = addVault(world, 'demo-vault', demo.resourceGroup, 'eastus');
  const acr = 'myregistry.azurecr.io';
  addSecret(vault, 'acr-admin', passwords.admin, bound(acr, names.admin));
  addSecret(vault, 'acr-sp', passwords.puller, bound(acr, names.puller));
  addSecret(vault, 'acr-token', passwords.token, bound(acr, names.token));
  addSecret(vault, 'dockerhub-pull', passwords.dockerHub, bound('docker.io', names.dockerHub));
  addSecret(vault, 'ghcr-pull', passwords.ghcr, bound('ghcr.io', names.ghcr));
  addSecret(vault, 'company-registry', passwords.company, bound('registry.mycompany.com', names.company));
  addSecret(vault, 'ghcr-wrong', passwords.wrong, bound('ghcr.io', names.ghcr));
  addSecret(vault, 'ghcr-expired', passwords.ghcr, bound('ghcr.io', names.ghcr), lastYear());
  addSecret(vault, 'unbound', passwords.unbound, {});
  addSecret(vault, 'gone-pull', passwords.gone, bound('registry.gone.example', 'deploy-user'));
  addSecret(vault, 'orders-db', passwords.orders, {});
  const others = addVault(world, 'other-vault', demo.otherResourceGroup, 'westeurope');
  addSecret(others, 'other-pull', passwords.otherGhcr, bound('ghcr.io', names.otherGhcr));
}

function addVault(world: World, name: string, resourceGroup: string, location: string): Vault {
  const { subscriptionId } = demo;
  const id = `${groupId(subscriptionId, resourceGroup)}/providers/Microsoft.KeyVault/vaults/${name}`;
  const vault: Vault = { id, name, resourceGroup, subscriptionId, location, secrets: {} };
  world.vaults[name] = vault;
  return vault;
}

function addSecret(
  vault: Vault,
  name: string,
  value: string,
  tags: Record<string, string>,
  expires?: number,
): void {
  const attributes = expires === undefined ? {} : { exp: expires };
  vault.secrets[name] = { name, versions: [newVersion(value, { tags, attributes }, Date.now())] };
}

function bound(registry: string, username: string): Record<string, string> {
  return { 'slipway-registry': registry, 'slipway-username': username };
}

function lastYear(): number {
  return Math.floor(Date.now() / 1000) - 365 * 86_400;
}
