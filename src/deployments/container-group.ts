import type { ContainerGroupBody } from '../azure/container-groups.ts';
import type { Plan } from '../policy/decide.ts';
import type { Container, InitContainer } from '../schemas/container.ts';
import type { ImageRecord } from '../schemas/deployment.ts';
import type { Volume } from '../schemas/volume.ts';
import type { Secret } from '../secret.ts';
import type { ResolvedCredential } from './credentials.ts';
import { type Attached, identityAcls } from './identity-acls.ts';
import type { Spec } from './spec.ts';
import { accountKey, fileSecret, variableSecret, workspaceKey } from './spec-rules/secrets.ts';

/** The tag by which Slipway knows a group of its own; a group without it is never touched. */
export const ownerTag = 'slipway-deployment';
/** The tag that says which revision a group was made of. */
export const revisionTag = 'slipway-revision';

// Azure keeps 50 tags; labels may take 30.
const imageTags = 15;

interface Parts {
  deployment: string;
  revision: number;
  team: string;
  spec: Spec;
  /** What policy resolved: it is sent instead of what the request said. */
  plan: Pick<Plan, 'workloadIdentities' | 'subnets'>;
  images: readonly ImageRecord[];
  credentials: readonly ResolvedCredential[];
  /** The workload's secrets, by the pointer at which the request names them. */
  workload: ReadonlyMap<string, Pick<Secret, 'reveal'>>;
}

/** What Azure Resource Manager is sent. It holds secrets: made and dropped inside one call. */
export function containerGroupBody(parts: Parts): ContainerGroupBody {
  const { spec, plan, credentials } = parts;
  const { ipAddress, dnsConfig, zones, priority } = spec;
  const attached = attachedBy(parts);
  return {
    location: spec.location ?? '',
    tags: ownTags(parts),
    ...identityOf(attached),
    containers: spec.containers.map((container, index) => containerOf(container, index, parts)),
    ...(spec.initContainers
      ? { initContainers: spec.initContainers.map((container, index) => initOf(container, index, parts)) }
      : {}),
    imageRegistryCredentials: credentials.flatMap(registryCredential),
    osType: spec.osType ?? 'Linux',
    restartPolicy: spec.restartPolicy ?? 'Always',
    ...(spec.volumes ? { volumes: spec.volumes.map((volume, index) => volumeOf(volume, index, parts)) } : {}),
    ...(ipAddress ? { ipAddress } : {}),
    ...(plan.subnets.length > 0 ? { subnetIds: subnetsOf(parts) } : {}),
    ...(dnsConfig ? { dnsConfig } : {}),
    ...(zones ? { zones } : {}),
    ...(priority ? { priority } : {}),
    ...diagnosticsOf(parts),
  };
}

/** The labels, and what says which deployment and revision it is, and of what. */
export function ownTags({
  deployment,
  revision,
  team,
  spec,
  images,
}: Pick<Parts, 'deployment' | 'revision' | 'team' | 'spec' | 'images'>): Record<string, string> {
  return {
    ...spec.labels,
    ...askedTags(images),
    'slipway-team': team,
    [ownerTag]: deployment,
    [revisionTag]: String(revision),
  };
}

type Sent<T extends keyof ContainerGroupBody> = NonNullable<ContainerGroupBody[T]>;

function containerOf(
  { name, image, environmentVariables, ...others }: Container,
  index: number,
  parts: Parts,
): Sent<'containers'>[number] {
  const called = name ?? parts.spec.name;
  return {
    ...others,
    name: called,
    image: imageOf(called, image, parts),
    resources: others.resources ?? { requests: { cpu: 1, memoryInGB: 1.5 } },
    ...(environmentVariables
      ? { environmentVariables: variablesOf(environmentVariables, `/containers/${index}`, parts) }
      : {}),
  };
}

function initOf(
  { name, image, environmentVariables, ...others }: InitContainer,
  index: number,
  parts: Parts,
): Sent<'initContainers'>[number] {
  return {
    ...others,
    name,
    image: imageOf(name, image, parts),
    ...(environmentVariables
      ? { environmentVariables: variablesOf(environmentVariables, `/initContainers/${index}`, parts) }
      : {}),
  };
}

/** Names are used once in a group, init containers included. */
const imageOf = (name: string, asked: string, { images }: Parts) =>
  images.find(({ container }) => container === name)?.resolved ?? asked;

function variablesOf(
  variables: NonNullable<Container['environmentVariables']>,
  container: string,
  parts: Parts,
) {
  return variables.map(({ name, value, secretName }, index) => {
    if (secretName !== undefined)
      return { name, secureValue: secretAt(variableSecret(container, index), parts) };
    return { name, ...(value !== undefined ? { value } : {}) };
  });
}

function volumeOf({ name, secret, azureFile }: Volume, index: number, parts: Parts): Sent<'volumes'>[number] {
  if (azureFile) {
    const { storageAccountKeySecretName: _, vault: __, ...share } = azureFile;
    return { name, azureFile: { ...share, storageAccountKey: secretAt(accountKey(index), parts) } };
  }
  if (!secret) return { name, emptyDir: {} };
  const files = Object.keys(secret).map(file => {
    const value = secretAt(fileSecret(index, file), parts);
    return [file, Buffer.from(value).toString('base64')];
  });
  return { name, secret: Object.fromEntries(files) };
}

function diagnosticsOf(parts: Parts): Pick<ContainerGroupBody, 'diagnostics'> {
  if (!parts.spec.diagnostics) return {};
  const { workspaceKeySecretName: _, vault: __, ...workspace } = parts.spec.diagnostics.logAnalytics;
  return { diagnostics: { logAnalytics: { ...workspace, workspaceKey: secretAt(workspaceKey, parts) } } };
}

const subnetsOf = ({ spec, plan }: Parts) =>
  plan.subnets.map((id, index) => ({ ...spec.subnetIds?.[index], id }));

function secretAt(pointer: string, { workload }: Parts): string {
  const secret = workload.get(pointer);
  if (!secret) throw new Error(`the workload secret at ${pointer} was not resolved`);
  return secret.reveal();
}

function registryCredential(credential: ResolvedCredential): Sent<'imageRegistryCredentials'> {
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
const attachedBy = ({ plan, credentials }: Parts): Attached => ({
  workload: plan.workloadIdentities,
  pull: credentials.flatMap(credential => (credential.kind === 'identity' ? [credential.id] : [])),
});

function identityOf(attached: Attached): Pick<ContainerGroupBody, 'identity' | 'identityAcls'> {
  // By their one form: policy may list an identity twice, for both uses.
  const ids = new Map([...attached.workload, ...attached.pull].map(id => [id.toLowerCase(), id]));
  if (ids.size === 0) return {};
  const userAssignedIdentities = Object.fromEntries([...ids.values()].map(id => [id, {}]));
  const acls = identityAcls(attached);
  return {
    identity: { type: 'UserAssigned', userAssignedIdentities },
    ...(acls ? { identityAcls: acls } : {}),
  };
}

/** The tags asked for, which a pinned group no longer shows. */
function askedTags(images: readonly ImageRecord[]): Record<string, string> {
  const shown = images
    .slice(0, imageTags)
    .map(({ container, requested }) => [`slipway-image-${container}`, requested.slice(0, 256)]);
  return Object.fromEntries(shown);
}
