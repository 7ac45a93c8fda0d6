import { type Dispatcher, request } from 'undici';
import { PullProblem, type RegistryProblem } from './problem.ts';

export interface RegistryAnswer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
}

interface Question {
  method: 'GET' | 'HEAD' | 'POST';
  url: string;
  host: string;
  step: RegistryProblem['step'];
  signedIn: boolean;
  authorization: string | null;
  accept?: string;
  form?: URLSearchParams;
  dispatcher: Dispatcher;
  signal?: AbortSignal;
}

const timeoutMs = 5_000;
const longestManifest = 4 * 1024 * 1024;
const longestBody = 64 * 1024;

/** Asks a registry once: no redirect is followed, so that no credential goes along with one; time and size are bounded. */
export async function ask(question: Question): Promise<RegistryAnswer> {
  const { method, url, dispatcher, step, authorization, accept, form } = question;
  const signal = question.signal
    ? AbortSignal.any([question.signal, AbortSignal.timeout(timeoutMs)])
    : AbortSignal.timeout(timeoutMs);
  try {
    const answer = await request(url, {
      method,
      dispatcher,
      signal,
      headers: {
        ...(authorization === null ? {} : { authorization }),
        ...(accept ? { accept } : {}),
        ...(form ? { 'content-type': 'application/x-www-form-urlencoded' } : {}),
      },
      body: form ? form.toString() : null,
    });
    const body = await readBody(
      answer.body,
      step === 'manifest' && answer.statusCode === 200 ? longestManifest : longestBody,
    );
    return { status: answer.statusCode, headers: answer.headers, body };
  } catch (error) {
    throw unanswered(error, question, signal);
  }
}

async function readBody(body: AsyncIterable<Buffer>, longest: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > longest) throw Object.assign(new Error('the answer is too long'), { code: 'ANSWER_TOO_LONG' });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function unanswered(error: unknown, { host, url, signedIn, signal }: Question, own: AbortSignal): unknown {
  // The stage itself was given up: that is not the registry's doing.
  if (signal?.aborted) return error;
  const networkCode = own.aborted ? 'ETIMEDOUT' : codeOf(error);
  const asked = new URL(url).host;
  return new PullProblem({ step: 'connect', host: asked === host ? host : asked, networkCode, signedIn });
}

/** The code lies in the error, its cause, or the first of several tries. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'UNKNOWN';
  if ('code' in error && typeof error.code === 'string') return error.code;
  if (error instanceof AggregateError) return codeOf(error.errors[0]);
  return error.cause ? codeOf(error.cause) : error.name;
}
