import { sql } from 'kysely';
import { scrub } from '../secret.ts';

/** A value for a column of JSON. Both drivers would take an array for one of PostgreSQL's. */
export function json<T>(value: T) {
  return value === null ? sql<T>`null` : sql<T>`cast(${JSON.stringify(value)} as jsonb)`;
}

/** A value with free text in it, every text of it made storable. */
export function storable<T>(value: T): T {
  return JSON.parse(JSON.stringify(value), (_key, entry) =>
    typeof entry === 'string' ? storableText(entry) : entry,
  );
}

/**
 * Free text comes from registries and from Azure: no live secret may come to rest in it, and PostgreSQL refuses NUL and
 * half characters, which would stop the deployment for good.
 */
export function storableText(text: string): string {
  return scrub(text).toWellFormed().replaceAll('\0', '\ufffd');
}
