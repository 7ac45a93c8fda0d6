import { armHost, vaultSuffix } from '../door/hosts.ts';

/**
 * `GET /metadata/endpoints`: what `az cloud register` and other tools read, in the form of the version that is asked for.
 * On Azure's own name it tells Azure's names; on HOST:PORT it tells that address, so that a client without a name
 * mapping stays here.
 */
export function describeEndpoints(host: string, tenantId: string, version: string): unknown {
  const cloud = describeCloud(host, tenantId);
  if (version <= '2015-01-01') return describeClassic(cloud);
  // These list every cloud; later ones tell of the one that was asked.
  return version < '2022' ? [cloud] : cloud;
}

type Cloud = ReturnType<typeof describeCloud>;

function describeCloud(host: string, tenantId: string) {
  const origin = `https://${host}`;
  const real = host.replace(/:443$/, '') === armHost;
  return {
    portal: 'https://portal.azure.com',
    authentication: {
      loginEndpoint: real ? 'https://login.microsoftonline.com/' : `${origin}/`,
      audiences: ['https://management.core.windows.net/', 'https://management.azure.com/'],
      tenant: real ? 'common' : tenantId,
      identityProvider: 'AAD',
    },
    gallery: 'https://gallery.azure.com/',
    graphAudience: 'https://graph.windows.net/',
    graph: 'https://graph.windows.net/',
    name: real ? 'AzureCloud' : 'SlipwayEmbeddedAzure',
    suffixes: {
      acrLoginServer: 'azurecr.io',
      keyVaultDns: real ? vaultSuffix.slice(1) : `localhost${/:\d+$/.exec(host)?.[0] ?? ''}`,
      storage: 'core.windows.net',
      sqlServerHostname: 'database.windows.net',
    },
    batch: 'https://batch.core.windows.net/',
    resourceManager: `${origin}/`,
    activeDirectoryDataLake: 'https://datalake.azure.net/',
    microsoftGraphResourceId: 'https://graph.microsoft.com/',
  };
}

function describeClassic({ portal, gallery, graph, authentication }: Cloud): object {
  const { loginEndpoint, audiences } = authentication;
  return {
    galleryEndpoint: gallery,
    graphEndpoint: graph,
    portalEndpoint: portal,
    authentication: { loginEndpoint, audiences },
  };
}
