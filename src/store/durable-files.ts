import { closeSync, fsyncSync, openSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { NodeFS } from '@electric-sql/pglite/nodefs';

type Init = Awaited<ReturnType<NodeFS['init']>>;
type PreRun = NonNullable<Init['emscriptenOpts']['preRun']>;
type Module = Parameters<Extract<PreRun, unknown[]>[number]>[0];

/** What of Emscripten's file system is leaned on: pinned by a test that counts syncs, since it is nobody's public API. */
interface NodeFileSystem {
  stream_ops: { fsync?: (stream: { nfd?: number; node: unknown }) => number };
  realPath(node: unknown): string;
}

/**
 * PGlite's files on disk, with the fsync that they lack: without it `fsync=on` is believed and nothing is synced
 * (measured: pulled power lost acknowledged rows, or the whole store).
 */
export class DurableFiles extends NodeFS {
  override async init(...parameters: Parameters<NodeFS['init']>): Promise<Init> {
    const initial = await super.init(...parameters);
    const before = [initial.emscriptenOpts.preRun ?? []].flat();
    initial.emscriptenOpts.preRun = [...before, addSync];
    return initial;
  }
}

function addSync(module: Module): void {
  const { NODEFS: files } = module as unknown as { NODEFS: NodeFileSystem };
  files.stream_ops.fsync = ({ nfd, node }) => {
    if (nfd !== undefined) fsyncSync(nfd);
    else syncPath(files.realPath(node));
    return 0;
  };
}

/** A file or a directory, by name. */
export function syncPath(path: string): void {
  const handle = openSync(path, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** A directory and everything in it. */
export function syncTree(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const child = join(path, entry.name);
    if (entry.isDirectory()) syncTree(child);
    else if (entry.isFile()) syncPath(child);
  }
  syncPath(path);
}
