import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The secret values of an embedded Azure, from its own data directory: what must show nowhere else. */
export function readCanaries(directory: string): string[] {
  const found = new Set<string>();
  for (const name of readdirSync(directory).filter(
    name => name.startsWith('world') && name.endsWith('.json'),
  ))
    collect(JSON.parse(readFileSync(join(directory, name), 'utf8')), found);
  return [...found];
}

const secretMembers = new Set(['value', 'password', 'secrets']);
// Shorter ones are no canaries: the well-known secret of the emulator's administrator is not one either.
const shortest = 16;

function collect(value: unknown, found: Set<string>): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [name, member] of Object.entries(value)) {
    const candidates = secretMembers.has(name) ? [member].flat() : [];
    for (const text of candidates)
      if (typeof text === 'string' && text.length >= shortest) addSecret(text, found);
    collect(member, found);
  }
}

function addSecret(text: string, found: Set<string>): void {
  try {
    const { password } = JSON.parse(text) as { password?: string };
    found.add(password ?? text);
  } catch {
    found.add(text);
  }
}

/** Where one of the secrets shows, in any of the ways in which text is written down. */
export function findCanaries(
  haystacks: { place: string; content: string | Buffer }[],
  canaries: readonly string[],
): string[] {
  const needles = canaries.flatMap(canary => spellings(canary));
  return haystacks.flatMap(({ place, content }) => {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    return needles.some(needle => bytes.includes(needle)) ? [place] : [];
  });
}

function spellings(canary: string): Buffer[] {
  const [raw, wide] = [Buffer.from(canary), Buffer.from(canary, 'utf16le')];
  const once = JSON.stringify(canary).slice(1, -1);
  const address = encodeURIComponent(canary);
  const hex = raw.toString('hex');
  const texts = [
    ...[once, JSON.stringify(once).slice(1, -1)],
    ...[address, address.replace(/%../g, code => code.toLowerCase()), address.replaceAll('%20', '+')],
    ...[hex, hex.toUpperCase()],
    ...[...base64(raw), ...base64(wide)].flatMap(text => [
      text,
      text.replaceAll('+', '-').replaceAll('/', '_'),
      encodeURIComponent(text),
    ]),
    // As Azure's JSON and PostgreSQL's text show the bytes of UTF-16.
    [...canary].join('\\u0000'),
  ];
  return [raw, wide, ...texts.map(text => Buffer.from(text))];
}

/** At the three places where it may begin. */
function base64(bytes: Buffer): string[] {
  return [0, 1, 2].map(shift => {
    // The characters at the ends depend on the neighbours: only what is between them is certain.
    const text = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64')
      .replaceAll('=', '');
    return text.slice(shift === 0 ? 0 : shift + 1, -2);
  });
}
