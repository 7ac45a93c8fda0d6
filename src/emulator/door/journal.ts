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
  /** The caller's own name for the request, as Azure's activity log keeps it. */
  clientRequestId?: string;
  /** The id of the fault that met it. */
  fault?: string;
  /** Nothing here answers such a path. */
  unexpected?: true;
}

export interface Journal {
  record(entry: Omit<JournalEntry, 'seq'>): void;
  since(seq: number): JournalEntry[];
  /** The paths and hosts that nothing answered, each once, with the last request for it. */
  unexpected(): JournalEntry[];
}

/** Keeps the last `kept` requests. */
export function createJournal(kept = 20_000): Journal {
  let entries: JournalEntry[] = [];
  const unexpected = new Map<string, JournalEntry>();
  let last = 0;

  /** Longer than the rest, and not so many: a test run looks for them when it ends. */
  function keepUnexpected(entry: JournalEntry): void {
    const { method, host, path } = entry;
    unexpected.set(`${method} ${host}${path.split('?')[0]}`, entry);
    const [oldest] = unexpected.keys();
    if (unexpected.size > 1_000 && oldest !== undefined) unexpected.delete(oldest);
  }

  return {
    record(entry) {
      const made = { seq: ++last, ...entry, path: maskQuery(entry.path) };
      entries.push(made);
      if (entry.unexpected) keepUnexpected(made);
      if (entries.length >= kept * 2) entries = entries.slice(-kept);
    },
    unexpected: () => [...unexpected.values()],
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
