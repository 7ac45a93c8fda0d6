import { inspect } from 'node:util';

const masked = '[secret]';
/** Its forms are made once they are looked for. */
const live = new Map<string, { holders: number; forms: string[] | null }>();

/**
 * A value that must never be printed: a registry password, a token, a workload secret. Every way in which JavaScript
 * turns an object into text gives `[secret]`; `reveal()` is the only way to the value and is called where it goes on
 * the wire. While it lives its value is known to `scrub`, so that a text that carries it anyway is cleaned at the sinks.
 */
export class Secret implements Disposable {
  readonly #value: string;
  #disposed = false;

  constructor(value: string) {
    this.#value = value;
    const { holders, forms } = live.get(value) ?? { holders: 0, forms: null };
    live.set(value, { holders: holders + 1, forms });
  }

  reveal(): string {
    return this.#value;
  }

  /** Ends the step that needed the secret: its value is no longer kept for scrubbing. */
  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    const { holders = 1, forms = null } = live.get(this.#value) ?? {};
    if (holders > 1) live.set(this.#value, { holders: holders - 1, forms });
    else live.delete(this.#value);
  }

  toString(): string {
    return masked;
  }

  toJSON(): string {
    return masked;
  }

  [inspect.custom](): string {
    return masked;
  }

  get [Symbol.toStringTag](): string {
    return masked;
  }
}

// Shorter values would mask innocent words; no registry or vault of ours issues any this short.
const shortestScrubbed = 6;

/**
 * How a value is written down where something repeats a request: as it is, escaped by JSON once or twice, in an address
 * or a form, in base64 (a login, the files of a volume), in hex; and as UTF-16, also that in base64.
 */
function formsOf(value: string): string[] {
  if (value.length < shortestScrubbed) return [];
  const [once, wide] = [escaped(value), [...value].join('\0')];
  const address = encodeURIComponent(value);
  const hex = Buffer.from(value).toString('hex');
  const forms = [
    ...[value, once, escaped(once), wide, escaped(wide)],
    ...[address, address.replace(/%../g, code => code.toLowerCase()), address.replaceAll('%20', '+')],
    ...[new URLSearchParams([['', value]]).toString().slice(1), hex, hex.toUpperCase()],
    ...base64Of(Buffer.from(value)),
    ...base64Of(Buffer.from(value, 'utf16le')),
  ];
  return [...new Set(forms)].sort((a, b) => b.length - a.length);
}

const escaped = (text: string) => JSON.stringify(text).slice(1, -1);

/** At the three places where it may begin; the characters at its ends are its neighbours' too, and may stay. */
function base64Of(bytes: Buffer): string[] {
  const certain = [0, 1, 2].map(shift => {
    const encoded = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64')
      .replace(/=+$/, '');
    return encoded.slice(shift === 0 ? 0 : shift + 1, (shift + bytes.length) % 3 === 0 ? undefined : -1);
  });
  return [bytes.toString('base64'), ...certain]
    .filter(text => text.length >= shortestScrubbed)
    .flatMap(text => [text, text.replaceAll('+', '-').replaceAll('/', '_'), encodeURIComponent(text)]);
}

/** Replaces every live secret value in a text. */
export function scrub(text: string): string {
  let clean = text;
  for (const [value, known] of live) {
    known.forms ??= formsOf(value);
    for (const form of known.forms) clean = clean.replaceAll(form, masked);
  }
  return clean;
}
