import { type IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Alteration } from './faults.ts';

type Rest = unknown[];

/**
 * The door's own response: it may be held until what it acknowledges is kept, and spoiled on its way out.
 */
export class DoorResponse extends ServerResponse<IncomingMessage> {
  /** Runs before the last byte leaves; a promise holds it back. */
  beforeEnd: (() => Promise<void> | undefined) | undefined;
  /** How the real answer is spoiled. */
  spoil: { truncateAt: number } | { bytesPerSecond: number } | { alteration: Alteration } | undefined;
  readonly #held: Buffer[] = [];

  /** Where the answer is altered its headers wait until the end. */
  override writeHead(status: number, ...rest: Rest): this {
    if (!this.spoil || !('alteration' in this.spoil)) return super.writeHead(status, ...(rest as []));
    this.statusCode = status;
    const headers = rest.find(each => typeof each === 'object' && each !== null) ?? {};
    for (const [name, value] of Object.entries(headers)) this.setHeader(name, value);
    return this;
  }

  override write(chunk: unknown, ...rest: Rest): boolean {
    if (!this.spoil) return super.write(chunk, ...(rest as []));
    this.#held.push(toBuffer(chunk));
    callbackIn(rest)?.();
    return true;
  }

  override end(...args: Rest): this {
    const held = this.beforeEnd?.();
    this.beforeEnd = undefined;
    if (held)
      void held.then(
        () => this.#finish(args),
        error => this.destroy(error),
      );
    else this.#finish(args);
    return this;
  }

  #finish(args: Rest): void {
    if (!this.spoil) {
      super.end(...(args as []));
      return;
    }
    const [chunk] = args;
    if (typeof chunk === 'string' || chunk instanceof Uint8Array) this.#held.push(toBuffer(chunk));
    const whole = Buffer.concat(this.#held);
    if ('alteration' in this.spoil) {
      this.#alter(whole, this.spoil.alteration);
      return;
    }
    // Promises a whole body, so that the reader can tell that it did not come.
    if (!this.headersSent) this.setHeader('content-length', whole.length);
    if ('truncateAt' in this.spoil) this.#truncate(whole.subarray(0, this.spoil.truncateAt));
    else void this.#drip(whole, this.spoil.bytesPerSecond);
  }

  #alter(whole: Buffer, { headers, members }: Alteration): void {
    const body = Object.keys(members).length === 0 ? whole : withMembers(whole, members);
    // An answer to HEAD has no body, and says how long it would be.
    if (body !== whole) this.setHeader('content-length', body.length);
    for (const [name, value] of Object.entries(headers))
      if (value === null) this.removeHeader(name);
      else this.setHeader(name, value);
    // Node itself asks for `writeHead` and `write` from here on.
    this.spoil = undefined;
    super.end(body);
  }

  #truncate(part: Buffer): void {
    this.flushHeaders();
    if (part.length === 0) setImmediate(() => this.destroy());
    else super.write(part, () => this.destroy());
  }

  async #drip(whole: Buffer, bytesPerSecond: number): Promise<void> {
    const size = Math.max(1, Math.floor(bytesPerSecond / 10));
    const pauseMs = (size * 1000) / bytesPerSecond;
    for (let at = 0; at < whole.length && !this.destroyed; at += size) {
      super.write(whole.subarray(at, at + size));
      await sleep(pauseMs, undefined, { ref: false });
    }
    if (!this.destroyed) super.end();
  }
}

function toBuffer(chunk: unknown): Buffer {
  return chunk instanceof Uint8Array ? Buffer.from(chunk) : Buffer.from(String(chunk));
}

function callbackIn(rest: Rest): (() => void) | undefined {
  const last = rest.at(-1);
  return typeof last === 'function' ? () => last() : undefined;
}

/** What is no JSON object stays as it is. */
function withMembers(whole: Buffer, members: Record<string, unknown>): Buffer {
  try {
    const body: unknown = JSON.parse(whole.toString('utf8'));
    if (typeof body !== 'object' || body === null || Array.isArray(body)) return whole;
    const kept = Object.entries({ ...body, ...members }).filter(([name]) => members[name] !== null);
    return Buffer.from(JSON.stringify(Object.fromEntries(kept)));
  } catch {
    return whole;
  }
}
