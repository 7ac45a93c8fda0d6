/** A code and a message, of an error or of one inside it. */
export interface Told {
  code: string | null;
  message: string;
}

/** Codes that say no more than that something else is wrong. */
const wrappers =
  /^(?:BadRequest|Conflict|Error|Failed|MultipleErrorsOccurred|(?:Invalid\w*)?Deployment\w*|Resource(?:Deployment|Operation)Failure)$/i;

/**
 * What an answer says of an error: Azure's `error` with its `details` and `innererror`, in any case, also as JSON inside a
 * message. The code is the outermost that is none of a wrapper; the message has them all. Null where nothing is said.
 */
export function readErrorBody(body: unknown): Told | null {
  const told = errorsIn(body, 0);
  const [first, ...inner] = told.filter(
    ({ message }, index) => told.findIndex(each => each.message === message) === index,
  );
  if (!first) return null;
  const code = told.find(each => each.code !== null && !wrappers.test(each.code))?.code ?? first.code;
  const wrapped = inner.map(each => `'${each.code ?? 'Error'}':'${each.message}'`);
  return { code, message: [first.message, ...wrapped].filter(Boolean).join(' ') };
}

const deepest = 12;
const mostDetails = 20;

function errorsIn(value: unknown, depth: number): Told[] {
  if (depth > deepest) return [];
  if (typeof value === 'string') return errorsIn(parseObject(value), depth + 1);
  if (Array.isArray(value)) return value.slice(0, mostDetails).flatMap(each => errorsIn(each, depth + 1));
  if (typeof value !== 'object' || value === null) return [];
  const members = new Map(Object.entries(value).map(([name, member]) => [name.toLowerCase(), member]));
  const nested = ['error', 'odata.error', 'details', 'innererror'].flatMap(name =>
    errorsIn(members.get(name), depth + 1),
  );
  const code = text(members.get('code'));
  const message = text(members.get('message')) ?? text(members.get('value'));
  if (code === null && message === null) return nested;
  const inMessage = errorsIn(message, depth + 1);
  return inMessage.length > 0
    ? [{ code, message: '' }, ...inMessage, ...nested]
    : [{ code, message: message ?? '' }, ...nested];
}

const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : null);

function parseObject(source: string): unknown {
  if (!/^\s*[{[]/.test(source)) return null;
  try {
    return JSON.parse(source);
  } catch {
    return null;
  }
}
