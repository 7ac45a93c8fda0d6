import { circuitOpenCode } from '../../circuits.ts';
import { addressRefusedCode } from '../../hosts.ts';
import { parseReference } from '../../registry/reference.ts';
import { hintFor } from '../../registry/reference-hints.ts';
import { retryBudgetCode } from '../../retry-budget.ts';
import type { Fix } from '../../schemas/failure.ts';
import { command } from '../command.ts';
import { fix } from '../failure.ts';
import type { Observation } from '../observation.ts';
import type { Words } from './advice.ts';
import { grantPull, newSecret } from './credential-words.ts';
import type { Names } from './names.ts';

/** Registries: what they have, and whether they can be reached. */
const isHeldBack = (observation: Observation) =>
  observation.kind === 'registry' &&
  [circuitOpenCode, retryBudgetCode].includes(observation.problem.networkCode ?? '');

export const registryWords: Words = {
  InvalidImageReference: names => ({
    detail: `'${names.image}' is not a well-formed image reference.`,
    fixes: [fix('caller', 'Write it as REGISTRY/REPOSITORY:TAG, without a scheme')],
  }),
  UppercaseRepository: names => ({
    detail: `'${names.image}' has capitals in its repository.`,
    fixes: [fix('caller', `Write the repository in lower case: ${lowerCase(names.image)}`)],
  }),
  ImageNotFound: (names, { observation }) => {
    const near = observation.kind === 'registry' ? (observation.problem.nearestTags ?? []) : [];
    const [first] = near;
    const meant = first ? imageWithTag(names.image, first) : null;
    return {
      detail: `${names.registry} has no ${names.wanted}.${first ? ` The nearest tags are ${near.join(', ')}.` : ''}`,
      fixes: [
        listTags(names),
        fix('caller', meant ? `Deploy a tag that exists, such as ${meant}` : 'Deploy a tag that exists'),
        ...slip(names),
      ],
    };
  },
  ImageInaccessible: names => ({
    detail: `Azure could not access ${names.image} with ${names.by}, and does not say why.`,
    fixes: [listTags(names), ...(names.identity ? [grantPull(names)] : newSecret(names))],
    causes: [
      'the tag or repository does not exist',
      'the credential is wrong or may not pull',
      "the registry's network rules refuse Azure",
      'a role was granted minutes ago and is not yet known everywhere',
    ],
  }),
  RegistryHostNotFound: names => ({
    detail: `There is no host ${names.host}: its name was looked up in vain.`,
    fixes: [fix('caller', `Check the spelling of ${names.host}`, command`nslookup ${names.host}`)],
  }),
  RegistryRateLimited: names => ({
    detail: `${names.registry} limits how often ${names.wanted} may be pulled${names.server ? '' : '; without a sign-in, everybody at the same address counts'}.`,
    fixes: rateLimitFixes(names),
    causes: ['the limit of the account or address is used up', 'the registry is out of order'],
  }),
  RegistryNetworkDenied: names => ({
    detail: `The network rules of ${names.registry} refuse the address that asks.`,
    fixes: [
      names.acr
        ? fix(
            'registryOwner',
            'Allow trusted Microsoft services and pull with a managed identity, or allow the address',
            command`az acr update --name ${names.acr} --allow-trusted-services true`,
          )
        : fix('registryOwner', `Allow the address in the network rules of ${names.registry}`),
    ],
    causes: [
      'the registry has a firewall or a private endpoint',
      'no credential was sent',
      'the credential may not pull',
    ],
  }),
  RegistryAdminDisabled: names => ({
    detail: `The admin user of ${names.registry} is disabled.`,
    fixes: [
      fix(
        'registryOwner',
        'Pull with a managed identity, or enable the admin user',
        command`az acr update --name ${names.acr ?? 'REGISTRY'} --admin-enabled true`,
      ),
    ],
  }),
  RegistryUnreachable: (names, { observation }) =>
    observation.kind === 'registry' && observation.problem.networkCode === addressRefusedCode
      ? notPublic(names)
      : unreachable(names),
  RegistryTlsError: names => ({
    detail: `The certificate of ${names.host} is not trusted: ${names.said}`,
    fixes: [
      fix(
        'registryOwner',
        'Serve https with a certificate of a public authority for this name',
        command`openssl s_client -connect ${withPort(names.host)} -servername ${names.host.replace(/:\d+$/, '')}`,
      ),
    ],
  }),
  RegistryUnavailable: (names, { observation }) => ({
    detail: isHeldBack(observation)
      ? `${names.registry} has not answered as it should of late, and is asked again soon.`
      : `${names.registry} answers with an error of its own: ${names.said || 'no reason given'}`,
    fixes: [
      fix(
        'registryOwner',
        'See to the registry; then deploy again',
        command`curl --include https://${names.registry}/v2/`,
      ),
    ],
    causes: ['the registry is out of order', 'its network rules refuse the address', 'it limits the pulls'],
  }),
  NotARegistry: (names, { observation }) => ({
    detail: `${names.registry} ${observation.kind === 'registry' ? strange(observation.problem) : 'answers, but not as a container registry.'}`,
    fixes: [
      fix(
        'caller',
        'Check the host: a registry answers at /v2/',
        command`curl --include https://${names.registry}/v2/`,
      ),
    ],
  }),
  PlatformMismatch: (names, { observation }) => ({
    detail: `${names.image} is not built for the platform of the group${observation.kind === 'registry' && observation.problem.platforms?.length ? `; it is for ${observation.problem.platforms.join(', ')}` : ''}.`,
    fixes: [
      fix(
        'caller',
        'Build the image for linux/amd64, or deploy another',
        command`docker buildx build --platform linux/amd64 --tag ${names.image} --push .`,
      ),
    ],
  }),
};

