import type { Registry } from '../world.ts';
import { RegistryError } from './errors.ts';

/** How a registry signs people in and refuses them: each has its own ways. */
export interface Manners {
  scheme: 'Basic' | 'Bearer';
  /** The address of its tokens, by its host. */
  tokens?: (host: string) => string;
  /** The words after the scheme, without `scope` and `error`. */
  challenge(host: string, tokens: string): string;
  /** Whether the challenge names what was asked for. */
  scoped: boolean;
  /** Whether nobody gets a token too, which opens only what is open. */
  tokenForNobody: boolean;
  /** To whom it does not know. */
  unknown(): RegistryError;
  /** To whom it knows, at what he may not pull; null where its challenge says so. */
  denied(repository: string): RegistryError | null;
  /** Where one without right is refused: `tokens` gives none, or the registry does not take it. */
  deniedAt: 'tokens' | 'registry';
}

const unauthorized = (message = 'authentication required') => new RegistryError(401, 'UNAUTHORIZED', message);

export const acrText =
  'authentication required, visit https://aka.ms/acr/authorization for more information.';

/** As the distribution project's own registry. */
const plain: Manners = {
  scheme: 'Basic',
  challenge: () => 'realm="Registry Realm"',
  scoped: false,
  tokenForNobody: false,
  unknown: () => unauthorized(),
  denied: () => null,
  deniedAt: 'registry',
};

const bearer = (path: string, service: (host: string) => string = host => host): Manners => ({
  ...plain,
  scheme: 'Bearer',
  tokens: host => `https://${host}${path}`,
  challenge: (host, tokens) => `realm="${tokens}",service="${service(host)}"`,
  scoped: true,
});

/** GitLab's tokens come from the host beside its registry's. */
const beside = (host: string) => host.replace(/^registry\./, '');

export const manners: Record<Registry['kind'], Manners> = {
  basic: plain,
  acr: { ...bearer('/oauth2/token'), unknown: () => unauthorized(acrText) },
  dockerhub: {
    ...bearer('/token', () => 'registry.docker.io'),
    tokens: () => 'https://auth.docker.io/token',
    tokenForNobody: true,
    unknown: () => unauthorized('incorrect username or password'),
  },
  ghcr: { ...bearer('/token'), unknown: () => new RegistryError(403, 'DENIED', 'denied') },
  harbor: {
    ...bearer('/service/token', () => 'harbor-registry'),
    tokenForNobody: true,
    unknown: () => unauthorized('unauthorized: unauthorized'),
    denied: repository => {
      const what = `unauthorized to access repository: ${repository}, action: pull`;
      return unauthorized(`${what}: ${what}`);
    },
  },
  nexus: {
    ...plain,
    challenge: () => 'realm="Sonatype Nexus Repository Manager"',
    denied: () => new RegistryError(403, 'DENIED', 'access to the requested resource is not authorized'),
  },
  gitlab: {
    ...bearer('/jwt/auth', () => 'container_registry'),
    tokens: host => `https://${beside(host)}/jwt/auth`,
    unknown: () => new RegistryError(403, 'DENIED', 'access forbidden'),
    denied: () => new RegistryError(403, 'DENIED', 'access forbidden'),
    deniedAt: 'tokens',
  },
  quay: {
    ...bearer('/v2/auth'),
    tokenForNobody: true,
    unknown: () => unauthorized('Invalid Username or Password'),
    denied: () => unauthorized('access to the requested resource is not authorized'),
  },
  artifactRegistry: {
    ...bearer('/v2/token'),
    // It names no service (documented).
    challenge: (_host, tokens) => `realm="${tokens}"`,
    tokenForNobody: true,
    unknown: () => unauthorized('authentication failed'),
    denied: repository => {
      const [project, name] = repository.split('/');
      return new RegistryError(
        403,
        'DENIED',
        `Permission "artifactregistry.repositories.downloadArtifacts" denied on resource "projects/${project}/locations/europe/repositories/${name}" (or it may not exist)`,
      );
    },
  },
  ecr: {
    ...plain,
    challenge: host => `realm="https://${host}/",service="ecr.amazonaws.com"`,
    unknown: () => new RegistryError(401, 'UNAUTHORIZED', 'Not Authorized', { plain: true }),
    denied: repository =>
      new RegistryError(
        403,
        'DENIED',
        `User: arn:aws:iam::123456789012:user/puller is not authorized to perform: ecr:BatchGetImage on resource: arn:aws:ecr:us-east-1:123456789012:repository/${repository} because no identity-based policy allows the ecr:BatchGetImage action`,
      ),
  },
};

/** The host of a registry's tokens, where it is another. */
export function tokenHostOf({ host, kind }: Pick<Registry, 'host' | 'kind'>): string | null {
  const tokens = manners[kind].tokens?.(host);
  const name = tokens === undefined ? host : new URL(tokens).hostname;
  return name === host ? null : name;
}

/** What a user's password says once its twelve hours are over (documented). */
export const expiredText =
  "Your Authorization Token has expired. Please run 'aws ecr get-login --no-include-email' to fetch a new one.";
