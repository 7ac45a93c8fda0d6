import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Clock } from '../clock.ts';
import { hashKey } from '../deployments/idempotency.ts';
import { RequestError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Caller } from '../schemas/principal.ts';
import type { AuditEntry, AuditStore } from '../store/audit.ts';
import { readIdempotencyKey } from './idempotency.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the audit calls a request to this route; the permission's name where absent. */
    action?: string;
  }
  interface FastifyRequest {
    /** The error that the request was answered with. */
    refusal: RequestError | null;
  }
}

export type Refusal = Omit<AuditEntry, 'at'>;

export interface Refusals {
  /** On record before the request is answered. */
  record(refusal: Refusal): Promise<void>;
  /** Writes what was counted in a flood. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

interface RefusalParts {
  audit: Pick<AuditStore, 'refuse'>;
  clock: Pick<Clock, 'now'>;
  log: Log;
}

const minuteMs = 60_000;
/** How many rows of a minute stand for one request each: of all who are not signed in together, and of one who is. */
const mostRows = { nobody: 60, somebody: 600 };

/**
 * One row per refusal, up to so many a minute: what is beyond is counted, and each kind of it becomes one row with its
 * number at the end of the minute, so that a flood of bad tokens does not flood the table. Each request has its log line.
 */
export function createRefusals({ audit, clock, log }: RefusalParts): Refusals {
  let began = clock.now().getTime();
  const rows = new Map<string, number>();
  const counted = new Map<string, AuditEntry & { count: number }>();
  const timer = setInterval(() => void flush(), minuteMs);
  timer.unref();

  return {
    async record(refusal) {
      const at = clock.now();
      if (at.getTime() - began >= minuteMs) {
        began = at.getTime();
        rows.clear();
        await flush();
      }
      const { principal } = refusal;
      const who = principal ? `${principal.issuer}|${principal.subject}` : '';
      const written = rows.get(who) ?? 0;
      if (written >= mostRows[principal ? 'somebody' : 'nobody'])
        return count([who, refusal.action, refusal.code].join(' '), { ...refusal, at });
      rows.set(who, written + 1);
      await write({ ...refusal, at });
    },
    flush,
    async close() {
      clearInterval(timer);
      await flush();
    },
  };

  function count(kind: string, entry: AuditEntry): void {
    const known = counted.get(kind);
    if (known) known.count += 1;
    else counted.set(kind, { ...entry, team: null, target: null, idempotencyKeyHash: null, count: 1 });
  }

  async function flush(): Promise<void> {
    const entries = [...counted.values()];
    counted.clear();
    for (const entry of entries) await write(entry);
  }

  /** Who is refused is refused, also while the store is out; then the log has it. */
  async function write(entry: AuditEntry): Promise<void> {
    try {
      await audit.refuse(entry);
    } catch (err) {
      log.error({ err, audit: entry }, 'a refusal could not be put on record');
    }
  }
}

/** Every answer that refuses passes here: who is not let in or may not do it, and every change that is not made. */
export function auditRefusals(app: FastifyInstance, refusals: Refusals, policyDigest: () => string): void {
  app.decorateRequest('refusal', null);
  app.addHook('onSend', (request, _reply, payload, done) => {
    const { refusal: error } = request;
    if (!error || !isRefusal(request, error)) return done(null, payload);
    refusals.record(refusalOf(request, error, policyDigest())).then(() => done(null, payload), done);
  });
}

const reads = new Set(['GET', 'HEAD', 'OPTIONS']);

/** What was accepted before it failed has its row; what went wrong here refuses nothing. */
function isRefusal({ method }: FastifyRequest, { statusCode, extras }: RequestError): boolean {
  if (statusCode >= 500 || extras.accepted) return false;
  return !reads.has(method) || statusCode === 401 || statusCode === 403;
}

function refusalOf(request: FastifyRequest, error: RequestError, policyDigest: string): Refusal {
  const { caller, routeOptions, headers } = request;
  const { action, permission } = routeOptions.config;
  const asked = { ...nameAt(request.body, 'name', 'target'), ...nameAt(request.params, 'id', 'target') };
  const { team = onlyTeam(caller, permission), target = null } = {
    ...asked,
    ...nameAt(request.body, 'team', 'team'),
    ...error.extras.about,
  };
  return {
    team,
    principal: caller?.principal ?? null,
    onBehalfOf: caller?.onBehalfOf ?? null,
    action: action ?? permission ?? 'unknown',
    target,
    code: error.extras.failure?.code ?? error.code,
    policyDigest,
    requestId: request.id,
    idempotencyKeyHash: keyHashOf(headers['idempotency-key']),
  };
}

/** As the request names it, where it is a name: the body may not have been judged, and anything may stand there. */
function nameAt(part: unknown, member: string, as: 'team' | 'target'): { team?: string; target?: string } {
  const value = typeof part === 'object' && part !== null ? Reflect.get(part, member) : undefined;
  return typeof value === 'string' && /^[a-z0-9][a-z0-9._:-]{0,127}$/.test(value) ? { [as]: value } : {};
}

function onlyTeam(caller: Caller | null, permission: string | undefined): string | null {
  const teams = Object.entries(caller?.teams ?? {}).filter(([, granted]) =>
    granted.some(each => each === permission),
  );
  return teams.length === 1 ? (teams[0]?.[0] ?? null) : null;
}

/** Null also for a key that is malformed: it may be what was refused. */
function keyHashOf(header: string | string[] | undefined): string | null {
  try {
    const key = readIdempotencyKey(header);
    return key === null ? null : hashKey(key);
  } catch (error) {
    if (error instanceof RequestError) return null;
    throw error;
  }
}
