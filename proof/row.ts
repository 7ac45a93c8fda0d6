/** One line of the table: so many points were planned, so many were reached, and so many of those did not hold. */
export interface Row {
  figure: string;
  planned: number;
  executed: number;
  /** What this machine does not allow: it was told, and does not fail the proof. */
  skipped: number;
  failed: number;
  met: boolean;
}

/** What is counted while a part of the proof runs. Each failure is told at once. */
export interface Figure {
  /** A point was reached, and this is what did not hold there; nothing where all did. */
  reached(point: string, faults?: readonly string[]): void;
  /** A point that was planned was not reached: the proof fails, whatever else held. */
  missed(point: string, why: unknown): void;
  /** Nothing of it can be reached on this machine. */
  skipped(why: string): void;
  row(): Row;
}

export function createFigure(figure: string, planned: number): Figure {
  let executed = 0;
  let failed = 0;
  let skipped = 0;
  return {
    reached(point, faults = []) {
      executed += 1;
      if (faults.length === 0) return;
      failed += 1;
      tell(`${figure}: ${point}: ${faults.join('; ')}`);
    },
    missed(point, why) {
      tell(`${figure}: ${point} was not reached: ${sentenceOf(why)}`);
    },
    skipped(why) {
      skipped = planned;
      tell(`${figure}: NOT RUN: ${why}`);
    },
    row: () => ({
      ...{ figure, planned, executed, skipped, failed },
      met: executed + skipped === planned && failed === 0,
    }),
  };
}

export const sentenceOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** Progress and failures: the table alone goes to standard output. */
export const tell = (line: string) => console.error(line);
