import type { ContainerGroupBody } from '../azure/container-groups.ts';
import type { ImageRecord } from '../schemas/deployment.ts';
import type { ResolvedCredential } from './credentials.ts';
import type { Spec } from './spec.ts';

/** The tag by which Slipway knows a group of its own; a group without it is never touched. */
export const ownerTag = 'slipway-deployment';

// Azure keeps 50 tags; labels may take 30.
const imageTags = 15;

export interface WorkloadSecretValue {
  secretName: string;
  vault: string | undefined;
  value: string;
}

interface Parts {
  deployment: string;
  team: string;
  spec: Spec;
  images: readonly ImageRecord[];
  credentials: readonly ResolvedCredential[];
  /** The value of a workload secret, by its name and vault as the spec has them. */
  workloadSecret(secretName: string, vault: string | undefined): string;
}

/** What Azure Resource Manager is sent. It holds secrets: made and dropped inside one call. */
export function containerGroupBody({
  deployment,
  team,
  spec,
  images,
  credentials,
  workloadSecret,
}: Parts): ContainerGroupBody {
  const identities = identitiesOf(spec, credentials);
  return {
    location: spec.location ?? '',
    tags: { ...spec.labels, ...askedTags(images), 'slipway-team': team, [ownerTag]: deployment },
    ...(identities.length > 0
      ? {
          identity: {
            type: 'UserAssigned',
            userAssignedIdentities: Object.fromEntries(identities.map(id => [id, {}])),
          },
        }
      : {}),
    containers: spec.containers.map((container, index) => ({
      name: container.name ?? spec.name,
      image: images[index]?.resolved ?? container.image,
      resources: container.resources ?? { requests: { cpu: 1, memoryInGB: 1.5 } },
      ...(container.command ? { command: container.command } : {}),
      ...(container.ports ? { ports: container.ports } : {}),
      ...(container.environmentVariables
        ? {
            environmentVariables: container.environmentVariables.map(({ name, value, secretName, vault }) =>
              secretName === undefined
                ? { name, ...(value !== undefined ? { value } : {}) }
                : { name, secureValue: workloadSecret(secretName, vault) },
            ),
          }
        : {}),
    })),
    imageRegistryCredentials: credentials.flatMap(registryCredential),
    osType: spec.osType ?? 'Linux',
    restartPolicy: spec.restartPolicy ?? 'Always',
    ...(spec.ipAddress ? { ipAddress: spec.ipAddress } : {}),
  };
}

function registryCredential(
  credential: ResolvedCredential,
): NonNullable<ContainerGroupBody['imageRegistryCredentials']> {
  switch (credential.kind) {
    case 'anonymous':
      return [];
    case 'identity':
      return [{ server: credential.host, identity: credential.id }];
    case 'secret':
      return [
        { server: credential.host, username: credential.username, password: credential.password.reveal() },
      ];
  }
}

/** The workload's identities, and those that pull because ACI pulls only with what is attached. */
function identitiesOf(spec: Spec, credentials: readonly ResolvedCredential[]): string[] {
  const pulling = credentials.flatMap(credential => (credential.kind === 'identity' ? [credential.id] : []));
  return [...new Set([...(spec.identity?.userAssignedIdentities ?? []), ...pulling])];
}

/** The tags asked for, which a pinned group no longer shows. */
function askedTags(images: readonly ImageRecord[]): Record<string, string> {
  const shown = images
    .slice(0, imageTags)
    .map(({ container, requested }) => [`slipway-image-${container}`, requested.slice(0, 256)]);
  return Object.fromEntries(shown);
}
