import type { TokenCredential } from '@azure/core-auth';
import type { HttpClient } from '@azure/core-rest-pipeline';
import { AzureCliCredential } from '@azure/identity';
import type { AzureSettings } from '../config.ts';
import { createAzureCredential } from './credential.ts';

/** Who asks Slipway: the application or managed identity that the settings name, or who is signed in to `az`. */
export type CallerKind = 'settings' | 'az';

/** Gets tokens of Entra ID for an API of ours by its audience. */
export function createCaller(
  kind: CallerKind,
  settings: AzureSettings,
  httpClient: HttpClient,
): (audience: string) => Promise<string> {
  const credential: TokenCredential =
    kind === 'az' ? new AzureCliCredential() : createAzureCredential(settings, httpClient);
  return async audience => {
    const found = await credential.getToken(`${audience}/.default`);
    if (!found) throw new Error('Entra ID gave no token');
    return found.token;
  };
}
