import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SettingError } from './config.ts';
import { writeAtomically } from './files.ts';
import type { Repository, World } from './world.ts';

export interface Persistence {
  /** Says that the world changed: it is kept soon, and before the next answer leaves. */
  changed(): void;
  /** Resolves when everything that changed until now is kept; undefined where it already is. */
  flush(): Promise<void> | undefined;
  close(): Promise<void>;
}

const soonMs = 100;
const format = 1;

/** The world kept in `dataDir`, or null where there is none yet. Throws a sentence where it cannot be read. */
export function loadWorld(dataDir: string): World | null {
  const file = worldFile(dataDir);
  if (!existsSync(file)) return null;
  try {
    const stored: { format: number; world: World } = JSON.parse(readFileSync(file, 'utf8'));
    if (stored.format !== format) throw new Error(`its format is ${stored.format}, not ${format}`);
    for (const [digest, place] of blobsOf(stored.world))
      place.blobs[digest] = readFileSync(blobFile(dataDir, digest)).toString('base64');
    return stored.world;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SettingError(`${file} cannot be read (${reason}): move it away to start with the demo world.`);
  }
}

/** Keeps `world` in `dataDir`; without one it does nothing. */
export function openPersistence(world: World, dataDir: string | undefined): Persistence {
  if (dataDir === undefined) return { changed() {}, flush: () => undefined, async close() {} };
  mkdirSync(join(dataDir, 'blobs'), { recursive: true });
  const save = createSaver(world, dataDir);
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
    writing = save()
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
    changed() {
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
    },
  };
}

/** Blobs are kept once each in files of their own: they are large and never change. */
function createSaver(world: World, dataDir: string): () => Promise<void> {
  const kept = new Set<string>();
  return async () => {
    const text = JSON.stringify({ format, world }, withoutBlobs);
    for (const [digest, { blobs }] of blobsOf(world)) {
      if (kept.has(digest)) continue;
      if (!existsSync(blobFile(dataDir, digest)))
        await writeAtomically(blobFile(dataDir, digest), Buffer.from(blobs[digest] ?? '', 'base64'));
      kept.add(digest);
    }
    await writeAtomically(worldFile(dataDir), text, 0o600);
  };
}

function withoutBlobs(key: string, value: unknown): unknown {
  if (key !== 'blobs' || typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.keys(value).map(digest => [digest, '']));
}

function blobsOf(world: World): [string, Repository][] {
  return Object.values(world.registries)
    .flatMap(({ repositories }) => Object.values(repositories))
    .flatMap(repository =>
      Object.keys(repository.blobs).map((digest): [string, Repository] => [digest, repository]),
    );
}

function worldFile(dataDir: string): string {
  return join(dataDir, 'world.json');
}

function blobFile(dataDir: string, digest: string): string {
  return join(dataDir, 'blobs', digest.replace(/[^a-z0-9]/gi, '-'));
}
