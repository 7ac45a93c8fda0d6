import type { Fix } from '../../schemas/failure.ts';
import { command } from '../command.ts';
import { fix, secretCommand } from '../failure.ts';
import type { Words } from './advice.ts';
import type { Names } from './names.ts';

/** Credentials: refused, missing, not enough, or not to be had from the vault. */
export const credentialWords: Words = {
  RegistryAuthenticationFailed: names => ({
    detail: `${names.registry} refused ${names.by} for ${names.wanted}.`,
    fixes: names.identity ? [grantPull(names)] : newSecret(names),
    causes: [
      'the password or token is wrong',
      'it has expired or was revoked',
      'it belongs to another user than the one it is bound to',
      'it may not read this repository',
    ],
  }),
  RegistryCredentialMissing: names => ({
    detail: names.server
      ? `${names.registry} was asked for ${names.wanted} without a credential: ${names.by} is given for ${names.server}, and did not go along.`
      : `${names.registry} asks for a credential for ${names.wanted}, and none is given.`,
    fixes: [
      fix(
        'caller',
        `Add an entry with server ${names.registry} to imageRegistryCredentials, by secretName or identity`,
      ),
      fix('caller', 'See that the name of the repository is right, if its images are public'),
    ],
    causes: ['no credential is given for this host', 'there is no such repository'],
  }),
  RegistryAccessDenied: names => ({
    detail: `${names.registry} let ${names.by} sign in, but not pull ${names.repository}.`,
    fixes: names.identity
      ? [grantPull(names)]
      : [
          fix('registryOwner', `Let the user of ${names.by} pull from ${names.repository}`),
          ...newSecret(names, 'registryOwner'),
        ],
    causes: [
      'the credential lacks the right to pull',
      'the password or token is wrong or has expired',
      'the registry refuses the network',
      'the repository does not exist',
    ],
  }),
  RepositoryNotFoundOrDenied: names => ({
    detail: `${names.registry} does not say whether ${names.repository} exists: there is no such repository, or ${names.by} may not read it.`,
    fixes: [fix('caller', `Check the spelling of ${names.repository}`), ...newSecret(names)],
    causes: ['there is no such repository', 'the credential may not read it'],
  }),
  CredentialExpired: names => ({ detail: `${capital(names.by)} has expired.`, fixes: newSecret(names) }),
  CredentialNotYetValid: names => ({
    detail: `${capital(names.by)} is not valid yet.`,
    fixes: newSecret(names),
  }),
  CredentialMalformed: names => ({
    detail: `${capital(names.by)} is not usable as it is stored: ${names.said}`,
    fixes: newSecret(names),
  }),
  CredentialDisabled: names => ({ detail: `${capital(names.by)} is disabled.`, fixes: newSecret(names) }),
  SecretNotFound: names => ({
    detail: `Vault '${vaultOf(names)}' has no secret '${names.secret?.secretName ?? 'SECRET'}'.`,
    fixes: newSecret(names),
  }),
  VaultAccessDenied: (names, { said }) => ({
    detail: `Slipway's own identity may not read vault '${vaultOf(names)}'.`,
    fixes: [
      /firewall|not authorized and caller is not a trusted/i.test(said) ? openVault(names) : readVault(names),
    ],
  }),
  IdentityMissingPullRole: names => ({
    detail: `${capital(names.by)} may not pull ${names.repository} from ${names.registry}.`,
    fixes: [grantPull(names)],
    causes: [
      'the identity has no role on the registry',
      'the role was granted minutes ago and is not yet known everywhere',
      'the registry is in ABAC mode, where AcrPull does not count',
    ],
  }),
  IdentityNotUsableForPull: names => ({
    detail: names.acr
      ? `${capital(names.by)} cannot pull images: ${names.said}`
      : `An identity signs in to Azure Container Registry only, not to ${names.registry}.`,
    fixes: [
      fix('caller', `Name a secret for ${names.registry}, or a user-assigned identity for an Azure registry`),
    ],
  }),
  IdentityNotAttached: names => ({
    detail: `Container group '${names.group}' names ${names.by} for the pull, but does not have it attached.`,
    fixes: [fix('caller', 'Name a user-assigned identity; a system-assigned one cannot pull images')],
  }),
  IdentityNotFound: names => ({
    detail: `Azure has no ${names.by}.`,
    fixes: [
      fix(
        'caller',
        'See whether it was deleted or is named otherwise',
        command`az identity show --ids ${names.identity ?? 'IDENTITY_ID'}`,
      ),
    ],
  }),
  IdentityAssignDenied: names => ({
    detail: `Slipway's own identity may not attach ${names.identity ? names.by : 'the identity'} to '${names.group}'.`,
    fixes: [
      fix(
        'platform',
        'Give it the role Managed Identity Operator on the identity',
        command`az role assignment create --role "Managed Identity Operator" --assignee-object-id SLIPWAY_PRINCIPAL_ID --assignee-principal-type ServicePrincipal --scope ${names.identity ?? 'IDENTITY_ID'}`,
      ),
    ],
  }),
  InvalidRegistryServer: names => ({
    fixes: [fix('caller', `Write the server as a host alone, ${names.registry}, without scheme and path`)],
  }),
  TooManyCredentials: names => ({
    fixes: [fix('caller', `Leave out the credentials that no image of '${names.group}' needs`)],
  }),
  AmbiguousCredential: names => ({
    fixes: [fix('caller', `Give either secretName or identity for ${names.server ?? names.registry}`)],
  }),
};

const capital = (text: string) => text.slice(0, 1).toUpperCase() + text.slice(1);
const vaultOf = ({ secret }: Names) => secret?.vault || 'VAULT';

/** A new version of the secret that was used; where none was, an entry for it. */
export function newSecret({ secret, registry }: Names, who: Fix['who'] = 'caller'): Fix[] {
  if (!secret) return [fix(who, `Name a secret or an identity for ${registry} in imageRegistryCredentials`)];
  const { vault, secretName, server, username } = secret;
  return [
    fix(
      who,
      'Get a valid password or token from the registry and store it as a new version of the secret, tags repeated',
      secretCommand(vault || 'VAULT', secretName, server || registry, username),
    ),
  ];
}

export function grantPull({ acr, identity }: Names): Fix {
  const id = identity ?? 'IDENTITY_ID';
  return fix(
    'registryOwner',
    'Grant AcrPull on the registry to the principal of the identity (not to its client id), and wait a minute',
    command`az role assignment create --role AcrPull --assignee-object-id $(az identity show --ids ${id} --query principalId --output tsv) --assignee-principal-type ServicePrincipal --scope $(az acr show --name ${acr ?? 'REGISTRY'} --query id --output tsv)`,
  );
}

const readVault = (names: Names) =>
  fix(
    'platform',
    'Give it the role Key Vault Secrets User',
    command`az role assignment create --role "Key Vault Secrets User" --assignee-object-id SLIPWAY_PRINCIPAL_ID --assignee-principal-type ServicePrincipal --scope $(az keyvault show --name ${vaultOf(names)} --query id --output tsv)`,
  );

const openVault = (names: Names) =>
  fix(
    'platform',
    "Let Slipway's address through the firewall of the vault",
    command`az keyvault network-rule add --name ${vaultOf(names)} --ip-address SLIPWAY_ADDRESS`,
  );
