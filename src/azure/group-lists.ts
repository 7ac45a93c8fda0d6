import { ContainerInstanceManagementClient } from '@azure/arm-containerinstance';
import type { TokenCredential } from '@azure/core-auth';
import type { HttpClient, PipelineResponse } from '@azure/core-rest-pipeline';
import type { GroupPlace } from './container-groups.ts';
import { forgetRefused } from './credential.ts';
import { errorOfAnswer, toAzureError } from './failure.ts';

/** A group as a list shows it: Azure leaves out there how its containers are (recorded traffic). */
export interface ListedGroup {
  name: string;
  tags: Record<string, string>;
  provisioningState?: string;
}

export interface GroupLists {
  /** All container groups of a resource group; none where that is gone. Throws `AzureError`. */
  list(place: Omit<GroupPlace, 'name'>, signal?: AbortSignal): Promise<ListedGroup[]>;
}

const timeoutMs = 20_000;

export function createGroupLists(options: {
  credential: TokenCredential;
  transport: HttpClient;
}): GroupLists {
  const httpClient = forgetRefused(options.transport, options.credential);
  const retryOptions = { maxRetries: 0 };
  return {
    async list({ subscription, resourceGroup }, signal) {
      const client = new ContainerInstanceManagementClient(options.credential, subscription, {
        httpClient,
        retryOptions,
      });
      const groups: ListedGroup[] = [];
      try {
        const pages = client.containerGroups.listByResourceGroup(resourceGroup, {
          requestOptions: { timeout: timeoutMs },
          onResponse: refusePage,
          ...(signal ? { abortSignal: signal } : {}),
        });
        for await (const { name = '', tags = {}, provisioningState } of pages)
          groups.push({ name, tags, ...(provisioningState ? { provisioningState } : {}) });
        return groups;
      } catch (error) {
        const found = toAzureError('arm', 'list container groups', error);
        if (found.code === 'ResourceGroupNotFound') return [];
        throw found;
      }
    },
  };
}

/** To the SDK whatever is no list is an empty one (measured): all groups would seem to be gone. */
function refusePage(answer: PipelineResponse & { parsedBody?: { value?: unknown } | null }): void {
  if (answer.status < 400 && !Array.isArray(answer.parsedBody?.value))
    throw errorOfAnswer('arm', 'list container groups', answer, null);
}
