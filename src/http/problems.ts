import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import {
  createError,
  type ErrorDetail,
  RequestError,
  type RequestErrorCode,
  requestErrors,
} from '../errors.ts';
import type { Problem } from '../schemas/problem.ts';
import { scrub } from '../secret.ts';
import { isStoreOutage, isWithoutRoom } from '../store/outage.ts';

/** Every error leaves by this door: ours by their table, Fastify's translated, anything else without its cause. */
export function registerProblems(app: FastifyInstance): void {
  app.setErrorHandler<FastifyError>(meetError);
  app.setNotFoundHandler((request, reply) => sendProblem(request, reply, notFound(app, request)));
}

export function meetError(error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const known = error instanceof RequestError ? error : translate(error);
  if (known?.code === 'StoreUnavailable') request.log.warn({ err: error }, 'the store does not answer');
  if (!known) request.log.error({ err: error }, 'request failed');
  return sendProblem(request, reply, known ?? unknownError(request.id));
}

function sendProblem(request: FastifyRequest, reply: FastifyReply, error: RequestError): FastifyReply {
  const problem = describe(error, request.id);
  request.refusal = error;
  return reply
    .code(error.statusCode)
    .headers({
      ...error.extras.headers,
      ...always,
      'x-request-id': request.id,
      'x-ms-error-code': problem.code,
    })
    .type('application/problem+json')
    .send(problem);
}

/** Also where no hook is run: of an address that cannot be read. */
const always = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

function describe(error: RequestError, requestId: string): Problem {
  const { failure, errors, members } = error.extras;
  const code = failure?.code ?? error.code;
  return scrubbed({
    type: `/docs/errors/${code}`,
    title: failure?.title ?? error.title,
    status: error.statusCode,
    detail: error.message,
    instance: `urn:uuid:${requestId}`,
    code,
    ...(errors ? { errors: errors.slice(0, 50) } : {}),
    ...(failure ? { failure } : {}),
    ...members,
  } as Problem);
}

/** No live secret leaves in a text of it, whoever put it there. */
function scrubbed<T>(value: T): T {
  return JSON.parse(JSON.stringify(value), (_name, member) =>
    typeof member === 'string' ? scrub(member) : member,
  );
}

function unknownError(requestId: string): RequestError {
  return createError(
    'InternalError',
    `Something went wrong here. Name request ${requestId} when you report it.`,
  );
}

type Translation = readonly [RequestErrorCode, detail: string, headers?: Record<string, string>];

const notJson: Translation = [
  'UnsupportedMediaType',
  'The body must be JSON: send Content-Type: application/json.',
  { accept: 'application/json' },
];

const fastifyErrors: Record<string, Translation> = {
  FST_ERR_CTP_BODY_TOO_LARGE: ['PayloadTooLarge', 'A request has at most 64 KiB.'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: notJson,
  FST_ERR_CTP_EMPTY_TYPE: notJson,
  FST_ERR_CTP_EMPTY_JSON_BODY: ['InvalidRequest', 'The body is empty; it must be a JSON object.'],
  FST_ERR_CTP_INVALID_JSON_BODY: ['InvalidRequest', 'The body is not valid JSON.'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [
    'InvalidRequest',
    'The body has another length than Content-Length says.',
  ],
  FST_ERR_BAD_URL: ['InvalidRequest', 'The address is malformed.'],
  FST_ERR_MAX_PARAM_LENGTH: ['UriTooLong', 'A part of the address is too long.'],
  FST_ERR_HANDLER_TIMEOUT: ['HandlerTimeout', 'The request took too long; the change, if any, goes on.'],
};

const storeOutage = { headers: { 'retry-after': '5' } };
const sentenceOf = (error: Error) =>
  isWithoutRoom(error)
    ? 'The disk of the store is full: nothing can be changed before there is room.'
    : 'The store does not answer; try again.';

function translate(error: FastifyError): RequestError | null {
  if (isStoreOutage(error)) return createError('StoreUnavailable', sentenceOf(error), storeOutage);
  const [code, detail, headers = {}] = fastifyErrors[error.code] ?? [];
  if (code && detail) return createError(code, detail, { headers });
  // Fastify's own client errors (malformed JSON has no code of its own) keep their status, not their text.
  if (error.statusCode === 400) return createError('InvalidRequest', 'The body is not valid JSON.');
  return null;
}

function notFound(app: FastifyInstance, request: FastifyRequest): RequestError {
  const allowed = app.methodsOf(request.url);
  if (allowed.length === 0) return createError('NotFound', 'There is nothing at this address.');
  return createError('MethodNotAllowed', `This resource answers ${allowed.join(', ')}.`, {
    headers: { allow: allowed.join(', ') },
  });
}

/** For what goes wrong before Fastify sees a request: oversized headers, broken requests, slow ones. */
export function rawProblem(code: string | undefined): string {
  const kind: RequestErrorCode =
    code === 'HPE_HEADER_OVERFLOW'
      ? 'HeadersTooLarge'
      : code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? 'RequestTimeout'
        : 'InvalidRequest';
  const [status, title] = requestErrors[kind];
  const id = crypto.randomUUID();
  const body = JSON.stringify({
    type: `/docs/errors/${kind}`,
    title,
    status,
    detail: 'The request could not be read.',
    instance: `urn:uuid:${id}`,
    code: kind,
  });
  return (
    `HTTP/1.1 ${status} ${title}\r\ncontent-type: application/problem+json\r\nx-ms-error-code: ${kind}\r\n` +
    `x-request-id: ${id}\r\ncache-control: no-store\r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  );
}

export function invalid(errors: ErrorDetail[]): RequestError {
  const summary = errors
    .slice(0, 5)
    .map(({ pointer, detail }) => `${pointer || '/'}: ${detail}`)
    .join('; ');
  return createError('InvalidRequest', summary, { errors });
}
