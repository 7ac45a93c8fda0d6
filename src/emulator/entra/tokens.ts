import { randomUUID } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, errors, jwtVerify, SignJWT } from 'jose';
import type { Tokens } from '../parts.ts';
import type { Principal, World } from '../world.ts';
import type { SigningKeys } from './keys.ts';

export type Verdict =
  | { valid: true; holder: { clientId: string; principalId: string } }
  | { valid: false; reason: 'malformed' | 'expired' }
  | { valid: false; reason: 'audience'; audience: string };

export interface EntraTokens extends Tokens {
  /** Like `verify`, with the reason: ARM tells them apart. */
  inspect(token: string, audiences: string[]): Promise<Verdict>;
  /** An access token as Entra ID's v2.0 endpoint issues it. */
  issue(principal: Principal, audience: string, authenticatedBy: 'secret' | 'assertion'): Promise<string>;
}

/** The application id of Slipway's API: v2.0 tokens for `api://slipway` have it as their audience. */
export const slipwayApi = '00000000-0000-0000-0000-00000000dddd';
export const tokenLifetimeSeconds = 3599;

export function issuerOf(tenantId: string): string {
  return `https://login.microsoftonline.com/${tenantId}/v2.0`;
}

// The machine's time and not the emulator's, which tests advance: who checks these tokens has only the former.
const nowSeconds = (): number => Math.floor(Date.now() / 1000);

export function createTokens(world: World, keys: SigningKeys): EntraTokens {
  const inspect = (token: string, audiences: string[]) => inspectToken(world, keys, token, audiences);
  return {
    inspect,
    async verify(token, audiences) {
      const verdict = await inspect(token, audiences);
      return verdict.valid ? verdict.holder : null;
    },
    issue: (principal, audience, authenticatedBy) =>
      issueToken(world, keys, principal, audience, authenticatedBy),
  };
}

function issueToken(
  world: World,
  keys: SigningKeys,
  principal: Principal,
  audience: string,
  authenticatedBy: 'secret' | 'assertion',
): Promise<string> {
  const { kid, key } = keys.signer();
  const now = nowSeconds();
  const claims = {
    azp: principal.clientId,
    azpacr: authenticatedBy === 'secret' ? '1' : '2',
    idtyp: 'app',
    oid: principal.principalId,
    roles: audience === slipwayApi ? ['Deployments.Submit', 'Deployments.Read'] : [],
    sub: principal.principalId,
    tid: world.tenantId,
    uti: randomUUID().replaceAll('-', '').slice(0, 22),
    ver: '2.0',
  };
  return new SignJWT(claims)
    .setProtectedHeader({ typ: 'JWT', alg: 'RS256', kid })
    .setIssuer(issuerOf(world.tenantId))
    .setAudience(audience)
    .setIssuedAt(now)
    .setNotBefore(now)
    .setExpirationTime(now + tokenLifetimeSeconds)
    .sign(key);
}

async function inspectToken(
  world: World,
  keys: SigningKeys,
  token: string,
  audiences: string[],
): Promise<Verdict> {
  try {
    const key = keys.find(decodeProtectedHeader(token).kid ?? '');
    if (!key) return { valid: false, reason: 'malformed' };
    const { payload } = await jwtVerify(token, key, {
      algorithms: ['RS256'],
      issuer: issuerOf(world.tenantId),
    });
    const audience = typeof payload.aud === 'string' ? payload.aud : '';
    if (!audiences.some(each => bare(each) === bare(audience)))
      return { valid: false, reason: 'audience', audience };
    return { valid: true, holder: { clientId: String(payload.azp), principalId: String(payload.oid) } };
  } catch (error) {
    return { valid: false, reason: error instanceof errors.JWTExpired ? 'expired' : 'malformed' };
  }
}

// `az` asks for `https://management.core.windows.net//.default`, whose audience ends with a slash.
function bare(audience: string): string {
  return audience.replace(/\/+$/, '').toLowerCase();
}

/** What an unverified token says about itself; null where it is none. */
export function peek(token: string): Record<string, unknown> | null {
  try {
    return decodeJwt(token);
  } catch {
    return null;
  }
}
