/** What is called on Azure Resource Manager, and nothing else: a name that is a path matches none of these. */
const name = '[A-Za-z0-9_()-](?:[A-Za-z0-9_.()-]{0,88}[A-Za-z0-9_()-])?';
const guid = '[0-9A-Fa-f-]{36}';
const group = `/subscriptions/${guid}/resourceGroups/${name}/providers`;
const containerGroup = `${group}/Microsoft\\.ContainerInstance/containerGroups/${name}`;

const armRoutes = [
  containerGroup,
  `${containerGroup}/containers/${name}/logs`,
  // Operation addresses come from ARM; both forms are seen (recorded traffic and examples).
  `/subscriptions/${guid}/providers/Microsoft\\.ContainerInstance/locations/[A-Za-z0-9]+/operations/[A-Za-z0-9-]+`,
  `${group}/Microsoft\\.ContainerInstance/locations/[A-Za-z0-9]+/operations/[A-Za-z0-9-]+`,
  `${group}/Microsoft\\.ManagedIdentity/userAssignedIdentities/${name}`,
  `${group}/Microsoft\\.ContainerRegistry/registries/${name}`,
  `${group}/Microsoft\\.ContainerRegistry/registries/${name}/providers/Microsoft\\.Authorization/roleAssignments`,
].map(route => new RegExp(`^${route}$`, 'i'));

// Always with a version: `.` as one would read the latest.
const vaultRoutes = [
  /^\/secrets\/[0-9A-Za-z-]{1,127}\/[0-9a-f]{32}$/,
  /^\/secrets\/[0-9A-Za-z-]{1,127}\/versions$/,
];

const loginRoutes = [
  /^\/[0-9A-Za-z.-]+\/(?:oauth2\/v2\.0\/token|v2\.0\/\.well-known\/openid-configuration)$/,
  /^\/common\/discovery\/instance$/,
];

export const arm = 'https://management.azure.com';
const login = 'https://login.microsoftonline.com';
/** Managed identity endpoints of the platform are plain http on the machine itself. */
const identityHosts = /^http:\/\/(?:169\.254\.169\.254|127\.0\.0\.1(?::\d+)?|localhost(?::\d+)?)$/;

/** The call was not made, and will not be later. */
export const notSent = 'NotSent';

/** Throws, with the code `NotSent`, before a byte is sent where the origin or the path is not one of ours. */
export function refuseForeign(address: string, method: string, vaults: ReadonlySet<string>): void {
  const url = URL.parse(address);
  if (!url) throw refusal('this is no address');
  const routes = routesOf(url, vaults);
  if (!routes) throw refusal(`${url.host} is no Azure of ours`);
  if (routes.some(route => route.test(decoded(url.pathname)))) return;
  throw refusal(`${method} on ${url.host} has a path that Slipway never calls`);
}

export const refusal = (why: string) =>
  Object.assign(new Error(`${why}: the call was not made`), { code: notSent });

function decoded(path: string): string {
  try {
    return decodeURI(path);
  } catch {
    return path;
  }
}

function routesOf(url: URL, vaults: ReadonlySet<string>): readonly RegExp[] | null {
  if (url.origin === arm) return armRoutes;
  if (url.origin === login) return loginRoutes;
  if (vaults.has(url.origin)) return vaultRoutes;
  return identityHosts.test(url.origin) ? [/^\//] : null;
}
