import fc, { type Arbitrary } from 'fast-check';

export interface Schema {
  $ref?: string;
  type?: string;
  const?: unknown;
  enum?: unknown[];
  anyOf?: Schema[];
  allOf?: Schema[];
  pattern?: string;
  format?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  minItems?: number;
  maxItems?: number;
  items?: Schema;
  properties?: Record<string, Schema>;
  patternProperties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
  required?: string[];
  examples?: unknown[];
}

export interface Parameter {
  name: string;
  in: 'path' | 'query' | 'header';
  required?: boolean;
  schema: Schema;
}

export interface Operation {
  method: string;
  path: string;
  operationId: string;
  parameters: Parameter[];
  body: Schema | null;
  responses: Record<string, { content?: Record<string, { schema: Schema }>; headers?: object }>;
}

export interface Document {
  paths: Record<
    string,
    Record<
      string,
      Omit<Operation, 'method' | 'path' | 'body' | 'parameters'> & {
        parameters?: Parameter[];
        requestBody?: { content: Record<string, { schema: Schema }> };
      }
    >
  >;
  components: { schemas: Record<string, Schema> };
}

export function operationsOf({ paths }: Document): Operation[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters = [], requestBody, ...operation }]) => ({
      ...operation,
      method: method.toUpperCase(),
      path,
      parameters,
      body: requestBody?.content['application/json']?.schema ?? null,
    })),
  );
}

/** Values that fit a schema, made from the document alone. */
export function createValues({ components }: Document): (schema: Schema) => Arbitrary<unknown> {
  const known = new Map<string, Arbitrary<unknown>>();
  return valuesOf;

  function valuesOf(schema: Schema): Arbitrary<unknown> {
    const { $ref, anyOf, allOf, examples = [] } = schema;
    if (examples.length > 0)
      return fc.oneof(...examples.map(fc.constant), valuesOf({ ...schema, examples: [] }));
    if ($ref !== undefined) return named($ref.replace('#/components/schemas/', ''));
    if (schema.const !== undefined) return fc.constant(schema.const);
    if (schema.enum) return fc.constantFrom(...schema.enum);
    if (anyOf) return fc.oneof(...anyOf.map(valuesOf));
    if (allOf?.[0]) return valuesOf(allOf[0]);
    return plain(schema);
  }

  function named(name: string): Arbitrary<unknown> {
    const schema = components.schemas[name] ?? {};
    const made = known.get(name) ?? valuesOf(schema);
    known.set(name, made);
    return made;
  }

  function plain(schema: Schema): Arbitrary<unknown> {
    const { type, minimum = 0, maximum = 1_000_000, items, minItems = 0, maxItems = 3 } = schema;
    switch (type) {
      case 'string':
        return texts(schema);
      case 'integer':
        return fc.integer({ min: minimum, max: maximum });
      case 'number':
        return fc.double({ min: minimum, max: maximum, noNaN: true });
      case 'boolean':
        return fc.boolean();
      case 'null':
        return fc.constant(null);
      case 'array':
        return fc.array(valuesOf(items ?? {}), {
          minLength: minItems,
          maxLength: Math.min(maxItems, Math.max(minItems, 3)),
        });
      default:
        return objects(schema);
    }
  }

  function objects({
    properties = {},
    patternProperties = {},
    additionalProperties,
    required = [],
  }: Schema): Arbitrary<unknown> {
    const [pattern] = Object.entries(patternProperties);
    if (pattern) return fc.dictionary(texts({ pattern: pattern[0] }), valuesOf(pattern[1]), { maxKeys: 3 });
    if (typeof additionalProperties === 'object')
      return fc.dictionary(fc.string({ minLength: 1 }), valuesOf(additionalProperties), {
        minKeys: 1,
        maxKeys: 3,
      });
    const model = Object.fromEntries(
      Object.entries(properties).map(([name, schema]) => [name, valuesOf(schema)]),
    );
    return fc.record(model, { requiredKeys: required, noNullPrototype: true });
  }
}

function texts({ pattern, format, minLength = 0, maxLength = 60 }: Schema): Arbitrary<string> {
  if (format === 'uuid') return fc.uuid();
  if (format === 'date-time') return fc.constant('2026-11-24T12:00:00Z');
  if (pattern === undefined)
    return fc.string({ minLength, maxLength: Math.max(minLength, Math.min(maxLength, 60)) });
  const expression = new RegExp(pattern);
  return fc
    .stringMatching(expression, { size: 'small' })
    .filter(text => text.length >= minLength && text.length <= maxLength);
}

/** What fits no schema, or is what no client sends by intent. */
const strange: readonly unknown[] = [
  null,
  '',
  0,
  -1,
  1e308,
  true,
  [],
  {},
  [[]],
  'a'.repeat(300),
  '\u0000',
  '\ud800',
  'é\u202e​',
  '../../etc',
  '%00',
  "'; drop table deployments; --",
  '{{7*7}}',
  '__proto__',
];

export const strangeValues = fc.constantFrom(...strange);

/** One place of a value made wrong: a member dropped, added or of another kind. */
export function spoiled(value: unknown): Arbitrary<unknown> {
  if (Array.isArray(value))
    return fc.oneof(
      strangeValues,
      strangeValues.map(each => [...value, each]),
      ...value.slice(0, 2).map((each, index) => spoiled(each).map(bad => value.with(index, bad))),
    );
  if (typeof value !== 'object' || value === null) return strangeValues;
  const members = Object.entries(value);
  return fc.oneof(
    strangeValues,
    fc
      .tuple(fc.constantFrom('more', '__proto__', 'password', 'constructor', ''), strangeValues)
      .map(([name, each]) => Object.fromEntries([...members, [name, each]])),
    ...members.map(([name]) => fc.constant(Object.fromEntries(members.filter(([other]) => other !== name)))),
    ...members.map(([name, each]) => spoiled(each).map(bad => ({ ...value, [name]: bad }))),
  );
}
