import { measureApi } from './api.ts';
import { measureBurst } from './burst.ts';
import { measureEmulator } from './emulator.ts';
import { measureFairness } from './fairness.ts';
import { measureFlight } from './flight.ts';
import { measureHistory } from './history.ts';
import { measureOverload } from './overload.ts';
import { measurePreflight } from './preflight.ts';
import { measureProcess } from './process.ts';
import type { Row } from './row.ts';
import { measureRunning } from './running.ts';

export type StoreName = 'PGlite' | 'PostgreSQL';

interface Group {
  measure(): Promise<Row[]>;
  /** Each is measured by itself. Where no store has a part, it is the one that needs nothing. */
  stores: readonly StoreName[];
}

const both = ['PGlite', 'PostgreSQL'] as const;

/** By the word that picks them: `npm run bench -- preflight`. */
export const groups: Record<string, Group> = {
  preflight: { measure: measurePreflight, stores: ['PGlite'] },
  emulator: { measure: measureEmulator, stores: ['PGlite'] },
  api: { measure: measureApi, stores: both },
  running: { measure: measureRunning, stores: ['PGlite'] },
  process: { measure: measureProcess, stores: ['PGlite'] },
  history: { measure: measureHistory, stores: both },
  burst: { measure: measureBurst, stores: ['PostgreSQL'] },
  flight: { measure: measureFlight, stores: ['PostgreSQL'] },
  fairness: { measure: measureFairness, stores: ['PostgreSQL'] },
  overload: { measure: measureOverload, stores: ['PostgreSQL'] },
};
