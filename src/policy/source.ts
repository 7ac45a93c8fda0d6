import { statSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import { PolicyError, readPolicyFiles } from './load.ts';
import type { PolicyFile } from './places.ts';

/** Where the policy is kept. */
export interface PolicySource {
  /** What stands there now. Throws `PolicyError` where it cannot be read. */
  read(): Promise<PolicyFile[]>;
  /** Calls back when it may have changed, if that can be known without asking. */
  watch(onChange: () => void): () => void;
}

/** A file or a directory. Throws `PolicyError` where there is none: then the setting is wrong. */
export function openFileSource(path: string): PolicySource {
  readPolicyFiles(path);
  return {
    read: async () => readPolicyFiles(path),
    watch: onChange => watchDirectory(statSync(path).isDirectory() ? path : dirname(path), onChange),
  };
}

/** Editors and orchestrators put another file in the place of one: only its directory sees that. */
function watchDirectory(directory: string, onChange: () => void): () => void {
  const watcher = watch(directory, { persistent: false }, onChange);
  // A directory that goes away, or a system without watches left: it is looked at by interval all the same.
  watcher.on('error', () => watcher.close());
  return () => watcher.close();
}

/** One document of a store of documents. */
export interface RemoteDocument {
  etag: string;
  text: string;
}

/** A document at an address, read again only where its ETag has changed; null from `fetch` says that it has not. */
export function createRemoteSource(
  url: string,
  fetch: (url: string, etag: string | null) => Promise<RemoteDocument | null>,
): PolicySource {
  let last: RemoteDocument | null = null;
  return {
    async read() {
      try {
        last = (await fetch(url, last?.etag ?? null)) ?? last;
      } catch (error) {
        throw unreadable(url, error instanceof Error ? error.message : String(error));
      }
      if (!last) throw unreadable(url, 'the answer has no content');
      return [{ name: url, text: last.text }];
    },
    watch: () => () => {},
  };
}

const unreadable = (url: string, reason: string) =>
  new PolicyError([{ place: url, message: `cannot be read: ${reason}` }]);
