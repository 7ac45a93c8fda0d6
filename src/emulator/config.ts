import { parseArgs } from 'node:util';

/** A setting that cannot be used; the message is a sentence for the person who set it. */
export class SettingError extends Error {}

export interface EmulatorConfig {
  host: string;
  /** 0 takes a free one. */
  port: number;
  tier: 'simulated' | 'registry';
  /** Registries that are not ours: host name to origin. */
  registries: Record<string, string>;
  /** Where the world is kept; in memory without it. */
  dataDir: string | undefined;
  /** Whether to end when standard input does, which a parent holds. */
  withParent: boolean;
}

type Env = Record<string, string | undefined>;

export const environment: Env = process.env;

/** Throws a `SettingError` that names the setting. */
export function readConfig(env: Env, args: string[]): EmulatorConfig {
  const flags = readFlags(args);
  return {
    host: env.HOST || '127.0.0.1',
    port: readPort(env.EMULATOR_PORT),
    tier: readTier(env.EMULATOR_TIER),
    registries: readRegistries(env.EMULATOR_REGISTRIES),
    dataDir: flags.data,
    withParent: flags['with-parent'] ?? false,
  };
}

function readFlags(args: string[]): { data: string | undefined; 'with-parent': boolean | undefined } {
  try {
    const { values } = parseArgs({
      args,
      options: { data: { type: 'string' }, 'with-parent': { type: 'boolean' } },
    });
    return { data: values.data, 'with-parent': values['with-parent'] };
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('. ')[0] : String(error);
    throw new SettingError(`${reason}. It takes --data DIR and --with-parent.`);
  }
}

function readPort(text: string | undefined): number {
  const port = Number(text || 8443);
  if (!Number.isInteger(port) || port < 0 || port > 65535)
    throw new SettingError(`EMULATOR_PORT is '${text}': it must be a port from 0 (any free one) to 65535.`);
  return port;
}

function readTier(text: string | undefined): EmulatorConfig['tier'] {
  const tier = text || 'registry';
  if (tier === 'simulated' || tier === 'registry') return tier;
  throw new SettingError(`EMULATOR_TIER is '${text}': it must be 'registry' or 'simulated'.`);
}

function readRegistries(text: string | undefined): Record<string, string> {
  const entries = (text ?? '').split(/[\s,]+/).filter(Boolean);
  return Object.fromEntries(
    entries.map(entry => {
      const [, host, origin] = /^([a-z0-9.-]+)=(https?:\/\/[^/]+)\/?$/.exec(entry) ?? [];
      if (!host || !origin)
        throw new SettingError(
          `EMULATOR_REGISTRIES has '${entry}': an entry is HOST=http://ADDRESS:PORT, entries are apart by commas.`,
        );
      return [host, origin] as const;
    }),
  );
}
