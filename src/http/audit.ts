import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { AuditPage } from '../schemas/audit.ts';
import type { Caller } from '../schemas/principal.ts';
import { ref } from '../schemas/ref.ts';
import type { AuditStore } from '../store/audit.ts';
import { callerOf } from './access.ts';
import { linkToNext } from './pages.ts';
import { invalid } from './problems.ts';
import { answers } from './responses.ts';

const Filter = Type.String({ minLength: 1, maxLength: 256 });
const Instant = Type.String({ format: 'date-time', maxLength: 64 });

const AuditQuery = Type.Object(
  {
    team: Type.Optional(Filter),
    action: Type.Optional(Filter),
    code: Type.Optional(Filter),
    principal: Type.Optional(Type.String({ ...Filter, description: 'A subject or a client' })),
    since: Type.Optional(Instant),
    until: Type.Optional(Type.String({ ...Instant, description: 'Itself not included' })),
    maxpagesize: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100 })),
    continuation: Type.Optional(Type.String({ maxLength: 200, description: 'From `nextLink`; opaque' })),
  },
  { additionalProperties: false },
);

export function registerAudit(untyped: FastifyInstance, audit: Pick<AuditStore, 'list'>): void {
  const app = untyped.withTypeProvider<TypeBoxTypeProvider>();

  app.get(
    '/audit',
    {
      config: { permission: 'audit' },
      schema: {
        operationId: 'listAudit',
        tags: ['audit'],
        summary: 'Every change and every refusal, newest first',
        querystring: AuditQuery,
        response: answers({ 200: ref(AuditPage) }),
      },
    },
    async request => {
      const { maxpagesize = 100, continuation, since, until, ...filter } = request.query;
      const times = { since: readInstant(since, 'since'), until: readInstant(until, 'until') };
      const page = await audit.list(
        visibleTo(callerOf(request)),
        { ...filter, ...times },
        { size: maxpagesize, before: readPlace(continuation) },
      );
      return { value: page.value, ...linkToNext(request.url, page.next?.toString()) };
    },
  );
}

/** Operators also see what concerns no team: who was not signed in. */
function visibleTo(caller: Caller): string[] | 'all' {
  if (caller.operator) return 'all';
  return Object.keys(caller.teams).filter(team => caller.teams[team]?.includes('audit'));
}

/** A leap second is a time to the schema and none to JavaScript; years before Christ are none to PostgreSQL. */
function readInstant(text: string | undefined, parameter: string): Date | undefined {
  if (text === undefined) return undefined;
  const ms = new Date(text).getTime();
  if (Number.isNaN(ms)) throw invalid([{ pointer: `querystring:/${parameter}`, detail: 'is no instant' }]);
  return new Date(Math.max(ms, 0));
}

/** The row after which a page begins. */
function readPlace(continuation: string | undefined): number | undefined {
  if (continuation === undefined) return undefined;
  const place = Buffer.from(continuation, 'base64url').toString('utf8');
  if (/^[1-9]\d{0,14}$/.test(place)) return Number(place);
  throw invalid([{ pointer: 'querystring:/continuation', detail: 'is not from a nextLink of ours' }]);
}
