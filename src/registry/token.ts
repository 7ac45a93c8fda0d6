import type { Dispatcher } from 'undici';
import { ask } from './asking.ts';
import type { PullRequest } from './client.ts';
import { basicHeader, type RegistryCredential } from './credential.ts';
import { PullProblem, problemOf, readJson } from './problem.ts';

/** Registries whose tokens come from another host of theirs. A realm anywhere else gets neither credential nor request. */
const pairedRealms: Readonly<Record<string, string>> = {
  'registry-1.docker.io': 'auth.docker.io',
  'registry.gitlab.com': 'gitlab.com',
};

interface Place {
  realm: URL;
  service: string;
  scope: string;
  host: string;
}

/** The bearer token that the registry's challenge asks for. */
export async function requestToken(
  challenge: Record<string, string>,
  host: string,
  request: PullRequest,
  dispatcher: Dispatcher,
): Promise<string> {
  const signedIn = request.credential !== null;
  const realm = trustedRealm(challenge.realm, host, signedIn);
  const place: Place = {
    realm,
    service: challenge.service || realm.host,
    scope: challenge.scope || `repository:${request.reference.path}:pull`,
    host,
  };
  const { credential } = request;
  if (credential && 'entraToken' in credential) return exchange(place, credential, request, dispatcher);

  const url = new URL(realm);
  url.searchParams.set('service', place.service);
  url.searchParams.set('scope', place.scope);
  const authorization = credential ? basicHeader(credential) : null;
  const answer = await ask({
    method: 'GET',
    url: url.href,
    host: realm.host,
    step: 'token',
    signedIn,
    authorization,
    dispatcher,
    ...abort(request),
  });
  if (answer.status !== 200) throw problemOf(answer, realm.host, signedIn, 'token');
  const token = readJson<{ token?: unknown; access_token?: unknown }>(answer);
  return textOf(token?.token ?? token?.access_token) ?? fail('token', realm.host, answer.status, signedIn);
}

/** The realm comes from the registry, which may be anybody's: it must be https, and on a host that goes with the registry. */
function trustedRealm(realm: string | undefined, host: string, signedIn: boolean): URL {
  const url = realm !== undefined && URL.canParse(realm) ? new URL(realm) : null;
  const trusted =
    url?.protocol === 'https:' &&
    url.username === '' &&
    url.password === '' &&
    (url.host === host || url.host === pairedRealms[host]);
  if (url && trusted) return url;
  throw new PullProblem({
    step: 'token',
    host,
    foreignRealm: (url?.host ?? realm ?? 'nowhere').slice(0, 255),
    signedIn,
  });
}

/** Azure Container Registry takes an Entra token for a refresh token, and that for the token that pulls. */
async function exchange(
  { service, scope, host }: Place,
  { entraToken, tenantId }: Extract<RegistryCredential, { entraToken: unknown }>,
  request: PullRequest,
  dispatcher: Dispatcher,
): Promise<string> {
  const post = (path: string, fields: Record<string, string>) =>
    ask({
      method: 'POST',
      url: `https://${host}${path}`,
      host,
      step: 'exchange',
      signedIn: true,
      authorization: null,
      form: new URLSearchParams(fields),
      dispatcher,
      ...abort(request),
    });
  const first = await post('/oauth2/exchange', {
    grant_type: 'access_token',
    service,
    tenant: tenantId,
    access_token: entraToken.reveal(),
  });
  if (first.status !== 200) throw problemOf(first, host, true, 'exchange');
  const refresh =
    textOf(readJson<{ refresh_token?: unknown }>(first)?.refresh_token) ??
    fail('exchange', host, first.status, true);
  const second = await post('/oauth2/token', {
    grant_type: 'refresh_token',
    service,
    scope,
    refresh_token: refresh,
  });
  if (second.status !== 200) throw problemOf(second, host, true, 'token');
  return (
    textOf(readJson<{ access_token?: unknown }>(second)?.access_token) ??
    fail('token', host, second.status, true)
  );
}

const abort = ({ signal }: PullRequest) => (signal ? { signal } : {});
/** Nothing that could break out of a header. */
const textOf = (value: unknown) =>
  typeof value === 'string' && /^[\x21-\x7e]{1,16384}$/.test(value) ? value : undefined;

function fail(step: 'token' | 'exchange', host: string, status: number, signedIn: boolean): never {
  throw new PullProblem({ step, host, status, notARegistry: true, signedIn });
}
