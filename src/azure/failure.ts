import { scrub } from '../secret.ts';
import { notSent } from './routes.ts';

export type AzureService = 'vault' | 'arm' | 'identity';

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
  /** HTTP status; null where no answer came. */
  readonly status: number | null;
  readonly code: string | null;
  readonly retryAfterMs: number | null;
  readonly requestId: string | null;

  constructor(facts: Facts) {
    super(scrub(facts.message).slice(0, longestMessage));
    this.kind = facts.kind;
    this.operation = facts.operation;
    this.status = facts.status;
    this.code = facts.code === null ? null : scrub(facts.code);
    this.retryAfterMs = facts.retryAfterMs;
    this.requestId = facts.requestId;
  }

  /** The same call can succeed later. */
  get retryable(): boolean {
    if (this.status === null) return this.code !== notSent;
    return retryableStatuses.has(this.status) || retryableCodes.has(this.code ?? '');
  }
}

/** 401: our own token was refused, which a fresh one may mend. */
const retryableStatuses = new Set([401, 408, 429, 500, 502, 503, 504]);
const retryableCodes = new Set([
  'ContainerGroupTransitioning',
  'AnotherOperationInProgress',
  'ServiceUnavailable',
]);

const longestMessage = 2_000;

/** Takes from whatever was thrown the facts that may be told. */
export function toAzureError(kind: AzureService, operation: string, error: unknown): AzureError {
  if (error instanceof AzureError) return error;
  const { statusCode, code, message, details, response } = shapeOf(error);
  const body = details?.error;
  const fromCredential = /CredentialUnavailable|AuthenticationRequired|AuthenticationError/.test(
    error instanceof Error ? error.name : '',
  );
  return new AzureError({
    kind: fromCredential ? 'identity' : kind,
    operation,
    status: statusCode ?? null,
    code: text(body?.code) ?? text(code) ?? null,
    message: text(body?.message) ?? text(message) ?? 'no answer',
    retryAfterMs: retryAfter(response?.headers?.get?.('retry-after')),
    requestId: text(response?.headers?.get?.('x-ms-request-id')) ?? null,
  });
}

interface Shape {
  statusCode?: number;
  code?: unknown;
  message?: unknown;
  details?: { error?: { code?: unknown; message?: unknown } };
  response?: { headers?: { get?: (name: string) => string | undefined } };
}

const shapeOf = (error: unknown): Shape => (typeof error === 'object' && error !== null ? error : {});
const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);

/** `Retry-After` in seconds or as a date. */
export function retryAfter(header: string | undefined): number | null {
  if (!header) return null;
  if (/^\d+$/.test(header)) return Number(header) * 1000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? null : Math.max(0, at - Date.now());
}
