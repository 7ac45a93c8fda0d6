import { decodeProtectedHeader, errors, jwtVerify, SignJWT } from 'jose';
import type { Principal } from '../world.ts';
import { type EntraError, wrongAssertion } from './errors.ts';
import type { SigningKeys } from './keys.ts';
import { peek } from './tokens.ts';

/** An issuer as GitHub Actions has one; it vouches for Slipway's own identity too. */
export const federatedIssuer = 'https://token.actions.githubusercontent.com';
export const exchangeAudience = 'api://AzureADTokenExchange';

const lifetimeSeconds = 2 * 3600;

/** A token of the federated issuer; `claims` are added to those that every token has. */
export function issueAssertion(
  keys: SigningKeys,
  subject: string,
  audience: string,
  claims: Record<string, unknown> = {},
): Promise<string> {
  const { kid, key } = keys.signer();
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({ iat: now, nbf: now, exp: now + lifetimeSeconds, ...claims })
    .setProtectedHeader({ typ: 'JWT', alg: 'RS256', kid })
    .setIssuer(federatedIssuer)
    .setSubject(subject)
    .setAudience(audience)
    .sign(key);
}

/** Throws as Entra ID does where the assertion is not one that the principal accepts instead of a secret. */
export async function checkAssertion(
  keys: SigningKeys,
  principal: Principal,
  assertion: string,
): Promise<void> {
  const refusal = mismatch(principal, peek(assertion) ?? {});
  if (refusal) throw refusal;
  try {
    const key = keys.find(decodeProtectedHeader(assertion).kid ?? '');
    if (!key) throw badSignature();
    await jwtVerify(assertion, key, { algorithms: ['RS256'], issuer: federatedIssuer });
  } catch (error) {
    throw error instanceof errors.JWTExpired ? outOfTime() : badSignature();
  }
}

function mismatch(principal: Principal, said: Record<string, unknown>): EntraError | null {
  const ofIssuer = principal.federated.filter(({ issuer }) => issuer === said.iss);
  if (said.iss !== federatedIssuer || ofIssuer.length === 0) return noRecord(700211, 'issuer', said.iss);
  const ofSubject = ofIssuer.filter(({ subject }) => subject === said.sub);
  if (ofSubject.length === 0) return noRecord(700213, 'subject', said.sub);
  return ofSubject.some(({ audience }) => audience === said.aud)
    ? null
    : noRecord(700212, 'audience', said.aud);
}

const noRecord = (number: number, what: string, value: unknown): EntraError =>
  wrongAssertion(
    number,
    `No matching federated identity record found for presented assertion ${what} '${String(value)}'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion.`,
  );

const outOfTime = (): EntraError =>
  wrongAssertion(700024, 'Client assertion is not within its valid time range.');

const badSignature = (): EntraError =>
  wrongAssertion(
    700027,
    'The certificate with identifier used to sign the client assertion is not registered on application.',
  );
