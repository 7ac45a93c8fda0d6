import { parseReference } from '../../registry/reference.ts';
import type { CredentialContext, ExplainContext, Signs } from '../observation.ts';

/** The caller's own names, ready to be put into sentences and commands. */
export interface Names {
  image: string;
  registry: string;
  /** The host whose name was looked up: the registry's, or that of its token service. */
  host: string;
  repository: string;
  /** The image without its registry. */
  wanted: string;
  /** The registry's name in Azure, if it is one of Azure's. */
  acr: string | null;
  group: string;
  resourceGroup: string;
  secret: (CredentialContext & { kind: 'secret' }) | null;
  identity: string | null;
  /** The host for which the credential is configured. */
  server: string | null;
  /** The credential, in words. */
  by: string;
  /** What was said, for a sentence. */
  said: string;
}

export function namesOf(signs: Signs, context: ExplainContext): Names {
  const { image = 'the image', group = 'the group', resourceGroup = 'RESOURCE_GROUP', credential } = context;
  const parsed = parseReference(image);
  const server = credential && 'server' in credential && credential.server !== '' ? credential.server : null;
  const registry = parsed.ok ? parsed.reference.domain : (server ?? 'the registry');
  return {
    image,
    registry,
    host: hostIn(signs) ?? registry,
    repository: parsed.ok ? parsed.reference.path : 'REPOSITORY',
    wanted: image.startsWith(`${registry}/`) ? image.slice(registry.length + 1) : image,
    acr: /^([a-z0-9-]+)\.azurecr\./i.exec(registry)?.[1] ?? null,
    group,
    resourceGroup,
    secret: credential?.kind === 'secret' ? credential : null,
    identity: credential?.kind === 'identity' ? credential.id : null,
    server,
    by: nameOf(credential),
    said: signs.said.replaceAll(/\s+/g, ' ').trim().slice(0, 300),
  };
}

function hostIn({ observation, said }: Signs): string | undefined {
  if (observation.kind === 'registry') return observation.problem.host;
  return /\blookup ([\w.-]+\w)/.exec(said)?.[1];
}

function nameOf(credential: CredentialContext | undefined): string {
  switch (credential?.kind) {
    case 'secret': {
      const version = credential.secretVersion ? ` (version ${credential.secretVersion.slice(0, 8)})` : '';
      return `secret '${credential.secretName}'${version}`;
    }
    case 'identity':
      return `identity '${credential.id.split('/').at(-1)}'`;
    default:
      return 'no credential';
  }
}
