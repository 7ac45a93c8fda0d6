import { vaultSuffix } from '../door/hosts.ts';

/**
 * `GET /metadata/endpoints`: what `az cloud register` reads. On Azure's own name it tells Azure's names; on HOST:PORT it
 * tells that address, so that a client without a name mapping stays here.
 */
export function describeEndpoints(host: string, tenantId: string): object {
  const origin = `https://${host}`;
  const real = host === 'management.azure.com';
  return {
    portal: 'https://portal.azure.com',
    authentication: {
      loginEndpoint: real ? 'https://login.microsoftonline.com/' : `${origin}/`,
      audiences: ['https://management.core.windows.net/', 'https://management.azure.com/'],
      tenant: real ? 'common' : tenantId,
      identityProvider: 'AAD',
    },
    graphAudience: 'https://graph.windows.net/',
    graph: 'https://graph.windows.net/',
    name: real ? 'AzureCloud' : 'SlipwayEmbeddedAzure',
    suffixes: {
      acrLoginServer: 'azurecr.io',
      keyVaultDns: real ? vaultSuffix.slice(1) : `localhost${host.slice(host.replace(/:\d+$/, '').length)}`,
      storage: 'core.windows.net',
      sqlServerHostname: 'database.windows.net',
    },
    batch: 'https://batch.core.windows.net/',
    resourceManager: `${origin}/`,
    activeDirectoryDataLake: 'https://datalake.azure.net/',
    microsoftGraphResourceId: 'https://graph.microsoft.com/',
  };
}
