import { invalid } from './problems.ts';

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The next page's address: the same query with the cursor in it. Clients take it as it is. */
export function linkToNext(
  url: string,
  next: string | undefined,
  parameter = 'continuation',
): { nextLink?: string } {
  if (next === undefined) return {};
  const [path, query] = url.split('?', 2);
  const parameters = new URLSearchParams(query);
  parameters.set(parameter, parameter === 'continuation' ? Buffer.from(next).toString('base64url') : next);
  return { nextLink: `${path}?${parameters}` };
}

/** The id behind a `continuation`; undefined for the first page. */
export function readCursor(continuation: string | undefined): string | undefined {
  return readContinuation(continuation, uuid);
}

/** The number behind one. */
export function readNumber(continuation: string | undefined): number | undefined {
  const number = readContinuation(continuation, /^[1-9]\d{0,8}$/);
  return number === undefined ? undefined : Number(number);
}

function readContinuation(continuation: string | undefined, form: RegExp): string | undefined {
  if (continuation === undefined) return undefined;
  const text = Buffer.from(continuation, 'base64url').toString('utf8');
  if (form.test(text)) return text;
  throw invalid([{ pointer: 'querystring:/continuation', detail: 'is not from a nextLink of ours' }]);
}
