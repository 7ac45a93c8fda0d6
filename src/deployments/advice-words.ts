import type { FailureCode } from '../failures.ts';
import type { Fix } from '../schemas/failure.ts';
import { secretCommand } from './failure.ts';
import type { CredentialContext, Signs } from './observation.ts';

/** The caller's own names, ready to be put into sentences and commands. */
export interface Names {
  image: string;
  registry: string;
  repository: string;
  acr: string | null;
  group: string;
  resourceGroup: string;
  secret: (CredentialContext & { kind: 'secret' }) | null;
  identity: string | null;
  by: string;
  said: string;
}

export type Words = readonly [detail: string, fixes: Fix[], causes?: string[]];

const fix = (who: Fix['who'], action: string, command?: string): Fix => ({
  who,
  action,
  ...(command ? { command } : {}),
});

const showGroup = ({ resourceGroup, group }: Names) =>
  `az container show --resource-group ${resourceGroup} --name ${group} --query instanceView --output json`;

const newSecret = (names: Names, who: Fix['who'] = 'caller'): Fix[] => {
  const { secret, registry } = names;
  if (!secret) return [fix(who, `Name a secret or an identity for ${registry} in imageRegistryCredentials`)];
  const command = secretCommand(secret.vault, secret.secretName, secret.server || registry, secret.username);
  return [
    fix(
      who,
      'Get a valid password or token from the registry and store it as a new version of the secret, tags repeated',
      command,
    ),
  ];
};

const listTags = ({ acr, repository, registry }: Names): Fix =>
  acr
    ? fix(
        'caller',
        'See which tags the repository has',
        `az acr repository show-tags --name ${acr} --repository ${repository} --output table`,
      )
    : fix(
        'caller',
        'See which tags the repository has',
        `skopeo list-tags docker://${registry}/${repository}`,
      );

const grantPull = ({ acr, identity }: Names): Fix =>
  fix(
    'registryOwner',
    'Grant AcrPull on the registry to the principal of the identity (not to its client id), and wait a minute',
    `az role assignment create --role AcrPull --assignee-object-id $(az identity show --ids ${identity ?? 'IDENTITY_ID'} --query principalId --output tsv) --assignee-principal-type ServicePrincipal --scope $(az acr show --name ${acr ?? 'REGISTRY'} --query id --output tsv)`,
  );

export const general = ({ said }: Names): Words => [said, []];

