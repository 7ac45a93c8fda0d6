import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';

/** Where in a trace something happens: W3C Trace Context, in hex. */
export interface TraceContext {
  traceId: string;
  spanId: string;
  sampled: boolean;
}

export type Attributes = Record<string, string | number | boolean>;
export type SpanKind = 'internal' | 'server' | 'client';

/** A piece of work that has ended. */
export interface EndedSpan extends TraceContext {
  parentSpanId: string | null;
  name: string;
  kind: SpanKind;
  /** Milliseconds since 1970. */
  startedAt: number;
  endedAt: number;
  attributes: Attributes;
  /** What went wrong, as a word; null where nothing did. */
  error: string | null;
}

/** A piece of work that goes on. */
export interface Span extends TraceContext {
  /** What it turns out to be: names of ours or of OpenTelemetry's conventions, never a header, a body or a query. */
  set(attributes: Attributes): void;
  rename(name: string): void;
  fail(reason: string): void;
  end(): void;
}

interface SpanOptions {
  kind?: SpanKind;
  attributes?: Attributes;
  /** Where it belongs; by default to what goes on now, else it begins a trace. */
  parent?: TraceContext | null;
}

export interface Tracer {
  start(name: string, options?: SpanOptions): Span;
  /** Does the work inside a span, which fails as the work does. */
  trace<T>(name: string, options: SpanOptions, work: (span: Span) => Promise<T>): Promise<T>;
}

interface Place {
  span: TraceContext;
  deployment?: string;
}

const places = new AsyncLocalStorage<Place>();

/** What `work` does happens inside this span. */
export function inside<T>(span: TraceContext, work: () => T, more: { deployment?: string } = {}): T {
  return places.run({ ...places.getStore(), ...more, span }, work);
}

/** Where the code that asks is; null outside of every trace. */
export const currentPlace = (): Place | null => places.getStore() ?? null;

const form = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/;

/** Reads a `traceparent` header; null for anything but one of version 00. */
export function parseTraceparent(header: unknown): TraceContext | null {
  const [, traceId, spanId, flags] = (typeof header === 'string' && form.exec(header)) || [];
  if (!traceId || !spanId || !flags) return null;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

export function formatTraceparent({ traceId, spanId, sampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`;
}

/** The header for what is asked of others, or kept with what is done later; null outside of every trace. */
export function currentTraceparent(): string | null {
  const place = currentPlace();
  return place && formatTraceparent(place.span);
}

interface TracerOptions {
  /** Takes what has ended. Without it nothing is kept, and traces are only named in the log and to ARM. */
  onEnd?: (span: EndedSpan) => void;
  /** Whether a trace is exported. A caller's own flag can keep it out, never in. */
  sample?: (traceId: string, parent: TraceContext | null) => boolean;
  now?: () => number;
}

export function createTracer({
  onEnd = () => {},
  sample = () => true,
  now = Date.now,
}: TracerOptions = {}): Tracer {
  const start: Tracer['start'] = (name, { kind = 'internal', attributes = {}, parent } = {}) => {
    const above = parent === undefined ? (currentPlace()?.span ?? null) : parent;
    const traceId = above?.traceId ?? randomHex();
    const record: EndedSpan = {
      traceId,
      spanId: randomHex().slice(16),
      sampled: sample(traceId, above),
      parentSpanId: above?.spanId ?? null,
      name,
      kind,
      startedAt: now(),
      endedAt: 0,
      attributes: { ...attributes },
      error: null,
    };
    return spanOf(record, () => {
      if (record.endedAt !== 0) return;
      record.endedAt = Math.max(now(), record.startedAt);
      if (record.sampled) onEnd(record);
    });
  };
  return {
    start,
    async trace(name, options, work) {
      const span = start(name, options);
      try {
        return await inside(span, () => work(span));
      } catch (error) {
        span.fail(error instanceof Error ? error.name : 'Error');
        throw error;
      } finally {
        span.end();
      }
    },
  };
}

/** 32 digits, at least 60 bits in either half of them. Node keeps what is random for these: a fifth of the cost (measured). */
const randomHex = () => randomUUID().replaceAll('-', '');

function spanOf(record: EndedSpan, end: () => void): Span {
  const { traceId, spanId, sampled } = record;
  return {
    traceId,
    spanId,
    sampled,
    set: attributes => Object.assign(record.attributes, attributes),
    rename: name => {
      record.name = name;
    },
    fail: reason => {
      record.error = reason;
    },
    end,
  };
}
