import { entraTenant, isLooseEntra } from './issuers.ts';
import type { Operator } from './people.ts';
import type { Policy } from './policy.ts';

type Contradictions = Generator<{ pointer: string; message: string }>;

const clientId = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Issuers whose tokens would not be told apart or never match, and entries that mean nobody or lead nowhere. */
export function* findIssuerContradictions(policy: Policy): Contradictions {
  const { issuers, operators = [], portals = [], teams } = policy;
  const addresses = issuers.map(({ issuer }) => issuer);
  for (const [index, { issuer, audience }] of issuers.entries()) {
    const pointer = `/issuers/${index}`;
    if (addresses.indexOf(issuer) < index)
      yield { pointer: `${pointer}/issuer`, message: 'is the address of another issuer too' };
    if (isLooseEntra(issuer))
      yield {
        pointer: `${pointer}/issuer`,
        message:
          'must name one tenant by its id, in lower case: https://login.microsoftonline.com/<tenant id>/v2.0',
      };
    // Tokens of v2.0 have nothing else, and are compared by exact text.
    if (entraTenant(issuer) && !clientId.test(audience))
      yield { pointer: `${pointer}/audience`, message: "must be the API's client id, in lower case" };
  }
  yield* wrongEntries(policy, '/operators', operators);
  yield* wrongEntries(policy, '/portals', portals);
  for (const [name, { principals }] of Object.entries(teams))
    yield* wrongEntries(policy, `/teams/${name}/principals`, principals);
  for (const [index, portal] of portals.entries())
    for (const [place, team] of portal.teams.entries())
      if (!Object.hasOwn(teams, team))
        yield {
          pointer: `/portals/${index}/teams/${place}`,
          message: `names a team '${team}' that is not in teams`,
        };
}

function* wrongEntries({ issuers }: Policy, list: string, entries: readonly Operator[]): Contradictions {
  const names = new Set(issuers.map(({ name }) => name));
  for (const [index, { issuer, subject, group, client, repositoryId, ownerId }] of entries.entries()) {
    const pointer = `${list}/${index}`;
    if (!names.has(issuer))
      yield { pointer: `${pointer}/issuer`, message: `names an issuer '${issuer}' that is not in issuers` };
    if ((repositoryId === undefined) !== (ownerId === undefined))
      yield { pointer, message: 'needs repositoryId and ownerId together' };
    if (!subject && !group && !client && !repositoryId)
      yield { pointer, message: 'names nobody: give subject, group, client or repositoryId' };
  }
}
