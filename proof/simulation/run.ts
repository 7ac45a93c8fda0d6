import { checkEnd, createChecks } from './checks.ts';
import { createClients } from './clients.ts';
import type { Flaws } from './flaws.ts';
import { nextDue, pass, takeStep } from './steps.ts';
import { createWorld, type World } from './world.ts';

/** What came of one seed. */
export interface Run {
  seed: number;
  steps: number;
  /** What must not be, as far as it was seen; none where all held. */
  faults: string[];
  /** The last steps. */
  trace: readonly string[];
  /** Of the whole trace. */
  digest: string;
  /** How many deployments there were, and how many operations. */
  deployments: number;
  operations: number;
}

const mostSteps = 20_000;
/** What passes at once where nothing is due: Azure may still be at something. */
const idleMs = 1_000;
const longestCalmMs = 12 * 3_600_000;

/** Runs one seed: some hundred steps in which everything goes wrong, then none until nothing is under way any more. */
export async function runSeed(seed: number, flaws: Flaws, onLine?: (line: string) => void): Promise<Run> {
  const world = createWorld(seed, flaws, onLine);
  drivePlatform(world);
  const clients = createClients(world);
  const check = createChecks(world, clients);
  const troubled = 150 + world.random.below(250);
  let steps = 0;
  const isOver = () => world.faults.length > 0 || steps >= mostSteps;
  const next = async () => {
    steps += 1;
    const moved = takeStep(world, clients);
    if (!moved) pass(world, Math.max(1, (nextDue(world) ?? world.time.now() + idleMs) - world.time.now()));
    await settled();
    check();
    return moved;
  };
  while (steps < troubled && !isOver()) await next();
  calm(world);
  while (!isOver() && !isQuiet(world)) await next();
  if (!isOver()) await lookOnce(world, next);
  if (world.faults.length === 0) world.faults.push(...checkEnd(world));
  if (steps >= mostSteps) world.faults.push(`it does not come to rest: ${unfinished(world).join(', ')}`);
  return {
    ...{ seed, steps, faults: world.faults, trace: world.trace.last(), digest: world.trace.digest() },
    ...{ deployments: world.records.deployments.size, operations: world.records.operations.size },
  };
}

/** What the code takes from its platform comes from the seed too: this thread runs nothing else. */
function drivePlatform({ random, time }: World): void {
  Math.random = random.next;
  AbortSignal.timeout = time.timeout;
}

/** All that can go on without the scheduler has gone on. */
const settled = () => new Promise(done => setImmediate(done));

function calm(world: World): void {
  world.troubled = false;
  world.calmSince = world.time.now();
  world.groups.calm();
  world.trace.add('from here on nothing goes wrong');
}

function isQuiet(world: World): boolean {
  if (world.time.now() - (world.calmSince ?? 0) > longestCalmMs) {
    world.faults.push(`it does not come to rest: ${unfinished(world).join(', ')}`);
    return true;
  }
  return unfinished(world).length === 0 && world.calls.inFlight().length === 0;
}

function unfinished({ records }: World): string[] {
  const open = [...records.operations.values()].filter(({ endedAt }) => endedAt === null);
  const moving = [...records.deployments.values()].filter(({ settled }) => !settled);
  return [
    ...open.map(({ kind, id }) => `${kind} ${id}`),
    ...moving.map(({ name, status, waitingFor }) => `${name} is ${status} (${waitingFor?.reason})`),
  ];
}

/** Time enough for a look at all that runs, and for what it finds. */
async function lookOnce(world: World, next: () => Promise<boolean>): Promise<void> {
  const until = world.time.now() + 12 * 60_000;
  for (let steps = 0; steps < 2_000 && world.faults.length === 0 && world.time.now() < until; steps += 1)
    await next();
  for (let steps = 0; steps < 200 && !isQuiet(world); steps += 1) await next();
}
