import type { PullRole } from '../azure/roles.ts';
import { canonicalRegistry } from '../hosts.ts';
import type { Failure } from '../schemas/failure.ts';
import type { DeploymentRow } from '../store/deployments.ts';
import { command } from './command.ts';
import type { ResolvedCredential } from './credentials.ts';
import { failure, fix } from './failure.ts';
import { readImages, type Spec, type SpecImage } from './spec.ts';

export type IdentityCredential = ResolvedCredential & { kind: 'identity' };

/** Why Azure would not pull an image as this identity, by what Resource Manager says; null where nothing speaks against it. */
export function refusalOf(
  role: PullRole,
  image: SpecImage,
  credential: IdentityCredential,
  { subnetIds = [] }: Pick<Spec, 'subnetIds'>,
): Failure | null {
  if (role.state === 'identityNotFound') return identityNotFound(image, credential);
  if (role.state === 'unknown') return null;
  if (role.state === 'missing') return roleMissing(image, credential, role);
  // From a subnet the registry may be reached by a way of its own.
  return role.registry.network === 'closed' && subnetIds.length === 0
    ? networkClosed(image, credential)
    : null;
}

/** What of the registry's settings may matter to Azure, and cannot be proven from here. */
export function notesOf(role: PullRole, { host }: IdentityCredential): string[] {
  if (role.state !== 'granted') return [];
  const { network, armTokens } = role.registry;
  return [
    ...(armTokens
      ? []
      : [
          `${host} takes no tokens for Azure Resource Manager (azureADAuthenticationAsArmPolicy is disabled)`,
        ]),
    ...(network === 'trusted'
      ? [
          `the network rules of ${host} let in trusted Microsoft services: Azure pulls with the identity as one`,
        ]
      : []),
    ...(network === 'closed' ? [`the network rules of ${host} let in its own networks only`] : []),
  ];
}

/** Roles are known within ten minutes (documented); most within seconds, so Azure is asked after a few of them. */
const knownAfterMs = 10 * 60_000;
const waitMs = 15_000;

export const rolePropagation = 'RolePropagation';

export interface Grant {
  at: Date;
  /** Before that Azure is not even asked. */
  waitUntil: Date;
  /** From then on it is known everywhere. */
  knownAt: Date;
}

/** Of a role that was granted minutes ago. */
export function grantIn(role: PullRole, now: Date): { grant?: Grant } {
  if (role.state !== 'granted' || !role.grantedAt) return {};
  const { grantedAt: at } = role;
  const after = (ms: number) => new Date(at.getTime() + ms);
  const age = now.getTime() - at.getTime();
  if (age >= knownAfterMs) return {};
  // A clock that is ahead of ours says nothing of seconds.
  return { grant: { at, waitUntil: age < -waitMs ? at : after(waitMs), knownAt: after(knownAfterMs) } };
}

const refusals: ReadonlySet<Failure['code']> = new Set([
  'ImageInaccessible',
  'IdentityMissingPullRole',
  'RegistryAuthenticationFailed',
  'RegistryAccessDenied',
]);

/** What Azure refused, where a young role is the likely cause: it passes. Null where it is not. */
export function spreading(
  failure: Failure,
  { credentials, spec }: Pick<DeploymentRow, 'credentials' | 'spec'>,
  now: Date,
): Failure | null {
  if (!refusals.has(failure.code)) return null;
  const images = readImages(spec).filter(({ pointer }) => pointer === failure.target);
  const used = credentials.find(({ server }) =>
    images.some(({ reference }) => canonicalRegistry(reference.domain) === server),
  );
  const { roleGrantedAt, identity } = used ?? {};
  if (roleGrantedAt === undefined || now.getTime() - Date.parse(roleGrantedAt) >= knownAfterMs) return null;
  const detail = `Azure does not let identity ${identity} pull yet: its role was granted at ${roleGrantedAt}, which may take ten minutes to be known everywhere.`;
  return { ...failure, detail, owner: 'platform', retryable: true };
}

function identityNotFound({ pointer }: SpecImage, { id }: IdentityCredential): Failure {
  return failure('IdentityNotFound', `Azure has no identity ${id}.`, {
    stage: 'Resolving',
    target: pointer,
    evidence: [{ step: 'arm', status: 404 }],
    fixes: [
      fix(
        'caller',
        'See whether the identity was deleted or is named otherwise',
        command`az identity show --ids ${id}`,
      ),
    ],
  });
}

function roleMissing(
  { pointer }: SpecImage,
  { id, host, registryId }: IdentityCredential,
  { principalId, registry }: PullRole & { state: 'missing' | 'granted' },
): Failure {
  const scope = registryId ?? `$(az acr show --name ${nameOf(host)} --query id --output tsv)`;
  const abac = registry.mode === 'abac';
  const role = abac ? 'Container Registry Repository Reader' : 'AcrPull';
  const message = `no assignment of ${role} reaches the registry${abac ? ', which is in ABAC mode: AcrPull does not count there' : ''}`;
  return failure('IdentityMissingPullRole', `Identity ${id} has no role on ${host} that lets it pull.`, {
    stage: 'Resolving',
    target: pointer,
    evidence: [{ step: 'role', host, message }],
    fixes: [
      fix(
        'registryOwner',
        `Grant ${role} on the registry to the principal of the identity (not to its client id), and wait a minute`,
        command`az role assignment create --assignee-object-id ${principalId} --assignee-principal-type ServicePrincipal --role ${role} --scope ${scope}`,
      ),
    ],
  });
}

function networkClosed({ pointer }: SpecImage, { host }: IdentityCredential): Failure {
  return failure(
    'RegistryNetworkDenied',
    `The network rules of ${host} let in neither the public nor trusted Microsoft services: Azure cannot pull from it.`,
    {
      stage: 'Resolving',
      target: pointer,
      evidence: [{ step: 'arm', host, message: 'networkRuleBypassOptions is None' }],
      fixes: [
        fix(
          'registryOwner',
          'Allow trusted Microsoft services',
          command`az acr update --name ${nameOf(host)} --allow-trusted-services true`,
        ),
        fix('caller', 'Or deploy into a subnet from which the registry is reached: subnetIds'),
      ],
    },
  );
}

const nameOf = (host: string) => canonicalRegistry(host).replace(/\.azurecr\.[a-z]+$/, '');
