import { invalid } from './problems.ts';

/** Reads `Idempotency-Key`: a quoted string as the IETF draft has it, or the bare characters. Null where there is none. */
export function readIdempotencyKey(header: string | string[] | undefined): string | null {
  if (header === undefined) return null;
  const text = [header].flat().join(',').trim();
  const key = /^"(.*)"$/.exec(text)?.[1] ?? text;
  if (/^[\x21-\x7e]{1,255}$/.test(key)) return key;
  throw invalid([{ pointer: 'headers:/idempotency-key', detail: 'must be 1 to 255 visible characters' }]);
}
