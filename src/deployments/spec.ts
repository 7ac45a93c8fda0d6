import { createError, type ErrorDetail } from '../errors.ts';
import { canonicalRegistry } from '../hosts.ts';
import type { Ask } from '../policy/decide.ts';
import { type ImageReference, parseReference } from '../registry/reference.ts';
import type { Container } from '../schemas/container.ts';
import type { DeploymentRequest } from '../schemas/request.ts';
import { plainSecretsIn } from './plain-secrets.ts';
import { containerErrors } from './spec-rules/containers.ts';
import { endErrors, groupErrors } from './spec-rules/group.ts';
import { secretsOf } from './spec-rules/secrets.ts';
import { volumeErrors } from './spec-rules/volumes.ts';

/** A request with its defaults filled in; it can be posted again. */
export type Spec = DeploymentRequest;

/** The image of one container, read. */
export interface SpecImage {
  container: string;
  pointer: string;
  requested: string;
  reference: ImageReference;
}

const defaultRequests = { cpu: 1, memoryInGB: 1.5 };

/** Fills in what the caller left out and ACI's rules settle; team, target and location are policy's to fill. */
export function fillDefaults(request: DeploymentRequest): Spec {
  return {
    ...request,
    containers: request.containers.map(container => fillContainer(container, request)),
    osType: request.osType ?? 'Linux',
    restartPolicy: request.restartPolicy ?? 'Always',
    imagePinning: request.imagePinning ?? 'digest',
    timeoutSeconds: request.timeoutSeconds ?? 1800,
    ...(request.ipAddress
      ? { ipAddress: { ...request.ipAddress, ports: request.ipAddress.ports.map(fillPort) } }
      : {}),
  };
}

function fillContainer(container: Container, request: DeploymentRequest): Container {
  return {
    ...container,
    // The smallest request is a name and an image: a lone container is called as its group.
    ...(container.name === undefined && request.containers.length === 1 ? { name: request.name } : {}),
    resources: container.resources ?? { requests: defaultRequests },
    ...(container.ports ? { ports: container.ports.map(fillPort) } : {}),
  };
}

const fillPort = <T extends { protocol?: 'TCP' | 'UDP' }>(port: T) => ({
  ...port,
  protocol: port.protocol ?? 'TCP',
});

/** Judges what the schema cannot: rules between members, and of what is asked for `now`; each with its place. Throws 400. */
export function checkSpec(spec: Spec, now?: Date): void {
  const errors: ErrorDetail[] = [
    ...containerErrors(spec),
    ...volumeErrors(spec),
    ...groupErrors(spec),
    ...(now ? endErrors(spec, now) : []),
  ];
  if (errors.length === 0) return;
  const summary = errors.map(({ pointer, detail }) => `${pointer}: ${detail}`).join('; ');
  throw createError('InvalidRequest', summary, { errors });
}

/**
 * Reads every image reference, those of containers first, then those of init containers. Throws 400 with the place, and
 * the fix where there is one.
 */
export function readImages(spec: Spec): SpecImage[] {
  const read = (list: 'containers' | 'initContainers') =>
    (spec[list] ?? []).map(({ name = spec.name, image }, index) =>
      readImage(name, image, `/${list}/${index}/image`),
    );
  return [...read('containers'), ...read('initContainers')];
}

export function readImage(container: string, requested: string, pointer: string): SpecImage {
  const parsed = parseReference(requested);
  if (parsed.ok) return { container, pointer, requested, reference: parsed.reference };
  const code = parsed.reason === 'UPPERCASE' ? 'UppercaseRepository' : 'InvalidImageReference';
  const detail = parsed.hint ?? 'is not of the form [REGISTRY/]REPOSITORY[:TAG][@DIGEST]';
  throw createError(code, `${pointer}: ${detail}`, { errors: [{ pointer, detail }] });
}

/** Where the image of a container or init container stands in the request; that of the first where there is none such. */
export function imagePointer(
  { containers, initContainers = [] }: Spec,
  container: string | undefined,
): string {
  const init = initContainers.findIndex(({ name }) => name === container);
  if (init >= 0) return `/initContainers/${init}/image`;
  const index = containers.findIndex(({ name }) => name === container);
  return `/containers/${Math.max(index, 0)}/image`;
}

/** What policy is asked: names and places, nothing else. */
export function askOf(spec: Spec, images: SpecImage[]): Ask {
  return {
    ...(spec.team !== undefined ? { team: spec.team } : {}),
    ...(spec.target !== undefined ? { target: spec.target } : {}),
    ...(spec.location !== undefined ? { location: spec.location } : {}),
    images: images.map(({ pointer, reference }) => ({
      pointer,
      host: canonicalRegistry(reference.domain),
      repository: reference.path,
      tag: reference.tag,
      digest: reference.digest,
    })),
    credentials: (spec.imageRegistryCredentials ?? []).map(({ server, ...credential }, index) => ({
      pointer: `/imageRegistryCredentials/${index}`,
      server: canonicalRegistry(server),
      ...credential,
    })),
    workloadSecrets: secretsOf(spec),
    workloadIdentities: (spec.identity?.userAssignedIdentities ?? []).map((id, index) => ({
      pointer: `/identity/userAssignedIdentities/${index}`,
      id,
    })),
    publicAddress: spec.ipAddress?.type === 'Public',
    plainSecrets: plainSecretsIn(spec),
    ...placesOf(spec),
  };
}

/** Networks and data that the group would reach with our rights. */
function placesOf({ subnetIds = [], volumes = [], diagnostics }: Spec) {
  const logs = '/diagnostics/logAnalytics';
  const { workspaceId, workspaceResourceId } = diagnostics?.logAnalytics ?? {};
  return {
    subnets: subnetIds.map(({ id }, index) => ({ pointer: `/subnetIds/${index}/id`, id })),
    workspaces: [
      ...(workspaceId ? [{ pointer: `${logs}/workspaceId`, id: workspaceId }] : []),
      ...(workspaceResourceId ? [{ pointer: `${logs}/workspaceResourceId`, id: workspaceResourceId }] : []),
    ],
    storageAccounts: volumes.flatMap(({ azureFile }, index) =>
      azureFile
        ? [{ pointer: `/volumes/${index}/azureFile/storageAccountName`, name: azureFile.storageAccountName }]
        : [],
    ),
  };
}

/** What a group of this spec takes of its team's and its region's quota. */
export function sizeOf(spec: Spec): { cpu: number; memoryInGB: number } {
  const requests = spec.containers.map(({ resources }) => resources?.requests ?? defaultRequests);
  const sum = (values: number[]) =>
    Math.round(values.reduce((total, value) => total + value, 0) * 1000) / 1000;
  return {
    cpu: sum(requests.map(({ cpu }) => cpu)),
    memoryInGB: sum(requests.map(({ memoryInGB }) => memoryInGB)),
  };
}
