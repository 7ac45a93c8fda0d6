import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import { describeCode } from '../deployments/explain.ts';
import { createError, type RequestErrorCode, requestErrors } from '../errors.ts';
import { type FailureCode, failureCodes, failureKinds, owners } from '../failures.ts';
import { Fix } from '../schemas/failure.ts';
import { answers } from './responses.ts';

const closed = { additionalProperties: false };

const ErrorPage = Type.Object(
  {
    code: Type.String(),
    title: Type.String(),
    status: Type.Optional(
      Type.Integer({ description: 'Of the answer that has the code, where it is one of requests' }),
    ),
    owner: Type.Optional(Type.Enum([...owners], { description: 'Who must act' })),
    retryable: Type.Optional(Type.Boolean({ description: 'An unchanged retry can succeed' })),
    confidence: Type.Optional(Type.Enum(['high', 'low'])),
    detail: Type.String(),
    causes: Type.Array(Type.String()),
    fixes: Type.Array(Fix),
  },
  closed,
);
type ErrorPage = Static<typeof ErrorPage>;

/** A page for every code, from the tables of errors and failures; for a browser as HTML. */
export function registerErrorPages(untyped: FastifyInstance): void {
  const app = untyped.withTypeProvider<TypeBoxTypeProvider>();
  app.get(
    '/docs/errors/:code',
    {
      config: { permission: 'public' },
      schema: {
        operationId: 'getErrorCode',
        tags: ['docs'],
        security: [],
        summary: 'What an error code means; HTML for who accepts it',
        params: Type.Object({ code: Type.String({ maxLength: 64 }) }, closed),
        querystring: Type.Object({}, closed),
        response: {
          ...answers({}),
          200: {
            description: 'The page',
            content: {
              'application/json': { schema: ErrorPage },
              'text/html; charset=utf-8': { schema: Type.String() },
            },
          },
        },
      },
    },
    async (request, reply) => {
      const page = pageOf(request.params.code);
      if (!prefersHtml(request.headers.accept)) return page;
      return reply
        .header('content-security-policy', "default-src 'none'")
        .type('text/html; charset=utf-8')
        .send(render(page));
    },
  );
}

const prefersHtml = (accept = '') => /^[^,]*\btext\/html\b/.test(accept);

const isFailure = (code: string): code is FailureCode => (failureCodes as string[]).includes(code);
const isRequestError = (code: string): code is RequestErrorCode => Object.hasOwn(requestErrors, code);

function pageOf(code: string): ErrorPage {
  const status = isRequestError(code) ? { status: requestErrors[code][0] } : {};
  if (isFailure(code)) return { code, ...status, ...failureKinds[code], ...describeCode(code) };
  if (!isRequestError(code)) throw createError('NotFound', 'There is no such code.');
  const [number, title] = requestErrors[code];
  const owner = number >= 500 ? 'platform' : 'caller';
  const action = remedies[number] ?? 'Read `detail` and `errors` of the answer';
  const retryable = retryableStatuses.has(number);
  return {
    code,
    status: number,
    title,
    owner,
    retryable,
    detail: `${title}.`,
    causes: [],
    fixes: [{ who: owner, action }],
  };
}

const retryableStatuses: ReadonlySet<number> = new Set([408, 429, 500, 503, 504]);

/** What to do about an answer, by its status: `detail` and `errors` of the answer have the particulars. */
const remedies: Readonly<Record<number, string>> = {
  400: 'Correct the request at the places that `errors` points to',
  401: 'Send `Authorization: Bearer` with a token that is meant for Slipway and has not expired',
  403: 'Ask for something that the policy allows, or ask who keeps the policy; GET /options tells what may be used',
  404: 'Check the address; what belongs to another team is not found either',
  405: 'Use one of the methods in `Allow`',
  408: 'Ask again',
  409: 'Look at what stands in the way: the answer links to it where it may be seen',
  412: 'Read the deployment again and send its current ETag in `If-Match`',
  413: 'Send less',
  414: 'Send a shorter address',
  415: 'Send `Content-Type: application/json`',
  422: 'Read `detail` and `failure`: what was asked is understood, and cannot be done as it is',
  428: 'Send the ETag of the deployment in `If-Match`',
  429: 'Wait as long as `Retry-After` says',
  431: 'Send fewer or smaller headers',
  500: 'Try again; report the request id if it stays so',
  503: 'Try again after `Retry-After`, or in a minute',
  504: 'Try again in a minute',
};

const escaped: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const asText = (text: string) => text.replaceAll(/[&<>"]/g, sign => escaped[sign] ?? sign);

function render({
  code,
  title,
  status,
  owner,
  retryable,
  confidence,
  detail,
  causes,
  fixes,
}: ErrorPage): string {
  const facts = [
    status === undefined ? '' : `HTTP status ${status}`,
    owner ? `To act: ${owner}` : '',
    retryable === undefined ? '' : `An unchanged retry ${retryable ? 'can' : 'cannot'} succeed`,
    confidence === 'low' ? 'The cause is not certain' : '',
  ].filter(Boolean);
  const list = (items: string[]) =>
    items.length > 0 ? `<ul>${items.map(item => `<li>${item}</li>`).join('')}</ul>` : '';
  const told = fixes.map(
    ({ who, action, command }) =>
      `${asText(action)} (${who})${command ? `<pre><code>${asText(command)}</code></pre>` : ''}`,
  );
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${asText(code)}</title><h1>${asText(code)}</h1>
<p><strong>${asText(title)}</strong></p><p>${asText(detail)}</p>${list(facts.map(asText))}
${causes.length > 0 ? `<h2>It may come from</h2>${list(causes.map(asText))}` : ''}
<h2>What to do</h2>${list(told)}</html>
`;
}
