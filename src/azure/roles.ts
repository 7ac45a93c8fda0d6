import type { TokenCredential } from '@azure/core-auth';
import {
  bearerTokenAuthenticationPolicy,
  createEmptyPipeline,
  createPipelineRequest,
  type HttpClient,
} from '@azure/core-rest-pipeline';
import { AzureError, retryAfter, toAzureError } from './failure.ts';
import { arm } from './routes.ts';

/** What is known of an identity's right to pull from a registry. */
export type PullRole =
  | { state: 'granted' | 'missing'; principalId: string; grantedAt?: Date }
  /** It could not be read: not ours to see, or the registry's id is not known. */
  | { state: 'unknown'; principalId?: string }
  | { state: 'identityNotFound' };

export interface Roles {
  pullRole(asked: { identityId: string; registryId: string | null; signal?: AbortSignal }): Promise<PullRole>;
}

const timeoutMs = 20_000;

/** Roles that let their holder pull: AcrPull, AcrPush, Container Registry Repository Reader and Writer, Contributor, Owner. */
const legacyRoles = new Set([
  '7f951dda-4ed3-4680-a7ca-43fe172d538d',
  '8311e382-0749-4cb8-b61a-304f252e45ec',
  'b24988ac-6180-42a0-ab88-20f7382dd24c',
  '8e3af657-a8ff-443c-a75c-2fe8c4bcb635',
]);
/** Where the registry is in ABAC mode the roles above do not count (documented). */
const abacRoles = new Set(['b93aa761-3e63-49ed-ac28-beffa264f7ac', '2a1e307c-b015-4ebd-883e-5b7698a07328']);

export function createRoles({
  credential,
  transport,
}: {
  credential: TokenCredential;
  transport: HttpClient;
}): Roles {
  const pipeline = createEmptyPipeline();
  pipeline.addPolicy(bearerTokenAuthenticationPolicy({ credential, scopes: `${arm}/.default` }));

  async function read<T>(path: string, signal: AbortSignal | undefined): Promise<T> {
    try {
      const request = createPipelineRequest({
        url: `${arm}${path}`,
        timeout: timeoutMs,
        ...(signal ? { abortSignal: signal } : {}),
      });
      const { status, bodyAsText, headers } = await pipeline.sendRequest(transport, request);
      if (status < 400) return JSON.parse(bodyAsText || '{}');
      const { code = null, message = `ARM answered ${status}` } = errorOf(bodyAsText);
      throw new AzureError({
        kind: 'arm',
        operation: 'read roles',
        status,
        code,
        message,
        retryAfterMs: retryAfter(headers.get('retry-after')),
        requestId: null,
      });
    } catch (error) {
      throw toAzureError('arm', 'read roles', error);
    }
  }

  return {
    async pullRole({ identityId, registryId, signal }) {
      const identity = await readable(
        read<{ properties: { principalId: string } }>(`${pathOf(identityId)}?api-version=2023-01-31`, signal),
      );
      if (identity === 'absent') return { state: 'identityNotFound' };
      if (identity === 'hidden') return { state: 'unknown' };
      const { principalId } = identity.properties;
      if (!registryId) return { state: 'unknown', principalId };

      const [registry, assignments] = await Promise.all([
        readable(read<Registry>(`${pathOf(registryId)}?api-version=2025-04-01`, signal)),
        readable(
          read<Assignments>(
            `${pathOf(registryId)}/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01&$filter=${encodeURIComponent(`assignedTo('${principalId}')`)}`,
            signal,
          ),
        ),
      ]);
      if (typeof registry === 'string' || typeof assignments === 'string')
        return { state: 'unknown', principalId };
      return judge(registry, assignments, principalId);
    },
  };
}

/** An id stays a path, whatever is in it. */
const pathOf = (id: string) => encodeURI(id).replace(/[?#]/g, encodeURIComponent);

/** Gateways answer in html. */
function errorOf(text: string | null | undefined): { code?: string; message?: string } {
  try {
    return JSON.parse(text || '{}').error ?? {};
  } catch {
    return {};
  }
}

interface Registry {
  properties?: { roleAssignmentMode?: string };
}

interface Assignments {
  value: { properties: { roleDefinitionId: string; principalId: string; createdOn?: string } }[];
}

function judge(registry: Registry, { value }: Assignments, principalId: string): PullRole {
  const roles = /abac/i.test(registry.properties?.roleAssignmentMode ?? '') ? abacRoles : legacyRoles;
  const granting = value.find(({ properties }) =>
    roles.has(properties.roleDefinitionId.split('/').at(-1)?.toLowerCase() ?? ''),
  );
  if (!granting) return { state: 'missing', principalId };
  const { createdOn } = granting.properties;
  return { state: 'granted', principalId, ...(createdOn ? { grantedAt: new Date(createdOn) } : {}) };
}

/** What Slipway's own identity may not read says nothing about the other. */
async function readable<T>(reading: Promise<T>): Promise<T | 'absent' | 'hidden'> {
  try {
    return await reading;
  } catch (error) {
    if (!(error instanceof AzureError) || error.retryable || error.status === null) throw error;
    return error.status === 404 ? 'absent' : 'hidden';
  }
}
