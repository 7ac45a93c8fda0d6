import { ContainerInstanceManagementClient } from '@azure/arm-containerinstance';
import type { TokenCredential } from '@azure/core-auth';
import type { HttpClient } from '@azure/core-rest-pipeline';
import type { GroupPlace } from './container-groups.ts';
import { forgetRefused } from './credential.ts';
import { AzureError, toAzureError } from './failure.ts';
import { newestVersion } from './newer-members.ts';

/** Container groups as ARM writes them, with every member that its newest version knows: for who takes one over whole. */
export interface GroupDocuments {
  /** Null where there is no such group. Throws `AzureError`. */
  read(place: GroupPlace, signal?: AbortSignal): Promise<GroupDocument | null>;
  /** Gives it these tags in place of those it has; nothing else changes, and nothing restarts. Throws `AzureError`. */
  tag(place: GroupPlace, tags: Record<string, string>, signal?: AbortSignal): Promise<void>;
}

export interface GroupDocument {
  tags: Record<string, string>;
  content: Record<string, unknown>;
}

const timeoutMs = 20_000;

export function createGroupDocuments(options: {
  credential: TokenCredential;
  transport: HttpClient;
}): GroupDocuments {
  const httpClient = forgetRefused(options.transport, options.credential);
  const clientOf = (subscription: string) =>
    new ContainerInstanceManagementClient(options.credential, subscription, {
      httpClient,
      retryOptions: { maxRetries: 0 },
      apiVersion: newestVersion,
    }).containerGroups;

  return {
    async read({ subscription, resourceGroup, name }, signal) {
      let text = '';
      // The SDK's own answer leaves out what its version does not know (measured).
      const onResponse = ({ bodyAsText }: { bodyAsText?: string | null }) => {
        text = bodyAsText ?? '';
      };
      try {
        await clientOf(subscription).get(resourceGroup, name, { ...timed(signal), onResponse });
        return documentOf(JSON.parse(text));
      } catch (error) {
        const found = error instanceof AzureError ? error : toAzureError('arm', 'get container group', error);
        if (found.status === 404 && found.code === 'ResourceNotFound') return null;
        throw found;
      }
    },

    async tag({ subscription, resourceGroup, name }, tags, signal) {
      try {
        await clientOf(subscription).update(resourceGroup, name, { tags }, timed(signal));
      } catch (error) {
        throw toAzureError('arm', 'tag container group', error);
      }
    },
  };
}

function documentOf({ tags, ...content }: Record<string, unknown>): GroupDocument {
  if (typeof content.id !== 'string' || typeof content.properties !== 'object')
    throw new Error('the answer is no container group');
  const own = Object.entries(tags ?? {}).map(([name, value]) => [name, String(value)]);
  return { tags: Object.fromEntries(own), content };
}

const timed = (signal: AbortSignal | undefined) => ({
  requestOptions: { timeout: timeoutMs },
  ...(signal ? { abortSignal: signal } : {}),
});
