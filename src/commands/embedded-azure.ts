import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { extname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { ConfigError } from '../config.ts';

type Env = Record<string, string | undefined>;

export interface EmbeddedAzure {
  url: string;
  /** The directory with its certificate and addresses. */
  directory: string;
  /** What the service's environment must say to use it, as it would name the real Azure. */
  settings: Env;
  close(): Promise<void>;
}

const readyLine = /^azure emulator listening on (https:\/\/\S+)$/;
const longestStartMs = 30_000;

/** The tenant and Slipway's own identity of the demo world. */
const tenantId = '00000000-0000-0000-0000-00000000aaaa';

/**
 * Starts the embedded Azure as a process of its own, which ends with this one. The service knows it only by data:
 * addresses, a certificate, a federated token file.
 */
export async function startEmbeddedAzure(env: Env): Promise<EmbeddedAzure> {
  const directory = join(resolve(env.SLIPWAY_DATA || '.slipway'), 'azure');
  // Of the same kind as this file: TypeScript in a checkout, JavaScript in a package.
  const entry = new URL(`../emulator/main${extname(import.meta.filename)}`, import.meta.url).pathname;
  const child = spawn(process.execPath, [entry, '--data', directory, '--with-parent'], {
    env: { ...env },
    // Its standard input is our end: it ends when this process does, however that comes.
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const url = await readiness(child);
  return {
    url,
    directory,
    settings: findEmbeddedAzure(env),
    async close() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    },
  };
}

interface Leaflet {
  hosts: string;
  caFile: string;
  slipwayClientId: string;
}

/**
 * What the service's environment must say to use the embedded Azure that keeps its data under `SLIPWAY_DATA`, whoever
 * started it. Throws `ConfigError` where there is none.
 */
export function findEmbeddedAzure(env: Env): Env {
  const directory = join(resolve(env.SLIPWAY_DATA || '.slipway'), 'azure');
  const { hosts, caFile, slipwayClientId } = readLeaflet(directory);
  return {
    SLIPWAY_HOSTS: hosts,
    SLIPWAY_CA: resolve(directory, caFile),
    SLIPWAY_POLICY: env.SLIPWAY_POLICY || new URL('../policy/embedded.yaml', import.meta.url).pathname,
    AZURE_TENANT_ID: tenantId,
    AZURE_CLIENT_ID: slipwayClientId,
    AZURE_FEDERATED_TOKEN_FILE: join(directory, 'slipway-identity.jwt'),
    AZURE_CLIENT_SECRET: undefined,
  };
}

function readLeaflet(directory: string): Leaflet {
  try {
    return JSON.parse(readFileSync(join(directory, 'emulator.json'), 'utf8'));
  } catch {
    throw new ConfigError(`no embedded Azure has left its address in ${directory}`);
  }
}

async function readiness(child: ReturnType<typeof spawn>): Promise<string> {
  if (!child.stdout) throw new Error('the embedded Azure has no standard output');
  const late = AbortSignal.timeout(longestStartMs);
  const exited = once(child, 'exit', { signal: late }).then(([code]) => {
    throw new ConfigError(`the embedded Azure did not start (exit code ${code}); what it said stands above`);
  });
  const lines = createInterface({ input: child.stdout });
  const ready = (async () => {
    for await (const line of lines) {
      const url = readyLine.exec(line)?.[1];
      if (url) return url;
    }
    return exited;
  })();
  const url = await Promise.race([ready, exited]);
  exited.catch(() => {});
  return url;
}
