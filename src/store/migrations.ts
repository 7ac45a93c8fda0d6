import type { Migration } from 'kysely/migration';
import * as start from './migrations/0001-start.ts';

/** In the order of their names; what has landed is never changed. */
export const migrations: Record<string, Migration> = { '0001-start': start };
