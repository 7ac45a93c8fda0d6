import type { FastifyInstance } from 'fastify';
import type { Clock } from '../clock.ts';
import { createError } from '../errors.ts';

/** The line in which changes wait to be recorded. */
export interface Line {
  /** Does the work in its turn. Throws `StoreUnavailable` where it has waited for too long and others are waiting too. */
  run<T>(work: () => Promise<T>): Promise<T>;
  /** Whether whoever comes now would wait in vain. */
  isTooLong(): boolean;
}

interface Waiting {
  since: number;
  start(): void;
  refuse(): void;
}

/** Fewer than there are connections to the store: reads find one. */
const atOnce = 6;
/** What is looked back on. */
const spanSeconds = 10;
/** Nobody waits for longer then: who was refused at once comes back, who has hung up does not. */
const longestWaitMs = 250;
const mostWaiting = 5_000;

/**
 * A crowd that comes once waits for its turn, however long that takes. Where for ten seconds more have come than were let
 * in, and the line was never empty, more is asked for than can be done: then those who have waited for too long are
 * refused, and the store goes on doing all that it can.
 */
export function createLine(clock: Pick<Clock, 'now'>): Line {
  const line: Waiting[] = [];
  let active = 0;
  let emptyAt = Number.NEGATIVE_INFINITY;
  const now = () => clock.now().getTime();
  const came = createCount(now);
  const went = createCount(now);
  const isCalm = () =>
    line.length === 0 || now() - emptyAt < spanSeconds * 1000 || came.ofSpan() <= went.ofSpan();
  const isStale = ({ since }: Waiting) => !isCalm() && now() - since > longestWaitMs;

  function next(): void {
    active -= 1;
    for (let first = line[0]; first && isStale(first); first = line[0]) {
      line.shift();
      first.refuse();
    }
    const first = line.shift();
    if (line.length === 0) emptyAt = now();
    first?.start();
  }

  function enter(): Promise<void> {
    came.count();
    if (active < atOnce) {
      active += 1;
      if (line.length === 0) emptyAt = now();
      return Promise.resolve();
    }
    if (line.length >= mostWaiting) throw tooMuch();
    return new Promise((resolve, reject) => {
      line.push({
        since: now(),
        start: () => {
          active += 1;
          resolve();
        },
        refuse: () => reject(tooMuch()),
      });
    });
  }

  return {
    async run(work) {
      await enter();
      try {
        return await work();
      } finally {
        went.count();
        next();
      }
    },
    isTooLong: () => line[0] !== undefined && isStale(line[0]),
  };
}

/** How many there were in the last ten seconds. */
function createCount(now: () => number) {
  const seconds: { second: number; count: number }[] = [];
  return {
    count() {
      const second = Math.floor(now() / 1000);
      const place = seconds[second % spanSeconds];
      const count = place?.second === second ? place.count + 1 : 1;
      seconds[second % spanSeconds] = { second, count };
    },
    ofSpan() {
      const oldest = Math.floor(now() / 1000) - spanSeconds;
      return seconds.reduce((sum, { second, count }) => sum + (second > oldest ? count : 0), 0);
    },
  };
}

const tooMuch = () =>
  createError('StoreUnavailable', 'More changes are asked for than can be recorded; try again.', {
    headers: { 'retry-after': String(1 + Math.floor(Math.random() * 5)) },
  });

/** Refuses changes before anything is read of them while the line is too long. Reads go on. */
export function shedChanges(app: FastifyInstance, line: Pick<Line, 'isTooLong'>): void {
  app.addHook('onRequest', ({ method }, _reply, done) => {
    if (method !== 'GET' && method !== 'HEAD' && line.isTooLong()) throw tooMuch();
    done();
  });
}
