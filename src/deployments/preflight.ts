import type { Roles } from '../azure/roles.ts';
import type { Pull, RegistryClient, RegistryCredential } from '../registry/client.ts';
import { formatReference } from '../registry/reference.ts';
import type { ImageRecord, Verification } from '../schemas/deployment.ts';
import type { Failure } from '../schemas/failure.ts';
import type { Secret } from '../secret.ts';
import type { ResolvedCredential } from './credentials.ts';
import { explain } from './explain.ts';
import { type Grant, grantIn, type IdentityCredential, notesOf, refusalOf } from './pull-role.ts';
import type { Spec, SpecImage } from './spec.ts';

export interface PreflightParts {
  registry: RegistryClient;
  roles: Roles;
  /** A token of Slipway's own identity for Azure Container Registry. */
  acrToken: (signal: AbortSignal) => Promise<Secret>;
  tenantId: string;
  now: Date;
  /** The group that is made; none where an image is only tried. */
  group?: { name: string; resourceGroup: string };
  /** Nothing that was found before counts. */
  fresh?: boolean;
  signal: AbortSignal;
}

export interface Proven {
  ok: true;
  host: string;
  image: ImageRecord;
  /** What the registry's settings say that may matter to Azure. */
  notes: string[];
  /** Of a role that was granted minutes ago: it may not be known everywhere yet. */
  grant?: Grant;
}

export type Verdict = Proven | { ok: false; failure: Failure };

/** What of a request an image is proven for. */
type For = Pick<Spec, 'osType' | 'imagePinning' | 'subnetIds'>;

/**
 * Asks the registry for exactly this image with exactly this credential, and pins what it names. For an identity, which
 * Slipway cannot sign in as, its role is read and the digest with Slipway's own identity, where that may pull.
 */
export async function preflight(
  image: SpecImage,
  credential: ResolvedCredential,
  spec: For,
  parts: PreflightParts,
): Promise<Verdict> {
  const judge = (pull: Pull, verifiedWith: Verification) =>
    judged(pull, verifiedWith, image, credential, spec, parts);
  switch (credential.kind) {
    case 'anonymous':
      return judge(await ask(image, null, spec, parts), 'anonymous');
    case 'secret': {
      const { username, password } = credential;
      return judge(await ask(image, { username, password }, spec, parts), 'credential');
    }
    case 'identity':
      return preflightIdentity(image, credential, spec, parts);
  }
}

function ask(
  { reference }: SpecImage,
  credential: RegistryCredential | null,
  { osType }: For,
  { registry, signal, fresh = false }: PreflightParts,
): Promise<Pull> {
  const os = osType === 'Windows' ? ('windows' as const) : ('linux' as const);
  const platform = { os, architecture: 'amd64' as const };
  return registry.resolve({ reference, credential, platform, signal, fresh });
}

async function preflightIdentity(
  image: SpecImage,
  credential: IdentityCredential,
  spec: For,
  parts: PreflightParts,
): Promise<Verdict> {
  const { id: identityId, registryId, bestEffort = false } = credential;
  const role = await parts.roles.pullRole({ identityId, registryId, signal: parts.signal });
  const refusal = refusalOf(role, image, credential, spec);
  if (refusal) return { ok: false, failure: refusal };

  using token = await parts.acrToken(parts.signal);
  const pull = await ask(image, { entraToken: token, tenantId: parts.tenantId }, spec, parts);
  const verdict =
    pull.ok || countsForAll(pull, bestEffort)
      ? judged(pull, 'serviceIdentity', image, credential, spec, parts)
      : proven(image, credential, spec, null, role.state === 'granted' ? 'roleOnly' : 'none');
  return verdict.ok ? { ...verdict, notes: notesOf(role, credential), ...grantIn(role, parts.now) } : verdict;
}

/** What Slipway's own identity may not read says nothing of what the other may; what is true of the image or host does. */
function countsForAll(pull: Pull & { ok: false }, bestEffort: boolean): boolean {
  const { step, status = 0, networkCode, signedIn } = pull.problem;
  if (networkCode !== undefined || status >= 500) return !bestEffort;
  const noIdentities = step === 'exchange' && !signedIn;
  return noIdentities || step === 'platform' || (step === 'manifest' && status === 404);
}

function judged(
  pull: Pull,
  verifiedWith: Verification,
  image: SpecImage,
  credential: ResolvedCredential,
  spec: For,
  { group }: PreflightParts,
): Verdict {
  if (pull.ok) return proven(image, credential, spec, pull.digest, verifiedWith);
  const context = {
    stage: 'Resolving' as const,
    target: image.pointer,
    ...(group ? { group: group.name, resourceGroup: group.resourceGroup } : {}),
    image: image.requested,
    credential: explainable(credential),
  };
  return { ok: false, failure: explain({ kind: 'registry', problem: pull.problem }, context) };
}

function proven(
  image: SpecImage,
  { host }: ResolvedCredential,
  { imagePinning }: For,
  digest: string | null,
  verifiedWith: Verification,
): Proven {
  const { container, requested, reference } = image;
  const pinned = digest !== null && imagePinning !== 'tag';
  const resolved = pinned ? formatReference({ ...reference, tag: null, digest }) : requested;
  return {
    ok: true,
    host,
    image: { container, requested, resolved, digest, pinned, verifiedWith },
    notes: [],
  };
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
