import type { TokenCredential } from '@azure/core-auth';
import { Secret } from '../secret.ts';
import { toAzureError } from './failure.ts';

/** The audience that every registry takes, also one whose policy refuses Resource Manager's. */
const scope = 'https://containerregistry.azure.net/.default';

/** A token of Slipway's own identity for Azure Container Registry. Who gets it disposes of it. */
export function createRegistryToken(credential: TokenCredential): (signal: AbortSignal) => Promise<Secret> {
  return async signal => {
    try {
      const found = await credential.getToken(scope, { abortSignal: signal });
      if (!found) throw new Error('the identity endpoint gave no token');
      return new Secret(found.token);
    } catch (error) {
      throw toAzureError('identity', 'get registry token', error);
    }
  };
}
