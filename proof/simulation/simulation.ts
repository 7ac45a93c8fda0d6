import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { createFigure, type Row, tell } from '../row.ts';
import { type Flaw, flaws } from './flaws.ts';
import type { Run } from './run.ts';
import type { Errand, Told } from './thread.ts';

const flawNames = Object.keys(flaws).filter((name): name is Flaw => Object.hasOwn(flaws, name));
/** A defect that so many seeds do not show would be shown by chance. */
const mostToFind = 300;
const twice = 20;

/**
 * The heart as it is, with clock, ports and scheduler in hand, over a model of the store and of Azure: each seed is another
 * course of faults, kills, lost answers and changes, and what must hold is looked at after every step.
 */
export async function proveSimulation({
  full,
  seed,
}: {
  full: boolean;
  seed: number | null;
}): Promise<Row[]> {
  if (seed !== null) return [await replay(seed)];
  return [await proveSeeds(full ? 10_000 : 1_000), await proveSameness(), await proveFlaws()];
}

async function proveSeeds(count: number): Promise<Row> {
  const figure = createFigure(
    `${count} seeds of the workflow: each deployment ends, and is what Azure has`,
    count,
  );
  let steps = 0;
  await run({ from: 0, to: count, flaws: [] }, told => {
    if (!('run' in told)) return;
    steps += told.run.steps;
    judge(told.run, figure.reached);
  }).catch(error => figure.missed('the last seed', error));
  tell(`simulation: ${steps} steps`);
  return figure.row();
}

function judge({ seed, faults, trace }: Run, reached: (point: string, faults: string[]) => void): void {
  reached(`seed ${seed}`, faults);
  if (faults.length > 0) tell([...trace, `once more: npm run proof -- simulation --seed ${seed}`].join('\n'));
}

/** One seed aloud. */
async function replay(seed: number): Promise<Row> {
  const figure = createFigure(`seed ${seed}`, 1);
  await run({ from: seed, to: seed + 1, flaws: [], aloud: true }, told => {
    if ('line' in told) tell(told.line);
    else figure.reached(`seed ${seed}`, told.run.faults);
  }).catch(error => figure.missed(`seed ${seed}`, error));
  return figure.row();
}

async function proveSameness(): Promise<Row> {
  const figure = createFigure('  a seed runs the same way again, step by step', twice);
  const digests: string[][] = [[], []];
  for (const kept of digests)
    await run({ from: 0, to: twice, flaws: [] }, told => {
      if ('run' in told) kept.push(told.run.digest);
    }).catch(error => figure.missed('the last seed', error));
  const [first = [], second = []] = digests;
  for (const [seed, digest] of first.entries())
    figure.reached(`seed ${seed}`, digest === second[seed] ? [] : ['it took another course']);
  return figure.row();
}

/** The simulation can fail: of each defect that is planted in its ports a seed tells. */
async function proveFlaws(): Promise<Row> {
  const figure = createFigure('  planted defects that a seed finds', flawNames.length);
  for (const flaw of flawNames) {
    let found: Run | null = null;
    await run({ from: 0, to: mostToFind, flaws: [flaw], untilFound: true }, told => {
      if ('run' in told && told.run.faults.length > 0) found = told.run;
    }).catch(error => figure.missed(flaw, error));
    figure.reached(flaw, found ? [] : [`none of ${mostToFind} seeds tells that ${flaws[flaw]}`]);
  }
  return figure.row();
}

async function run(errand: Errand, hear: (told: Told) => void): Promise<void> {
  const worker = new Worker(new URL('./thread.ts', import.meta.url), { workerData: errand });
  worker.on('message', hear);
  const [code] = await once(worker, 'exit');
  if (code !== 0) throw new Error(`the thread ended with ${code}`);
}
