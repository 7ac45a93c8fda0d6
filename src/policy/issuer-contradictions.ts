import { entraTenant, isLooseEntra } from './issuers.ts';
import type { Policy } from './policy.ts';

const clientId = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Issuers whose tokens would not be told apart or never match, and people outside of the teams who lead nowhere. */
export function* findIssuerContradictions(policy: Policy): Generator<{ pointer: string; message: string }> {
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
  const names = new Set(issuers.map(({ name }) => name));
  const outside = Object.entries({ operators, portals }).flatMap(([list, people]) =>
    people.map(({ issuer }, index) => ({ pointer: `/${list}/${index}/issuer`, issuer })),
  );
  for (const { pointer, issuer } of outside)
    if (!names.has(issuer)) yield { pointer, message: `names an issuer '${issuer}' that is not in issuers` };
  for (const [index, portal] of portals.entries())
    for (const [place, team] of portal.teams.entries())
      if (!Object.hasOwn(teams, team))
        yield {
          pointer: `/portals/${index}/teams/${place}`,
          message: `names a team '${team}' that is not in teams`,
        };
}
