import { isSince } from './api-versions.ts';
import { type Draft, propertiesOf, type Refuse } from './draft.ts';
import type { StoredCredential } from './stored.ts';

const hostName =
  /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])$/i;

/** The credentials of a group, whatever its registries say of them. */
export function checkCredentials(draft: Draft, version: string, refuse: Refuse): void {
  const { imageRegistryCredentials = [], containers = [], initContainers = [] } = propertiesOf(draft);
  const where = `in the 'imageRegistryCredentials' of container group '${draft.name}'`;
  if (!isSince(version, '2021-07-01') && imageRegistryCredentials.some(({ identity }) => identity))
    throw refuse(
      400,
      'InvalidImageRegistryCredentialType',
      `Identity in 'imageRegistryCredentials' of container group '${draft.name}' is not supported.`,
    );
  for (const credential of imageRegistryCredentials) checkCredential(credential, draft, where, refuse);
  checkReferences(draft, refuse);
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

/** In words of our own: how Azure refuses these is not known. */
function checkReferences(draft: Draft, refuse: Refuse): void {
  const { secretReferences = [], imageRegistryCredentials = [] } = propertiesOf(draft);
  const attached = attachedTo(draft);
  for (const { name, identity } of secretReferences)
    if (!attached.includes(identity.toLowerCase()))
      throw refuse(
        400,
        'InvalidSecretReferenceIdentity',
        `The identity of the secret reference '${name}' of container group '${draft.name}' not found in container group identity list.`,
      );
  const names = secretReferences.map(({ name }) => name.toLowerCase());
  for (const { passwordReference: name } of imageRegistryCredentials)
    if (name !== undefined && !names.includes(name.toLowerCase()))
      throw refuse(
        400,
        'SecretReferenceNotFound',
        `The secret reference '${name}' in the 'imageRegistryCredentials' of container group '${draft.name}' not found in container group secret references.`,
      );
}

const attachedTo = ({ identity }: Draft) =>
  Object.keys(identity?.userAssignedIdentities ?? {}).map(id => id.toLowerCase());

function checkPullIdentity(identity: string, draft: Draft, where: string, refuse: Refuse): void {
  if (!attachedTo(draft).includes(identity.toLowerCase()))
    throw refuse(
      400,
      'InvalidImageRegistryIdentity',
      `The identity ${where} not found in container group identity list.`,
    );
}
