import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { LogFeed, LogNews } from '../deployments/log-feed.ts';
import { type Anchor, type LogLine, readAnchor, readable, writeAnchor } from '../deployments/log-lines.ts';
import type { Logs } from '../deployments/logs.ts';
import { scrub } from '../secret.ts';
import { preferred } from './accept.ts';
import { callerOf } from './access.ts';
import { DeploymentId } from './deployment-id.ts';
import { type EventStreams, longestStreamMs, type Message } from './event-stream.ts';
import { hangUpSignal } from './hang-up.ts';
import { invalid } from './problems.ts';
import { answers } from './responses.ts';

/** Each asks Azure every few seconds, which a subscription may do only so often. */
export const mostFollowedLogs = 50;

const Parameters = Type.Object(
  {
    ...DeploymentId.properties,
    name: Type.String({
      pattern: '^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$',
      description: 'Of a container or an init container',
    }),
  },
  { additionalProperties: false },
);

const LogQuery = Type.Object(
  {
    tail: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 100_000,
        description: 'The last so many lines; else all there are',
      }),
    ),
    timestamps: Type.Optional(
      Type.Boolean({
        default: false,
        description: 'As text: each line begins with its instant, as in JSON it has',
      }),
    ),
    follow: Type.Optional(
      Type.Boolean({
        default: false,
        description: 'A stream: the lines that are there, and those that come',
      }),
    ),
  },
  { additionalProperties: false },
);

const LastEventId = Type.Object({
  'last-event-id': Type.Optional(
    Type.String({ maxLength: 100, description: 'The `id` that a stream had last; it goes on after it' }),
  ),
});

const lines = 'application/x-ndjson';
const Text = Type.String();

export function registerLogs(untyped: FastifyInstance, logs: Logs, streams: EventStreams): void {
  const app = untyped.withTypeProvider<TypeBoxTypeProvider>();

  app.get(
    '/deployments/:id/containers/:name/logs',
    {
      config: { permission: 'logs' },
      handlerTimeout: longestStreamMs,
      schema: {
        operationId: 'getLogs',
        tags: ['logs'],
        summary: 'What a container writes: as text, as JSON lines, or followed',
        params: Parameters,
        querystring: LogQuery,
        headers: LastEventId,
        response: answers({
          200: Type.Unsafe<string>({
            description:
              'As it was written; in JSON without what would act on a terminal. Followed, each message is a line `{at, line}`; `event: gap` says that lines before it are lost, `event: end` that none will come. `Last-Modified` where the group is gone and these lines were kept',
            content: {
              'text/plain': { schema: Text },
              'application/x-ndjson': { schema: Text },
              'text/event-stream': { schema: Text },
            },
          }),
          204: Type.Null({ description: 'Nothing came after `Last-Event-ID`, and nothing will' }),
        }),
      },
    },
    async (request, reply) => {
      const { tail, timestamps = false, follow = false } = request.query;
      const { id, name } = request.params;
      const caller = callerOf(request);
      const signal = hangUpSignal(reply);
      if (!follow || request.method === 'HEAD') {
        const { lines: found, savedAt } = await logs.read(caller, id, name, { tail, signal });
        if (savedAt) reply.header('last-modified', savedAt.toUTCString());
        const type = preferred(request.headers.accept, ['text/plain', lines]);
        return reply.type(type).send(type === lines ? asJson(found) : asText(found, timestamps));
      }
      const after = readLastEventId(request);
      const source = asSource(await logs.follow(caller, id, name, { tail, after, signal }));
      if (!after) return streams.answer(reply, caller, source);
      const first = await source.next(0, signal);
      return first[0]?.event === 'end'
        ? reply.code(204).send(null)
        : streams.answer(reply, caller, source, first);
    },
  );
}

const asText = (found: readonly LogLine[], timestamps: boolean) =>
  scrub(found.map(({ at, text }) => `${timestamps && at ? `${at} ` : ''}${text}\n`).join(''));

const asJson = (found: readonly LogLine[]) => found.map(line => `${JSON.stringify(dataOf(line))}\n`).join('');

const dataOf = ({ at, text }: LogLine) => ({ ...(at ? { at } : {}), line: readable(text) });

function asSource(feed: LogFeed) {
  return {
    team: feed.team,
    next: async (ms: number, signal: AbortSignal) => messagesOf(await feed.next(ms, signal)),
    [Symbol.dispose]() {},
  };
}

function messagesOf({ lines: found, gap, over }: LogNews): Message[] {
  return [
    ...(gap
      ? [{ event: 'gap' as const, data: { reason: 'Azure had no more of the log before these lines' } }]
      : []),
    ...found.map(({ line, anchor }) => ({ id: writeAnchor(anchor), data: dataOf(line) })),
    ...(over ? [{ event: 'end' as const, data: { reason: over } }] : []),
  ];
}

/** Null where the caller begins. */
function readLastEventId({ headers }: FastifyRequest): Anchor | null {
  const text = headers['last-event-id'];
  if (text === undefined || text === '') return null;
  const anchor = typeof text === 'string' ? readAnchor(text) : null;
  if (anchor) return anchor;
  throw invalid([{ pointer: 'headers:/last-event-id', detail: 'is no id of a message of this stream' }]);
}
