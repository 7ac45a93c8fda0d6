import { DatabaseSync } from 'node:sqlite';
import { StoreError } from './store-error.ts';

/**
 * Takes a directory for this process alone, by a lock that the kernel frees with the process: no stale file after a
 * kill -9. PGlite has none: two writers lost acknowledged rows in silence (measured). Returns what frees it.
 */
export function lockDirectory(path: string, directory: string): () => void {
  const lock = new DatabaseSync(path, { timeout: 0 });
  try {
    lock.exec('pragma locking_mode = exclusive; begin exclusive');
    return () => lock.close();
  } catch (error) {
    lock.close();
    if (!isBusy(error)) throw error;
    throw new StoreError(
      `Another Slipway uses ${directory}. Stop it, name another SLIPWAY_DATA, or set DATABASE_URL so that several can share one store.`,
    );
  }
}

const sqliteBusy = 5;

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === sqliteBusy;
}
