import AjvCompiler, { type ValidatorFactory } from '@fastify/ajv-compiler';
import type { FastifySchemaValidationError } from 'fastify';
import type { ErrorDetail, RequestError } from '../errors.ts';
import { whyUnknown } from '../schemas/unsupported.ts';
import { invalid } from './problems.ts';

// What Fastify calls: the compiler's own types know only the schema, not the part that it is for.
type Compile = (route: { schema: unknown; httpPart?: string }) => (data: unknown) => boolean;
type Build = (schemas: object, options?: object) => Compile;

const buildAjv = AjvCompiler() as unknown as Build;

/**
 * Bodies are judged as they are: Fastify's default drops unknown properties in silence and makes strings of numbers
 * (measured: a password would look accepted). Only query strings and paths, which know no types, are converted.
 */
const build: Build = (schemas, options) => {
  const strict = buildAjv(schemas, withOptions(options, { coerceTypes: false, useDefaults: false }));
  const converting = buildAjv(schemas, withOptions(options, { coerceTypes: true, useDefaults: true }));
  return route => (route.httpPart === 'body' ? strict : converting)(route);
};

export const schemaController = {
  compilersFactory: { buildValidator: build as unknown as ValidatorFactory },
};

function withOptions(options: object | undefined, more: object): object {
  return {
    ...options,
    customOptions: { removeAdditional: false, allErrors: true, strict: false, verbose: true, ...more },
  };
}

/** Turns what the validator found into errors with JSON pointers. Values are never repeated: one might be a secret. */
export function formatSchemaErrors(errors: FastifySchemaValidationError[], part: string): RequestError {
  const details = errors.map(error => describe(error, part));
  // Fastify keeps the validator's own errors beside ours.
  for (const error of errors) Object.assign(error, { data: undefined });
  return invalid(details);
}

function describe(error: FastifySchemaValidationError, part: string): ErrorDetail {
  const { keyword, instancePath, params, message } = error;
  const prefix = part === 'body' ? '' : `${part}:`;
  const at = (name: unknown) => `${prefix}${instancePath}/${escapePointer(String(name))}`;
  switch (keyword) {
    case 'additionalProperties':
      return {
        pointer: at(params.additionalProperty),
        detail: whyUnknown(String(params.additionalProperty)),
      };
    case 'required':
      return { pointer: at(params.missingProperty), detail: 'is missing' };
    case 'enum':
      return { pointer: prefix + instancePath, detail: `must be one of ${list(params.allowedValues)}` };
    case 'pattern':
      return { pointer: prefix + instancePath, detail: patternInWords(error) };
    default:
      return { pointer: prefix + instancePath, detail: message ?? 'is not valid' };
  }
}

/** What the schema says of the value, rather than its regular expression. */
function patternInWords(error: FastifySchemaValidationError & { parentSchema?: { description?: string } }) {
  const description = error.parentSchema?.description;
  return description ? `does not fit: ${description}` : (error.message ?? 'is not valid');
}

const list = (values: unknown) => (Array.isArray(values) ? values.join(', ') : String(values));
export const escapePointer = (name: string) => name.slice(0, 100).replaceAll('~', '~0').replaceAll('/', '~1');
