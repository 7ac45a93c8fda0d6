import { RestError } from '@azure/core-rest-pipeline';
import { scrub } from '../secret.ts';
import { readRetryAfter } from './arm-limits.ts';
import { readErrorBody } from './error-body.ts';

export type AzureService = 'vault' | 'arm' | 'identity' | 'storage';

interface Facts {
  kind: AzureService;
  operation: string;
  status: number | null;
  code: string | null;
  message: string;
  retryAfterMs: number | null;
  requestId: string | null;
}

/**
 * What an Azure service answered, or that it did not: only named facts. The SDKs' own errors hold requests with passwords
 * and whole answers (measured); none of them leaves this room.
 */
export class AzureError extends Error {
  override readonly name = 'AzureError';
  readonly kind: AzureService;
  readonly operation: string;
  /** HTTP status; null where no answer came, or none that could be read. */
  readonly status: number | null;
  readonly code: string | null;
  readonly retryAfterMs: number | null;
  readonly requestId: string | null;

  constructor(facts: Facts) {
    super(tellable(facts.message));
    this.kind = facts.kind;
    this.operation = facts.operation;
    this.status = facts.status;
    this.code = facts.code;
    this.retryAfterMs = facts.retryAfterMs;
    this.requestId = facts.requestId;
  }

  /** The same call can succeed later. */
  get retryable(): boolean {
    const { status, code } = this;
    const known = byCode.get(code ?? '');
    if (known !== undefined) return known;
    return status === null || byStatus.has(status) || (code === null && withoutCode.has(status));
  }
}

const callRefused = 'CallRefused';

const byCode = new Map([
  [callRefused, false],
  ['ContainerGroupTransitioning', true],
  ['AnotherOperationInProgress', true],
]);
/** 401: our own token was refused, which a fresh one may mend. */
const byStatus = new Set([401, 408, 429, 500, 502, 503, 504]);
/** Azure's refusals carry a code; one without comes from something in between. */
const withoutCode = new Set([403, 404, 407]);

/** A call that was not made, and never will be: where it would have gone, or what it would have said, is not ours. */
export function refuseCall(why: string): RestError {
  return new RestError(`${why}: the call was not made`, { code: callRefused });
}

/** Takes from whatever was thrown the facts that may be told. `body` is what was answered, where the SDK lost it. */
export function toAzureError(
  kind: AzureService,
  operation: string,
  error: unknown,
  body?: unknown,
): AzureError {
  if (error instanceof AzureError) return error;
  const { statusCode = null, code, message, details, response, errorResponse } = shapeOf(error);
  const facts = {
    kind,
    operation,
    retryAfterMs: readRetryAfter(response?.headers?.get?.('retry-after')),
    requestId: text(response?.headers?.get?.('x-ms-request-id')),
  };
  // The SDKs' own message is then the whole answer, which may be a secret's value (measured).
  if (statusCode !== null && statusCode < 400)
    return new AzureError({
      ...facts,
      status: null,
      code: 'UnreadableAnswer',
      message: `the answer, ${statusCode}, could not be read`,
    });
  const told = readErrorBody(body) ?? readErrorBody(details) ?? readErrorBody(response?.bodyAsText);
  const own = text(errorResponse?.errorDescription) ?? (response ? null : text(message));
  return new AzureError({
    ...facts,
    status: statusCode,
    code: codeOf(told?.code ?? code ?? errorResponse?.error),
    message: text(told?.message) ?? own ?? plainText(kind, response) ?? silence(statusCode),
  });
}

/** The error in an answer that was read without the SDKs' help. */
export function errorOfAnswer(
  kind: AzureService,
  operation: string,
  answer: { status: number; headers: { get(name: string): string | undefined } },
  body: unknown,
): AzureError {
  return toAzureError(kind, operation, { statusCode: answer.status, response: answer }, body);
}

interface Shape {
  statusCode?: number;
  code?: unknown;
  message?: unknown;
  details?: unknown;
  response?: { headers?: { get?: (name: string) => string | undefined }; bodyAsText?: string | null };
  /** Entra's. */
  errorResponse?: { error?: unknown; errorDescription?: unknown };
}

const shapeOf = (error: unknown): Shape => (typeof error === 'object' && error !== null ? error : {});
const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : null);
const silence = (status: number | null) =>
  status === null ? 'no answer' : `answered ${status}, without a reason`;

/** What stands in front of Resource Manager answers in words; a vault's words might be a secret. */
function plainText(kind: AzureService, response: Shape['response']): string | null {
  const said = response?.bodyAsText?.trim() ?? '';
  return kind === 'arm' && !/^[<{[]/.test(said) ? text(said) : null;
}

function codeOf(value: unknown): string | null {
  const code = scrub(text(value) ?? '');
  return /^[\w.-]{1,100}$/.test(code) ? code : null;
}

const longestMessage = 2_000;
const tokens = /\beyJ[\w-]{8,}(?:\.[\w-]+)+/g;

/** A text of Azure's as it may be told: no secret that is in use, no token, and not without end. */
export function tellable(message: string): string {
  return scrub(message).replace(tokens, '[token]').slice(0, longestMessage);
}