/** By code; what has no entry is told in the words of the evidence. */
export const words: Partial<Record<FailureCode, (names: Names, signs: Signs) => Words>> = {
  RegistryAuthenticationFailed: names => [
    `${names.registry} refused ${names.by} for ${names.image}.`,
    names.identity ? [grantPull(names)] : newSecret(names),
    [
      'the password or token is wrong',
      'it has expired or was revoked',
      'it belongs to another user than the one it is bound to',
      'it may not read this repository',
    ],
  ],
  RegistryAccessDenied: names => [
    `${names.registry} let ${names.by} sign in, but not pull ${names.repository}.`,
    names.identity
      ? [grantPull(names)]
      : [
          fix('registryOwner', `Let the user of ${names.by} pull from ${names.repository}`),
          ...newSecret(names, 'registryOwner'),
        ],
    [
      'the credential lacks the right to pull',
      'the registry refuses the network',
      'the repository does not exist',
    ],
  ],
  RepositoryNotFoundOrDenied: names => [
    `${names.registry} does not say whether ${names.repository} exists: there is no such repository, or ${names.by} may not read it.`,
    [fix('caller', 'Check the spelling of the repository'), ...newSecret(names)],
    ['there is no such repository', 'the credential may not read it'],
  ],
  RegistryCredentialMissing: names => [
    `${names.registry} asks for a credential for ${names.image}, and none was sent.`,
    [
      fix(
        'caller',
        `Add an entry for ${names.registry} to imageRegistryCredentials, by secretName or identity`,
      ),
    ],
  ],
  ImageNotFound: names => [
    `${names.registry} has no ${names.image.slice(names.image.startsWith(names.registry) ? names.registry.length + 1 : 0)}.`,
    [listTags(names), fix('caller', 'Deploy a tag that exists')],
  ],
  RegistryHostNotFound: names => [
    `There is no host ${names.registry}: its name was looked up in vain.`,
    [fix('caller', 'Check the spelling of the registry', `nslookup ${names.registry}`)],
  ],
  RegistryRateLimited: (names, signs) => [
    `${names.registry} limits the pulls of ${names.image}${signs.credential === 'none' ? ', which are counted for the whole address when nobody signs in' : ''}.`,
    [
      signs.credential === 'none'
        ? fix(
            'caller',
            `Sign in: name a secret for ${names.registry} in imageRegistryCredentials; signed in, the limit is your own and higher`,
          )
        : fix(
            'caller',
            'Wait until the limit is renewed (hours, at Docker Hub), or raise the plan of the account',
          ),
      fix(
        'platform',
        'Serve the image from Azure Container Registry, whose cache pulls it once',
        `az acr import --name REGISTRY --source ${names.registry}/${names.repository}`,
      ),
    ],
    ['the limit of the account or address is used up', 'the registry is out of order'],
  ],
  RegistryNetworkDenied: names => [
    `The network rules of ${names.registry} refuse the address that asks.`,
    [
      fix(
        'registryOwner',
        'Allow trusted Microsoft services and pull with a managed identity',
        `az acr update --name ${names.acr ?? 'REGISTRY'} --allow-trusted-services true`,
      ),
    ],
    ['the registry has a firewall or a private endpoint', 'no credential was sent'],
  ],
  RegistryAdminDisabled: names => [
    `The admin user of ${names.registry} is disabled.`,
    [
      fix(
        'registryOwner',
        'Pull with a managed identity, or enable the admin user',
        `az acr update --name ${names.acr ?? 'REGISTRY'} --admin-enabled true`,
      ),
    ],
  ],
  RegistryUnreachable: names => [
    `${names.registry} cannot be reached (${names.said}).`,
    [
      fix(
        'registryOwner',
        'See that the registry runs and can be reached from Azure',
        `curl --head https://${names.registry}/v2/`,
      ),
    ],
  ],
  RegistryTlsError: names => [
    `The certificate of ${names.registry} is not trusted (${names.said}).`,
    [
      fix(
        'registryOwner',
        'Serve a certificate of a public authority for this name',
        `openssl s_client -connect ${names.registry}:443 -servername ${names.registry}`,
      ),
    ],
  ],
  RegistryUnavailable: names => [
    `${names.registry} answers with an error of its own.`,
    [fix('registryOwner', 'See to the registry; then deploy again')],
    ['the registry is out of order', 'its network rules refuse the address', 'it limits the pulls'],
  ],
  NotARegistry: (names, { observation }) => [
    observation.kind === 'registry' && observation.problem.foreignRealm
      ? `${names.registry} sends whoever signs in to ${observation.problem.foreignRealm}, which does not go with it: nothing was sent there.`
      : `${names.registry} answers, but not as a container registry.`,
    [fix('caller', 'Check the host; `GET /v2/` must answer', `curl --include https://${names.registry}/v2/`)],
  ],
  PlatformMismatch: (names, { observation }) => [
    `${names.image} is not built for the platform of the group${observation.kind === 'registry' && observation.problem.platforms ? `; it has ${observation.problem.platforms.join(', ')}` : ''}.`,
    [
      fix(
        'caller',
        'Build the image for linux/amd64, or deploy another',
        `docker buildx build --platform linux/amd64 --tag ${names.image} --push .`,
      ),
    ],
  ],
  CredentialExpired: names => [`The token in ${names.by} has expired.`, newSecret(names)],
  CredentialMalformed: names => [`${names.by} is not usable as it is stored.`, newSecret(names)],
  CredentialDisabled: names => [`Secret '${names.secret?.secretName}' is disabled.`, newSecret(names)],
  SecretNotFound: names => [
    `Vault '${names.secret?.vault}' has no secret '${names.secret?.secretName}'.`,
    newSecret(names),
  ],
  VaultAccessDenied: names => [
    `Slipway's own identity may not read vault '${names.secret?.vault}'.`,
    [
      fix(
        'platform',
        'Give it the role Key Vault Secrets User',
        `az role assignment create --role "Key Vault Secrets User" --assignee-object-id SLIPWAY_PRINCIPAL_ID --assignee-principal-type ServicePrincipal --scope $(az keyvault show --name ${names.secret?.vault} --query id --output tsv)`,
      ),
    ],
  ],
  IdentityMissingPullRole: names => [
    `${names.by} may not pull from ${names.registry}.`,
    [grantPull(names)],
    [
      'the identity has no role on the registry',
      'the role was granted minutes ago and is not yet known everywhere',
      'the registry is in ABAC mode, where AcrPull does not count',
    ],
  ],
  ImageInaccessible: names => [
    `Azure could not access ${names.image} with ${names.by}, and does not say why.`,
    [listTags(names), ...(names.identity ? [grantPull(names)] : newSecret(names))],
    [
      'the tag or repository does not exist',
      'the credential is wrong or may not pull',
      "the registry's network rules refuse Azure",
      'a role was granted minutes ago and is not yet known everywhere',
    ],
  ],
  InvalidImageReference: names => [
    `${names.image} is not a well-formed image reference.`,
    [fix('caller', 'Write it as REGISTRY/REPOSITORY:TAG, without a scheme')],
  ],
  UppercaseRepository: names => [
    `${names.image} has capitals in its repository.`,
    [fix('caller', `Write it in lower case: ${names.image.toLowerCase()}`)],
  ],
  ContainerCrashed: (names, { observation }) => [
    observation.kind === 'container'
      ? `A container of '${names.group}' ended with exit code ${observation.exitCode ?? 'unknown'}${observation.detailStatus ? ` (${observation.detailStatus})` : ''}.${observation.lastLog ? ` Its last words: ${observation.lastLog.trim().split('\n').slice(-5).join(' | ').slice(0, 1000)}` : ''}`
      : names.said,
    [
      fix(
        'caller',
        'Run the image by hand with the same command and environment',
        `docker run --rm ${names.image}`,
      ),
    ],
  ],
  ContainerOutOfMemory: names => [
    `A container of '${names.group}' was ended because it used more memory than it asked for.`,
    [fix('caller', 'Raise resources.requests.memoryInGB of the container')],
  ],
  ProbeFailed: names => [
    names.said,
    [fix('caller', 'Correct the probe, or give the container longer to start (initialDelaySeconds)')],
  ],
  MountFailed: names => [
    `A volume of '${names.group}' could not be mounted: ${names.said}`,
    [fix('caller', 'Check share, account and key of the volume')],
  ],
  QuotaExceeded: names => [
    names.said,
    [
      fix(
        'platform',
        'Deploy in another location, delete groups, or ask Azure for more',
        'az container list --output table',
      ),
    ],
  ],
  RegionCapacity: names => [
    names.said,
    [fix('platform', 'Deploy again later, in another location, or with fewer cores')],
  ],
  GroupTransitioning: names => [
    `Container group '${names.group}' is still changing.`,
    [fix('platform', 'Wait a minute and try again')],
  ],
  RequiresReplacement: names => [names.said, [fix('caller', 'Delete the deployment and create it again')]],
  DnsNameLabelTaken: names => [names.said, [fix('caller', 'Take another ipAddress.dnsNameLabel')]],
  IdentityAssignDenied: names => [
    `Slipway's own identity may not attach ${names.by}.`,
    [
      fix(
        'platform',
        'Give it the role Managed Identity Operator on the identity',
        `az role assignment create --role "Managed Identity Operator" --assignee-object-id SLIPWAY_PRINCIPAL_ID --assignee-principal-type ServicePrincipal --scope ${names.identity ?? 'IDENTITY_ID'}`,
      ),
    ],
  ],
  AuthorizationFailed: names => [
    names.said,
    [
      fix(
        'platform',
        `Give Slipway's identity its role on resource group '${names.resourceGroup}'`,
        `az role assignment create --role Contributor --assignee-object-id SLIPWAY_PRINCIPAL_ID --assignee-principal-type ServicePrincipal --resource-group ${names.resourceGroup}`,
      ),
    ],
  ],
  ProvisioningTimeout: names => [
    `Container group '${names.group}' was not ready in time.`,
    [fix('platform', 'Look at what Azure says of the group', showGroup(names))],
    ['the image is large or its registry slow', 'the region has no room', 'a container does not start'],
  ],
  Unknown: names => [
    names.said || 'Azure gave no reason.',
    [fix('platform', 'Look at what Azure says of the group', showGroup(names))],
  ],
};
