import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { trackChanges } from './changes.ts';
import { SettingError } from './config.ts';
import { writeAtomically } from './files.ts';
import type { Repository, World, WorldMap } from './world.ts';
import { type Kept, openWorldLog, readWorld } from './world-log.ts';

export interface Persistence {
  /** Says what changed, or that anything may have: it is kept soon, and before the next answer leaves. */
  changed(map?: WorldMap, key?: string): void;
  /** Resolves when everything that changed until now is kept; undefined where it already is. */
  flush(): Promise<void> | undefined;
  close(): Promise<void>;
}

const soonMs = 100;

/** The world kept in `dataDir`, or undefined where there is none yet. Throws a sentence where it cannot be read. */
export function loadWorld(dataDir: string): Kept | undefined {
  try {
    const kept = readWorld(dataDir);
    for (const [digest, place] of kept ? blobsOf(kept.world) : [])
      place.blobs[digest] = readFileSync(blobFile(dataDir, digest)).toString('base64');
    return kept;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SettingError(
      `${join(dataDir, 'world.json')} cannot be read (${reason}): move it away to start with the demo world.`,
    );
  }
}

/** Keeps `world` in `dataDir`, which has `kept` of it; without a directory it does nothing. */
export function openPersistence(
  world: World,
  dataDir: string | undefined,
  kept: Kept | undefined,
): Persistence {
  if (dataDir === undefined) return { changed() {}, flush: () => undefined, async close() {} };
  mkdirSync(join(dataDir, 'blobs'), { recursive: true });
  const changes = trackChanges(world);
  if (kept) changes.takeAll();
  const log = openWorldLog(dataDir, changes, kept, createBlobSaver(world, dataDir));
  let dirty = false;
  let writing: Promise<void> | undefined;
  let soon: NodeJS.Timeout | undefined;

  function flush(): Promise<void> | undefined {
    if (!dirty) return writing;
    // One more write after the running one serves everybody who waits.
    if (writing) return writing.then(() => flush());
    dirty = false;
    clearTimeout(soon);
    soon = undefined;
    writing = log
      .keep()
      .catch(error => {
        dirty = true;
        throw error;
      })
      .finally(() => {
        writing = undefined;
      });
    return writing;
  }

  return {
    changed(map, key) {
      changes.note(map, key);
      dirty = true;
      soon ??= setTimeout(() => {
        soon = undefined;
        flush()?.catch(error => console.error('azure emulator: the world could not be kept:', error));
      }, soonMs).unref();
    },
    flush,
    async close() {
      clearTimeout(soon);
      await flush();
      await log.close();
    },
  };
}

/** Blobs are kept once each in files of their own. */
function createBlobSaver(world: World, dataDir: string): () => Promise<void> {
  const saved = new Set<string>();
  return async () => {
    for (const [digest, { blobs }] of blobsOf(world)) {
      if (saved.has(digest)) continue;
      if (!existsSync(blobFile(dataDir, digest)))
        await writeAtomically(blobFile(dataDir, digest), Buffer.from(blobs[digest] ?? '', 'base64'));
      saved.add(digest);
    }
  };
}

function blobsOf(world: World): [string, Repository][] {
  return Object.values(world.registries)
    .flatMap(({ repositories }) => Object.values(repositories))
    .flatMap(repository =>
      Object.keys(repository.blobs).map((digest): [string, Repository] => [digest, repository]),
    );
}

function blobFile(dataDir: string, digest: string): string {
  return join(dataDir, 'blobs', digest.replace(/[^a-z0-9]/gi, '-'));
}
