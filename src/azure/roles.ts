import type { TokenCredential } from '@azure/core-auth';
import {
  bearerTokenAuthenticationPolicy,
  createEmptyPipeline,
  createPipelineRequest,
  type HttpClient,
} from '@azure/core-rest-pipeline';
import { formatArmId, parseArmId } from '../arm-id.ts';
import { forgetRefused } from './credential.ts';
import { AzureError, errorOfAnswer, refuseCall, toAzureError } from './failure.ts';
import { type Assignment, judgePull, type PullRoleParts, type RoleDefinition } from './pull-roles.ts';

/** What a registry's own settings say of who may pull from it. */
export interface RegistrySettings {
  /** In `abac` mode AcrPull does not count. */
  mode: 'legacy' | 'abac';
  /** Whom its network rules let in: everybody, Azure's trusted services beside its networks, its networks alone. */
  network: 'open' | 'trusted' | 'closed';
  /** Whether it takes tokens for Azure Resource Manager beside those for registries. */
  armTokens: boolean;
}

/** What is known of an identity's right to pull from a registry. */
export type PullRole =
  | { state: 'granted' | 'missing'; principalId: string; grantedAt?: Date; registry: RegistrySettings }
  /** It could not be read, or depends on the repository: not ours to see, or the registry's id is not known. */
  | { state: 'unknown'; principalId?: string }
  | { state: 'identityNotFound' };

export interface Roles {
  /** Throws `AzureError` where Resource Manager does not answer. What it refuses to show is `unknown`. */
  pullRole(asked: { identityId: string; registryId: string | null; signal?: AbortSignal }): Promise<PullRole>;
}

const arm = 'https://management.azure.com';
const timeoutMs = 20_000;

export function createRoles(options: { credential: TokenCredential; transport: HttpClient }): Roles {
  const { credential } = options;
  const transport = forgetRefused(options.transport, credential);
  const pipeline = createEmptyPipeline();
  pipeline.addPolicy(bearerTokenAuthenticationPolicy({ credential, scopes: `${arm}/.default` }));

  async function read<T extends object>(path: string, signal?: AbortSignal): Promise<T> {
    try {
      const request = createPipelineRequest({ url: `${arm}${path}`, timeout: timeoutMs });
      if (signal) request.abortSignal = signal;
      const answer = await pipeline.sendRequest(transport, request);
      const body = parse(answer.bodyAsText);
      if (answer.status < 400 && body) return body;
      throw errorOfAnswer('arm', 'read roles', answer, body);
    } catch (error) {
      throw toAzureError('arm', 'read roles', error);
    }
  }

  return {
    async pullRole({ identityId, registryId, signal }) {
      const id = pathOf(identityId, 'Microsoft.ManagedIdentity/userAssignedIdentities');
      const identity = await readable(read<Identity>(`${id}?api-version=2023-01-31`, signal));
      if (identity === 'absent') return { state: 'identityNotFound' };
      const principalId = identity === 'hidden' ? undefined : identity.properties?.principalId;
      if (principalId === undefined) return { state: 'unknown' };
      if (registryId === null) return { state: 'unknown', principalId };

      const scope = pathOf(registryId, 'Microsoft.ContainerRegistry/registries');
      const [registry, assignments] = await Promise.all([
        // Older versions of the API do not tell the mode.
        readable(read<Registry>(`${scope}?api-version=2025-11-01`, signal)),
        readable(read<Assignments>(assignmentsOf(scope, principalId), signal)),
      ]);
      if (typeof registry === 'string' || typeof assignments === 'string')
        return { state: 'unknown', principalId };
      const settings = settingsOf(registry);
      const parts: PullRoleParts = {
        scope,
        mode: settings.mode,
        assignments: assignments.value ?? [],
        whole: !assignments.nextLink,
        readRole: async name => {
          const role = await readable(read<RoleDefinition>(definitionOf(scope, name), signal));
          return typeof role === 'string' ? null : role;
        },
      };
      const verdict = await judgePull(parts);
      return verdict.state === 'unknown'
        ? { state: 'unknown', principalId }
        : { principalId, registry: settings, ...verdict };
    },
  };
}

const authorization = (scope: string, rest: string) =>
  `${scope}/providers/Microsoft.Authorization/${rest}api-version=2022-04-01`;
const definitionOf = (scope: string, name: string) => authorization(scope, `roleDefinitions/${name}?`);
const assignmentsOf = (scope: string, principalId: string) =>
  authorization(scope, `roleAssignments?$filter=${encodeURIComponent(`assignedTo('${principalId}')`)}&`);

interface Identity {
  properties?: { principalId?: string };
}

interface Registry {
  properties?: {
    roleAssignmentMode?: string;
    publicNetworkAccess?: string;
    networkRuleBypassOptions?: string;
    networkRuleSet?: { defaultAction?: string };
    policies?: { azureADAuthenticationAsArmPolicy?: { status?: string } };
  };
}

function settingsOf({ properties = {} }: Registry): RegistrySettings {
  const { roleAssignmentMode = '', publicNetworkAccess, networkRuleBypassOptions, policies } = properties;
  const restricted =
    publicNetworkAccess === 'Disabled' || properties.networkRuleSet?.defaultAction === 'Deny';
  const bypassed = networkRuleBypassOptions !== 'None';
  return {
    mode: /abac/i.test(roleAssignmentMode) ? 'abac' : 'legacy',
    network: restricted ? (bypassed ? 'trusted' : 'closed') : 'open',
    armTokens: policies?.azureADAuthenticationAsArmPolicy?.status !== 'disabled',
  };
}

interface Assignments {
  value?: Assignment[];
  nextLink?: string | null;
}

/** The path of a resource, made anew from the parts of its id. */
function pathOf(id: string, type: string): string {
  const parsed = parseArmId(id);
  if (parsed?.type.toLowerCase() === type.toLowerCase()) return formatArmId(parsed);
  throw toAzureError('arm', 'read roles', refuseCall(`this is no id of ${type}`));
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

function parse(text: string | null | undefined) {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return null;
  }
}
