import type { FastifyReply, FastifyRequest } from 'fastify';
import { canData } from '../arm/authorization.ts';
import { nameCaller } from '../door/callers.ts';
import { hostMeant, vaultSuffix } from '../door/hosts.ts';
import { type EntraTokens, issuerOf } from '../entra/tokens.ts';
import { lookUp, type Vault, type World } from '../world.ts';
import { forbiddenByRbac } from './errors.ts';

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
      const caller = callers.get(request);
      const resource = secret === undefined ? asked.id : `${asked.id}/secrets/${secret}`;
      const dataAction = `Microsoft.KeyVault/vaults/secrets/${action}`;
      if (caller && canData(world, caller.principalId, dataAction, resource)) return asked;
      throw forbiddenByRbac({
        clientId: caller?.clientId ?? '',
        principalId: caller?.principalId ?? '',
        issuer: issuerOf(world.tenantId),
        action: dataAction,
        resource,
        vault: asked.name,
        location: asked.location,
      });
    },
  };
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
