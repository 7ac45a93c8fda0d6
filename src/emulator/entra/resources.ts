import { slipwayApi } from './tokens.ts';

const known = new Set([
  'https://management.azure.com',
  'https://management.core.windows.net',
  'https://vault.azure.net',
  'https://containerregistry.azure.net',
  'https://graph.microsoft.com',
]);

const slipwayNames = new Set(['api://slipway', `api://${slipwayApi}`, slipwayApi]);

/** The audience of a token for that resource, or null where the tenant has no such resource. */
export function audienceOf(resource: string): string | null {
  if (slipwayNames.has(resource.toLowerCase())) return slipwayApi;
  return known.has(resource.toLowerCase().replace(/\/+$/, '')) ? resource : null;
}
