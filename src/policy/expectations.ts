import { canonicalRegistry } from '../hosts.ts';
import { type Ask, decide } from './decide.ts';
import type { LoadedPolicy } from './load.ts';
import type { Expectation } from './policy.ts';

/** The policy's own tests: what it says of itself must be so before it takes effect. */
export function checkExpectations(loaded: LoadedPolicy): { pointer: string; message: string }[] {
  return (loaded.policy.expect ?? []).flatMap((expectation, index) => {
    const decision = decide(loaded, memberOf(expectation.team), askOf(expectation));
    const found = decision.allowed ? 'allow' : 'deny';
    if (found === expectation.decision) return [];
    const why = decision.allowed ? '' : ` (${decision.code}: ${decision.detail})`;
    return [
      {
        pointer: `/expect/${index}`,
        message: `expects ${expectation.decision}, and the policy says ${found}${why}`,
      },
    ];
  });
}

function memberOf(team: string) {
  return {
    principal: { issuer: 'expect', subject: 'expect' },
    teams: { [team]: ['deploy' as const] },
    expiresAt: 0,
  };
}

function askOf({ team, secret, identity, server, repository = 'any' }: Expectation): Ask {
  const host = canonicalRegistry(server);
  const credential = {
    pointer: '/imageRegistryCredentials/0',
    server: host,
    ...(secret ? { secretName: secret } : {}),
    ...(identity ? { identity } : {}),
  };
  return {
    team,
    images: [{ pointer: '/containers/0/image', host, repository, tag: '1', digest: null }],
    credentials: secret || identity ? [credential] : [],
    workloadSecrets: [],
    workloadIdentities: [],
    publicAddress: false,
  };
}
