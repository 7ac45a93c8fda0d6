import type { OpenApiDocument, OpenApiOperation, OpenApiSchema } from './openapi-shape.ts';

/** The typed client's share of the OpenAPI document: its schemas, and of each operation what goes in and comes out. */
export function clientTypes(document: OpenApiDocument): string {
  const schemas = Object.entries(document.components.schemas);
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  return [
    '// Generated from the OpenAPI document by `npm run openapi`.',
    ...schemas.map(([name, schema]) => `export type ${name} = ${typeOf(schema)};`),
    '/** Of each operation, what is asked for (path and query parameters, and `body`) and what is answered. */',
    `export interface Operations {\n${operations.map(({ operation }) => member(operation)).join('\n')}\n}`,
    '/** Of each operation, its method and path. */',
    `export const routes = {\n${operations
      .map(({ path, method, operation }) => `  ${operation.operationId}: ['${method}', '${path}'],`)
      .join('\n')}\n} as const satisfies Record<keyof Operations, readonly [string, string]>;`,
    '',
  ].join('\n\n');
}

function member(operation: OpenApiOperation): string {
  const { operationId, summary, parameters = [], requestBody } = operation;
  const asked = parameters
    .filter(parameter => parameter.in === 'path' || parameter.in === 'query')
    .map(({ name, required, schema }) => `${key(name)}${required ? '' : '?'}: ${typeOf(schema)}`);
  const body = requestBody?.content['application/json']?.schema;
  if (body) asked.push(`body${requestBody.required ? '' : '?'}: ${typeOf(body)}`);
  const input = asked.length > 0 ? `{ ${asked.join('; ')} }` : 'Record<never, never>';
  const told = (summary ?? operationId).replaceAll('*/', '');
  return `  /** ${told} */\n  ${operationId}: { input: ${input}; output: ${answerOf(operation)} };`;
}

/** What a call that went well gives: null where the answer has no body, text where there is no JSON of it. */
function answerOf({ responses }: OpenApiOperation): string {
  const types = Object.entries(responses)
    .filter(([status]) => /^[23]/.test(status))
    .flatMap(([, { content }]) => (content ? bodyOf(content) : ['null']));
  return [...new Set(types)].join(' | ') || 'unknown';
}

/** What can also be had as a stream is told in JSON. */
function bodyOf(content: Record<string, { schema?: OpenApiSchema }>): string[] {
  const schemas = Object.entries(content).filter(([kind]) => /\bjson\b/.test(kind));
  return schemas.length > 0 ? schemas.map(([, { schema }]) => typeOf(schema ?? {})) : ['string'];
}

function typeOf(schema: OpenApiSchema): string {
  if (schema.$ref) return schema.$ref.replace('#/components/schemas/', '');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return union(schema.enum.map(value => JSON.stringify(value)));
  const either = schema.anyOf ?? schema.oneOf;
  if (either) return union(either.map(typeOf));
  if (schema.allOf) return schema.allOf.map(typeOf).join(' & ');
  if (Array.isArray(schema.type)) return union(schema.type.map(type => typeOf({ ...schema, type })));
  switch (schema.type) {
    case 'integer':
      return 'number';
    case 'array':
      return `Array<${schema.items ? typeOf(schema.items) : 'unknown'}>`;
    case 'object':
      return objectOf(schema);
    case undefined:
      return schema.properties ? objectOf(schema) : 'unknown';
    default:
      return schema.type;
  }
}

function objectOf({ properties = {}, required = [], ...rest }: OpenApiSchema): string {
  const members = Object.entries(properties).map(
    ([name, schema]) => `${key(name)}${required.includes(name) ? '' : '?'}: ${typeOf(schema)}`,
  );
  if (members.length > 0) return `{ ${members.join('; ')} }`;
  const values = [...Object.values(rest.patternProperties ?? {}), rest.additionalProperties].filter(
    value => typeof value === 'object',
  );
  if (values.length > 0) return `Record<string, ${union(values.map(typeOf))}>`;
  return rest.additionalProperties === false ? 'Record<string, never>' : 'Record<string, unknown>';
}

const union = (types: string[]) => [...new Set(types)].join(' | ') || 'never';
const key = (name: string) => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name));
