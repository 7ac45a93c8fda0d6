import { canonicalRegistry } from '../hosts.ts';
import { askOf, memberOf, pullOf } from './asking.ts';
import { type Ask, type Decision, decide } from './decide.ts';
import type { LoadedPolicy } from './load.ts';
import type { Expectation } from './policy.ts';

/** The policy's own tests: what it says of itself must be so before it takes effect. */
export function checkExpectations(loaded: LoadedPolicy): { pointer: string; message: string }[] {
  return (loaded.policy.expect ?? []).flatMap((expectation, index) => {
    const decisions = asksOf(loaded, expectation).map(ask => decide(loaded, memberOf(expectation.team), ask));
    const found = decisions.some(({ allowed }) => allowed) ? 'allow' : 'deny';
    if (found === expectation.decision) return [];
    const message = `expects ${expectation.decision}, and the policy says ${found}${whyDenied(found, decisions)}`;
    return [{ pointer: `/expect/${index}`, message }];
  });
}

function whyDenied(found: string, decisions: readonly Decision[]): string {
  const [denied] = decisions.filter(decision => !decision.allowed);
  return found === 'deny' && denied ? ` (${denied.code}: ${denied.detail})` : '';
}

/** Without a repository any that the team may pull from the server will do: else `deny` would prove nothing. */
function asksOf(
  { policy }: LoadedPolicy,
  { team, secret, vault, identity, server, repository }: Expectation,
): Ask[] {
  const host = canonicalRegistry(server);
  const globs = (policy.teams[team]?.registries ?? [])
    .filter(entry => canonicalRegistry(entry.server) === host)
    .flatMap(({ repositories = ['any'] }) => repositories);
  const repositories = repository ? [repository] : globs.map(glob => glob.replaceAll(/\*+/g, 'any'));
  const credential = {
    ...(secret ? { secretName: secret } : {}),
    ...(vault ? { vault } : {}),
    ...(identity ? { identity } : {}),
  };
  return (repositories.length > 0 ? repositories : ['any']).map(path =>
    askOf(team, pullOf(host, { repository: path }, credential)),
  );
}
