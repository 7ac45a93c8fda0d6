import type { Caller } from '../schemas/principal.ts';
import type { Ask } from './decide.ts';

/** Somebody who may deploy in a team, whoever that is: for who asks what a team may. */
export function memberOf(team: string): Caller {
  return {
    principal: { issuer: 'expect', subject: 'expect' },
    teams: { [team]: ['deploy'] },
    expiresAt: 0,
  };
}

/** Asks for nothing but what is given. */
export function askOf(team: string, more: Partial<Ask> = {}): Ask {
  return {
    team,
    images: [],
    credentials: [],
    workloadSecrets: [],
    workloadIdentities: [],
    publicAddress: false,
    ...more,
  };
}

/** One credential, or none, for images of one registry. */
export function pullOf(
  server: string,
  image: { repository: string; tag?: string | null; digest?: string | null },
  credential: { secretName?: string; vault?: string; identity?: string } = {},
): Pick<Ask, 'images' | 'credentials'> {
  const named = credential.secretName !== undefined || credential.identity !== undefined;
  const { repository, tag = '1', digest = null } = image;
  return {
    images: [{ pointer: '/containers/0/image', host: server, repository, tag, digest }],
    credentials: named ? [{ pointer: '/imageRegistryCredentials/0', server, ...credential }] : [],
  };
}

const probes = ['zq0zq', '0qz0q'];

/**
 * Texts that a glob matches, and that another glob matches both only if it matches all that this one does; a text without
 * wildcard is its own.
 */
export function samplesOf(glob: string): string[] {
  if (!glob.includes('*')) return [glob];
  return probes.map((probe, index) =>
    glob.replaceAll('**', index === 0 ? probe : `${probe}/${probe}`).replaceAll('*', probe),
  );
}
