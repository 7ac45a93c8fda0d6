import type { JournalEntry } from '../door/journal.ts';

/** What `GET /_emulator/journal?...` asks for; throws a sentence that names what is wrong with it. */
export interface JournalQuery {
  since: number;
  matches(entry: JournalEntry): boolean;
  /** The last so many of those that match. */
  last: number;
}

type Test = (entry: JournalEntry) => boolean;

const tests: Record<string, (value: string) => Test> = {
  host: value => entry => entry.host === value.toLowerCase(),
  method: value => entry => entry.method === value.toUpperCase(),
  path: value => {
    const pattern = readPattern(value);
    return entry => pattern.test(entry.path);
  },
  status: value => {
    if (!/^[0-9](?:\d\d|xx)?$/.test(value))
      throw new Error("'status' is a status (404), a class of them (4xx), or 0 where nothing was answered");
    return entry =>
      value.endsWith('xx') ? String(entry.status).startsWith(value[0] ?? '') : entry.status === Number(value);
  },
  caller: value => entry => (entry.caller ?? '') === value,
  fault: value => entry => entry.fault === value,
  unexpected: value => {
    if (value !== 'true') throw new Error("'unexpected' is true or absent");
    return entry => entry.unexpected === true;
  },
};

export function readJournalQuery(query: unknown): JournalQuery {
  const asked = Object.entries(typeof query === 'object' && query !== null ? query : {});
  const { since, last, ...filters } = Object.fromEntries(asked.map(([name, value]) => [name, String(value)]));
  const all = Object.entries(filters).map(([name, value]) => {
    const read = Object.hasOwn(tests, name) ? tests[name] : undefined;
    if (!read)
      throw new Error(`there is no '${name}': it takes since, last, ${Object.keys(tests).join(', ')}`);
    return read(value);
  });
  return {
    since: readCount('since', since, 0),
    last: readCount('last', last, Number.POSITIVE_INFINITY),
    matches: entry => all.every(test => test(entry)),
  };
}

function readCount(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (!/^\d{1,15}$/.test(text)) throw new Error(`'${name}' is a number, 0 or more`);
  return Number(text);
}

function readPattern(text: string): RegExp {
  try {
    return new RegExp(text, 'i');
  } catch {
    throw new Error(`'path' is no regular expression: ${text}`);
  }
}
