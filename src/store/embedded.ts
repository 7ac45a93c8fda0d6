import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { PGlite, types } from '@electric-sql/pglite';
import { PGliteDialect } from 'kysely';
import { fromPglite } from 'pg-boss';
import type { Log } from '../log.ts';
import type { Backend } from './database.ts';
import { DurableFiles, syncPath, syncTree } from './durable-files.ts';
import { lockDirectory } from './lock.ts';
import { startMaintenance } from './maintenance.ts';
import { refuseWithoutRoom } from './room.ts';
import { StoreError } from './store-error.ts';

/** The PostgreSQL inside PGlite; its data directories are not readable by another major version (measured). */
const postgresMajor = '18';

/** PGlite starts with `-F`, which turns fsync off; the WASM build needs 128 MB whatever the buffers. */
const startParams = [
  ...PGlite.defaultStartParams.filter(parameter => parameter !== '-F'),
  ...['wal_sync_method=fsync', 'fsync=on', 'synchronous_commit=on', 'shared_buffers=16MB'].flatMap(
    setting => ['-c', setting],
  ),
];

/**
 * PostgreSQL in this process, made durable: as it comes, PGlite loses acknowledged rows with the machine's power, does not
 * lock its directory, and neither vacuums nor checkpoints (measured). Throws `StoreError`.
 */
export async function openEmbedded(directory: string, log: Log): Promise<Backend> {
  const data = join(directory, 'store');
  const unlock = takeDirectory(directory, data);
  try {
    if (!existsSync(data)) await createStore(data);
    checkVersion(data);
    const pglite = await openFiles(data);
    const store = refuseWithoutRoom(pglite, directory, log);
    const stopMaintenance = startMaintenance(store, log);
    return {
      kind: 'embedded',
      dialect: new PGliteDialect({ pglite: store }),
      boss: { db: fromPglite(store), backend: 'pglite' },
      async close() {
        try {
          await stopMaintenance();
          await store.close();
        } finally {
          unlock();
        }
      },
    };
  } catch (error) {
    unlock();
    throw error;
  }
}

function takeDirectory(directory: string, data: string): () => void {
  try {
    mkdirSync(directory, { recursive: true });
    return lockDirectory(`${data}.lock`, directory);
  } catch (error) {
    if (error instanceof StoreError) throw error;
    throw new StoreError(
      `The store cannot be kept in ${directory}: ${reasonOf(error)}. Name another SLIPWAY_DATA.`,
    );
  }
}

/** Opens a data directory, or makes one. */
export async function openFiles(data: string): Promise<PGlite> {
  try {
    return await PGlite.create({
      fs: new DurableFiles(data),
      startParams,
      // Always numbers; they would be big integers or not by their size.
      parsers: { [types.INT8]: Number },
    });
  } catch (error) {
    throw new StoreError(`The store in ${data} cannot be opened: ${reasonOf(error)}.`);
  }
}

/** A first start that is cut off leaves nothing that looks like a store: it takes its name when it is whole and on disk. */
async function createStore(data: string): Promise<void> {
  const growing = `${data}.tmp`;
  rmSync(growing, { recursive: true, force: true });
  const pglite = await openFiles(growing);
  await pglite.close();
  syncTree(growing);
  renameSync(growing, data);
  syncPath(join(data, '..'));
}

function checkVersion(data: string): void {
  const file = join(data, 'PG_VERSION');
  const version = existsSync(file) ? readFileSync(file, 'utf8').trim() : 'an unknown version';
  if (version === postgresMajor) return;
  throw new StoreError(
    `${data} was written by PostgreSQL ${version}; this Slipway reads ${postgresMajor}. Start the Slipway that wrote it, or name another SLIPWAY_DATA.`,
  );
}

const reasonOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
