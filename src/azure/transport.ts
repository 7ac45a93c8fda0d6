import {
  createHttpHeaders,
  type HttpClient,
  type PipelineRequest,
  type PipelineResponse,
  RestError,
} from '@azure/core-rest-pipeline';
import { type Dispatcher, request } from 'undici';
import { type ArmAnswer, readArmAnswer } from './arm-limits.ts';
import { refuseForeign } from './routes.ts';

const defaultTimeoutMs = 20_000;
// A log is up to 4 MB of text, and longer as JSON.
const longestBodyBytes = 16 * 1024 * 1024;

interface TransportOptions {
  /** The door to the network: it knows where hosts live and whom to trust. */
  dispatcher: Dispatcher;
  /** `https://NAME.vault.azure.net` of every vault that policy names now. */
  vaults: () => readonly string[];
  /** The address of the policy, where it is a blob. */
  blob?: string | null;
  /** Told what every answer of Resource Manager says of its limits. */
  onArmAnswer?: (answer: ArmAnswer) => void;
}

/**
 * How the Azure SDKs reach the network. Every call has a deadline (they have none by default), goes to a known origin and
 * to a path of a known form, or is not sent: the SDKs would send a token wherever a link points, and take `..` for a name
 * (both measured).
 */
export function createTransport(options: TransportOptions): HttpClient {
  const { dispatcher, vaults, blob = null, onArmAnswer } = options;
  const origins = () => new Set(vaults().map(vault => new URL(vault).origin));
  return {
    async sendRequest(asked) {
      refuseForeign(asked.url, asked.method, { vaults: origins(), blob });
      using deadline = startDeadline(asked);
      try {
        const answer = await send(asked, dispatcher, deadline.signal);
        const told = readArmAnswer(asked, answer);
        if (told) onArmAnswer?.(told);
        return answer;
      } catch (error) {
        throw toRestError(error, asked, deadline.signal);
      }
    },
  };
}

async function send(
  asked: PipelineRequest,
  dispatcher: Dispatcher,
  signal: AbortSignal,
): Promise<PipelineResponse> {
  const headers = asked.headers.toJSON({ preserveCase: true });
  // Answers are small and read as text.
  delete headers['Accept-Encoding'];
  const answer = await request(asked.url, {
    method: asked.method,
    headers,
    body: bodyOf(asked),
    dispatcher,
    signal,
  });
  const bodyAsText = await readText(answer.body);
  return { request: asked, status: answer.statusCode, headers: headersOf(answer.headers), bodyAsText };
}

function bodyOf({ body }: PipelineRequest): string | null {
  if (body === null || body === undefined) return null;
  if (typeof body === 'string') return body;
  throw new Error('only text is sent to Azure');
}

async function readText(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > longestBodyBytes) throw new Error(`the answer is longer than ${longestBodyBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function headersOf(headers: Record<string, string | string[] | undefined>) {
  const known = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, [value].flat().join(', ')] as const],
  );
  return createHttpHeaders(Object.fromEntries(known));
}

/** The asker's signal and the call's own time; disposed with the call, since the asker's may outlive thousands. */
function startDeadline({ timeout, abortSignal }: PipelineRequest): { signal: AbortSignal } & Disposable {
  const own = AbortSignal.timeout(timeout > 0 ? timeout : defaultTimeoutMs);
  const asker = new AbortController();
  const abort = () => asker.abort();
  if (abortSignal?.aborted) abort();
  abortSignal?.addEventListener('abort', abort);
  return {
    signal: AbortSignal.any([own, asker.signal]),
    [Symbol.dispose]: () => abortSignal?.removeEventListener('abort', abort),
  };
}

/** The SDKs' policies read `code`; the request, which holds secrets, is not put on the error. */
function toRestError(error: unknown, asked: PipelineRequest, signal: AbortSignal): Error {
  if (asked.abortSignal?.aborted)
    return Object.assign(new Error('the call was aborted'), { name: 'AbortError' });
  const code = signal.aborted ? 'ETIMEDOUT' : codeOf(error);
  const { host } = new URL(asked.url);
  return new RestError(`${asked.method} ${host}: ${code ?? reasonOf(error)}`, code ? { code } : {});
}

function codeOf(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  if ('code' in error && typeof error.code === 'string') return error.code;
  return codeOf(error.cause);
}

const reasonOf = (error: unknown) => (error instanceof Error ? error.message : 'it failed');
