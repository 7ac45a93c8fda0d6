import type { Dispatcher } from 'undici';
import { currentPlace, formatTraceparent, type Span, type Tracer } from './trace.ts';

/** Whom a call asks, for figures: few words, whatever the hosts are. */
export type Service = 'arm' | 'vault' | 'identity' | 'storage' | 'registry' | 'issuer';

/** A call that was answered, or not. */
export interface Call {
  service: Service;
  /** Null where no answer came. */
  status: number | null;
  seconds: number;
  /** What Azure says is left before it throttles, by the end of the header's name: `subscription-writes`. */
  remaining: Record<string, number>;
}

interface Watcher {
  tracer: Tracer;
  onCall(call: Call): void;
  serviceOf(hostname: string): Service;
}

/** The same door to the network, with a figure and, inside a trace, a span for every call. */
export function watchCalls(dispatcher: Dispatcher, watcher: Watcher): Dispatcher {
  return dispatcher.compose(dispatch => (options, handler) => {
    const { hostname } = new URL(String(options.origin ?? 'none:'));
    const service = watcher.serviceOf(hostname);
    const span = currentPlace() ? startSpan(watcher.tracer, options, hostname) : null;
    const begun = performance.now();
    const call: Call = { service, status: null, seconds: 0, remaining: {} };
    const end = (error: Error | null) => {
      call.seconds = (performance.now() - begun) / 1000;
      watcher.onCall(call);
      if (error) span?.fail(codeOf(error));
      span?.end();
    };
    return dispatch(
      service === 'arm' && span ? withTrace(options, span) : options,
      watch(handler, { call, span, end }),
    );
  });
}

/** Azure's by name; whatever else, the caller of this says. */
export function azureServiceOf(hostname: string): Service {
  if (hostname.startsWith('management.')) return 'arm';
  if (hostname.includes('.vault.')) return 'vault';
  return hostname.includes('.blob.core.') ? 'storage' : 'identity';
}

function startSpan(tracer: Tracer, { method, path }: Dispatcher.DispatchOptions, hostname: string): Span {
  return tracer.start(`${method} ${hostname}`, {
    kind: 'client',
    attributes: {
      'http.request.method': method,
      'server.address': hostname,
      // What stands behind the question mark may be anything.
      'url.path': (path.split(/[?#]/, 1)[0] ?? '').slice(0, 300),
    },
  });
}

interface Watched {
  call: Call;
  span: Span | null;
  end(error: Error | null): void;
}

function watch(
  handler: Dispatcher.DispatchHandler,
  { call, span, end }: Watched,
): Dispatcher.DispatchHandler {
  return {
    onRequestStart: (controller, context) => handler.onRequestStart?.(controller, context),
    onRequestUpgrade: (controller, status, headers, socket) =>
      handler.onRequestUpgrade?.(controller, status, headers, socket),
    onResponseStart(controller, status, headers, message) {
      call.status = status;
      call.remaining = remainingOf(headers);
      span?.set({ 'http.response.status_code': status });
      if (status >= 400) span?.fail(String(status));
      return handler.onResponseStart?.(controller, status, headers, message);
    },
    onResponseData: (controller, chunk) => handler.onResponseData?.(controller, chunk),
    onResponseEnd(controller, trailers) {
      end(null);
      return handler.onResponseEnd?.(controller, trailers);
    },
    onResponseError(controller, error) {
      end(error);
      return handler.onResponseError?.(controller, error);
    },
  };
}

const remainingForm = /^x-ms-ratelimit-remaining-(subscription-(?:global-)?(?:reads|writes|deletes))$/;

function remainingOf(headers: Record<string, string | string[] | undefined>): Call['remaining'] {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => {
      const [, which] = remainingForm.exec(name.toLowerCase()) ?? [];
      const left = Number(value);
      return which && Number.isInteger(left) ? [[which, left]] : [];
    }),
  );
}

/** Only Azure Resource Manager is told: registries and issuers are others' business. */
function withTrace(options: Dispatcher.DispatchOptions, span: Span): Dispatcher.DispatchOptions {
  const { headers } = options;
  if (!headers || Array.isArray(headers) || Symbol.iterator in headers) return options;
  const others = Object.entries(headers).filter(([name]) => name.toLowerCase() !== clientRequestId);
  const ours = { traceparent: formatTraceparent(span), [clientRequestId]: asGuid(span.traceId) };
  return { ...options, headers: { ...Object.fromEntries(others), ...ours } };
}

/** Azure's activity log keeps this one and no `traceparent`: who has the trace finds there what was asked for it. */
const clientRequestId = 'x-ms-client-request-id';

const asGuid = (hex: string) => hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
