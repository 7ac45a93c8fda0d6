import { refuseCall } from './failure.ts';

/** What is called on Azure, and nothing else: a name that is a path matches none of these. */
interface Route {
  methods: readonly string[];
  path: RegExp;
}

const name = '[A-Za-z0-9_()-](?:[A-Za-z0-9_.()-]{0,88}[A-Za-z0-9_()-])?';
const guid = '[0-9A-Fa-f-]{36}';
const subscription = `/subscriptions/${guid}`;
const group = `${subscription}/resourceGroups/${name}/providers`;
const containerGroup = `${group}/Microsoft\\.ContainerInstance/containerGroups/${name}`;
const registry = `${group}/Microsoft\\.ContainerRegistry/registries/${name}`;
const operation = 'Microsoft\\.ContainerInstance/locations/[A-Za-z0-9]+/operations/[A-Za-z0-9-]+';

// ARM tells paths apart without case (recorded traffic).
const armRoute = (methods: string, path: string): Route => ({
  methods: methods.split(' '),
  path: new RegExp(`^${path}$`, 'i'),
});

// Their addresses come from ARM; both forms are seen (recorded traffic and examples).
const operationRoutes = [
  armRoute('GET', `${subscription}/providers/${operation}`),
  armRoute('GET', `${group}/${operation}`),
];

const armRoutes = [
  armRoute('GET', `${group}/Microsoft\\.ContainerInstance/containerGroups`),
  armRoute('GET PUT PATCH DELETE', containerGroup),
  armRoute('POST', `${containerGroup}/(?:restart|stop|start)`),
  armRoute('GET', `${containerGroup}/containers/${name}/logs`),
  ...operationRoutes,
  armRoute('GET', `${group}/Microsoft\\.ManagedIdentity/userAssignedIdentities/${name}`),
  armRoute('GET', registry),
  armRoute('GET', `${registry}/providers/Microsoft\\.Authorization/roleAssignments`),
  armRoute('GET', `${registry}/providers/Microsoft\\.Authorization/roleDefinitions/${guid}`),
];

const vaultRoutes: Route[] = [
  // The list of names; with a slash behind it is what the SDK makes of a secret called `.` (measured).
  { methods: ['GET'], path: /^\/secrets$/ },
  // One version, or the current one.
  { methods: ['GET'], path: /^\/secrets\/[0-9A-Za-z-]{1,127}\/(?:[0-9a-f]{32})?$/ },
  { methods: ['GET'], path: /^\/secrets\/[0-9A-Za-z-]{1,127}\/versions$/ },
];

const loginRoutes: Route[] = [
  { methods: ['POST'], path: /^\/[0-9A-Za-z.-]+\/oauth2\/v2\.0\/token$/ },
  { methods: ['GET'], path: /^\/[0-9A-Za-z.-]+\/v2\.0\/\.well-known\/openid-configuration$/ },
  { methods: ['GET'], path: /^\/common\/discovery\/instance$/ },
];

/** The platform's token endpoint, of virtual machines and of container services. */
const identityRoutes: Route[] = [
  { methods: ['GET'], path: /^\/metadata\/identity\/oauth2\/token\/?$/ },
  { methods: ['GET'], path: /^\/msi\/token\/?$/ },
];

const arm = 'https://management.azure.com';
const login = 'https://login.microsoftonline.com';
/** It is plain http, and no further away than the machine's own link. */
const identityOrigin = /^http:\/\/(?:169\.254\.\d{1,3}\.\d{1,3}|127\.0\.0\.1|localhost)(?::\d+)?$/;

/** What is called beside Azure's own origins. */
export interface OwnPlaces {
  /** The origins of the vaults that policy names. */
  vaults: ReadonlySet<string>;
  /** The address of the policy, where it is a blob. */
  blob: string | null;
}

/** Throws before a byte is sent where the origin or the path is not one of ours. */
export function refuseForeign(address: string, method: string, own: OwnPlaces): void {
  const url = parse(address);
  if (own.blob !== null && method === 'GET' && url.href === own.blob) return;
  const routes = routesOf(url.origin, own.vaults);
  if (!routes) throw refuseCall(`${url.host || address} is no Azure of ours`);
  if (!routes.some(route => matches(route, method, url)))
    throw refuseCall(`${method} on ${url.host} has a path that Slipway never calls`);
}

/** The address of an operation comes from outside, and Slipway's token goes there. */
export function refuseForeignOperation(address: string): void {
  const url = parse(address);
  if (url.origin !== arm || !operationRoutes.some(route => matches(route, 'GET', url)))
    throw refuseCall('the address of the operation is none of Azure Resource Manager');
}

function parse(address: string): URL {
  const url = URL.parse(address);
  if (!url || url.username || url.password) throw refuseCall('what should be called is no plain address');
  return url;
}

function routesOf(origin: string, vaults: ReadonlySet<string>): readonly Route[] | null {
  if (origin === arm) return armRoutes;
  if (origin === login) return loginRoutes;
  if (vaults.has(origin)) return vaultRoutes;
  return identityOrigin.test(origin) ? identityRoutes : null;
}

function matches({ methods, path }: Route, method: string, url: URL): boolean {
  return methods.includes(method) && path.test(decoded(url.pathname));
}

function decoded(path: string): string {
  try {
    return decodeURI(path);
  } catch {
    return path;
  }
}
