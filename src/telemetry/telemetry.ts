import { createRequire } from 'node:module';
import type { Dispatcher } from 'undici';
import type { Log } from '../log.ts';
import { type Service, watchCalls } from './calls.ts';
import { listenForMetrics, type MetricsListener } from './listener.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { startExporter } from './otlp.ts';
import { createTracer, type Tracer } from './trace.ts';
import type { TracingSettings } from './tracing-settings.ts';
import { readVitals, type VitalSources } from './vitals.ts';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

/** What the service tells of itself beside its log. */
export interface Telemetry {
  tracer: Tracer;
  metrics: Metrics;
  /** The same door, with figures and spans for what goes through it. */
  watch(dispatcher: Dispatcher, serviceOf: (hostname: string) => Service): Dispatcher;
  /** Serves the metrics, with the figures that are kept elsewhere among them. */
  listen(at: { host: string; port: number }, sources: Omit<VitalSources, 'traces'>): Promise<MetricsListener>;
  close(): Promise<void>;
}

export function startTelemetry({ tracing, log }: { tracing: TracingSettings | null; log: Log }): Telemetry {
  const exporter = tracing && startExporter(tracing, { log, version });
  const tracer = createTracer(
    exporter && tracing ? { onEnd: span => exporter.add(span), sample: tracing.sample } : {},
  );
  const metrics = createMetrics();
  return {
    tracer,
    metrics,
    watch: (dispatcher, serviceOf) =>
      watchCalls(dispatcher, { tracer, serviceOf, onCall: call => metrics.called(call) }),
    async listen(at, sources) {
      metrics.collectProcess();
      readVitals(metrics, { ...sources, traces: () => exporter?.counts() ?? null });
      return listenForMetrics(metrics, at);
    },
    close: async () => exporter?.close(),
  };
}
