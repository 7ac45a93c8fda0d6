import { type Static, type TSchema, Type } from 'typebox';

/**
 * Names a shared schema instead of repeating it: one definition for validation, serialisation and the OpenAPI document.
 * The schema must have an `$id` and be registered with the app (an `$id` inlined twice in one body is refused: measured).
 */
export function ref<T extends TSchema & { $id?: string }>(schema: T) {
  if (!schema.$id) throw new Error('only a schema with an $id can be referred to');
  return Type.Unsafe<Static<T>>({ $ref: `${schema.$id}#` });
}
