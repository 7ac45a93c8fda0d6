import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { can, hasPullRole } from '../arm/authorization.ts';
import type { ContainerRegistry, Registry, World } from '../world.ts';

/** Who is at a registry; `repositories` are globs, null means all. */
export interface Visitor {
  name: string;
  repositories: string[] | null;
  mayPush: boolean;
  expired?: boolean;
}

/** Azure Container Registry's name for whoever signs in with a refresh token. */
export const refreshTokenUser = '00000000-0000-0000-0000-000000000000';

/** Whom a user name and password stand for; null where they are not right. */
export function signIn(world: World, registry: Registry, username: string, password: string): Visitor | null {
  if (registry.kind === 'acr' && username === refreshTokenUser)
    return openToken(password, registry.host, 'refresh')?.visitor ?? null;
  const resource = resourceOf(world, registry);
  const user = Object.hasOwn(registry.users, username) ? registry.users[username] : undefined;
  if (user?.kind === 'servicePrincipal' || !user) return signInPrincipal(world, resource, username, password);
  if (user.password !== password && user.password2 !== password) return null;
  if (user.kind === 'admin' && resource && !resource.adminUserEnabled) return null;
  const expired = user.expired ? { expired: true } : {};
  return {
    name: username,
    repositories: user.repositories ?? null,
    mayPush: user.kind !== 'token',
    ...expired,
  };
}

/** A service principal: its Entra secret, and its role on the registry. */
function signInPrincipal(
  world: World,
  resource: ContainerRegistry | undefined,
  clientId: string,
  password: string,
): Visitor | null {
  const principal = Object.hasOwn(world.principals, clientId.toLowerCase())
    ? world.principals[clientId.toLowerCase()]
    : undefined;
  if (!resource || !principal?.secrets.includes(password)) return null;
  return hasPullRole(world, principal.principalId, resource.id)
    ? { name: clientId, repositories: null, mayPush: hasPushRole(world, principal.principalId, resource) }
    : null;
}

export function hasPushRole(world: World, principalId: string, { id }: ContainerRegistry): boolean {
  return can(world, principalId, 'Microsoft.ContainerRegistry/registries/push/write', id);
}

export function resourceOf(world: World, { host }: Registry): ContainerRegistry | undefined {
  return Object.values(world.containerRegistries).find(({ loginServer }) => loginServer === host);
}

type Use = 'access' | 'refresh';

interface Ticket {
  host: string;
  use: Use;
  visitor: Visitor;
  /** The repositories that it opens. */
  opens: string[];
  /** Those of them that it may write to. */
  pushes: string[];
  expiresAt: number;
}

// Tokens of a registry are short: they need not outlive this process.
const key = randomBytes(32);
const lifeMs = { access: 300_000, refresh: 3 * 3_600_000 };

/** In the form of a JWT: Azure's own client reads a refresh token's `exp` (measured). */
export function issueToken(ticket: Omit<Ticket, 'expiresAt'>): string {
  const expiresAt = Date.now() + lifeMs[ticket.use];
  const body = `${encode({ typ: 'JWT', alg: 'HS256' })}.${encode({ ...ticket, expiresAt, exp: Math.floor(expiresAt / 1000) })}`;
  return `${body}.${sign(body)}`;
}

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

export function openToken(token: string, host: string, use: Use): Ticket | null {
  const [header = '', payload = '', signature = ''] = token.split('.');
  const right = Buffer.from(sign(`${header}.${payload}`));
  const given = Buffer.from(signature);
  if (right.length !== given.length || !timingSafeEqual(right, given)) return null;
  const ticket: Ticket = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
  return ticket.host === host && ticket.use === use && ticket.expiresAt > Date.now() ? ticket : null;
}

const sign = (body: string) => createHmac('sha256', key).update(body).digest('base64url');

/** `*` within a part of the path, `**` across. */
export function matches(globs: readonly string[], repository: string): boolean {
  return globs.some(glob => {
    const source = glob
      .split(/(\*\*|\*)/)
      .map(part =>
        part === '**' ? '.*' : part === '*' ? '[^/]*' : part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'),
      );
    return new RegExp(`^${source.join('')}$`).test(repository);
  });
}

export function mayPull(registry: Registry, visitor: Visitor | null, repository: string): boolean {
  if (matches(registry.anonymous, repository)) return true;
  return visitor !== null && (visitor.repositories === null || matches(visitor.repositories, repository));
}
