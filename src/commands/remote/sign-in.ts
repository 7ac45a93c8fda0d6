import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ConfigError, readConfig } from '../../config.ts';
import { createDispatcher } from '../../hosts.ts';
import { UsageError } from '../command.ts';
import { requestToken } from '../embedded-token.ts';

type Env = Record<string, string | undefined>;

/** How one signs in to Slipway. None of them keeps a token anywhere. */
export const methods = ['token', 'github', 'entra', 'az', 'embedded'] as const;
export type Method = (typeof methods)[number];

export interface SignInSettings {
  url: string;
  /** What the policy's `issuers` name as the audience of its tokens. */
  audience: string | undefined;
  /** Which client of the embedded issuer. */
  team: string | undefined;
}

/** By what the environment has, where nobody says: a token, a GitHub workflow, an application, the embedded Azure, `az`. */
export function detectMethod(env: Env, url: string): Method {
  if (env.SLIPWAY_TOKEN) return 'token';
  if (env.ACTIONS_ID_TOKEN_REQUEST_URL && env.ACTIONS_ID_TOKEN_REQUEST_TOKEN) return 'github';
  if (env.AZURE_CLIENT_ID && (env.AZURE_CLIENT_SECRET || env.AZURE_FEDERATED_TOKEN_FILE)) return 'entra';
  // Where Azure runs the program it has an identity by these.
  if (env.IDENTITY_ENDPOINT || env.MSI_ENDPOINT) return 'entra';
  return hasEmbedded(env) && isLoopback(url) ? 'embedded' : 'az';
}

export function readMethod(text: string): Method {
  const method = methods.find(each => each === text);
  if (!method) throw new UsageError(`'${text}' is no way to sign in: ${methods.join(', ')}.`);
  return method;
}

/** Who gets tokens. Those of a GitHub workflow are fresh for each request: an issuer's may be good for one change only. */
export function signIn(method: Method, env: Env, settings: SignInSettings): () => Promise<string> {
  switch (method) {
    case 'token':
      return async () => required(env, 'SLIPWAY_TOKEN');
    case 'github':
      return gitHub(env, audienceOf(settings));
    case 'embedded':
      return kept(() => embedded(env, settings.team ?? 'demo'));
    case 'entra':
    case 'az':
      return kept(entra(method === 'az' ? 'az' : 'settings', env, audienceOf(settings)));
  }
}

/** An embedded Azure has left its address under `SLIPWAY_DATA`. */
export const hasEmbedded = (env: Env) =>
  existsSync(join(resolve(env.SLIPWAY_DATA || '.slipway'), 'azure/emulator.json'));

const isLoopback = (url: string) =>
  /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(URL.parse(url)?.hostname ?? '');

function audienceOf({ audience }: SignInSettings): string {
  if (audience) return audience;
  throw new ConfigError("SLIPWAY_AUDIENCE is not set: it is the audience that the policy's issuers name.");
}

const gitHubTries = 3;

function gitHub(env: Env, audience: string): () => Promise<string> {
  const url = new URL(required(env, 'ACTIONS_ID_TOKEN_REQUEST_URL'));
  url.searchParams.set('audience', audience);
  const headers = { authorization: `bearer ${required(env, 'ACTIONS_ID_TOKEN_REQUEST_TOKEN')}` };
  return async () => {
    let reason = '';
    for (let tries = 0; tries < gitHubTries; tries++) {
      try {
        const answer = await fetch(url, { headers, signal: AbortSignal.timeout(20_000) });
        const { value } = (await answer.json()) as { value?: unknown };
        if (answer.ok && typeof value === 'string') return value;
        reason = `it answered ${answer.status}`;
      } catch (error) {
        reason = error instanceof Error ? error.name : 'it does not answer';
      }
      await new Promise(done => setTimeout(done, 1_000 * tries));
    }
    throw new SignInError(
      `GitHub gave no token (${reason}): the job needs \`permissions: id-token: write\`.`,
    );
  };
}

async function embedded(env: Env, team: string): Promise<string> {
  try {
    return await requestToken(env, team);
  } catch (error) {
    throw new SignInError(
      `The embedded Azure gave no token: ${error instanceof Error ? error.message : error}`,
    );
  }
}

function entra(kind: 'settings' | 'az', env: Env, audience: string): () => Promise<string> {
  return async () => {
    const [{ createCaller }, { createTransport }] = await Promise.all([
      import('../../azure/caller.ts'),
      import('../../azure/transport.ts'),
    ]);
    const { azure, hosts, ca } = networkOf(env);
    const dispatcher = createDispatcher({ table: hosts, ...(ca ? { ca } : {}) });
    try {
      const transport = createTransport({ dispatcher, vaults: () => [] });
      return await createCaller(kind, azure, transport)(audience);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new SignInError(`Entra ID gave no token for ${audience}: ${why}`);
    } finally {
      await dispatcher.destroy();
    }
  };
}

/** Only what signing in needs: whatever else the environment says to a service is no business of its caller's. */
function networkOf(env: Env) {
  const { AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET, AZURE_FEDERATED_TOKEN_FILE } = env;
  return readConfig({
    ...{ AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET, AZURE_FEDERATED_TOKEN_FILE },
    SLIPWAY_HOSTS: env.SLIPWAY_HOSTS,
    SLIPWAY_CA: env.SLIPWAY_CA,
    SLIPWAY_POLICY: 'not read here',
  });
}

/** Nobody can be signed in: the message is a sentence. */
export class SignInError extends Error {
  override readonly name = 'SignInError';
}

const marginMs = 60_000;

/** Asked for again a minute before it ends, whoever asks. */
function kept(get: () => Promise<string>): () => Promise<string> {
  let last: { token: string; until: number } | null = null;
  return async () => {
    if (last && Date.now() < last.until) return last.token;
    const token = await get();
    last = { token, until: endOf(token) - marginMs };
    return token;
  };
}

/** When a token ends by its own word; one that does not say so is not kept. */
function endOf(token: string): number {
  try {
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    return Number(claims.exp) * 1000 || 0;
  } catch {
    return 0;
  }
}

function required(env: Env, name: string): string {
  const value = env[name];
  if (!value) throw new ConfigError(`${name} is not set.`);
  return value;
}
