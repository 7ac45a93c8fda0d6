import { createError, type ErrorDetail } from '../errors.ts';
import { canonicalRegistry } from '../hosts.ts';
import type { Ask } from '../policy/decide.ts';
import { type ImageReference, parseReference } from '../registry/reference.ts';
import type { ContainerRequest, DeploymentRequest } from '../schemas/request.ts';

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

function fillContainer(container: ContainerRequest, request: DeploymentRequest): ContainerRequest {
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

/** Judges what the schema cannot: rules between members, each with its place. Throws 400. */
export function checkSpec(spec: Spec): void {
  const errors = [...containerErrors(spec), ...credentialErrors(spec), ...portErrors(spec)];
  if (errors.length === 0) return;
  const summary = errors.map(({ pointer, detail }) => `${pointer}: ${detail}`).join('; ');
  throw createError('InvalidRequest', summary, { errors });
}

function* containerErrors({ containers }: Spec): Generator<ErrorDetail> {
  const names = new Set<string>();
  for (const [index, container] of containers.entries()) {
    const pointer = `/containers/${index}`;
    if (container.name === undefined) yield { pointer: `${pointer}/name`, detail: 'is missing' };
    else if (names.has(container.name)) yield { pointer: `${pointer}/name`, detail: 'is used twice' };
    else names.add(container.name);
    yield* variableErrors(container, pointer);
  }
}

function* variableErrors(container: ContainerRequest, pointer: string): Generator<ErrorDetail> {
  const names = new Set<string>();
  for (const [index, variable] of (container.environmentVariables ?? []).entries()) {
    const place = `${pointer}/environmentVariables/${index}`;
    if (names.has(variable.name)) yield { pointer: `${place}/name`, detail: 'is used twice' };
    names.add(variable.name);
    if ((variable.value === undefined) === (variable.secretName === undefined))
      yield { pointer: place, detail: 'needs exactly one of value and secretName' };
    if (variable.vault !== undefined && variable.secretName === undefined)
      yield { pointer: `${place}/vault`, detail: 'goes with secretName only' };
  }
}

function* credentialErrors({ imageRegistryCredentials }: Spec): Generator<ErrorDetail> {
  for (const [index, credential] of (imageRegistryCredentials ?? []).entries()) {
    const pointer = `/imageRegistryCredentials/${index}`;
    if ((credential.secretName === undefined) === (credential.identity === undefined))
      yield { pointer, detail: 'needs exactly one of secretName and identity' };
    if (credential.vault !== undefined && credential.secretName === undefined)
      yield { pointer: `${pointer}/vault`, detail: 'goes with secretName only' };
  }
}

function* portErrors({ ipAddress }: Spec): Generator<ErrorDetail> {
  if (ipAddress?.type === 'Private')
    yield {
      pointer: '/ipAddress/type',
      detail: 'Private needs a subnet, which Slipway does not support yet',
    };
}

/** Reads every image reference. Throws 400 with the place, and the fix where there is one. */
export function readImages(spec: Spec): SpecImage[] {
  return spec.containers.map((container, index) => {
    const pointer = `/containers/${index}/image`;
    const parsed = parseReference(container.image);
    if (parsed.ok)
      return {
        container: container.name ?? spec.name,
        pointer,
        requested: container.image,
        reference: parsed.reference,
      };
    const code = parsed.reason === 'UPPERCASE' ? 'UppercaseRepository' : 'InvalidImageReference';
    const detail = parsed.hint ?? 'is not of the form [REGISTRY/]REPOSITORY[:TAG][@DIGEST]';
    throw createError(code, `${pointer}: ${detail}`, { errors: [{ pointer, detail }] });
  });
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
    workloadSecrets: spec.containers.flatMap((container, index) => workloadSecretsOf(container, index)),
    workloadIdentities: (spec.identity?.userAssignedIdentities ?? []).map((id, index) => ({
      pointer: `/identity/userAssignedIdentities/${index}`,
      id,
    })),
    publicAddress: spec.ipAddress?.type === 'Public',
  };
}

function workloadSecretsOf(container: ContainerRequest, index: number): Ask['workloadSecrets'] {
  return (container.environmentVariables ?? []).flatMap(({ secretName, vault }, place) => {
    if (secretName === undefined) return [];
    const pointer = `/containers/${index}/environmentVariables/${place}/secretName`;
    return [{ pointer, secretName, ...(vault !== undefined ? { vault } : {}) }];
  });
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