const imageWithTag = (image: string, tag: string) => `${image.replace(/:[\w.-]+$/, '')}:${tag}`;

/** An image of Docker Hub may have been meant for another registry. */
export function slip({ image }: Pick<Names, 'image'>): Fix[] {
  const parsed = parseReference(image);
  const hint = parsed.ok && parsed.reference.domain === 'docker.io' ? hintFor(image, parsed.reference) : null;
  return hint ? [fix('caller', hint)] : [];
}

function strange({ foreignRealm, redirectedTo }: { foreignRealm?: string; redirectedTo?: string }): string {
  if (foreignRealm)
    return `sends whoever signs in to ${foreignRealm}, which does not go with it: nothing was sent there. Where it does, the policy names it as tokenHost of the registry.`;
  return redirectedTo
    ? `points on to ${redirectedTo}, where no credential is taken along. Name that host in the image, if it is the registry.`
    : 'answers, but not as a container registry.';
}

const unreachable = (names: Names) => ({
  detail: `${names.registry} cannot be reached: ${names.said}`,
  fixes: [
    fix(
      'registryOwner',
      'See that the registry runs and can be reached from Azure; one behind a private endpoint needs the group in its network',
      command`curl --head https://${names.registry}/v2/`,
    ),
  ],
});

const notPublic = ({ host, registry }: Names) => ({
  detail: `${host} is not at a public address, and Slipway's policy names no other for ${registry}: nothing was sent.`,
  fixes: [
    fix(
      'platform',
      `Name the networks in which ${registry} may be in the policy, under registries: { ${registry}: { addresses: [...] } }`,
    ),
  ],
});

const withPort = (host: string) => (/:\d+$/.test(host) ? host : `${host}:443`);

/** The host and the tag may have capitals. */
function lowerCase(image: string): string {
  const [, host = '', repository = '', rest = ''] = /^([^/]*[.:][^/]*\/)?([^:@]*)(.*)$/.exec(image) ?? [];
  return `${host}${repository.toLowerCase()}${rest}`;
}

function listTags({ acr, repository, registry }: Names): Fix {
  return fix(
    'caller',
    'See which tags the repository has',
    acr
      ? command`az acr repository show-tags --name ${acr} --repository ${repository} --output table`
      : command`skopeo list-tags docker://${registry}/${repository}`,
  );
}

/** Whose images Azure's registries can keep a copy of (documented). */
const cacheable =
  /^(?:docker\.io|ghcr\.io|quay\.io|public\.ecr\.aws|registry\.k8s\.io|registry\.gitlab\.com|.*\.pkg\.dev)$/;

function rateLimitFixes({ registry, repository, server, acr }: Names): Fix[] {
  const source = `${registry}/${repository}`;
  const copy = cacheable.test(registry)
    ? command`az acr cache create --registry REGISTRY --name RULE --source-repo ${source} --target-repo ${repository}` +
      (server ? ' --cred-set CREDENTIAL_SET' : '')
    : command`az acr import --name REGISTRY --source ${source}:TAG`;
  const signIn = fix(
    'caller',
    `Sign in: name a secret for ${registry} in imageRegistryCredentials; the limit is then that of the account, and higher`,
  );
  const wait = fix('caller', 'Wait until the limit is renewed, or raise the plan of the account or registry');
  return [
    server ? wait : signIn,
    ...(acr
      ? []
      : [fix('platform', 'Serve the image from an Azure Container Registry that keeps a copy of it', copy)]),
  ];
}
