import { randomUUID } from 'node:crypto';
import type { Problem } from './api.ts';
import { NoAnswer, RefusedCall } from './failed-call.ts';

export interface ConnectionOptions {
  /** Where Slipway is: `https://slipway.example.com`. */
  url: string;
  /** The bearer token, or who gets one: asked before each request, also of a retry. */
  token: string | (() => Promise<string>);
  /** How long what passes (no network, 429, 502, 503, 504) is tried again, in milliseconds; 60,000. */
  retryForMs?: number;
  /** Told of each pause before something is tried again. */
  onRetry?: (error: Error, pauseMs: number) => void;
  /** In place of the global one. */
  fetch?: typeof fetch;
}

export interface CallOptions {
  /** `wait=30`: answered once the change ended, or after so many seconds; `respond-async`: at once. */
  prefer?: string;
  /** Of a change; a fresh one where it is missing, so that a retry does nothing twice. */
  idempotencyKey?: string;
  ifMatch?: string;
  ifNoneMatch?: string;
  onBehalfOf?: string;
  signal?: AbortSignal;
}

export interface Asked extends CallOptions {
  method: string;
  /** With its query. */
  path: string;
  body?: unknown;
  /** `application/merge-patch+json` for RFC 7396. */
  contentType?: string;
  /** JSON where it is missing; else the body is text. */
  accept?: string;
  lastEventId?: string | undefined;
}

export interface Answer<T = unknown> {
  status: number;
  headers: Headers;
  body: T;
}

export interface Connection {
  /** Throws `RefusedCall` for a status from 400, `NoAnswer` where nobody answered for as long as it was tried. */
  send(asked: Asked): Promise<Answer>;
  /** The same with the body still to be read. */
  open(asked: Asked): Promise<Response>;
}

/** One request holds 50 s at most, and proxies commonly 60. */
const requestMs = 65_000;
const firstPauseMs = 500;
const longestPauseMs = 15_000;

/** Asks Slipway; what passes is tried again, no sooner than `Retry-After` says. */
export function createConnection(options: ConnectionOptions): Connection {
  const base = readUrl(options.url);
  const open = (asked: Asked) => openWithRetries(options, base, withKey(asked));
  return {
    open,
    async send(asked) {
      const answer = await open(asked);
      const text = await answer.text();
      const body = text === '' ? null : asked.accept === undefined ? readJson(text, base) : text;
      return { status: answer.status, headers: answer.headers, body };
    },
  };
}

/** A page to sign in, or of a proxy, is answered with 200 too. */
function readJson(text: string, base: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new NoAnswer(`${base} answers, but not as Slipway does`);
  }
}

/** A token is sent there: not in the clear through a network that others are in. */
function readUrl(text: string): string {
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol) || url.search || url.hash || url.username)
    throw new TypeError(`'${text}' is not the address of a Slipway, such as https://slipway.example.com`);
  const near = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\]|[\w-]+)$/.test(url.hostname);
  if (url.protocol === 'http:' && !near)
    throw new TypeError(`a token is not sent to ${url.host} in the clear: use https`);
  return url.href.replace(/\/$/, '');
}

const withKey = (asked: Asked): Asked =>
  asked.method === 'GET' ? asked : { idempotencyKey: randomUUID(), ...asked };

async function openWithRetries(options: ConnectionOptions, base: string, asked: Asked): Promise<Response> {
  const lastStart = performance.now() + (options.retryForMs ?? 60_000);
  for (let tries = 0; ; tries++) {
    const outcome = await attempt(options, base, asked);
    if (outcome.answer) return outcome.answer;
    const pause = outcome.pauseMs ?? Math.min(firstPauseMs * 2 ** tries, longestPauseMs);
    if (!outcome.passes || performance.now() + pause > lastStart) throw outcome.error;
    options.onRetry?.(outcome.error, pause);
    await rest(pause, asked.signal);
  }
}

type Outcome =
  | { answer: Response }
  | { answer?: undefined; error: Error; passes: boolean; pauseMs: number | null };

async function attempt(options: ConnectionOptions, base: string, asked: Asked): Promise<Outcome> {
  const token = typeof options.token === 'string' ? options.token : await options.token();
  let answer: Response;
  try {
    answer = await (options.fetch ?? fetch)(`${base}${asked.path}`, requestOf(asked, token));
  } catch (error) {
    if (asked.signal?.aborted) throw asked.signal.reason;
    return {
      error: new NoAnswer(`${base} does not answer: ${reasonOf(error)}`),
      passes: true,
      pauseMs: null,
    };
  }
  if (answer.ok || answer.status === 304) return { answer };
  const error = await refusalOf(answer);
  return { error, passes: passes(error), pauseMs: retryAfterMs(answer.headers) };
}

function requestOf(asked: Asked, token: string): RequestInit {
  const { body, signal, accept = 'application/json' } = asked;
  const headers = Object.entries({
    authorization: `Bearer ${token}`,
    accept,
    'content-type': body === undefined ? undefined : (asked.contentType ?? 'application/json'),
    prefer: asked.prefer,
    'idempotency-key': asked.idempotencyKey,
    'if-match': asked.ifMatch,
    'if-none-match': asked.ifNoneMatch,
    'on-behalf-of': asked.onBehalfOf,
    'last-event-id': asked.lastEventId,
  }).filter((entry): entry is [string, string] => entry[1] !== undefined);
  // A stream lasts for as long as it lasts.
  const late = accept === 'text/event-stream' ? [] : [AbortSignal.timeout(requestMs)];
  return {
    method: asked.method,
    headers: Object.fromEntries(headers),
    // Nobody else gets the token.
    redirect: 'manual',
    signal: AbortSignal.any([...(signal ? [signal] : []), ...late]),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  };
}

async function refusalOf(answer: Response): Promise<RefusedCall> {
  const text = await answer.text().catch(() => '');
  return new RefusedCall(answer.status, readProblem(text), answer.headers.get('x-request-id'));
}

function readProblem(text: string): Partial<Problem> {
  try {
    const read: unknown = JSON.parse(text);
    return typeof read === 'object' && read !== null ? read : {};
  } catch {
    return {};
  }
}

const passing = new Set([429, 502, 503, 504]);
const passingCodes = new Set(['IdempotentRequestInProgress', 'RequestTimeout']);

const passes = ({ status, code }: RefusedCall) => passing.has(status) || passingCodes.has(code);

/** Seconds or a date (RFC 9110); null where it says nothing that can be read. */
function retryAfterMs(headers: Headers): number | null {
  const text = headers.get('retry-after') ?? '';
  if (/^\d{1,6}$/.test(text)) return Number(text) * 1000;
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : Math.max(0, at - Date.now());
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message || cause.name : String(cause);
}

function rest(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
