import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { type Events, type Feed, readsEveryTeam } from '../deployments/events.ts';
import { type Positions, readPositions, writePositions } from '../deployments/every-team.ts';
import { EventPage, TeamEventPage } from '../schemas/deployment.ts';
import { preferred } from './accept.ts';
import { callerOf } from './access.ts';
import { DeploymentId } from './deployment-id.ts';
import { type EventStreams, eventStream, longestStreamMs, type Message } from './event-stream.ts';
import { linkToNext } from './pages.ts';
import { invalid } from './problems.ts';
import { answers, streamed } from './responses.ts';

const PageSize = Type.Optional(
  Type.Integer({ minimum: 1, maximum: 1000, default: 100, description: 'Of a page, not of a stream' }),
);
const mostEvents = 2 ** 31 - 1;
const After = (number: string) =>
  Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: mostEvents,
      default: 0,
      description: `Only events with a greater \`${number}\`; of a stream, \`Last-Event-ID\` counts before it`,
    }),
  );

const EventQuery = Type.Object(
  {
    after: After('seq'),
    maxpagesize: PageSize,
    follow: Type.Optional(
      Type.Boolean({
        default: false,
        description: 'Of a stream: goes on when the deployment has settled, until it is deleted',
      }),
    ),
  },
  { additionalProperties: false },
);

const TeamEventQuery = Type.Object(
  {
    team: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 63,
        description:
          "May be left out for the caller's only one, and of a stream, which then has all that he may read",
      }),
    ),
    after: After('position'),
    tail: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 1000,
        description: 'Of a stream: begins with the last so many, of each team',
      }),
    ),
    maxpagesize: PageSize,
  },
  { additionalProperties: false },
);

const LastEventId = Type.Object({
  'last-event-id': Type.Optional(
    Type.String({ description: 'The `id` that a stream had last; it goes on after it' }),
  ),
});

export function registerEvents(untyped: FastifyInstance, events: Events, streams: EventStreams): void {
  const app = untyped.withTypeProvider<TypeBoxTypeProvider>();

  app.get(
    '/deployments/:id/events',
    {
      config: { permission: 'read' },
      handlerTimeout: longestStreamMs,
      schema: {
        operationId: 'listEvents',
        tags: ['events'],
        summary: 'What happened to a deployment, in the order of observation: a page, or a stream',
        params: DeploymentId,
        querystring: EventQuery,
        headers: LastEventId,
        response: answers({
          200: streamed(
            EventPage,
            'The `id` of a message is its `seq`. The last message is `event: end`, once the deployment has settled',
          ),
          204: Type.Null({ description: 'Nothing came after `Last-Event-ID`, and nothing will' }),
        }),
      },
    },
    async (request, reply) => {
      const { after = 0, maxpagesize = 100, follow = false } = request.query;
      const caller = callerOf(request);
      if (!wantsStream(request)) {
        const page = await events.page(caller, request.params.id, { after, size: maxpagesize });
        return { value: page.value, ...linkToNext(request.url, page.next?.toString(), 'after') };
      }
      const last = readLastEventId(request);
      const feed = await events.feed(caller, request.params.id, { after: last ?? after, follow });
      const source = asSource(feed, ({ seq, ...event }) => ({ id: seq, data: { seq, ...event } }));
      const first = await source.next(0, new AbortController().signal);
      if (last === null || first[0]?.event !== 'end') return streams.answer(reply, caller, source, first);
      source[Symbol.dispose]();
      return reply.code(204).send(null);
    },
  );

  app.get(
    '/events',
    {
      config: { permission: 'read' },
      handlerTimeout: longestStreamMs,
      schema: {
        operationId: 'listTeamEvents',
        tags: ['events'],
        summary: "What happened to a team's deployments, in one order: a page, or a stream",
        querystring: TeamEventQuery,
        headers: LastEventId,
        response: answers({
          200: streamed(
            TeamEventPage,
            'The `id` of a message is its `position`; of all teams, how far it is in each. It does not end by itself',
          ),
        }),
      },
    },
    async (request, reply) => {
      const { team, after = 0, tail, maxpagesize = 100 } = request.query;
      const caller = callerOf(request);
      if (!wantsStream(request)) {
        const page = await events.teamPage(caller, team, { after, size: maxpagesize });
        return { value: page.value, ...linkToNext(request.url, page.next?.toString(), 'after') };
      }
      if (readsEveryTeam(caller, team)) {
        const every = await events.everyTeamFeed(caller, placeInTeams(request, { after, tail }));
        const source = asSource(every, ({ event, upTo }) => ({ id: writePositions(upTo), data: event }));
        return streams.answer(reply, caller, source);
      }
      const last = readLastEventId(request);
      const feed = await events.teamFeed(caller, team, last === null ? { after, tail } : { after: last });
      return streams.answer(
        reply,
        caller,
        asSource(feed, event => ({ id: event.position, data: event })),
      );
    },
  );
}

/** What HEAD asks for has no body: it is told of the page. */
function wantsStream({ method, headers }: FastifyRequest): boolean {
  return method === 'GET' && preferred(headers.accept, ['application/json', eventStream]) === eventStream;
}

function asSource<E>(feed: Feed<E>, messageOf: (event: E) => Message) {
  return {
    team: feed.team,
    async next(ms: number, signal: AbortSignal): Promise<Message[]> {
      const { events, over } = await feed.next(ms, signal);
      const messages = events.map(messageOf);
      return over ? [...messages, { event: 'end', data: over }] : messages;
    },
    [Symbol.dispose]: () => feed[Symbol.dispose](),
  };
}

function placeInTeams(
  { headers }: FastifyRequest,
  { after, tail }: { after: number; tail?: number | undefined },
): { after: Positions; tail?: number | undefined } {
  const text = headers['last-event-id'];
  if (after > 0)
    throw invalid([{ pointer: 'querystring:/after', detail: 'is a place in one team: name it' }]);
  if (text === undefined || text === '') return { after: {}, tail };
  const positions = typeof text === 'string' ? readPositions(text) : null;
  if (positions) return { after: positions };
  throw invalid([{ pointer: 'headers:/last-event-id', detail: notAnId }]);
}

const notAnId = 'is no id of a message of this stream';

/** Null where the caller begins. */
function readLastEventId({ headers }: FastifyRequest): number | null {
  const text = headers['last-event-id'];
  if (text === undefined || text === '') return null;
  if (typeof text === 'string' && /^\d{1,10}$/.test(text) && Number(text) <= mostEvents) return Number(text);
  throw invalid([{ pointer: 'headers:/last-event-id', detail: notAnId }]);
}
