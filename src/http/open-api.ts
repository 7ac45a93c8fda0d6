import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import { apiVersions } from './api-version.ts';
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

const headers: Readonly<Record<string, readonly [type: string, description: string]>> = {
  'x-request-id': ['string', 'Names the request in logs and in the audit'],
  etag: ['string', 'Changes with status and revision'],
  location: ['string', 'Path of the deployment'],
  'operation-location': ['string', 'Path of the operation, which any Azure poller can follow'],
  'retry-after': ['integer', 'Seconds'],
  'x-ms-error-code': ['string', 'The `code` of the problem'],
  'api-version': ['string', 'The version that was answered'],
};

const headersByStatus: Readonly<Record<string, readonly string[]>> = {
  200: ['etag'],
  202: ['location', 'operation-location', 'etag', 'retry-after'],
  304: ['etag'],
  408: ['retry-after'],
  429: ['retry-after'],
};

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
    const { operationId, responses, requestBody } = operation;
    operation.parameters = [...(operation.parameters ?? []), apiVersion];
    for (const [status, answer] of Object.entries(responses)) describeAnswer(status, answer);
    const schema = requestBody?.content['application/json']?.schema;
    if (schema && operationId in bodyExamples) Object.assign(schema, { examples: bodyExamples[operationId] });
  }
  const { components } = document as { components: { schemas: Record<string, object>; headers?: object } };
  components.headers = describedHeaders();
  for (const [name, given] of Object.entries(examples))
    Object.assign(components.schemas[name] ?? {}, { examples: given });
  return document;
};

const describedHeaders = () =>
  Object.fromEntries(
    Object.entries(headers).map(([name, [type, description]]) => [name, { description, schema: { type } }]),
  );

const apiVersion = {
  in: 'header',
  name: 'api-version',
  required: false,
  description: 'Else the newest; also taken as a query parameter',
  schema: { type: 'string', enum: [...apiVersions] },
};

interface Described {
  parameters?: object[];
  operationId: string;
  responses: Record<string, Answer>;
  requestBody?: { content: Record<string, { schema?: object }> };
}

function operationsOf(document: object): Described[] {
  const { paths } = document as { paths: Record<string, Record<string, Described>> };
  return Object.values(paths).flatMap(methods => Object.values(methods));
}

function describeAnswer(status: string, answer: Answer): void {
  if (answer.description === 'Default Response') answer.description = successes[status] ?? 'The answer';
  const names = [
    'x-request-id',
    'api-version',
    ...(headersByStatus[status] ?? []),
    ...(Number(status) >= 400 ? ['x-ms-error-code'] : []),
  ];
  answer.headers = Object.fromEntries(names.map(name => [name, { $ref: `#/components/headers/${name}` }]));
}

const successes: Readonly<Record<string, string>> = {
  200: 'The answer; of a change that was waited for, whatever its outcome',
  202: 'Accepted, and going on',
  204: 'Nothing is left to be done',
  304: 'Unchanged',
};
