/** One request that was answered, or was to be. */
export interface JournalEntry {
  seq: number;
  at: string;
  /** The Azure or registry name that was meant, also when it was reached as HOST:PORT. */
  host: string;
  method: string;
  /** With the query; what looks like a credential in it is `***`. */
  path: string;
  /** 0 where the connection was closed without an answer. */
  status: number;
  caller: string | null;
  /** The id of the fault that met it. */
  fault?: string;
  /** Nothing here answers such a path. */
  unexpected?: true;
}

export interface Journal {
  record(entry: Omit<JournalEntry, 'seq'>): void;
  since(seq: number): JournalEntry[];
}

/** Keeps the last `kept` requests. */
export function createJournal(kept = 50_000): Journal {
  let entries: JournalEntry[] = [];
  let last = 0;
  return {
    record(entry) {
      entries.push({ seq: ++last, ...entry, path: maskQuery(entry.path) });
      if (entries.length >= kept * 2) entries = entries.slice(-kept);
    },
    since(seq) {
      const first = entries[0]?.seq ?? 1;
      return entries.slice(Math.max(0, seq + 1 - first, entries.length - kept));
    },
  };
}

const credential = /([?&](?:[^=&]*(?:token|secret|password|assertion|code|sig))=)[^&]*/gi;

function maskQuery(path: string): string {
  return path.includes('?') ? path.replace(credential, '$1***') : path;
}
