import { secretRules } from './secret-rules.ts';

// No body is longer. A decoded text is scanned as what it says, so a few readings of the whole are many of its parts.
const longestScanned = 64 * 1024;
const mostReadings = 24;
const deepest = 2;
const shortestSecret = 8;

/** The id of the rule that a text meets, as it stands or decoded; null for an innocent one. */
export function findSecretRule(text: string): string | null {
  if (text.length < shortestSecret) return null;
  for (const reading of readingsOf(text.slice(0, longestScanned))) {
    const found = secretRules.find(({ pattern }) => pattern.test(reading));
    if (found) return found.id;
  }
  return null;
}

/** The text, and what it says to who decodes it: once, or one encoding in another. */
function* readingsOf(text: string): Generator<string> {
  const seen = new Set([text]);
  let layer = [text];
  yield text;
  for (let depth = 0; depth < deepest; depth += 1) {
    const next = layer.flatMap(reading => decoders.map(decode => decode(reading)));
    layer = [...new Set(next)].filter(reading => !seen.has(reading)).slice(0, mostReadings - seen.size);
    for (const reading of layer) seen.add(reading);
    yield* layer;
  }
}

/** Each gives the text back as it is where it has nothing to decode. */
const decoders: readonly ((text: string) => string)[] = [
  text => text.replace(/(?:%[0-9a-f]{2})+/gi, escapes => bytesOf(escapes.replaceAll('%', ''), 'hex')),
  text =>
    text.includes('\\')
      ? text
          .replace(/\\u00([0-7][0-9a-f])/gi, (_escape, code: string) => bytesOf(code, 'hex'))
          .replace(/\\(["'\\/])/g, '$1')
      : text,
  text => text.normalize('NFKC').replace(/\p{Cf}/gu, ''),
  ...[0, 1, 2, 3].map(shift => (text: string) => decodeBase64(text, shift)),
  text => text.replace(/[0-9a-f]{32,}/gi, digits => bytesOf(digits, 'hex')),
];

// What stands before, such as a path, may belong to the alphabet: then the text begins at another of four characters.
function decodeBase64(text: string, shift: number): string {
  const unwrapped = text.replace(/([A-Za-z0-9+/_-]{60,76})\r?\n/g, '$1');
  return unwrapped.replace(/[A-Za-z0-9+/_-]{20,}/g, run => bytesOf(run.slice(shift), 'base64'));
}

/** Also of text in UTF-16, as some shells take it. */
function bytesOf(text: string, encoding: 'base64' | 'hex'): string {
  return Buffer.from(text, encoding).toString('utf8').replaceAll('\0', '');
}
