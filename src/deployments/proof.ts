import { AzureError } from '../azure/failure.ts';
import { canonicalRegistry } from '../hosts.ts';
import type { PlannedRegistry } from '../policy/decide.ts';
import type { Failure } from '../schemas/failure.ts';
import {
  type CredentialParts,
  type Resolution,
  type ResolvedCredential,
  resolveCredential,
} from './credentials.ts';
import { explain } from './explain.ts';
import { type PreflightParts, preflight, type Verdict } from './preflight.ts';
import type { Spec, SpecImage } from './spec.ts';
import { together } from './together.ts';

export interface Resolved {
  host: string;
  resolution: Resolution;
}

/** Resolves what policy planned, all at once. Throws `AzureError` where a vault does not answer. */
export function resolveRegistries(
  planned: readonly PlannedRegistry[],
  parts: CredentialParts,
): Promise<Resolved[]> {
  return together(
    ...planned.map(async each => ({ host: each.host, resolution: await resolveOne(each, parts) })),
  );
}

/** What became of each image, in their order: of one whose credential cannot be used, why not. All are asked at once. */
export function proveImages(
  images: readonly SpecImage[],
  resolved: readonly Resolved[],
  spec: Pick<Spec, 'osType' | 'imagePinning' | 'subnetIds'>,
  parts: PreflightParts,
): Promise<Verdict[]> {
  return together(
    ...images.map(async (image): Promise<Verdict> => {
      const host = canonicalRegistry(image.reference.domain);
      const found = resolved.find(each => each.host === host);
      if (!found) throw new Error(`no credential was planned for ${host}`);
      const { resolution } = found;
      return resolution.ok ? preflight(image, resolution.credential, spec, parts) : resolution;
    }),
  );
}

export const credentialsIn = (resolved: readonly Resolved[]): ResolvedCredential[] =>
  resolved.flatMap(({ resolution }) => (resolution.ok ? [resolution.credential] : []));

async function resolveOne(planned: PlannedRegistry, parts: CredentialParts): Promise<Resolution> {
  try {
    return await resolveCredential(planned, parts);
  } catch (error) {
    if (!(error instanceof AzureError) || error.retryable || planned.kind !== 'secret') throw error;
    return { ok: false, failure: explainVault(error, planned) };
  }
}

function explainVault(error: AzureError, planned: PlannedRegistry & { kind: 'secret' }): Failure {
  const { host: server, pointer: target, vault, secretName } = planned;
  return explain(
    { kind: 'vault', status: error.status, code: error.code, message: error.message },
    {
      stage: 'Resolving',
      target,
      credential: { kind: 'secret', vault: vault.name, secretName, server },
    },
  );
}
