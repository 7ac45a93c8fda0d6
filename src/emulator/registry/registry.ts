import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { admits, askerOf } from '../arm/network-rules.ts';
import { nameCaller } from '../door/callers.ts';
import { createServiceApp } from '../door/service-app.ts';
import type { Parts, Service } from '../parts.ts';
import { lookUp, type Registry, type World } from '../world.ts';
import { answerAcrApi, repositoryIn } from './acr-api.ts';
import { RegistryError } from './errors.ts';
import { expiredText, manners, tokenHostOf } from './manners.ts';
import { answerRepository } from './repositories.ts';
import { mayPull, openToken, resourceOf, signIn, type Visitor } from './sign-in.ts';
import { readBasic, registerTokens } from './tokens.ts';

/** Docker Hub has several names. */
const dockerHubNames = new Set(['registry-1.docker.io', 'index.docker.io']);

/** The registries of the world: one OCI registry under many names, each with its own ways of signing in. */
export function createRegistries(parts: Parts): Service {
  const app = createServiceApp({ bodyLimit: 64 * 1024 * 1024 });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.setErrorHandler((error, request, reply) => renderError(error, request, reply));
  app.addHook('onRequest', async (_request, reply) => {
    reply.header('docker-distribution-api-version', 'registry/2.0');
  });
  const registryOf = (request: FastifyRequest) => {
    const registry = findRegistry(parts.world, request.headers.host ?? '');
    if (!registry) throw new RegistryError(404, 'NOT_FOUND', 'there is no such registry');
    requireNetwork(request, parts.world, registry);
    return registry;
  };
  registerTokens(app, parts, registryOf);
  registerApi(app, parts, registryOf);
  return { name: 'registry', answersFor: host => findRegistry(parts.world, host) !== undefined, app };
}

function findRegistry(world: World, host: string): Registry | undefined {
  const name = host.toLowerCase().replace(/:\d+$/, '');
  const own = dockerHubNames.has(name) ? 'docker.io' : name;
  // Some give out their tokens under another name.
  return (
    lookUp(world.registries, own) ??
    Object.values(world.registries).find(registry => tokenHostOf(registry) === name)
  );
}

/** Whom the resource's network rules keep out gets nowhere, whatever he signs in with. */
function requireNetwork(request: FastifyRequest, world: World, registry: Registry): void {
  const resource = resourceOf(world, registry);
  if (!resource) return;
  const { publicNetworkAccess, networkRuleSet: rules, networkRuleBypassOptions: bypass } = resource;
  const asker = askerOf(request.raw);
  if (admits({ publicNetworkAccess, rules, bypass }, asker)) return;
  throw new RegistryError(
    403,
    'DENIED',
    `client with IP '${asker.address}' is not allowed access. Refer https://aka.ms/acr/firewall to grant access.`,
  );
}

