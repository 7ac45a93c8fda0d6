import type { Asked, Connection } from './connection.ts';
import { NoAnswer } from './failed-call.ts';

export interface StreamEvent {
  /** `message` where the server names none. */
  event: string;
  data: string;
  /** What a later connection continues after. */
  id: string | undefined;
}

/** A quiet server sends heartbeats; after so long without any it is gone. */
const silenceMs = 90_000;
const pauseMs = 1_000;

/**
 * Server-sent events until the server says `end`. A connection that breaks, also since its token ended, is made anew and
 * goes on after the last event that came.
 */
export async function* follow(connection: Connection, asked: Asked): AsyncGenerator<StreamEvent> {
  let lastEventId: string | undefined;
  for (;;) {
    const answer = await connection.open({ ...asked, accept: 'text/event-stream', lastEventId });
    // Nothing came after the last one, and nothing will.
    if (answer.status === 204) return;
    if (!answer.body || !answer.headers.get('content-type')?.startsWith('text/event-stream'))
      throw new NoAnswer(`${asked.path} is not answered as a stream`);
    try {
      for await (const event of readEvents(answer.body)) {
        if (event.event === 'end') return;
        lastEventId = event.id ?? lastEventId;
        yield event;
      }
    } catch (error) {
      if (asked.signal?.aborted) throw asked.signal.reason;
      if (!isBroken(error)) throw error;
    }
    await new Promise(resolve => setTimeout(resolve, pauseMs));
  }
}

/** What reading a body throws when the other end is gone. */
const isBroken = (error: unknown) =>
  error instanceof Error && ['TypeError', 'TimeoutError', 'AbortError'].includes(error.name);

/** Reads the format of the HTML standard's EventSource. */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<StreamEvent> {
  let lines: string[] = [];
  for await (const line of readLines(body)) {
    if (line !== '') lines.push(line);
    else {
      const event = toEvent(lines);
      lines = [];
      if (event) yield event;
    }
  }
}

function toEvent(lines: string[]): StreamEvent | null {
  const values = (name: string) =>
    lines.flatMap(line => {
      const [, field, value = ''] = /^([^:]+)(?:: ?(.*))?$/s.exec(line) ?? [];
      return field === name ? [value] : [];
    });
  const [event, data, id] = [values('event').at(-1), values('data'), values('id').at(-1)];
  if (event === undefined && data.length === 0) return null;
  return { event: event || 'message', data: data.join('\n'), id };
}

async function* readLines(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await inTime(reader.read());
      if (done) return;
      const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop() ?? '';
      yield* lines;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

async function inTime<T>(reading: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new DOMException('silence', 'TimeoutError')), silenceMs);
  try {
    return await Promise.race([reading, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
