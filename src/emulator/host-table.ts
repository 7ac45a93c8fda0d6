import { armHost, vaultSuffix } from './door/hosts.ts';
import { loginHost } from './entra/entra.ts';
import { federatedIssuer } from './entra/federated.ts';
import { tokenHostOf } from './registry/manners.ts';
import type { Registry, World } from './world.ts';

/**
 * Where clients find the embedded Azure, in the form of `SLIPWAY_HOSTS`: `HOST=ADDRESS:PORT` apart by commas, and
 * `*=none`, because no other host exists. Registries are named one by one: a misspelt one has no address.
 */
export function hostTable(
  world: World,
  external: string[],
  address: { hostname: string; port: number },
): string {
  const hosts = [
    loginHost,
    armHost,
    `*${vaultSuffix}`,
    new URL(federatedIssuer).host,
    ...Object.values(world.registries).flatMap(namesOf),
    ...external,
  ];
  const place = `${address.hostname.includes(':') ? `[${address.hostname}]` : address.hostname}:${address.port}`;
  return [...new Set(hosts).values().map(host => `${host}=${place}`), '*=none'].join(',');
}

function namesOf(registry: Registry): string[] {
  const { host } = registry;
  const names = host === 'docker.io' ? [host, 'index.docker.io', 'registry-1.docker.io'] : [host];
  return [...names, tokenHostOf(registry) ?? host];
}
