import { Secret } from '../secret.ts';
import { ask, askTwice, type Conversation } from './asking.ts';
import { basicAuthorization, type RegistryCredential } from './credential.ts';
import type { Issued } from './memory.ts';
import { PullProblem, plain, problemOf, readJson } from './problem.ts';

/** Registries whose tokens come from another host of theirs, unless policy names one. A realm anywhere else gets neither credential nor request. */
const pairedRealms: Readonly<Record<string, string>> = {
  'registry-1.docker.io': 'auth.docker.io',
  'registry.gitlab.com': 'gitlab.com',
};

interface Place {
  realm: URL;
  service: string;
  scope: string;
}

/** The bearer token that the registry's challenge asks for. */
export async function requestToken(
  challenge: Record<string, string>,
  conversation: Conversation,
): Promise<Issued> {
  const { reference, credential } = conversation.request;
  const realm = trustedRealm(challenge.realm, conversation);
  const place = {
    realm,
    service: challenge.service || realm.host,
    scope: challenge.scope || `repository:${reference.path}:pull`,
  };
  return credential && 'entraToken' in credential
    ? await exchange(place, credential, conversation)
    : await fetchToken(place, credential, conversation);
}

function issued(value: Secret, answer: Record<string, unknown> | null): Issued {
  const seconds = answer?.expires_in;
  return {
    authorization: { scheme: 'Bearer', value },
    lifeMs: typeof seconds === 'number' && Number.isFinite(seconds) ? seconds * 1_000 : null,
  };
}

async function fetchToken(
  { realm, service, scope }: Place,
  credential: Extract<RegistryCredential, { username: string }> | null,
  conversation: Conversation,
): Promise<Issued> {
  const url = new URL(realm);
  url.searchParams.set('service', service);
  url.searchParams.set('scope', scope);
  const authorization = credential ? basicAuthorization(credential, conversation.kept) : null;
  const question = { method: 'GET', url: url.href, step: 'token', authorization } as const;
  const answer = await askTwice(conversation, question);
  const signedIn = credential !== null;
  if (answer.status !== 200) throw problemOf(answer, realm.host, signedIn, 'token');
  const found = readJson(answer);
  return issued(keepToken(found?.token ?? found?.access_token, 'token', realm.host, conversation), found);
}

/** The realm comes from the registry, which may be anybody's: it must be https, and on a host that goes with the registry. */
function trustedRealm(realm: string | undefined, { host, tokenHost }: Conversation): URL {
  const url = realm !== undefined && URL.canParse(realm) ? new URL(realm) : null;
  const trusted =
    url?.protocol === 'https:' &&
    url.username === '' &&
    url.password === '' &&
    (url.host === host || url.host === (tokenHost ?? pairedRealms[host]));
  if (url && trusted) return url;
  throw new PullProblem({
    step: 'token',
    host,
    foreignRealm: plain(url?.host, 255) ?? 'no address at all',
    challengeScheme: 'bearer',
    // Nothing was sent, whatever there is to send.
    signedIn: false,
  });
}

/** An Entra token of ours opens more than a registry: no other kind of host is shown it, whatever a policy says. */
const isAzureRegistry = (host: string) => /^[a-z0-9-]+\.azurecr\.(?:io|cn|us)$/.test(host);

/** Azure Container Registry takes an Entra token for a refresh token, and that for the token that pulls. */
async function exchange(
  { service, scope }: Place,
  { entraToken, tenantId }: Extract<RegistryCredential, { entraToken: unknown }>,
  conversation: Conversation,
): Promise<Issued> {
  const { host } = conversation;
  if (!isAzureRegistry(host)) throw new PullProblem({ step: 'exchange', host, signedIn: false });
  const post = async (path: string, step: 'exchange' | 'token', fields: Record<string, string>) => {
    const form = new URLSearchParams(fields);
    const answer = await ask(conversation, { method: 'POST', url: `https://${host}${path}`, step, form });
    if (answer.status !== 200) throw problemOf(answer, host, true, step);
    return readJson(answer);
  };
  const first = await post('/oauth2/exchange', 'exchange', {
    grant_type: 'access_token',
    service,
    tenant: tenantId,
    access_token: entraToken.reveal(),
  });
  const refreshToken = keepToken(first?.refresh_token, 'exchange', host, conversation);
  const second = await post('/oauth2/token', 'token', {
    grant_type: 'refresh_token',
    service,
    scope,
    refresh_token: refreshToken.reveal(),
  });
  return issued(keepToken(second?.access_token, 'token', host, conversation), second);
}

/** Nothing that could break out of a header is taken for a token. */
function keepToken(
  token: unknown,
  step: 'token' | 'exchange',
  host: string,
  { kept, request }: Conversation,
): Secret {
  if (typeof token === 'string' && /^[\x21-\x7e]{1,16384}$/.test(token)) return kept.use(new Secret(token));
  const signedIn = request.credential !== null;
  throw new PullProblem({ step, host, status: 200, notARegistry: true, signedIn });
}
