import type { FastifyRequest } from 'fastify';
import type { ArmAccess } from '../arm/access.ts';
import type { Parts } from '../parts.ts';
import type { ContainerGroup, World } from '../world.ts';
import type { Look } from './puller.ts';
import type { StoredCredential, StoredProperties } from './stored.ts';

type Draft = Pick<ContainerGroup, 'id' | 'name' | 'location' | 'identity' | 'properties' | 'subscriptionId'>;
type Refuse = (status: number, code: string, message: string) => Error;

const limits = { groups: 1_000, cores: 1_000 };

/** Everything that Azure refuses before it looks at an image, with Azure's codes and words, misspelt ones included. */
export function checkDraft(
  draft: Draft,
  present: ContainerGroup | undefined,
  parts: Parts,
  refuse: Refuse,
): void {
  checkContainers(draft, refuse);
  checkCredentials(draft, refuse);
  if (present) checkUpdate(draft, present, refuse);
  checkQuota(draft, parts.world, refuse);
  checkDnsLabel(draft, parts.world, refuse);
}

const propertiesOf = ({ properties }: Pick<ContainerGroup, 'properties'>) => properties as StoredProperties;

function checkContainers(draft: Draft, refuse: Refuse): void {
  const { containers = [], osType } = propertiesOf(draft);
  if (osType !== undefined && !/^(?:linux|windows)$/i.test(osType))
    throw refuse(
      400,
      'InvalidOsType',
      `The 'osType' for container group '${draft.name}' is invalid. The value must be one of 'Windows,Linux'.`,
    );
  if (containers.length === 0)
    throw refuse(
      400,
      'MissingRequiredProperty',
      `The container group '${draft.name}' must have at least one container.`,
    );
  for (const { name, properties } of containers) {
    if (!/^[a-z0-9](?:-?[a-z0-9])*$/.test(name ?? '') || name.length > 63)
      throw refuse(
        400,
        'InvalidContainerName',
        `The container name '${name}' in container group '${draft.name}' is invalid. The name must be between 1 and 63 characters long, of lower-case letters, numbers and hyphens.`,
      );
    if (!properties?.image)
      throw refuse(
        400,
        'MissingImage',
        `The image is not specified in container '${name}' of container group '${draft.name}'.`,
      );
    const requests = properties.resources?.requests;
    if (!requests?.cpu || !requests.memoryInGB)
      throw refuse(
        400,
        'ResourceRequestsNotSpecified',
        `The resource requests are not specified in container '${name}' of contain group '${draft.name}'. Both memory and CPU requests are required since API version '2017-07-01-preview'.`,
      );
  }
}

const hostName =
  /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])$/i;

function checkCredentials(draft: Draft, refuse: Refuse): void {
  const { imageRegistryCredentials = [], containers = [], initContainers = [] } = propertiesOf(draft);
  const where = `in the 'imageRegistryCredentials' of container group '${draft.name}'`;
  for (const credential of imageRegistryCredentials) checkCredential(credential, draft, where, refuse);
  if (imageRegistryCredentials.length > containers.length + initContainers.length)
    throw refuse(
      400,
      'MoreImageRegistryCredentialsThanContainers',
      `More image registry credentials provided than containers in container group '${draft.name}'.`,
    );
}

function checkCredential(credential: StoredCredential, draft: Draft, where: string, refuse: Refuse): void {
  const { server = '', username, identity } = credential;
  if (!hostName.test(server))
    throw refuse(
      400,
      'InvalidImageRegistryServer',
      `The server '${server}' ${where} is invalid. It should be a valid host name without protocol.`,
    );
  if ((username !== undefined) === (identity !== undefined))
    throw refuse(
      400,
      'AmbiguousImageResitryCredentialType',
      `The registry credential type ${where} cannot be detected. Please set exactly one of username or identity`,
    );
  if (identity !== undefined) checkPullIdentity(identity, draft, where, refuse);
  else checkLogin(credential, where, refuse);
}

function checkLogin(
  { username, password, passwordReference }: StoredCredential,
  where: string,
  refuse: Refuse,
): void {
  if (username === '')
    throw refuse(400, 'InvalidImageRegistryUsername', `The username ${where} cannot be empty.`);
  if (!password && !passwordReference)
    throw refuse(400, 'InvalidImageRegistryPassword', `The password ${where} cannot be empty.`);
}

function checkPullIdentity(
  identity: string,
  { identity: attached }: Draft,
  where: string,
  refuse: Refuse,
): void {
  const ids = Object.keys(attached?.userAssignedIdentities ?? {}).map(id => id.toLowerCase());
  if (!ids.includes(identity.toLowerCase()))
    throw refuse(
      400,
      'InvalidImageRegistryIdentity',
      `The identity ${where} not found in container group identity list.`,
    );
}

