import { inspect } from 'node:util';

const masked = '[secret]';
const live = new Map<string, number>();

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
    live.set(value, (live.get(value) ?? 0) + 1);
  }

  reveal(): string {
    return this.#value;
  }

  /** Ends the step that needed the secret: its value is no longer kept for scrubbing. */
  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    const users = (live.get(this.#value) ?? 1) - 1;
    if (users > 0) live.set(this.#value, users);
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

/** Replaces every live secret value in a text, raw and as JSON would escape it. */
export function scrub(text: string): string {
  let clean = text;
  for (const value of live.keys()) {
    if (value.length < shortestScrubbed) continue;
    clean = clean.replaceAll(value, masked);
    const escaped = JSON.stringify(value).slice(1, -1);
    if (escaped !== value) clean = clean.replaceAll(escaped, masked);
  }
  return clean;
}
