import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createBlobReader } from '../azure/blob.ts';
import { createAzureCredential } from '../azure/credential.ts';
import { createTransport } from '../azure/transport.ts';
import { createVault, type Vault, type VaultListing } from '../azure/vault.ts';
import { readConfig } from '../config.ts';
import { createDispatcher } from '../hosts.ts';
import { type LoadedPolicy, parsePolicy, readPolicyFiles } from '../policy/load.ts';
import { createRemoteSource } from '../policy/source.ts';
import { findEmbeddedAzure } from './embedded-azure.ts';

type Env = Record<string, string | undefined>;

export interface OwnVaults extends AsyncDisposable {
  loaded: LoadedPolicy;
  vault: Vault & VaultListing;
}

/**
 * The policy, and its vaults as Slipway's own identity sees them. On the settings of the service, or, where none of them
 * names an Azure, on the embedded one that keeps its data under `SLIPWAY_DATA`. Throws `ConfigError` or `PolicyError`.
 */
export async function openVaults(env: Env): Promise<OwnVaults> {
  const config = readConfig(settingsOf(env));
  const dispatcher = createDispatcher({ table: config.hosts, ...(config.ca ? { ca: config.ca } : {}) });
  try {
    const remote = config.policy.startsWith('https:');
    let loaded: LoadedPolicy | null = null;
    const transport = createTransport({
      dispatcher,
      vaults: () => Object.values(loaded?.policy.vaults ?? {}).map(({ url }) => url),
      blob: remote ? config.policy : null,
    });
    const azure = { credential: createAzureCredential(config.azure, transport), transport };
    const files = remote
      ? await createRemoteSource(config.policy, createBlobReader(azure)).read()
      : readPolicyFiles(config.policy);
    loaded = parsePolicy(files).loaded;
    return { loaded, vault: createVault(azure), [Symbol.asyncDispose]: () => dispatcher.destroy() };
  } catch (error) {
    await dispatcher.destroy();
    throw error;
  }
}

/** What names an Azure of its own is taken as it is. */
const naming = ['AZURE_TENANT_ID', 'AZURE_CLIENT_ID', 'AZURE_FEDERATED_TOKEN_FILE', 'SLIPWAY_HOSTS'];

function settingsOf(env: Env): Env {
  const leaflet = join(resolve(env.SLIPWAY_DATA || '.slipway'), 'azure/emulator.json');
  if (naming.some(name => env[name]) || !existsSync(leaflet)) return env;
  return { ...env, ...findEmbeddedAzure(env) };
}
