import { type HostTable, locate } from '../hosts.ts';
import type { Policy } from './policy.ts';

/** Azure, whatever the policy names. */
const azureHosts = ['management.azure.com', 'login.microsoftonline.com'];

/** A tenant id that Microsoft gives nobody: an emulator's. */
const madeUpTenant = /\/0{8}-(?:0{4}-){3}[0-9a-f]{12}\//;

/**
 * Why this policy must not be used with these addresses; null where it may. The tokens of an emulator's issuer count only
 * where every host of Azure is that emulator, and the other way round: else they would command the real Azure, or its
 * tokens would go to the emulator.
 */
export function findInterlockFault(policy: Policy, table: HostTable): string | null {
  const hosts = [
    ...policy.issuers.map(({ issuer }) => new URL(issuer).hostname),
    ...azureHosts,
    ...named(policy),
  ];
  const places = hosts.map(host => ({ host, at: placeOf(host, table) })).filter(({ at }) => at !== 'nowhere');
  const emulated = places.find(({ at }) => at !== 'itself');
  const real = places.find(({ at }) => at === 'itself');
  if (emulated && real)
    return `SLIPWAY_HOSTS leads ${emulated.host} to ${emulated.at} and not ${real.host}: either every issuer, vault and registry of Azure is an emulator's, or none`;
  const elsewhere = places.find(({ at }) => at !== emulated?.at);
  if (emulated && elsewhere)
    return `SLIPWAY_HOSTS leads ${emulated.host} to ${emulated.at} and ${elsewhere.host} to ${elsewhere.at}: all of Azure must be one emulator`;
  const madeUp = policy.issuers.find(({ issuer }) => madeUpTenant.test(issuer));
  if (madeUp && real)
    return `issuer '${madeUp.name}' is an emulator's, and ${real.host} is the real one: SLIPWAY_HOSTS must lead every host of Azure to that emulator, or the issuer must go`;
  return null;
}

function named({ vaults = {}, registries = {}, teams }: Policy): string[] {
  const servers = Object.values(teams).flatMap(team => (team.registries ?? []).map(({ server }) => server));
  return [
    ...Object.values(vaults).map(({ url }) => new URL(url).hostname),
    ...[...Object.keys(registries), ...servers].filter(server => /\.azurecr\.[a-z]+$/.test(server)),
  ];
}

/** The address that a host is led to; `nowhere` for one that the table says does not exist. */
function placeOf(host: string, table: HostTable): string {
  const place = locate(table, host, 443);
  if (!place) return 'nowhere';
  return place.hostname === host ? 'itself' : place.hostname;
}