/** What cannot be changed in place. */
function checkUpdate(draft: Draft, present: ContainerGroup, refuse: Refuse): void {
  const fixed = ({ osType, restartPolicy, subnetIds, containers = [] }: StoredProperties) =>
    JSON.stringify([
      osType?.toLowerCase(),
      restartPolicy ?? 'Always',
      subnetIds,
      containers.map(({ name, properties }) => [name, properties.resources]),
    ]);
  if (fixed(propertiesOf(draft)) === fixed(propertiesOf(present))) return;
  throw refuse(
    400,
    'InvalidContainerGroupUpdate',
    `The updates on container group '${draft.name}' are invalid. If you are going to update the os type, restart policy, network profile, CPU, memory or GPU resources for a container group, you must delete it first and then create a new one.`,
  );
}

const coresOf = ({ containers = [] }: StoredProperties) =>
  containers.reduce((sum, { properties }) => sum + (properties.resources?.requests?.cpu ?? 0), 0);

function checkQuota(draft: Draft, { containerGroups }: World, refuse: Refuse): void {
  const others = Object.values(containerGroups).filter(
    group =>
      group.subscriptionId === draft.subscriptionId &&
      group.location === draft.location &&
      group.id.toLowerCase() !== draft.id.toLowerCase(),
  );
  const cores = others.reduce((sum, group) => sum + coresOf(propertiesOf(group)), 0);
  const asked = coresOf(propertiesOf(draft));
  const exceeded = (quota: string, limit: number, usage: number, requested: number) =>
    refuse(
      400,
      'ContainerGroupQuotaReached',
      `Resource type 'Microsoft.ContainerInstance/containerGroups' container group quota '${quota}' exceeded in region '${draft.location}'. Limit: '${limit}', Usage: '${usage}' Requested: '${requested}'.`,
    );
  if (others.length + 1 > limits.groups) throw exceeded('ContainerGroups', limits.groups, others.length, 1);
  if (cores + asked > limits.cores) throw exceeded('StandardCores', limits.cores, cores, asked);
}

function checkDnsLabel(draft: Draft, { containerGroups }: World, refuse: Refuse): void {
  const label = propertiesOf(draft).ipAddress?.dnsNameLabel;
  if (label === undefined) return;
  if (!/^[a-z](?:[a-z0-9-]{3,61})[a-z0-9]$/.test(label))
    throw refuse(
      400,
      'InvalidDnsNameLabel',
      `The DNS name label '${label}' in container group '${draft.name}' is invalid. It can contain only lowercase letters, numbers and hyphens. The first character must be a letter. The last character must be a letter or number. The value must be between 5 and 63 characters long.`,
    );
  const holder = Object.values(containerGroups).find(
    group =>
      group.location === draft.location &&
      propertiesOf(group).ipAddress?.dnsNameLabel === label &&
      group.id.toLowerCase() !== draft.id.toLowerCase(),
  );
  if (holder)
    throw refuse(
      400,
      'DnsNameLabelAlreadyTaken',
      `The DNS name label '${label}' in container group '${draft.name}' is not available. Try using a different label.`,
    );
}

/** Who puts a group with identities or a subnet must have rights on these too. */
export function checkLinks(
  request: FastifyRequest,
  draft: Draft,
  { tier, world }: Parts,
  access: ArmAccess,
): void {
  for (const id of Object.keys(draft.identity?.userAssignedIdentities ?? {})) {
    access.link(request, 'Microsoft.ManagedIdentity/userAssignedIdentities/assign/action', id);
    if (tier !== 'simulated' && !world.identities[id.toLowerCase()])
      throw access.error(
        400,
        'FailedIdentityOperation',
        `Identity operation for resource '${draft.id}' failed with error 'The identity '${id}' was not found.'`,
      );
  }
  for (const { id = '' } of propertiesOf(draft).subnetIds ?? [])
    access.link(request, 'Microsoft.Network/virtualNetworks/subnets/join/action', id);
}

/** What the registry said of the images, as ARM tells it: alone, or wrapped where there are several. */
export function refuseImages(
  looks: readonly { image: string; look: Look }[],
  { name, properties }: Draft,
  refuse: Refuse,
): void {
  const osType = (properties as StoredProperties).osType ?? 'Linux';
  const faults = looks.flatMap(({ image, look }) => (look.ok ? [] : [faultOf(image, look, name, osType)]));
  const [first, ...others] = faults;
  if (!first) return;
  if (others.length === 0) throw refuse(first.status, first.code, first.message);
  const all = faults.map(({ code, message }) => `'BadRequest':'${code}':'${message}'`).join(';');
  throw refuse(400, 'MultipleErrorsOccurred', `Multiple error occurred: ${all}.`);
}

function faultOf(
  image: string,
  look: Look & { ok: false },
  group: string,
  osType: string,
): { status: number; code: string; message: string } {
  if (look.why === 'platform')
    return {
      status: 400,
      code: 'ImageOsTypeNotMatchContainerGroup',
      message: `The container image '${image}' doesn't support specified OS '${osType}' for container group '${group}'.`,
    };
  if (look.why === 'registryError') {
    const host = look.host === 'registry-1.docker.io' ? 'index.docker.io' : look.host;
    return {
      status: 409,
      code: 'RegistryErrorResponse',
      message: `An error response is received from the docker registry '${host}'. Please retry later.`,
    };
  }
  return {
    status: 400,
    code: 'InaccessibleImage',
    message: `The image '${image}' in container group '${group}' is not accessible. Please check the image and registry credential.`,
  };
}
