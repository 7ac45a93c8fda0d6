import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { createError } from '../errors.ts';
import type { Caller } from '../schemas/principal.ts';

/** One message of a stream, in the words of the HTML standard. `end` is the last one. */
export interface Message {
  id?: string | number;
  event?: 'end' | 'gap';
  data: unknown;
}

export interface StreamSource extends Disposable {
  team: string;
  /** Waits for what comes next, at most `ms` or until the signal aborts; nothing where nothing came. */
  next(ms: number, signal: AbortSignal): Promise<Message[]>;
}

export interface EventStreams {
  /** Answers with what the source has, from now on. `first` goes before it. Throws `RateLimited`. */
  answer(reply: FastifyReply, caller: Caller, source: StreamSource, first?: readonly Message[]): FastifyReply;
}

/** For the routes that stream: Fastify would cut them off. No token lives longer, and no stream outlives its token. */
export const longestStreamMs = 29 * 3_600_000;

export const eventStream = 'text/event-stream';

// Proxies in front of us commonly give up on what is silent for 30 s or more.
const heartbeatMs = 15_000;
const retryMs = 3_000;
const mostOfTeam = 2_000;

interface Open {
  team: string;
  controller: AbortController;
  reply: FastifyReply;
}

/**
 * Server-sent events, for every route that has some. The text is made when the connection has room for it: a reader that
 * stalls holds one page, not what he has missed (measured without: 110 MB in 2.5 s).
 */
export function createEventStreams(app: FastifyInstance, { mostPerTeam = mostOfTeam } = {}): EventStreams {
  const open = new Set<Open>();

  // One that is left open holds the stop up for ever (measured).
  app.addHook('preClose', async () => {
    for (const { controller, reply } of open) {
      controller.abort('shutdown');
      if (reply.raw.writableNeedDrain) reply.raw.destroy();
    }
  });

  return {
    answer(reply, caller, source, first = []) {
      const stream = { team: source.team, controller: new AbortController(), reply };
      refuseTooMany(open, source, mostPerTeam);
      open.add(stream);
      reply.raw.once('close', () => {
        open.delete(stream);
        stream.controller.abort('left');
        source[Symbol.dispose]();
      });
      const text = write(source, first, caller.expiresAt * 1000, stream.controller.signal);
      return reply.type(eventStream).header('x-accel-buffering', 'no').send(Readable.from(text));
    },
  };
}

function refuseTooMany(open: ReadonlySet<Open>, source: StreamSource, mostPerTeam: number): void {
  const ofTeam = [...open].filter(({ team }) => team === source.team).length;
  if (ofTeam < mostPerTeam) return;
  source[Symbol.dispose]();
  throw createError('RateLimited', `Team '${source.team}' has ${ofTeam} streams open; close some.`, {
    headers: { 'retry-after': '30' },
  });
}

async function* write(
  source: StreamSource,
  first: readonly Message[],
  expiresAt: number,
  signal: AbortSignal,
): AsyncGenerator<string> {
  yield `retry: ${retryMs}\n\n`;
  let messages = first;
  for (;;) {
    if (messages.length > 0) yield messages.map(format).join('');
    if (messages.at(-1)?.event === 'end') return;
    const left = expiresAt - Date.now();
    if (signal.aborted || left <= 0) break;
    messages = await source.next(Math.min(heartbeatMs, left), signal);
    if (messages.length === 0 && !signal.aborted) yield ':\n\n';
  }
  yield signal.aborted ? 'event: shutdown\ndata: {}\n\n' : 'event: expired\ndata: {}\n\n';
}

/** JSON has no line ends: whatever is in it, it stays one message. */
function format({ id, event, data }: Message): string {
  return `${id === undefined ? '' : `id: ${id}\n`}${event ? `event: ${event}\n` : ''}data: ${JSON.stringify(data)}\n\n`;
}
