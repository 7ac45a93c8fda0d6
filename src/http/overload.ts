import type { FastifyInstance } from 'fastify';
import type { Clock } from '../clock.ts';
import { createError } from '../errors.ts';

/** Where changes wait to be recorded: each team in a line of its own. */
export interface Line {
  /**
   * Does the work in its team's turn. Throws `StoreUnavailable` where it has waited for too long and more comes than can be
   * done.
   */
  run<T>(team: string, work: () => Promise<T>): Promise<T>;
  /** Whether who comes now for one of these teams would wait in vain. */
  isTooLong(teams: readonly string[]): boolean;
}

interface Waiting {
  since: number;
  start(): void;
  refuse(): void;
}

interface TeamLine {
  /** The oldest first. */
  waiting: Waiting[];
  /** When it was last seen empty. */
  emptyAt: number;
  came: Count;
  went: Count;
}

/** Fewer than there are connections to the store: reads find one. */
const atOnce = 6;
/** What is looked back on. */
const spanSeconds = 10;
/** More comes than goes: callers who wait for their answers come as often as they go, give or take. */
const surplus = 1.1;
/** Nobody waits for longer then: who was refused at once comes back, who has hung up does not. */
const longestWaitMs = 250;
const mostWaiting = 5_000;

/**
 * Teams take turns: a flood stands in line behind itself. A crowd that comes once waits, however long that takes; where the
 * oldest have waited for long already the newest go first, so that most are answered in time. Where for ten seconds more
 * of a team have come than were let in, and its line was never empty, more is asked for than can be done: then those who
 * have waited for too long are refused, and the store goes on doing all that it can.
 */
export function createLine(clock: Pick<Clock, 'now'>): Line {
  // In the order of their turns.
  const lines = new Map<string, TeamLine>();
  let active = 0;
  const now = () => clock.now().getTime();

  function lineOf(team: string): TeamLine {
    const known = lines.get(team);
    if (known) return known;
    const fresh = { waiting: [], emptyAt: now(), came: createCount(now), went: createCount(now) };
    lines.set(team, fresh);
    return fresh;
  }

  const isCalm = ({ waiting, emptyAt, came, went }: TeamLine) =>
    waiting.length === 0 || now() - emptyAt < spanSeconds * 1000 || came.ofSpan() <= went.ofSpan() * surplus;
  const isLate = (one: Waiting | undefined) => one !== undefined && now() - one.since > longestWaitMs;
  const isOverrun = (line: TeamLine) => isLate(line.waiting[0]) && !isCalm(line);

  function enter(line: TeamLine): Promise<void> {
    line.came.count();
    if (line.waiting.length === 0) line.emptyAt = now();
    if (active < atOnce) {
      active += 1;
      return Promise.resolve();
    }
    if (line.waiting.length >= mostWaiting) throw tooMuch();
    return new Promise((resolve, reject) => {
      line.waiting.push({ since: now(), start: resolve, refuse: () => reject(tooMuch()) });
    });
  }

  function next(): void {
    active -= 1;
    for (const [team, line] of lines) {
      while (isOverrun(line)) line.waiting.shift()?.refuse();
      const first = isLate(line.waiting[0]) ? line.waiting.pop() : line.waiting.shift();
      if (line.waiting.length === 0) line.emptyAt = now();
      if (!first) continue;
      active += 1;
      lines.delete(team);
      lines.set(team, line);
      first.start();
      return;
    }
  }

  return {
    async run(team, work) {
      const line = lineOf(team);
      await enter(line);
      try {
        return await work();
      } finally {
        line.went.count();
        next();
      }
    },
    isTooLong: teams =>
      teams.length > 0 &&
      teams.every(team => {
        const line = lines.get(team);
        return line !== undefined && isOverrun(line);
      }),
  };
}

type Count = ReturnType<typeof createCount>;

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

/** Refuses changes before their body is read while the lines of all teams of the caller are too long. Reads go on. */
export function shedChanges(app: FastifyInstance, line: Pick<Line, 'isTooLong'>): void {
  app.addHook('onRequest', ({ method, caller }, _reply, done) => {
    const isChange = method !== 'GET' && method !== 'HEAD';
    if (isChange && caller && line.isTooLong(Object.keys(caller.teams))) throw tooMuch();
    done();
  });
}
