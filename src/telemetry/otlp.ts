import { request } from 'undici';
import type { Log } from '../log.ts';
import { scrub } from '../secret.ts';
import type { Attributes, EndedSpan, SpanKind } from './trace.ts';
import type { TracingSettings } from './tracing-settings.ts';

const mostWaiting = 2_048;
const batchSize = 512;
const everyMs = 5_000;
const closingMs = 3_000;

export interface Exporter {
  /** Takes a span and returns at once. Where the collector does not keep up, the oldest are let go. */
  add(span: EndedSpan): void;
  counts(): { exported: number; dropped: number };
  /** Sends what is left, for a few seconds at most. */
  close(): Promise<void>;
}

/** Sends spans to an OTLP/HTTP collector in JSON, in batches and beside the work: nothing here makes a request wait or fail. */
export function startExporter(
  settings: TracingSettings,
  { log, version }: { log: Log; version: string },
): Exporter {
  const waiting: EndedSpan[] = [];
  const counts = { exported: 0, dropped: 0 };
  let sending: Promise<boolean> | null = null;
  let failing = false;

  const letGo = () => {
    const over = waiting.length - mostWaiting;
    if (over > 0) counts.dropped += waiting.splice(0, over).length;
  };
  const send = async (timeoutMs: number): Promise<boolean> => {
    const batch = waiting.splice(0, batchSize);
    if (batch.length === 0) return false;
    const outcome = await post(batch, settings, { timeoutMs, version });
    if (outcome === 'sent') counts.exported += batch.length;
    else if (outcome === 'refused') counts.dropped += batch.length;
    else waiting.unshift(...batch);
    letGo();
    if (outcome !== 'sent' && !failing)
      log.warn({ outcome }, 'traces could not be exported; the oldest are let go');
    failing = outcome !== 'sent';
    return outcome !== 'later' && waiting.length >= batchSize;
  };
  const flush = () => {
    sending ??= send(settings.timeoutMs).finally(() => {
      sending = null;
    });
    return sending;
  };

  const timer = setInterval(() => void flush(), everyMs);
  timer.unref();
  return {
    add(span) {
      waiting.push(span);
      letGo();
      if (waiting.length >= batchSize && !failing) void flush();
    },
    counts: () => ({ ...counts }),
    async close() {
      clearInterval(timer);
      const deadline = Date.now() + closingMs;
      await sending;
      while (waiting.length > 0 && Date.now() < deadline) {
        await send(Math.min(settings.timeoutMs, closingMs));
        if (failing) return;
      }
    },
  };
}

type Outcome = 'sent' | 'refused' | 'later';

async function post(
  batch: readonly EndedSpan[],
  { url, headers, resource }: TracingSettings,
  { timeoutMs, version }: { timeoutMs: number; version: string },
): Promise<Outcome> {
  const own = Object.entries(headers).map(([name, value]) => [name, value.reveal()]);
  try {
    const { statusCode, body } = await request(url, {
      method: 'POST',
      headers: { ...Object.fromEntries(own), 'content-type': 'application/json' },
      body: scrub(JSON.stringify(encode(batch, resource, version))),
      signal: AbortSignal.timeout(timeoutMs),
    });
    await body.dump();
    if (statusCode >= 200 && statusCode < 300) return 'sent';
    return [429, 502, 503, 504].includes(statusCode) ? 'later' : 'refused';
  } catch {
    return 'later';
  }
}

/** In OTLP's JSON: ids in hex, 64-bit numbers as text. */
function encode(batch: readonly EndedSpan[], resource: Attributes, version: string): object {
  const spans = batch.map(span => ({
    traceId: span.traceId,
    spanId: span.spanId,
    ...(span.parentSpanId ? { parentSpanId: span.parentSpanId } : {}),
    name: span.name,
    kind: kinds[span.kind],
    startTimeUnixNano: nanoseconds(span.startedAt),
    endTimeUnixNano: nanoseconds(span.endedAt),
    attributes: encodeAttributes({ ...span.attributes, ...(span.error ? { 'error.type': span.error } : {}) }),
    status: span.error ? { code: 2 } : {},
  }));
  return {
    resourceSpans: [
      {
        resource: { attributes: encodeAttributes(resource) },
        scopeSpans: [{ scope: { name: 'slipway', version }, spans }],
      },
    ],
  };
}

const kinds: Record<SpanKind, number> = { internal: 1, server: 2, client: 3 };

const nanoseconds = (ms: number) => String(BigInt(Math.round(ms * 1_000)) * 1_000n);

function encodeAttributes(attributes: Attributes): object[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: encodeValue(value) }));
}

function encodeValue(value: string | number | boolean): object {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}
