import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '../clock.ts';
import { createError, type RequestError } from '../errors.ts';
import type { Team } from '../policy/policy.ts';
import type { Caller } from '../schemas/principal.ts';

/** Limits what teams ask in a minute. Each replica counts for itself: the store is not written to for a read. */
export interface RateLimits {
  /**
   * Takes one request from a team's budget and tells what is left of it; throws `RateLimited` where nothing is. Asked
   * before the body is read, and after: where the caller is in several teams the body may say which of them pays.
   */
  spend(request: FastifyRequest, reply: FastifyReply, caller: Caller, read: 'head' | 'body'): void;
}

interface RateLimitParts {
  /** What policy allows a team; nothing where it has no limit. */
  rateOf(team: string): Team['rate'];
  clock: Pick<Clock, 'now'>;
}

interface Window {
  used: number;
  /** Milliseconds; the whole budget is there again then. */
  endsAt: number;
}

/** A budget that a request draws on. */
interface Budget {
  name: 'team-requests' | 'team-changes';
  limit: number;
  window: Window;
}

const windowSeconds = 60;

export function createRateLimits({ rateOf, clock }: RateLimitParts): RateLimits {
  const windows = new Map<string, Window>();

  return {
    spend(request, reply, caller, read) {
      const teams = candidates(request, caller);
      const isSaidInBody = teams.length > 1 && ['POST', 'PUT', 'PATCH'].includes(request.method);
      if (isSaidInBody !== (read === 'body')) return;
      const now = clock.now().getTime();
      const isChange = !['GET', 'HEAD'].includes(request.method);
      const named = teams.filter(team => team === memberOf(request.body, 'team'));
      const [payer] = (named.length > 0 ? named : teams)
        .map(team => ({ team, budgets: budgetsOf(team, isChange, now) }))
        .sort((a, b) => room(b.budgets) - room(a.budgets));
      if (!payer || payer.budgets.length === 0) return;
      const spent = payer.budgets.filter(budget => left(budget) < 1);
      if (spent.length === 0) for (const { window } of payer.budgets) window.used += 1;
      reply.headers(describe(payer.budgets, now));
      if (spent.length > 0) throw rateLimited(payer.team, spent, now);
    },
  };

  function budgetsOf(team: string, isChange: boolean, now: number): Budget[] {
    const { requestsPerMinute, changesPerMinute } = rateOf(team) ?? {};
    const limits = [
      ['team-requests', requestsPerMinute],
      ['team-changes', isChange ? changesPerMinute : undefined],
    ] as const;
    return limits.flatMap(([name, limit]) =>
      limit === undefined ? [] : [{ name, limit, window: windowOf(`${name} ${team}`, now) }],
    );
  }

  function windowOf(key: string, now: number): Window {
    const known = windows.get(key);
    if (known && now < known.endsAt) return known;
    const fresh = { used: 0, endsAt: now + windowSeconds * 1000 };
    windows.set(key, fresh);
    return fresh;
  }
}

/** The team that is asked about; else those for which the caller may do this: the one with the most left pays. */
function candidates({ query, routeOptions }: FastifyRequest, { teams }: Caller): string[] {
  const asked = memberOf(query, 'team');
  if (typeof asked === 'string' && Object.hasOwn(teams, asked)) return [asked];
  const { permission } = routeOptions.config;
  const all = Object.keys(teams);
  const able = all.filter(team => teams[team]?.some(granted => granted === permission));
  return able.length > 0 ? able : all;
}

/** Of what has not been validated yet. */
const memberOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;

const left = ({ limit, window }: Budget) => Math.max(0, limit - window.used);
const room = (budgets: readonly Budget[]) => Math.min(...budgets.map(left));
const secondsLeft = ({ window }: Budget, now: number) => Math.ceil((window.endsAt - now) / 1000);

/** In the structured fields of the IETF's draft (httpapi-ratelimit-headers). */
function describe(budgets: readonly Budget[], now: number): Record<string, string> {
  const list = (item: (budget: Budget) => string) =>
    budgets.map(budget => `"${budget.name}";${item(budget)}`).join(', ');
  return {
    'ratelimit-policy': list(({ limit }) => `q=${limit};w=${windowSeconds}`),
    ratelimit: list(budget => `r=${left(budget)};t=${secondsLeft(budget, now)}`),
  };
}

function rateLimited(team: string, spent: readonly Budget[], now: number): RequestError {
  const seconds = Math.max(...spent.map(budget => secondsLeft(budget, now)));
  const what = spent
    .map(({ name, limit }) => `${limit} ${name === 'team-changes' ? 'changes' : 'requests'}`)
    .join(' and ');
  return createError(
    'RateLimited',
    `Team '${team}' has used up its ${what} a minute; ask again in ${seconds} s.`,
    {
      headers: { 'retry-after': String(seconds) },
      members: { 'violated-policies': spent.map(({ name }) => name) },
    },
  );
}
