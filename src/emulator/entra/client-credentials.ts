import { createHash, timingSafeEqual } from 'node:crypto';
import { lookUp, type Principal, type World } from '../world.ts';
import {
  invalidScope,
  missingParameter,
  noCredential,
  unknownClient,
  unknownResource,
  unsupportedGrant,
  wrongSecret,
} from './errors.ts';
import { checkAssertion } from './federated.ts';
import type { SigningKeys } from './keys.ts';
import { audienceOf } from './resources.ts';
import { type EntraTokens, tokenLifetimeSeconds } from './tokens.ts';

export type Form = Record<string, string | undefined>;

/** What the token endpoint answers to a form with `grant_type=client_credentials`. */
export async function grantClientCredentials(
  parts: { world: World; tokens: EntraTokens; federatedKeys: SigningKeys },
  form: Form,
): Promise<object> {
  const principal = findClient(parts.world, form);
  const by = await authenticate(parts.federatedKeys, principal, form);
  const audience = requestedAudience(parts.world, form);
  return {
    token_type: 'Bearer',
    expires_in: tokenLifetimeSeconds,
    ext_expires_in: tokenLifetimeSeconds,
    access_token: await parts.tokens.issue(principal, audience, by),
  };
}

function findClient(world: World, form: Form): Principal {
  const { grant_type: grant, client_id: clientId } = form;
  if (!grant) throw missingParameter('grant_type');
  if (grant !== 'client_credentials') throw unsupportedGrant(grant);
  if (!clientId) throw missingParameter('client_id');
  const principal = lookUp(world.principals, clientId.toLowerCase());
  // A managed identity has no secret that anyone could know: it signs in only where it is attached or federated.
  if (!principal || (principal.kind === 'ManagedIdentity' && principal.federated.length === 0))
    throw unknownClient(clientId, world.tenantId);
  return principal;
}

async function authenticate(
  keys: SigningKeys,
  principal: Principal,
  form: Form,
): Promise<'secret' | 'assertion'> {
  if (form.client_assertion) {
    await checkAssertion(keys, principal, form.client_assertion);
    return 'assertion';
  }
  const { client_secret: secret } = form;
  if (!secret) throw noCredential();
  if (!principal.secrets.some(each => equal(each, secret))) throw wrongSecret(principal.clientId);
  return 'secret';
}

function requestedAudience(world: World, form: Form): string {
  const scope = form.scope ?? (form.resource ? `${form.resource}/.default` : undefined);
  if (!scope) throw missingParameter('scope');
  // MSAL adds the scopes of its own; they do not count here.
  const [wanted, ...others] = scope.split(' ').filter(each => !ownScopes.has(each));
  if (!wanted?.endsWith('/.default') || others.length > 0) throw invalidScope(scope);
  const resource = wanted.slice(0, -'/.default'.length);
  const audience = audienceOf(resource);
  if (!audience) throw unknownResource(resource, world.tenantId);
  return audience;
}

const ownScopes = new Set(['openid', 'profile', 'offline_access', '']);

function equal(left: string, right: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(left), digest(right));
}
