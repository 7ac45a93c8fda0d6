import { Writable } from 'node:stream';
import { type Logger, pino } from 'pino';
import { scrub } from './secret.ts';
import { currentPlace } from './telemetry/trace.ts';

export type Log = Logger;

/**
 * One JSON line each. What is logged is chosen where it is logged (path redaction misses ordinary shapes: measured);
 * the scrubber by value at the sink is the second net.
 */
export function createLog(options: { level: string; to?: NodeJS.WritableStream }): Log {
  const to = options.to ?? process.stderr;
  const sink = new Writable({
    decodeStrings: false,
    write: (line: string, _encoding, done) => {
      to.write(scrub(String(line)));
      done();
    },
  });
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { err: describe },
      mixin: whereabouts,
    },
    sink,
  );
}

/** Which trace a line belongs to, and which deployment, wherever it is written. */
function whereabouts(): object {
  const { span, deployment } = currentPlace() ?? {};
  return { ...(deployment ? { deployment } : {}), ...(span ? { trace: span.traceId } : {}) };
}

/** Errors by what they say, never by what they carry: SDK errors hold requests and answers (measured). */
function describe(error: unknown): object {
  if (!(error instanceof Error)) return { message: String(error) };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  return {
    name: error.name,
    code,
    message: error.message,
    stack: error.stack?.split('\n').slice(1, 8).join('\n'),
  };
}
