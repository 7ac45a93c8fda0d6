import type { ParseArgsOptionsConfig } from 'node:util';
import { type Client, createClient } from '../../client/client.ts';
import { type Connection, createConnection } from '../../client/connection.ts';
import { NoAnswer, RefusedCall } from '../../client/failed-call.ts';
import { ConfigError, environment } from '../../config.ts';
import { outputOf, UsageError } from '../command.ts';
import { exitOfRefusal, exits } from './exits.ts';
import { printable } from './printable.ts';
import { readLogin } from './saved-login.ts';
import { detectMethod, hasEmbedded, type Method, readMethod, SignInError, signIn } from './sign-in.ts';
import { tellProblem } from './tell.ts';

type Env = Record<string, string | undefined>;

/** What every command that asks Slipway takes. */
export const commonOptions = { output: { type: 'string' } } as const satisfies ParseArgsOptionsConfig;
export const commonUsage = '[--output json]';

export interface Session {
  client: Client;
  connection: Connection;
  output: 'text' | 'json';
  env: Env;
  url: string;
  method: Method;
}

/** Runs what asks Slipway, and tells what went wrong with it; the exit code. */
export async function inSession(
  values: { output?: string | undefined },
  run: (session: Session) => Promise<number>,
): Promise<number> {
  const output = outputOf(values.output);
  try {
    return await run(openSession(environment, output));
  } catch (error) {
    return endOf(error, output);
  }
}

function endOf(error: unknown, output: 'text' | 'json'): number {
  if (error instanceof RefusedCall) {
    tellProblem(error, output, environment);
    return exitOfRefusal(error);
  }
  if (error instanceof ConfigError) {
    console.error(error.message);
    return exits.badRequest;
  }
  const isNoAnswer = error instanceof NoAnswer;
  if (!isNoAnswer && !(error instanceof SignInError)) throw error;
  tellProblem({ code: isNoAnswer ? 'NoAnswer' : 'NotSignedIn', message: error.message }, output, environment);
  return isNoAnswer ? exits.unavailable : exits.denied;
}

export function openSession(env: Env, output: 'text' | 'json', more: Partial<Asking> = {}): Session {
  const asking = { ...askingOf(env), ...more };
  const token = signIn(asking.method, env, asking);
  const options = { url: asking.url, token, onRetry: sayOnce() };
  try {
    const [client, connection] = [createClient(options), createConnection(options)];
    return { client, connection, output, env, url: asking.url, method: asking.method };
  } catch (error) {
    throw error instanceof TypeError ? new ConfigError(`SLIPWAY_URL: ${error.message}.`) : error;
  }
}

/** Who waits is told why, once. */
function sayOnce(): (error: Error) => void {
  let said = false;
  return error => {
    if (!said) console.error(`${printable(error.message)} It is tried again for a minute.`);
    said = true;
  };
}

export interface Asking {
  url: string;
  method: Method;
  audience: string | undefined;
  team: string | undefined;
}

/** The environment's word before that of `slipway login`. */
function askingOf(env: Env): Asking {
  const saved = readLogin(env);
  const url = env.SLIPWAY_URL || saved.url || (hasEmbedded(env) ? 'http://127.0.0.1:8080' : undefined);
  if (!url) throw new ConfigError('SLIPWAY_URL is not set: say where Slipway is.');
  const named = env.SLIPWAY_LOGIN || (env.SLIPWAY_TOKEN ? 'token' : saved.with);
  return {
    url,
    method: named ? readMethod(named) : detectMethod(env, url),
    audience: env.SLIPWAY_AUDIENCE || saved.audience,
    team: env.SLIPWAY_TEAM || saved.team,
  };
}

/** The one thing that a command is about: a deployment's id or `TARGET:NAME`. */
export function onePositional(positionals: string[], what: string): string {
  const [first, ...others] = positionals;
  if (first === undefined) throw new UsageError(`${what} is missing.`);
  if (others.length > 0) throw new UsageError(`'${others[0]}' is one too many.`);
  return first;
}
