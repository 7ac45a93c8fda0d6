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
