import type { FastifyReply, FastifyRequest } from 'fastify';
import { canData } from '../arm/authorization.ts';
import { admits, askerOf } from '../arm/network-rules.ts';
import { nameCaller } from '../door/callers.ts';
import { hostMeant, vaultSuffix } from '../door/hosts.ts';
import { type EntraTokens, issuerOf } from '../entra/tokens.ts';
import { lookUp, type Vault, type World } from '../world.ts';
import { forbiddenByFirewall, forbiddenByPolicy, forbiddenByRbac } from './errors.ts';

export interface VaultAccess {
  /** Answers 401 with the challenge unless a token for Key Vault came along. */
  authenticate(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined>;
  /** The vault that was asked. */
  vault(request: FastifyRequest): Vault;
  /** Throws 403 `ForbiddenByRbac` unless a role gives the data action on the vault or that secret. */
  allow(request: FastifyRequest, action: string, secret?: string): Vault;
}

const audience = 'https://vault.azure.net';

export function createVaultAccess(world: World, tokens: EntraTokens): VaultAccess {
  const callers = new WeakMap<FastifyRequest, { clientId: string; principalId: string }>();

  function vault(request: FastifyRequest): Vault {
    const host = hostMeant(request.headers.host, request.url);
    const found = lookUp(world.vaults, host.slice(0, -vaultSuffix.length));
    if (!found) throw new Error(`the door let a request for '${host}' in, which is no vault`);
    return found;
  }

  return {
    vault,
    async authenticate(request, reply) {
      const token = /^bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
      if (!token) return challenge(world, reply, 'AKV10000: Request is missing a Bearer or PoP token.');
      const verdict = await tokens.inspect(token, [audience]);
      if (!verdict.valid) return challenge(world, reply, refusal(verdict));
      nameCaller(request.raw, verdict.holder.clientId);
      callers.set(request, verdict.holder);
      return undefined;
    },
    allow(request, action, secret) {
      const asked = vault(request);
      const { clientId = '', principalId = '' } = callers.get(request) ?? {};
      const who = { clientId, principalId, issuer: issuerOf(world.tenantId), vault: asked.name };
      requireNetwork(request, asked, who);
      const { enableRbacAuthorization = true, accessPolicies = [] } = asked.settings ?? {};
      const { location } = asked;
      if (!enableRbacAuthorization) {
        const permission = permissions[action] ?? action;
        const own = accessPolicies.filter(({ objectId }) => objectId.toLowerCase() === principalId);
        if (own.some(each => allows(each.permissions.secrets, permission))) return asked;
        throw forbiddenByPolicy({ ...who, location, permission });
      }
      const resource = secret === undefined ? asked.id : `${asked.id}/secrets/${secret}`;
      const dataAction = `Microsoft.KeyVault/vaults/secrets/${action}`;
      if (canData(world, principalId, dataAction, resource)) return asked;
      throw forbiddenByRbac({ ...who, location, action: dataAction, resource });
    },
  };
}

/** What access policies call the data actions of roles. */
const permissions: Record<string, string> = {
  'getSecret/action': 'get',
  'setSecret/action': 'set',
  'readMetadata/action': 'list',
  'recover/action': 'recover',
  'purge/action': 'purge',
};

const allows = (granted: string[] = [], permission: string) =>
  granted.some(each => ['all', permission].includes(each.toLowerCase()));

function requireNetwork(
  request: FastifyRequest,
  { settings = {}, location }: Vault,
  who: { clientId: string; principalId: string; issuer: string; vault: string },
): void {
  const { publicNetworkAccess, networkAcls: rules } = settings;
  const asker = askerOf(request.raw);
  if (admits({ publicNetworkAccess, rules, bypass: rules?.bypass }, asker)) return;
  throw forbiddenByFirewall({ ...who, location, ...asker, isClosed: publicNetworkAccess === 'Disabled' });
}

function refusal(verdict: Exclude<Awaited<ReturnType<EntraTokens['inspect']>>, { valid: true }>): string {
  return verdict.reason === 'audience'
    ? `AKV10022: Invalid audience. Expected ${audience}, found: ${verdict.audience}.`
    : 'AKV10032: The token is invalid or expired.';
}

function challenge(world: World, reply: FastifyReply, message: string): FastifyReply {
  const authority = `https://login.microsoftonline.com/${world.tenantId}`;
  return reply
    .code(401)
    .header('www-authenticate', `Bearer authorization="${authority}", resource="${audience}"`)
    .send({ error: { code: 'Unauthorized', message } });
}
