import type { Roles } from '../azure/roles.ts';
import { canonicalRegistry } from '../hosts.ts';
import type { Pull, RegistryClient, RegistryCredential } from '../registry/client.ts';
import { formatReference } from '../registry/reference.ts';
import type { ImageRecord, Verification } from '../schemas/deployment.ts';
import type { Failure } from '../schemas/failure.ts';
import type { Secret } from '../secret.ts';
import type { ResolvedCredential } from './credentials.ts';
import { explain } from './explain.ts';
import { failure } from './failure.ts';
import type { Spec, SpecImage } from './spec.ts';

interface PreflightParts {
  registry: RegistryClient;
  roles: Roles;
  /** A token of Slipway's own identity for Azure Container Registry. */
  acrToken: (signal: AbortSignal) => Promise<Secret>;
  tenantId: string;
  group: { name: string; resourceGroup: string };
  signal: AbortSignal;
}

export type Verdict = { ok: true; image: ImageRecord } | { ok: false; failure: Failure };

/**
 * Asks the registry for exactly this image with exactly this credential, and pins what it names. For an identity, which
 * Slipway cannot sign in as, its role is read and the digest with Slipway's own identity, where that may pull.
 */
export async function preflight(
  image: SpecImage,
  credential: ResolvedCredential,
  spec: Spec,
  parts: PreflightParts,
): Promise<Verdict> {
  switch (credential.kind) {
    case 'anonymous':
      return proven(await ask(image, null, spec, parts), 'anonymous', image, credential, spec, parts);
    case 'secret': {
      const { username, password } = credential;
      return proven(
        await ask(image, { username, password }, spec, parts),
        'credential',
        image,
        credential,
        spec,
        parts,
      );
    }
    case 'identity':
      return preflightIdentity(image, credential, spec, parts);
  }
}

function ask(
  { reference }: SpecImage,
  credential: RegistryCredential | null,
  spec: Spec,
  { registry, signal }: PreflightParts,
): Promise<Pull> {
  const platform = {
    os: spec.osType === 'Windows' ? ('windows' as const) : ('linux' as const),
    architecture: 'amd64' as const,
  };
  return registry.resolve({ reference, credential, platform, signal });
}

async function preflightIdentity(
  image: SpecImage,
  credential: ResolvedCredential & { kind: 'identity' },
  spec: Spec,
  parts: PreflightParts,
): Promise<Verdict> {
  const role = await parts.roles.pullRole({
    identityId: credential.id,
    registryId: credential.registryId,
    signal: parts.signal,
  });
  if (role.state === 'identityNotFound') return { ok: false, failure: identityNotFound(image, credential) };
  if (role.state === 'missing')
    return { ok: false, failure: roleMissing(image, credential, role.principalId) };

  using token = await parts.acrToken(parts.signal);
  const pull = await ask(image, { entraToken: token, tenantId: parts.tenantId }, spec, parts);
  const unverified: Verification = role.state === 'granted' ? 'roleOnly' : 'none';
  // What Slipway's own identity may not read says nothing of what the other may.
  if (!pull.ok && !provesAbsence(pull)) return { ok: true, image: record(image, spec, null, unverified) };
  return proven(pull, 'serviceIdentity', image, credential, spec, parts);
}

/** The registry let us in and named what is wrong with the image itself. */
function provesAbsence(pull: Pull & { ok: false }): boolean {
  const { step, status, networkCode } = pull.problem;
  return networkCode === 'ENOTFOUND' || step === 'platform' || (step === 'manifest' && status === 404);
}

function proven(
  pull: Pull,
  verifiedWith: Verification,
  image: SpecImage,
  credential: ResolvedCredential,
  spec: Spec,
  { group }: PreflightParts,
): Verdict {
  if (pull.ok) return { ok: true, image: record(image, spec, pull.digest, verifiedWith) };
  const context = {
    stage: 'Resolving' as const,
    target: image.pointer,
    group: group.name,
    resourceGroup: group.resourceGroup,
    image: image.requested,
    credential: explainable(credential),
  };
  return { ok: false, failure: explain({ kind: 'registry', problem: pull.problem }, context) };
}

/** What an explanation may say of a credential: names, never values. */
export function explainable(credential: ResolvedCredential) {
  switch (credential.kind) {
    case 'anonymous':
      return { kind: 'none' as const };
    case 'identity':
      return { kind: 'identity' as const, id: credential.id, server: credential.host };
    case 'secret':
      return {
        kind: 'secret' as const,
        vault: credential.vault.name,
        secretName: credential.secretName,
        secretVersion: credential.version,
        username: credential.username,
        server: credential.host,
      };
  }
}

function record(
  image: SpecImage,
  spec: Spec,
  digest: string | null,
  verifiedWith: Verification,
): ImageRecord {
  const pinned = digest !== null && spec.imagePinning !== 'tag';
  const resolved = pinned ? formatReference({ ...image.reference, tag: null, digest }) : image.requested;
  return { container: image.container, requested: image.requested, resolved, digest, pinned, verifiedWith };
}

type IdentityCredential = ResolvedCredential & { kind: 'identity' };

function identityNotFound(image: SpecImage, { id }: IdentityCredential): Failure {
  return failure('IdentityNotFound', `Azure has no identity ${id}.`, {
    stage: 'Resolving',
    target: image.pointer,
    evidence: [{ step: 'arm', status: 404 }],
    fixes: [
      {
        who: 'caller',
        action: 'See whether the identity was deleted or is named otherwise',
        command: `az identity show --ids ${id}`,
      },
    ],
  });
}

function roleMissing(
  image: SpecImage,
  { id, host, registryId }: IdentityCredential,
  principalId: string | undefined,
): Failure {
  const registry = canonicalRegistry(host).replace(/\.azurecr\.io$/, '');
  const scope = registryId ?? `$(az acr show --name ${registry} --query id --output tsv)`;
  const assignee = principalId ?? `$(az identity show --ids ${id} --query principalId --output tsv)`;
  return failure('IdentityMissingPullRole', `Identity ${id} has no role on ${host} that lets it pull.`, {
    stage: 'Resolving',
    target: image.pointer,
    evidence: [{ step: 'role', host, message: 'no assignment of AcrPull reaches the registry' }],
    fixes: [
      {
        who: 'registryOwner',
        action:
          'Grant AcrPull on the registry to the principal of the identity (not to its client id), and wait a minute',
        command: `az role assignment create --assignee-object-id ${assignee} --assignee-principal-type ServicePrincipal --role AcrPull --scope ${scope}`,
      },
    ],
  });
}
