import { existsSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Change, Changes } from './changes.ts';
import { writeAtomically } from './files.ts';
import { emptyWorld, type World } from './world.ts';

/**
 * A copy of the world in `world.json`, and what changed since in `world.log.N`, a line for each batch of changes: N is
 * the copy's number, so a log never meets a copy that it does not continue. A batch is kept whole or not at all.
 */
export interface WorldLog {
  /** Resolves when everything taken from the changes is on disk. */
  keep(): Promise<void>;
  close(): Promise<void>;
}

interface Copy {
  format: number;
  copy?: number;
  world: World;
}

/** What a directory keeps; `logBytes` are those of the log that are whole. */
export interface Kept {
  world: World;
  copy: number;
  logBytes: number;
}

const formats = [1, 2];
const copyFile = (directory: string) => join(directory, 'world.json');
const logFile = (directory: string, copy: number) => join(directory, `world.log.${copy}`);

/** Undefined where nothing is kept yet. Throws what is wrong with it. */
export function readWorld(directory: string): Kept | undefined {
  if (!existsSync(copyFile(directory))) return undefined;
  const { format, copy = 0, world: written }: Copy = JSON.parse(readFileSync(copyFile(directory), 'utf8'));
  if (!formats.includes(format)) throw new Error(`its format is ${format}, not ${formats.at(-1)}`);
  // One that was written before has fewer maps.
  const world = { ...emptyWorld(written.tenantId), ...written };
  const file = logFile(directory, copy);
  const log = existsSync(file) ? readFileSync(file, 'utf8') : '';
  // A kill in the middle of a write leaves a line without its end: nobody was told that it is kept.
  const whole = log.slice(0, log.lastIndexOf('\n') + 1);
  for (const line of whole.split('\n').filter(Boolean)) apply(world, JSON.parse(line));
  return { world, copy, logBytes: Buffer.byteLength(whole) };
}

function apply(world: World, batch: Change[]): void {
  for (const [map, key, entry] of batch)
    if (entry === null) delete world[map][key];
    else Object.assign(world[map], { [key]: entry });
}

const leastLogBytes = 4 * 1024 * 1024;

/** Goes on where `kept` ends; with a new copy where there is none. `saveBlobs` keeps what the changes name. */
export function openWorldLog(
  directory: string,
  changes: Changes,
  kept: Kept | undefined,
  saveBlobs: () => Promise<void>,
): WorldLog {
  let copy = kept?.copy ?? 0;
  let logBytes = kept?.logBytes ?? 0;
  let copyBytes = 0;
  let log: FileHandle | undefined;
  /** Not after a failure: it may have left a part of a line, and lost what it had taken. */
  let appendable = kept !== undefined;
  if (kept && existsSync(logFile(directory, copy))) truncateSync(logFile(directory, copy), logBytes);

  async function append(batch: Change[]): Promise<void> {
    const line = Buffer.from(`${JSON.stringify(batch)}\n`);
    await saveBlobs();
    log ??= await open(logFile(directory, copy), 'a', 0o600);
    await log.appendFile(line);
    await log.datasync();
    logBytes += line.length;
  }

  async function writeCopy(): Promise<void> {
    const text = JSON.stringify({ format: formats.at(-1), copy: copy + 1, world: changes.takeAll() });
    await saveBlobs();
    await writeAtomically(copyFile(directory), text, 0o600);
    await log?.close();
    rmSync(logFile(directory, copy), { force: true });
    copy += 1;
    log = undefined;
    copyBytes = text.length;
    logBytes = 0;
  }

  return {
    async keep() {
      // A log much longer than the world itself is rewritten as a copy: what was made and deleted since is gone then.
      const rewrite = !appendable || logBytes > Math.max(leastLogBytes, 2 * copyBytes);
      appendable = false;
      const batch = rewrite ? [] : changes.take();
      if (rewrite) await writeCopy();
      else if (batch.length > 0) await append(batch);
      appendable = true;
    },
    async close() {
      await log?.close();
    },
  };
}
