import type { FastifyInstance, FastifyRequest } from 'fastify';
import { hasPullRole } from '../arm/authorization.ts';
import { nameCaller } from '../door/callers.ts';
import type { Parts } from '../parts.ts';
import type { Registry } from '../world.ts';
import { RegistryError } from './errors.ts';
import { manners } from './manners.ts';
import { hasPushRole, issueToken, mayPull, openToken, resourceOf, signIn, type Visitor } from './sign-in.ts';

type RegistryOf = (request: FastifyRequest) => Registry;

const acrRefused = manners.acr.unknown;

const tokenPaths = ['/oauth2/token', '/token', '/service/token', '/jwt/auth', '/v2/auth', '/v2/token'];

/** Where registries give out tokens, each in its own way. */
export function registerTokens(app: FastifyInstance, parts: Parts, registryOf: RegistryOf): void {
  const give = (request: FastifyRequest) => giveToken(request, parts, registryOf(request));
  for (const path of tokenPaths) app.get(path, give);
  app.post('/oauth2/token', async (request, reply) => {
    const registry = registryOf(request);
    const fields = new URLSearchParams(String(request.body ?? ''));
    // What is no Azure Container Registry has no such door: clients then ask with GET.
    if (registry.kind !== 'acr')
      return reply.code(404).send({ errors: [{ code: 'NOT_FOUND', message: 'not found' }] });
    return {
      access_token: accessFor(registry, visitorOf(fields, parts, registry, request), fields.getAll('scope')),
    };
  });
  app.post('/oauth2/exchange', async request => {
    const registry = registryOf(request);
    const visitor = await exchange(new URLSearchParams(String(request.body ?? '')), parts, registry);
    nameCaller(request.raw, visitor.name);
    return {
      refresh_token: issueToken({ host: registry.host, use: 'refresh', visitor, opens: [], pushes: [] }),
    };
  });
}

async function giveToken(request: FastifyRequest, parts: Parts, registry: Registry) {
  const url = new URL(request.originalUrl, 'https://registry');
  const tokens = manners[registry.kind].tokens?.(registry.host);
  // One that asks for passwords gives tokens too to whom a test sends there.
  if (tokens !== undefined && new URL(tokens).pathname !== url.pathname)
    throw new RegistryError(404, 'NOT_FOUND', 'not found');
  const scopes = url.searchParams.getAll('scope');
  const login = readBasic(request.headers.authorization);
  const visitor = login ? signIn(parts.world, registry, login.username, login.password) : null;
  if (login) nameCaller(request.raw, login.username);
  const { unknown, denied, deniedAt, tokenForNobody } = manners[registry.kind];
  if ((login && !visitor) || visitor?.expired) throw unknown();
  if (!login && !tokenForNobody && !matchesAnonymous(registry, scopes)) throw unknown();
  const closed = scopes.flatMap(readScopes).find(({ repository }) => !mayPull(registry, visitor, repository));
  if (closed && deniedAt === 'tokens') throw denied(closed.repository) ?? unknown();
  const token = accessFor(registry, visitor, scopes);
  return registry.kind === 'acr'
    ? { access_token: token }
    : { token, access_token: token, expires_in: 300, issued_at: new Date().toISOString() };
}

const matchesAnonymous = (registry: Registry, scopes: string[]) =>
  scopes.flatMap(readScopes).some(({ repository }) => mayPull(registry, null, repository));

/** A token always comes; what it opens is what its holder asked for and may do. */
function accessFor(registry: Registry, visitor: Visitor | null, scopes: string[]): string {
  const holder = visitor ?? { name: 'anonymous', repositories: [], mayPush: false };
  const opened = scopes
    .flatMap(readScopes)
    .filter(({ repository }) => mayPull(registry, visitor, repository));
  return issueToken({
    host: registry.host,
    use: 'access',
    visitor: holder,
    opens: opened.map(({ repository }) => repository),
    pushes: opened.filter(({ writes }) => writes && holder.mayPush).map(({ repository }) => repository),
  });
}

interface Scope {
  /** `*` stands for the catalog. */
  repository: string;
  writes: boolean;
}

/** `repository:NAME:pull,push`; several are apart by blanks, or in several parameters. */
function readScopes(scopes: string): Scope[] {
  return scopes.split(' ').flatMap(scope => {
    if (scope === 'registry:catalog:*') return [{ repository: '*', writes: false }];
    const [, repository, actions = ''] = /^repository:([^:]+):([a-z_,*]+)$/.exec(scope) ?? [];
    return repository ? [{ repository, writes: /push|delete|\*/.test(actions) }] : [];
  });
}

function visitorOf(
  fields: URLSearchParams,
  parts: Parts,
  registry: Registry,
  request: FastifyRequest,
): Visitor {
  const refresh = fields.get('refresh_token');
  const username = fields.get('username') ?? '';
  const visitor =
    fields.get('grant_type') === 'password'
      ? signIn(parts.world, registry, username, fields.get('password') ?? '')
      : openToken(refresh ?? '', registry.host, 'refresh')?.visitor;
  if (!visitor) throw acrRefused();
  nameCaller(request.raw, visitor.name);
  return visitor;
}

const ownAudience = 'https://containerregistry.azure.net';
const armAudiences = [
  'https://management.azure.com',
  'https://management.azure.com/',
  'https://management.core.windows.net/',
  'https://management.core.windows.net',
];

/** An Entra token, for whom a role lets in; Resource Manager's audience counts unless the registry's policy says no. */
async function exchange(
  fields: URLSearchParams,
  { world, tokens }: Parts,
  registry: Registry,
): Promise<Visitor> {
  const resource = resourceOf(world, registry);
  if (registry.kind !== 'acr' || !resource) throw acrRefused();
  const audiences =
    resource.azureADAuthenticationAsArmPolicy === 'enabled'
      ? [ownAudience, `${ownAudience}/`, ...armAudiences]
      : [ownAudience, `${ownAudience}/`];
  const principal = await tokens.verify(fields.get('access_token') ?? '', audiences);
  if (!principal) throw acrRefused();
  if (!hasPullRole(world, principal.principalId, resource.id))
    return { name: principal.clientId, repositories: [], mayPush: false };
  const mayPush = hasPushRole(world, principal.principalId, resource);
  return { name: principal.clientId, repositories: null, mayPush };
}

export function readBasic(authorization: string | undefined): { username: string; password: string } | null {
  const encoded = /^basic (.+)$/i.exec(authorization ?? '')?.[1];
  if (!encoded) return null;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 0 ? null : { username: text.slice(0, colon), password: text.slice(colon + 1) };
}
