import { createError, type ErrorDetail, type RequestError } from '../errors.ts';
import { findSecretRule } from './inline-secrets.ts';
import { invalid } from './problems.ts';
import { escapePointer } from './validation.ts';

const passwordNames = /^(?:registry)?(?:pass(?:word|wd|phrase)?|pwd)$/i;

/**
 * Refuses, before anything else looks at the body of any request: a property for a password, a name or text that is a
 * secret, and NUL, which no store keeps. What is refused is neither repeated nor logged.
 */
export function refuseSecrets(body: unknown): void {
  const secrets: ErrorDetail[] = [];
  for (const { pointer, parent, name, value } of entriesOf(body)) {
    // A name that is a secret is not repeated either: its place is that of the object around it.
    const rule = findSecretRule(name);
    if (rule) throw secretRefused([secretAt(parent, rule)]);
    if (passwordNames.test(name)) throw passwordRefused(pointer);
    if (typeof value !== 'string') continue;
    if (value.includes('\0')) throw invalid([{ pointer, detail: 'must not contain NUL' }]);
    const found = findSecretRule(value);
    if (found) secrets.push(secretAt(pointer, found));
  }
  if (secrets.length > 0) throw secretRefused(secrets);
}

interface Entry {
  pointer: string;
  /** Of the object or array that holds it. */
  parent: string;
  name: string;
  value: unknown;
}

/** Every member of a JSON value in the order of the document, however deep; the value itself is the member without name. */
function* entriesOf(body: unknown): Generator<Entry> {
  const pending: Entry[] = [{ pointer: '', parent: '', name: '', value: body }];
  for (let entry = pending.pop(); entry; entry = pending.pop()) {
    yield entry;
    const { pointer: parent, value } = entry;
    if (typeof value !== 'object' || value === null) continue;
    const members = Object.entries(value).map(([name, value]) => ({
      pointer: `${parent}/${escapePointer(name)}`,
      parent,
      name,
      value,
    }));
    for (const member of members.reverse()) pending.push(member);
  }
}

const secretAt = (pointer: string, rule: string): ErrorDetail => ({
  pointer,
  detail: `holds what looks like a secret (rule ${rule}): store it in Key Vault and name it with \`secretName\``,
  rule,
});

function secretRefused(errors: ErrorDetail[]): RequestError {
  const summary = errors.slice(0, 5).map(({ pointer, detail }) => `${pointer || '/'}: ${detail}`);
  return createError('SecretInRequest', summary.join('; '), { errors });
}

function passwordRefused(pointer: string): RequestError {
  const detail = 'Slipway takes no passwords: store it in Key Vault and name the secret with `secretName`.';
  return createError('PasswordNotAccepted', `${pointer}: ${detail}`, { errors: [{ pointer, detail }] });
}
