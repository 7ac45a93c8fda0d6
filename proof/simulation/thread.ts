import { parentPort, workerData } from 'node:worker_threads';
import type { Flaw } from './flaws.ts';
import { type Run, runSeed } from './run.ts';

/** What a thread is to run: it takes over what this thread's platform gives, and so shares it with nobody. */
export interface Errand {
  from: number;
  /** One more than the last. */
  to: number;
  flaws: Flaw[];
  /** Ends with the first seed that fails. */
  untilFound?: true;
  /** Tells every step. */
  aloud?: true;
}

/** What it tells: a step, or what came of a seed. */
export type Told = { line: string } | { run: Run };

async function work({ from, to, flaws, untilFound, aloud }: Errand): Promise<void> {
  const tell = (told: Told) => parentPort?.postMessage(told);
  for (let seed = from; seed < to; seed += 1) {
    const run = await runSeed(seed, new Set(flaws), aloud && (line => tell({ line })));
    tell({ run });
    if (untilFound && run.faults.length > 0) return;
  }
}

await work(workerData);
