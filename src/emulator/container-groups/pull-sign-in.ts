import type { Answer } from '../parts.ts';
import type { Principal } from '../world.ts';
import { principalOf } from './pull-identity.ts';
import type { PullerParts } from './puller.ts';
import type { StoredCredential } from './stored.ts';

const registryAudience = 'https://containerregistry.azure.net';

/** The header of the second try, if any; or the token endpoint's refusal. */
export interface SignedIn {
  authorization?: string;
  refused?: Answer;
}

interface Place {
  host: string;
  repository: string;
}

/** Signs in as the registry's 401 asks, with the credential or as nobody. */
export async function signIn(
  { headers }: Answer,
  place: Place,
  credential: StoredCredential | undefined,
  parts: PullerParts,
): Promise<SignedIn> {
  const challenge = [headers['www-authenticate'] ?? ''].flat().join(', ');
  const realm = /\bbearer\b.*?\brealm="([^"]+)"/i.exec(challenge)?.[1];
  const basic = basicHeader(credential);
  if (realm === undefined) return /\bbasic\b/i.test(challenge) && basic ? { authorization: basic } : {};
  const url = new URL(realm);
  const service = /\bservice="([^"]+)"/i.exec(challenge)?.[1] ?? url.host;
  const scope = `repository:${place.repository}:pull`;
  if (credential?.identity)
    return exchange(place.host, { service, scope }, principalOf(parts.world, credential.identity), parts);
  url.searchParams.set('service', service);
  url.searchParams.set('scope', scope);
  return readToken(await parts.fetch(url.href, basic ? { headers: { authorization: basic } } : {}));
}

function basicHeader({ username, password = '' }: StoredCredential = {}): string | undefined {
  if (username === undefined) return undefined;
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function readToken(answer: Answer): SignedIn {
  if (answer.status !== 200) return { refused: answer };
  const { token, access_token } = JSON.parse(answer.body.toString('utf8'));
  return { authorization: `Bearer ${token ?? access_token}` };
}

/** The identity's Entra token becomes the registry's refresh token, and that an access token. */
async function exchange(
  host: string,
  { service, scope }: { service: string; scope: string },
  principal: Principal | undefined,
  parts: PullerParts,
): Promise<SignedIn> {
  if (!principal) return {};
  const post = (path: string, fields: Record<string, string>) =>
    parts.fetch(`https://${host}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(fields).toString(),
    });
  const entra = {
    grant_type: 'access_token',
    service,
    tenant: parts.world.tenantId,
    access_token: await parts.identityToken(principal, registryAudience),
  };
  const exchanged = await post('/oauth2/exchange', entra);
  if (exchanged.status !== 200) return { refused: exchanged };
  const { refresh_token } = JSON.parse(exchanged.body.toString('utf8'));
  return readToken(
    await post('/oauth2/token', { grant_type: 'refresh_token', service, scope, refresh_token }),
  );
}
