import { isIP } from 'node:net';
import { loginHost } from '../entra/entra.ts';
import { imdsHost } from '../entra/managed-identity.ts';

export const armHost = 'management.azure.com';
export const vaultSuffix = '.vault.azure.net';

/**
 * The Azure name that a request means. A client without a name mapping of its own asks an address or `localhost`: that
 * is ARM, or the service whose path it is; `{vault}.localhost` is that vault.
 */
export function hostMeant(hostHeader: string | undefined, path: string): string {
  const host = (hostHeader ?? '').toLowerCase().replace(/:\d+$/, '').replace(/\.$/, '');
  if (host.endsWith('.localhost')) return host.slice(0, -'.localhost'.length) + vaultSuffix;
  if (host === imdsHost || !isLocal(host)) return host;
  return localServices.find(({ paths }) => paths.test(path))?.host ?? armHost;
}

const localServices = [
  { host: imdsHost, paths: /^\/(metadata\/identity|msi)\//i },
  { host: loginHost, paths: /^\/(common\/discovery|[^/]+\/(oauth2|v2\.0|discovery))\//i },
];

/** Addresses, `localhost`, and names without a dot, such as a service's name in a compose file. */
function isLocal(host: string): boolean {
  return isIP(host.replace(/^\[|\]$/g, '')) !== 0 || !host.includes('.');
}

const dockerHub = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io']);

/** Docker Hub's names are one registry. */
export function sameHost(left: string, right: string): boolean {
  return left === right || (dockerHub.has(left) && dockerHub.has(right));
}
