import { inspect } from 'node:util';

const masked = '[secret]';
const live = new Map<string, { holders: number; forms: string[] }>();

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
    const { holders, forms } = live.get(value) ?? { holders: 0, forms: formsOf(value) };
    live.set(value, { holders: holders + 1, forms });
  }

  reveal(): string {
    return this.#value;
  }

  /** Ends the step that needed the secret: its value is no longer kept for scrubbing. */
  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    const { holders = 1, forms = [] } = live.get(this.#value) ?? {};
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

/** How a value is written: raw, as JSON escapes it, and as Azure takes the files of a volume. */
function formsOf(value: string): string[] {
  if (value.length < shortestScrubbed) return [];
  return [...new Set([value, JSON.stringify(value).slice(1, -1), Buffer.from(value).toString('base64')])];
}

/** Replaces every live secret value in a text. */
export function scrub(text: string): string {
  let clean = text;
  for (const { forms } of live.values()) for (const form of forms) clean = clean.replaceAll(form, masked);
  return clean;
}
