import { createHash } from 'node:crypto';

/** What happened, step by step: of a run the same each time that its seed is run. */
export interface Trace {
  add(line: string): void;
  last(): readonly string[];
  /** Of all lines. */
  digest(): string;
}

const mostKept = 30;

/** `onLine` is told each line; only the last ones are kept. */
export function createTrace(onLine: (line: string) => void = () => {}): Trace {
  const hash = createHash('sha256');
  const kept: string[] = [];
  return {
    add(line) {
      hash.update(`${line}\n`);
      kept.push(line);
      if (kept.length > mostKept) kept.shift();
      onLine(line);
    },
    last: () => kept,
    digest: () => hash.copy().digest('hex').slice(0, 16),
  };
}