function registerApi(
  app: FastifyInstance,
  parts: Parts,
  registryOf: (request: FastifyRequest) => Registry,
): void {
  app.get('/v2/', async request => {
    const registry = registryOf(request);
    if (!visitorOf(request, parts, registry)) throw challenge(request, registry, null);
    return {};
  });
  app.route({
    method: ['GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE'],
    url: '/v2/*',
    async handler(request, reply) {
      const registry = registryOf(request);
      const path = decodeURIComponent(request.originalUrl.split('?')[0] ?? '').replace(/^\/v2\//, '');
      const visitor = visitorOf(request, parts, registry);
      const repository = /^(.+)\/(?:manifests|blobs|tags)\//.exec(path)?.[1] ?? null;
      authorize(request, registry, visitor, repository);
      // By token only what it opens; who lists a catalog with a password sees what he may pull.
      const mayRead = (name: string) => mayOpen(registry, visitor, name);
      return answerRepository({ request, reply, registry, path, mayRead, changed: parts.changed });
    },
  });
  app.route({
    method: ['GET', 'DELETE'],
    url: '/acr/v1/*',
    async handler(request, reply) {
      const registry = registryOf(request);
      const path = decodeURIComponent(request.originalUrl.split('?')[0] ?? '').replace(/^\/acr\/v1\//, '');
      const visitor = visitorOf(request, parts, registry);
      authorize(request, registry, visitor, repositoryIn(path));
      const mayRead = (name: string) => mayOpen(registry, visitor, name);
      return answerAcrApi({ request, reply, registry, path, mayRead, changed: parts.changed });
    },
  });
}

interface Entry extends Visitor {
  /** By token: the repositories that it opens. By password: undefined. */
  opens?: string[];
  pushes?: string[];
}

function visitorOf(request: FastifyRequest, { world }: Parts, registry: Registry): Entry | null {
  const { authorization } = request.headers;
  const bearer = /^bearer (.+)$/i.exec(authorization ?? '')?.[1];
  const entry = bearer
    ? byToken(bearer, registry)
    : manners[registry.kind].scheme === 'Basic' || registry.kind === 'acr'
      ? byPassword(authorization, world, registry)
      : null;
  if (entry) nameCaller(request.raw, entry.name);
  return entry;
}

function byToken(token: string, registry: Registry): Entry | null {
  const ticket = openToken(token, registry.host, 'access');
  return ticket ? { ...ticket.visitor, opens: ticket.opens, pushes: ticket.pushes } : null;
}

function byPassword(authorization: string | undefined, world: World, registry: Registry): Entry | null {
  const login = readBasic(authorization);
  const visitor = login && signIn(world, registry, login.username, login.password);
  if (visitor?.expired) throw new RegistryError(403, 'DENIED', expiredText, { plain: true });
  return visitor;
}

function authorize(
  request: FastifyRequest,
  registry: Registry,
  entry: Entry | null,
  repository: string | null,
): void {
  if (repository === null) {
    if (!entry) throw challenge(request, registry, 'registry:catalog:*');
    return;
  }
  const writes = !['GET', 'HEAD'].includes(request.method);
  if (!entry) {
    const open = manners[registry.kind].scheme === 'Basic' && mayPull(registry, null, repository);
    if (!writes && open) return;
    throw challenge(request, registry, scopeOf(repository, writes));
  }
  if (!mayOpen(registry, entry, repository) || (writes && !mayWrite(entry, repository)))
    throw (
      manners[registry.kind].denied(repository) ??
      challenge(request, registry, scopeOf(repository, writes), 'insufficient_scope')
    );
}

const scopeOf = (repository: string, writes: boolean) =>
  `repository:${repository}:${writes ? 'pull,push' : 'pull'}`;

function mayOpen(registry: Registry, entry: Entry | null, repository: string): boolean {
  return entry?.opens === undefined ? mayPull(registry, entry, repository) : entry.opens.includes(repository);
}

function mayWrite({ pushes, mayPush }: Entry, repository: string): boolean {
  return pushes === undefined ? mayPush : pushes.includes(repository);
}

function challenge(
  { headers }: FastifyRequest,
  { host, kind }: Registry,
  scope: string | null,
  error?: string,
): RegistryError {
  const { scheme, tokens, challenge: words, scoped, unknown } = manners[kind];
  // With the port that was asked, if any: a client without a name mapping of its own comes by one.
  const port = /:\d+$/.exec(headers.host ?? '')?.[0] ?? '';
  const realm = new URL(tokens?.(host) ?? `https://${host}/`);
  const parts = {
    ...(scope === null || !scoped ? {} : { scope }),
    ...(error === undefined || scheme === 'Basic' ? {} : { error }),
  };
  const more = Object.entries(parts).map(([name, value]) => `,${name}="${value}"`);
  const spelled = kind === 'nexus' ? scheme.toUpperCase() : scheme;
  const header = `${spelled} ${words(host, `https://${realm.hostname}${port}${realm.pathname}`)}${more.join('')}`;
  // A token service refuses in words of its own; the registry says no more than that it wants one.
  const refusal = scheme === 'Basic' || kind === 'acr' || kind === 'harbor' ? unknown() : wantsToken();
  return refusal.with({ detail: detailOf(scope), headers: { 'www-authenticate': header } });
}

const wantsToken = () => new RegistryError(401, 'UNAUTHORIZED', 'authentication required');

function detailOf(scope: string | null): object[] | null {
  if (scope === null) return null;
  const [type, name, actions = ''] = scope.split(':');
  return actions.split(',').map(action => ({ Type: type, Name: name, Action: action }));
}

function renderError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const known = error instanceof RegistryError ? error : translate(error);
  if (known.status === 500)
    console.error(`azure emulator: ${request.method} ${request.url.split('?')[0]}:`, error);
  const type = known.plain ? 'text/plain; charset=utf-8' : 'application/json; charset=utf-8';
  const body = known.plain ? known.message : JSON.stringify(known.body());
  return reply
    .code(known.status)
    .headers(known.headers)
    .type(type)
    .send(request.method === 'HEAD' ? '' : body);
}

/** What the HTTP server itself refuses keeps its status. */
function translate(error: unknown): RegistryError {
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500;
  if (status === 413) return new RegistryError(413, 'SIZE_INVALID', 'the content is too long');
  return status < 500
    ? new RegistryError(status, 'UNSUPPORTED', 'the request cannot be read')
    : new RegistryError(500, 'UNKNOWN', 'unknown error');
}
