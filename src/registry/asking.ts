import { setTimeout as sleep } from 'node:timers/promises';
import { type Dispatcher, request } from 'undici';
import { circuitOpenCode } from '../circuits.ts';
import { retryBudgetCode } from '../retry-budget.ts';
import type { PullRequest } from './client.ts';
import type { Authorization } from './credential.ts';
import { PullProblem, type RegistryProblem } from './problem.ts';

/** All that is asked of one registry for one image. */
export interface Conversation {
  /** Where the registry's API answers, as a URL spells it. */
  host: string;
  /** The other host from which its tokens may come. */
  tokenHost: string | undefined;
  request: PullRequest;
  dispatcher: Dispatcher;
  timeoutMs: number;
  /** Whatever of it is secret; while it lives, its values are scrubbed from what the registry says. */
  kept: DisposableStack;
}

export interface RegistryAnswer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
}

interface Question {
  method: 'GET' | 'HEAD' | 'POST';
  url: string;
  step: RegistryProblem['step'] | 'tags';
  authorization?: Authorization | null;
  accept?: string;
  form?: URLSearchParams;
  timeoutMs?: number;
}

export const defaultTimeoutMs = 5_000;
/** Of anything that a registry answers. */
export const longestBody = 64 * 1024;
const nothing = Buffer.alloc(0);
export const tooLong = 'ANSWER_TOO_LONG';

const retryableCodes = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']);
const shortPauseMs = 250;
const longestPauseMs = 2_000;

/**
 * Asks what may be asked twice, and once more where that may help soon: after an error of the registry's own, a limit that
 * ends in a moment, or a connection that it had closed meanwhile.
 */
export async function askTwice(conversation: Conversation, question: Question): Promise<RegistryAnswer> {
  const once = await ask(conversation, question).catch(error => {
    if (!isOver(error)) throw error;
    return error;
  });
  const pauseMs = once instanceof PullProblem ? 0 : pauseAfter(once);
  if (pauseMs !== null) {
    await sleep(pauseMs, undefined, { signal: conversation.request.signal });
    const again = await ask(conversation, question).catch(unlessHeldBack);
    if (again) return again;
  }
  if (once instanceof PullProblem) throw once;
  return once;
}

const networkCodeOf = (error: unknown) =>
  error instanceof PullProblem ? error.problem.networkCode : undefined;
const isOver = (error: unknown): error is PullProblem => retryableCodes.has(networkCodeOf(error) ?? '');

/** Null for a call that was not made: what came of the one before it stands. */
function unlessHeldBack(error: unknown): null {
  if (![circuitOpenCode, retryBudgetCode].includes(networkCodeOf(error) ?? '')) throw error;
  return null;
}

function pauseAfter({ status, headers }: RegistryAnswer): number | null {
  const seconds = Number(headers['retry-after'] ?? Number.NaN);
  const asked = Number.isFinite(seconds) ? Math.max(seconds * 1_000, shortPauseMs) : null;
  if (status === 429) return asked !== null && asked <= longestPauseMs ? asked : null;
  if (status < 500) return null;
  return asked === null || asked <= longestPauseMs ? (asked ?? shortPauseMs) : null;
}

/**
 * Asks once: no redirect is followed, so that no credential goes along with one; time and size are bounded. Throws
 * `PullProblem` where no answer comes.
 */
export async function ask(conversation: Conversation, question: Question): Promise<RegistryAnswer> {
  const { signal } = conversation.request;
  const own = AbortSignal.timeout(question.timeoutMs ?? conversation.timeoutMs);
  try {
    const { statusCode, headers, body } = await request(question.url, {
      method: question.method,
      // Else the connection ends with each HEAD, and the next question begins with a handshake (measured).
      reset: false,
      dispatcher: conversation.dispatcher,
      signal: signal ? AbortSignal.any([signal, own]) : own,
      headers: headersOf(question),
      body: question.form?.toString() ?? null,
    });
    const isEmpty = question.method === 'HEAD';
    if (isEmpty) await body.dump();
    return { status: statusCode, headers, body: isEmpty ? nothing : await readBody(body) };
  } catch (error) {
    // The stage itself was given up: that is not the registry's doing.
    if (signal?.aborted) throw error;
    throw new PullProblem({
      step: 'connect',
      host: new URL(question.url).host,
      networkCode: own.aborted ? 'ETIMEDOUT' : codeOf(error),
      signedIn: question.authorization != null || question.form !== undefined,
    });
  }
}

function headersOf({ authorization, accept, form }: Question): Record<string, string> {
  return {
    ...(authorization ? { authorization: `${authorization.scheme} ${authorization.value.reveal()}` } : {}),
    ...(accept ? { accept } : {}),
    ...(form ? { 'content-type': 'application/x-www-form-urlencoded' } : {}),
  };
}

async function readBody(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    // Leaving the loop destroys the stream, and the connection with it.
    if (size > longestBody) throw Object.assign(new Error('the answer is too long'), { code: tooLong });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The code lies in the error, in the first of several tries, or in the cause. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'UNKNOWN';
  if ('code' in error && typeof error.code === 'string' && error.code !== '') return error.code;
  if (error instanceof AggregateError) return codeOf(error.errors[0]);
  return error.cause === undefined ? error.name : codeOf(error.cause);
}
