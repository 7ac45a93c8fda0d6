import { AzureError } from '../azure/failure.ts';
import type { Clock } from '../clock.ts';
import { type Anchor, type LogLine, linesAfter, parseLog } from './log-lines.ts';

/** Where a log is read. */
export interface LogPlace {
  team: string;
  /** Its last so many lines, with timestamps; null: as much as Azure keeps. */
  ask(tail: number | null, signal: AbortSignal): Promise<string>;
  /** Why no more lines come; null while some may. */
  isOver(signal: AbortSignal): Promise<string | null>;
  /** All of it, where it is not at Azure any more. */
  known?: readonly LogLine[];
}

export interface LogNews {
  lines: { line: LogLine; anchor: Anchor }[];
  /** Some lines before these are lost. */
  gap: boolean;
  /** Why no more come. */
  over: string | null;
}

export interface LogFeed {
  team: string;
  /** Waits for lines at most `ms` or until the signal aborts; none where none came. */
  next(ms: number, signal: AbortSignal): Promise<LogNews>;
}

interface FeedOptions {
  tail?: number | undefined;
  after: Anchor | null;
  clock: Clock;
}

const busyMs = 1_000;
const idleMs = 5_000;
/** What is asked for first, and larger where what was seen last is not in it; then all that Azure keeps. */
const windows = [200, 2_000, 20_000, null] as const;
/** So often a quiet log is asked before its container is looked at. */
const quietAsks = 3;

/** Follows a log that can only be asked for its end: what was seen last is looked up in it, and what is behind that is new. */
export function startLogFeed(place: LogPlace, { tail, after, clock }: FeedOptions): LogFeed {
  let anchor = after;
  let begun = after !== null;
  let pauseMs = 0;
  // Who comes back may have had the end already.
  let quiet = begun ? quietAsks - 1 : 0;
  /** A last line without an end is told when it has not grown since. */
  let held: { before: string | null; now: string | null } = { before: null, now: null };

  return {
    team: place.team,
    async next(ms, signal) {
      if (place.known) return rest(place.known);
      await clock.wait(Math.min(ms, pauseMs), signal).catch(() => {});
      if (signal.aborted) return nothing;
      try {
        return await ask(signal);
      } catch (error) {
        if (!(error instanceof AzureError)) throw error;
        if (signal.aborted) return nothing;
        // What passes is waited out; the log is asked again, later.
        pauseMs = Math.max(idleMs, error.retryAfterMs ?? 0);
        return error.retryable ? nothing : { ...nothing, over: await place.isOver(signal) };
      }
    },
  };

  async function ask(signal: AbortSignal): Promise<LogNews> {
    held = { before: held.now, now: null };
    const { fresh, gap } = begun ? await readOn(signal) : await begin(signal);
    anchor = fresh.at(-1)?.anchor ?? anchor;
    quiet = fresh.length > 0 ? 0 : quiet + 1;
    pauseMs = fresh.length > 0 ? busyMs : Math.min(idleMs, Math.max(busyMs, pauseMs * 1.5));
    const over = quiet >= quietAsks ? await place.isOver(signal) : null;
    if (quiet >= quietAsks) quiet = 0;
    return { lines: fresh, gap, over };
  }

  async function begin(signal: AbortSignal) {
    const lines = closed(await place.ask(tail === undefined ? null : Math.max(tail, 1), signal));
    begun = true;
    const { fresh } = linesAfter({ lines, whole: true }, null);
    if (tail !== 0) return { fresh: tail === undefined ? fresh : fresh.slice(-tail), gap: false };
    anchor = fresh.at(-1)?.anchor ?? null;
    return { fresh: [], gap: false };
  }

  async function readOn(signal: AbortSignal) {
    for (const size of windows) {
      const lines = closed(await place.ask(size, signal));
      const whole = size !== null && lines.length < size;
      const found = linesAfter({ lines, whole }, anchor);
      if (!found.lost || size === null) return found;
    }
    throw new Error('the last window has no size');
  }

  function closed(content: string): LogLine[] {
    const { lines, open } = parseLog(content);
    const text = open && `${open.at} ${open.text}`;
    const rests = open !== null && text === held.before;
    held = { ...held, now: text };
    return rests ? [...lines, open] : lines;
  }

  function rest(known: readonly LogLine[]): LogNews {
    const { fresh, gap } = linesAfter({ lines: [...known], whole: true }, anchor);
    return { lines: fresh, gap, over: 'the container group is gone; these lines were kept of it' };
  }
}

const nothing: LogNews = { lines: [], gap: false, over: null };
