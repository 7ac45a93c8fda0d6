import type { Event, Operation } from '../../client/api.ts';
import { printable } from './printable.ts';

/** What is said while one waits: a line that renews itself on a terminal, plain lines elsewhere. */
export interface Progress {
  event(event: Event): void;
  state(operation: Operation | null, note?: string): void;
  end(): void;
}

interface Sink {
  isTTY?: boolean | undefined;
  columns?: number | undefined;
  write(text: string): unknown;
}

export function createProgress(sink: Sink = process.stderr, isPlain = false): Progress {
  return sink.isTTY && !isPlain ? onTerminal(sink) : inLines(sink);
}

const eventLine = ({ at, container, message }: Event) =>
  `${at.slice(11, 19)}  ${printable(container ? `${container}: ${message}` : message)}`;

function stateLine(operation: Operation | null, note: string | undefined): string {
  if (note) return printable(note);
  if (!operation) return '';
  const { steps, waitingFor, status } = operation;
  const phase = steps.at(-1)?.phase ?? status;
  return printable(waitingFor ? `${phase}, waiting for ${waitingFor.reason}` : phase);
}

function inLines(sink: Sink): Progress {
  let last = '';
  return {
    event: event => sink.write(`${eventLine(event)}\n`),
    state(operation, note) {
      const line = stateLine(operation, note);
      // Phases are events too: only what they do not say is worth a line.
      if (line !== last && (note || operation?.waitingFor)) sink.write(`          ${line}\n`);
      last = line;
    },
    end() {},
  };
}

const clear = '\r\u001b[2K';

function onTerminal(sink: Sink): Progress {
  const begun = performance.now();
  let line = '';
  const draw = () => {
    const seconds = Math.round((performance.now() - begun) / 1000);
    sink.write(`${clear}${`${line} (${seconds} s)`.slice(0, (sink.columns ?? 80) - 1)}`);
  };
  const timer = setInterval(draw, 1_000);
  timer.unref();
  return {
    event(event) {
      sink.write(`${clear}${eventLine(event)}\n`);
      draw();
    },
    state(operation, note) {
      line = stateLine(operation, note);
      draw();
    },
    end() {
      clearInterval(timer);
      sink.write(clear);
    },
  };
}
