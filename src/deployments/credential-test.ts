import { AzureError } from '../azure/failure.ts';
import type { Roles } from '../azure/roles.ts';
import type { Vault } from '../azure/vault.ts';
import type { Clock } from '../clock.ts';
import { createError, type RequestError } from '../errors.ts';
import { canonicalRegistry } from '../hosts.ts';
import { decidePull } from '../policy/decide.ts';
import type { LoadedPolicy } from '../policy/load.ts';
import type { RegistryClient } from '../registry/client.ts';
import type { CredentialTest, CredentialTestRequest } from '../schemas/credential-test.ts';
import type { Caller } from '../schemas/principal.ts';
import type { Secret } from '../secret.ts';
import { denied } from './denied.ts';
import type { Proven } from './preflight.ts';
import { proveImages, resolveRegistries } from './proof.ts';
import { rolePropagation } from './pull-role.ts';
import { readImage } from './spec.ts';

interface CredentialTestParts {
  vault: Vault;
  roles: Roles;
  registry: RegistryClient;
  acrToken: (signal: AbortSignal) => Promise<Secret>;
  policy: () => LoadedPolicy;
  clock: Clock;
  tenantId: string;
}

export type TestCredential = ReturnType<typeof createCredentialTest>;

/**
 * Says whether a credential can pull an image now: as a deployment would find out, and from nothing known before. Throws
 * what policy refuses, and 503 where a service of ours does not answer.
 */
export function createCredentialTest(parts: CredentialTestParts) {
  return async (
    caller: Caller,
    request: CredentialTestRequest,
    signal: AbortSignal,
  ): Promise<CredentialTest> => {
    const { team, server, secretName, vault, identity, osType = 'Linux' } = request;
    const image = readImage('', request.image, '/image');
    const { domain, path: repository, tag, digest } = image.reference;
    const credential = {
      ...(secretName === undefined ? {} : { secretName }),
      ...(vault === undefined ? {} : { vault }),
      ...(identity === undefined ? {} : { identity }),
    };
    const policy = parts.policy();
    const decision = decidePull(policy, caller, {
      ...(team === undefined ? {} : { team }),
      images: [{ pointer: '/image', host: canonicalRegistry(domain), repository, tag, digest }],
      credentials: [{ pointer: '', server: canonicalRegistry(server), ...credential }],
    });
    if (!decision.allowed) throw denied(decision, [image]);

    const now = parts.clock.now();
    using held = new DisposableStack();
    try {
      const { registries } = decision;
      const resolved = await resolveRegistries(registries, { ...parts, policy, now, signal, held });
      const proof = { ...parts, now, signal, fresh: true };
      const [verdict] = await proveImages([image], resolved, { osType }, proof);
      if (!verdict) throw new Error('one image has one verdict');
      return verdict.ok ? usable(verdict) : { usable: false, failure: verdict.failure };
    } catch (error) {
      throw error instanceof AzureError ? unavailable(error) : error;
    }
  };
}

function usable({ image, notes, grant }: Proven): CredentialTest {
  const reason = rolePropagation;
  return {
    usable: true,
    verifiedWith: image.verifiedWith,
    ...(image.digest === null ? {} : { digest: image.digest }),
    ...(notes.length > 0 ? { notes } : {}),
    ...(grant
      ? { waitingFor: { reason, since: grant.at.toISOString(), until: grant.knownAt.toISOString() } }
      : {}),
  };
}

const names = {
  vault: 'Key Vault',
  arm: 'Azure Resource Manager',
  identity: 'the identity service of Azure',
  storage: 'the storage of Azure',
};

function unavailable({ kind, retryAfterMs }: AzureError): RequestError {
  const after = retryAfterMs === null ? 5 : Math.ceil(retryAfterMs / 1_000);
  return createError(
    'AzureUnavailable',
    `${names[kind]} does not answer as it should: nothing is known of the credential.`,
    { headers: { 'retry-after': String(after) } },
  );
}
