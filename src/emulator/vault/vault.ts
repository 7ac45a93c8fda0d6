import { randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { hostMeant, vaultSuffix } from '../door/hosts.ts';
import { createServiceApp } from '../door/service-app.ts';
import type { EntraTokens } from '../entra/tokens.ts';
import type { Limits } from '../limits/limits.ts';
import type { Parts, Service } from '../parts.ts';
import { lookUp, type VaultSecretVersion, type World } from '../world.ts';
import { createVaultAccess, type VaultAccess } from './access.ts';
import { secretNotFound, throttled, VaultError } from './errors.ts';
import {
  describeVersion,
  findVersion,
  readVersion,
  type SecretInput,
  setSecret,
  updateVersion,
} from './secrets.ts';

/** Key Vault: the secrets of every vault of the world, one host each. */
export function createVaults(parts: Parts & { tokens: EntraTokens }): Service {
  const access = createVaultAccess(parts.world, parts.tokens);
  const app = createServiceApp();
  renderErrors(app);
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-ms-request-id', randomUUID()).header('x-ms-keyvault-service-version', '1.9.2000.1');
    if (request.is404) return;
    if (!apiVersion(request)) throw new VaultError(400, 'BadParameter', 'api-version must be specified');
    throttle(access.vault(request).name, parts.limits, reply);
    return access.authenticate(request, reply);
  });
  registerReads(app, access);
  registerWrites(app, access, parts);
  return { name: 'key vault', answersFor: host => isVault(parts.world, host), app };
}

/** What is refused for this is not counted. */
function throttle(vault: string, limits: Limits, reply: FastifyReply): void {
  const { retryAfter } = limits.askVault(vault);
  if (retryAfter === undefined) return;
  if (limits.settings().retryAfter) reply.header('retry-after', String(retryAfter));
  throw throttled();
}

/** A vault that does not exist has no host name either. */
function isVault(world: World, host: string): boolean {
  return host.endsWith(vaultSuffix) && !!lookUp(world.vaults, host.slice(0, -vaultSuffix.length));
}

type OfSecret = { Params: { name: string; version?: string } };

function registerReads(app: FastifyInstance, access: VaultAccess): void {
  app.get<Page>('/secrets', async request => {
    const vault = access.allow(request, 'readMetadata/action');
    const secrets = Object.values(vault.secrets).sort((left, right) => (left.name < right.name ? -1 : 1));
    return pageOf(request, secrets, ({ name, versions }) => {
      const latest = versions.at(-1);
      return latest ? describeVersion(`${origin(request)}/secrets/${name}`, latest) : {};
    });
  });
  app.get<OfSecret & Page>('/secrets/:name/versions', async request => {
    const vault = access.allow(request, 'readMetadata/action', request.params.name);
    const { secret } = findVersion(vault, request.params.name);
    return pageOf(request, secret.versions, version =>
      describeVersion(`${origin(request)}/secrets/${secret.name}/${version.version}`, version),
    );
  });
  app.get<OfSecret>('/secrets/:name/:version?', async request => {
    const { name, version: wanted } = request.params;
    const vault = access.allow(request, 'getSecret/action', name);
    const { secret, version } = readVersion(vault, name, wanted);
    return bundle(request, secret.name, version);
  });
}

function registerWrites(app: FastifyInstance, access: VaultAccess, parts: Parts): void {
  type Change = OfSecret & { Body: SecretInput | null };
  app.put<Change>('/secrets/:name', async request => {
    const { name } = request.params;
    const vault = access.allow(request, 'setSecret/action', name);
    const version = setSecret(vault, name, request.body ?? {}, parts.clock.now());
    parts.changed();
    return bundle(request, name, version);
  });
  app.patch<Change>('/secrets/:name/:version?', async request => {
    const { name, version: wanted } = request.params;
    const vault = access.allow(request, 'setSecret/action', name);
    const { secret, version } = findVersion(vault, name, wanted);
    updateVersion(version, request.body ?? {});
    parts.changed();
    return describeVersion(`${origin(request)}/secrets/${secret.name}/${version.version}`, version);
  });
  app.delete<OfSecret>('/secrets/:name', async request => {
    const { name } = request.params;
    const vault = access.allow(request, 'delete', name);
    const { secret, version } = findVersion(vault, name);
    delete vault.secrets[name.toLowerCase()];
    parts.changed();
    // Without `recoveryId`: these vaults have no soft delete, a deleted secret is gone.
    return describeVersion(`${origin(request)}/secrets/${secret.name}/${version.version}`, version);
  });
  app.get<OfSecret>('/deletedsecrets/:name', async request => {
    access.allow(request, 'readMetadata/action', request.params.name);
    throw secretNotFound(request.params.name);
  });
}

function bundle(request: FastifyRequest, name: string, version: VaultSecretVersion): object {
  const id = `${origin(request)}/secrets/${name}/${version.version}`;
  return { value: version.value, ...describeVersion(id, version) };
}

/** As it was reached: the SDK checks that ids are of the vault it asked. */
function origin(request: FastifyRequest): string {
  return `https://${request.headers.host ?? hostMeant(undefined, '/')}`;
}

type Page = { Querystring: { maxresults?: string; $skiptoken?: string } };

function pageOf<T>(request: FastifyRequest<Page>, all: T[], describe: (item: T) => object): object {
  const size = Math.min(25, Number(request.query.maxresults ?? 25) || 25);
  const first = Number(request.query.$skiptoken ?? 0) || 0;
  const next = new URL(request.url, origin(request));
  next.searchParams.set('$skiptoken', String(first + size));
  return {
    value: all.slice(first, first + size).map(describe),
    nextLink: first + size < all.length ? next.href : null,
  };
}

function apiVersion(request: FastifyRequest): string | undefined {
  const query = request.query;
  if (typeof query !== 'object' || query === null || !('api-version' in query)) return undefined;
  return String(query['api-version']) || undefined;
}

function renderErrors(app: FastifyInstance): void {
  app.setErrorHandler<Error & { statusCode?: number }>((error, request, reply) => {
    if (error instanceof VaultError) return reply.code(error.statusCode).send(error.body());
    const status = error.statusCode ?? 500;
    if (status < 500)
      return reply.code(status).send(new VaultError(status, 'BadParameter', error.message).body());
    console.error(`azure emulator: ${request.method} ${request.url.split('?')[0]}:`, error);
    const failed = new VaultError(500, 'InternalServerError', 'An unexpected error occurred.');
    return reply.code(500).send(failed.body());
  });
}
