import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import { describedHeaders, type HeaderPlace, namesOfHeaders, requestHeadersOf } from './described-headers.ts';
import { bodyExamples, examples } from './examples.ts';
import { problemsOf } from './responses.ts';

type Transform = NonNullable<FastifyDynamicSwaggerOptions['transform']>;
type Response = { description?: string; content?: Record<string, unknown> };

/** What the document says of a route beyond its own schema: every status by itself, with its codes. */
export const describeRoute: Transform = ({ schema, url, route }) => {
  if (!schema || schema.hide === true) return { schema, url };
  const { '4xx': _, '5xx': __, ...own } = (schema.response ?? {}) as Record<string, Response>;
  const problems = problemsOf({
    url,
    permission: route.config?.permission,
    isChange: takesKey(schema.headers),
    mayHaveBody: route.method !== 'GET',
    hasBody: schema.body !== undefined,
    hasParams: schema.params !== undefined,
  });
  const response: Record<string, unknown> = { ...own, ...problems };
  // `/readyz` says with a 503 of its own what is missing.
  for (const [status, mine] of Object.entries(own)) if (status in problems) response[status] = mine;
  return { schema: { ...schema, response }, url };
};

const takesKey = (headers: unknown) => JSON.stringify(headers ?? {}).includes('"idempotency-key"');

type Document = Parameters<NonNullable<FastifyDynamicSwaggerOptions['transformObject']>>[0];
interface Answer {
  description: string;
  headers?: Record<string, object>;
}

/** Headers, descriptions and examples: what the routes' schemas have no place for. */
export const describeDocument: NonNullable<FastifyDynamicSwaggerOptions['transformObject']> = given => {
  const document =
    'openapiObject' in given
      ? given.openapiObject
      : (given as Document & { swaggerObject: object }).swaggerObject;
  for (const operation of operationsOf(document)) {
    const { operationId, parameters = [], responses, requestBody, security } = operation;
    const place = {
      operationId,
      isChange: parameters.some(({ name }) => name === 'idempotency-key'),
      isPublic: security?.length === 0,
    };
    operation.parameters = [...parameters, ...requestHeadersOf(place)];
    for (const [status, answer] of Object.entries(responses))
      describeAnswer(answer, { ...place, status: Number(status) });
    const schema = requestBody?.content['application/json']?.schema;
    if (schema && operationId in bodyExamples) Object.assign(schema, { examples: bodyExamples[operationId] });
  }
  const { components } = document as { components: { schemas: Record<string, object>; headers?: object } };
  components.headers = describedHeaders();
  for (const [name, given] of Object.entries(examples))
    Object.assign(components.schemas[name] ?? {}, { examples: given });
  return document;
};

interface Described {
  parameters?: { name: string }[];
  security?: object[];
  operationId: string;
  responses: Record<string, Answer>;
  requestBody?: { content: Record<string, { schema?: object }> };
}

function operationsOf(document: object): Described[] {
  const { paths } = document as { paths: Record<string, Record<string, Described>> };
  return Object.values(paths).flatMap(methods => Object.values(methods));
}

function describeAnswer(answer: Answer, place: HeaderPlace): void {
  if (answer.description === 'Default Response') answer.description = successes[place.status] ?? 'The answer';
  answer.headers = Object.fromEntries(
    namesOfHeaders(place).map(name => [name, { $ref: `#/components/headers/${name}` }]),
  );
}

const successes: Readonly<Record<number, string>> = {
  200: 'The answer; of a change that was waited for, whatever its outcome',
  202: 'Accepted, and going on',
  204: 'Nothing is left to be done',
  304: 'Unchanged',
};
