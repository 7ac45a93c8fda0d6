import { isAbsolute, resolve } from 'node:path';
import { type HostTable, parseHostTable, readCa } from './hosts.ts';
import { Secret } from './secret.ts';
import { readTracing, type TracingSettings } from './telemetry/tracing-settings.ts';

/** Everything that the environment may say, read once. Secrets stay apart as `Secret`. */
export interface Config {
  host: string;
  port: number;
  /** Where the metrics are served; null: nowhere. */
  metricsPort: number | null;
  logLevel: string;
  /** Directory of the embedded store. */
  data: string;
  policy: string;
  databaseUrl: string | null;
  /** Slipway's own identity signs in to the database, instead of a password. */
  databaseSignIn: 'password' | 'entra';
  role: 'all' | 'api' | 'worker';
  /** How often a settled deployment is compared with what Azure has. */
  compareEveryMs: number;
  publicUrl: string | null;
  /** For how many days what is kept. */
  retention: RetentionSettings;
  hosts: HostTable;
  ca: string | null;
  azure: AzureSettings;
  /** Where traces go; null: nowhere. */
  tracing: TracingSettings | null;
}

export interface RetentionSettings {
  /** Events, and the last lines of groups that failed. */
  events: number;
  /** Deployments that came to their end, with all that hangs on them. */
  records: number;
  audit: number;
}

export interface AzureSettings {
  tenantId?: string;
  clientId?: string;
  clientSecret?: Secret;
  federatedTokenFile?: string;
}

/** A setting is wrong: the message is a sentence that names it. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

type Env = Record<string, string | undefined>;

/** The process's own environment: the only place that reads it, beside the emulator's. */
export const environment: Env = process.env;

/** Reads the settings; every one has a default but `SLIPWAY_POLICY`. Throws `ConfigError`. */
export function readConfig(env: Env = environment): Config {
  return {
    host: env.HOST || '127.0.0.1',
    port: integer(env, 'PORT', 8080, 0, 65_535),
    metricsPort: env.METRICS_PORT ? integer(env, 'METRICS_PORT', 0, 0, 65_535) : null,
    logLevel: oneOf(env, 'LOG_LEVEL', ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], 'info'),
    data: resolve(env.SLIPWAY_DATA || '.slipway'),
    policy: policy(env),
    databaseUrl: databaseUrl(env),
    databaseSignIn: databaseSignIn(env),
    role: oneOf(env, 'SLIPWAY_ROLE', ['all', 'api', 'worker'], 'all'),
    compareEveryMs: 1_000 * integer(env, 'SLIPWAY_COMPARE_SECONDS', 300, 1, 86_400),
    publicUrl: publicUrl(env),
    retention: {
      events: integer(env, 'SLIPWAY_RETENTION_DAYS', 90, 1, mostDays),
      // A key that was used with it is good for three days.
      records: integer(env, 'SLIPWAY_RECORD_DAYS', 365, 3, mostDays),
      audit: integer(env, 'SLIPWAY_AUDIT_DAYS', 730, 1, mostDays),
    },
    hosts: attempt('SLIPWAY_HOSTS', () => parseHostTable(env.SLIPWAY_HOSTS ?? '')),
    ca: attempt('SLIPWAY_CA', () => (env.SLIPWAY_CA ? readCa(env.SLIPWAY_CA) : null)),
    azure: azure(env),
    tracing: attempt('OpenTelemetry', () => readTracing(env)),
  };
}

const mostDays = 36_500;
const blobForm = /^https:\/\/[a-z0-9]{3,24}\.blob\.core\.windows\.net\/[\w$-]+(?:\/[\w.~-]+)+$/;

/** A path, or the address of a blob. It is read with Slipway's own identity: what signs in by itself is not taken. */
function policy(env: Env): string {
  const why = 'the policy file says who may use what; there is no allow-all mode';
  const text = required(env, 'SLIPWAY_POLICY', why);
  if (/^[a-z]+:\/\//i.test(text) && !(blobForm.test(text) && URL.parse(text)?.href === text))
    throw new ConfigError(
      'SLIPWAY_POLICY must be a path, or https://ACCOUNT.blob.core.windows.net/CONTAINER/BLOB without a query',
    );
  return text;
}

function azure(env: Env): AzureSettings {
  const file = env.AZURE_FEDERATED_TOKEN_FILE;
  if (file && !isAbsolute(file)) throw new ConfigError('AZURE_FEDERATED_TOKEN_FILE must be an absolute path');
  return {
    ...(env.AZURE_TENANT_ID ? { tenantId: env.AZURE_TENANT_ID } : {}),
    ...(env.AZURE_CLIENT_ID ? { clientId: env.AZURE_CLIENT_ID } : {}),
    ...(env.AZURE_CLIENT_SECRET ? { clientSecret: new Secret(env.AZURE_CLIENT_SECRET) } : {}),
    ...(file ? { federatedTokenFile: file } : {}),
  };
}

function databaseUrl(env: Env): string | null {
  const url = env.DATABASE_URL;
  if (!url) return null;
  // The value holds a password: it is not repeated.
  if (!/^postgres(ql)?:\/\//.test(url))
    throw new ConfigError('DATABASE_URL must begin with postgres:// or postgresql://');
  return url;
}

function databaseSignIn(env: Env): Config['databaseSignIn'] {
  const how = oneOf(env, 'SLIPWAY_DATABASE_SIGN_IN', ['password', 'entra'], 'password');
  if (how === 'password') return how;
  const url = databaseUrl(env);
  if (!url || !URL.canParse(url) || !new URL(url).username || new URL(url).password)
    throw new ConfigError(
      'SLIPWAY_DATABASE_SIGN_IN=entra needs a DATABASE_URL that names the role of the identity and no password: postgres://ROLE@HOST:5432/DATABASE',
    );
  return how;
}

function publicUrl(env: Env): string | null {
  const text = env.SLIPWAY_PUBLIC_URL;
  if (!text) return null;
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !/^https?:$/.test(url.protocol) || url.search || url.hash)
    throw new ConfigError(`SLIPWAY_PUBLIC_URL must be an http or https address, not '${text}'`);
  return url.href.replace(/\/$/, '');
}

function integer(env: Env, name: string, fallback: number, least: number, most: number): number {
  const text = env[name];
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most)
    throw new ConfigError(`${name} must be a whole number from ${least} to ${most}, not '${text}'`);
  return value;
}

function oneOf<T extends string>(env: Env, name: string, values: readonly T[], fallback: T): T {
  const text = env[name];
  if (!text) return fallback;
  const value = values.find(candidate => candidate === text);
  if (!value) throw new ConfigError(`${name} must be one of ${values.join(', ')}, not '${text}'`);
  return value;
}

function required(env: Env, name: string, why: string): string {
  const value = env[name];
  if (!value) throw new ConfigError(`${name} is not set: ${why}`);
  return value;
}

function attempt<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new ConfigError(`${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
