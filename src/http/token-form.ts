import { createError, type RequestError } from '../errors.ts';

const longestHeader = 16_384;

/** The one bearer token of an `Authorization` header, in the one spelling that it has. Throws 401. */
export function readBearer(authorization: string | undefined): string {
  if (!authorization) throw refused('Send a bearer token: Authorization: Bearer TOKEN.', 'Bearer');
  const form = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/;
  const [, token] = authorization.length <= longestHeader ? (form.exec(authorization) ?? []) : [];
  if (!token) throw refused('The Authorization header must be one bearer token: Bearer TOKEN.');
  return token;
}

/**
 * What jose lets pass: a token without `typ` or `kid`, one that stands around another or says where its keys are, one
 * with a member twice, and another spelling of the same bytes. Throws with the reason.
 */
export function checkForm(token: string): void {
  const parts = token.split('.');
  // The last character of a part has bits that no byte has: a changed token would be the same one.
  const canonical = parts.every(part => Buffer.from(part, 'base64url').toString('base64url') === part);
  if (!canonical) throw new Error('base64url');
  const [header = '', payload = ''] = parts.map(part => Buffer.from(part, 'base64url').toString('utf8'));
  const { typ, kid, ...others } = readObject(header);
  readObject(payload);
  if (repeatsMember(header) || repeatsMember(payload)) throw new Error('a member twice');
  if (typeof typ !== 'string' || !/^(?:at\+)?jwt$/i.test(typ)) throw new Error('typ');
  if (typeof kid !== 'string') throw new Error('kid');
  const strange = strangeMembers.find(member => member in others);
  if (strange) throw new Error(`${strange} in the header`);
}

const strangeMembers = ['crit', 'b64', 'cty', 'zip', 'enc', 'jku', 'jwk', 'x5u', 'x5c'];

function readObject(json: string): Record<string, unknown> {
  const value: unknown = JSON.parse(json);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('no object');
  return { ...value };
}

/** Whether an object of JSON, which this must be, has a member twice: readers differ in which one counts. */
function repeatsMember(json: string): boolean {
  const names = new Set<string>();
  let depth = 0;
  for (const [found, text, colon] of json.matchAll(/"((?:[^"\\]|\\.)*)"(\s*:)?|[[\]{}]/g)) {
    if (found === '{' || found === '[') depth += 1;
    else if (found === '}' || found === ']') depth -= 1;
    else if (depth === 1 && colon !== undefined) {
      const name: unknown = JSON.parse(`"${text}"`);
      if (typeof name !== 'string' || names.has(name)) return true;
      names.add(name);
    }
  }
  return false;
}

/** Who sent no token is told of no fault in it (RFC 6750, 3.1). */
export function refused(detail: string, challenge = 'Bearer error="invalid_token"'): RequestError {
  return createError('Unauthenticated', detail, { headers: { 'www-authenticate': challenge } });
}
