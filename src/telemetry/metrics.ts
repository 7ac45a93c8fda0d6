import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Call } from './calls.ts';

/** A request that was answered; `seconds` is null for a stream, which lasts as long as it is listened to. */
export interface Answered {
  method: string;
  /** The template, never the address: `/deployments/:id`. */
  route: string;
  status: number;
  code: string | null;
  seconds: number | null;
}

/** A deployment that went from one status to another. */
export interface Moved {
  from: string;
  to: string;
  /** How long it was in `from`; null where that is not on record. */
  seconds: number | null;
  settled: boolean;
  code: string | null;
}

export interface Sample {
  labels?: Record<string, string>;
  value: number;
}

/** One that is known elsewhere. */
export interface Figure {
  name: string;
  help: string;
  labels?: string[];
  kind?: 'gauge' | 'counter';
}

export type Cache = 'callerTokens' | 'azureTokens' | 'secrets' | 'registryTokens' | 'registryDigests';

/** What this process counts. Names, ids and teams are in no label: the page asks for no token. */
export interface Metrics {
  answered(request: Answered): void;
  called(call: Call): void;
  moved(move: Moved): void;
  /** One run of a stage: what it did is one of a few words. */
  ran(stage: string, outcome: 'moved' | 'stays' | 'waits' | 'failed' | 'lost', seconds: number): void;
  lookedUp(cache: Cache, hit: boolean): void;
  /** A figure that is read when it is asked for; where it cannot be read it is left out. */
  read(figure: Figure, look: () => Sample[] | Promise<Sample[]>): void;
  /** Those of Node: memory, event loop, garbage. */
  collectProcess(): void;
  /** All of them, as Prometheus reads them. */
  expose(): Promise<{ contentType: string; text: string }>;
}

const requestBuckets = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 50];
const stageBuckets = [0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 1800];

export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const counter = (name: string, help: string, labelNames: string[]) =>
    new Counter({ name: `slipway_${name}`, help, labelNames, registers });
  const histogram = (name: string, help: string, labelNames: string[], buckets: number[]) =>
    new Histogram({ name: `slipway_${name}`, help, labelNames, buckets, registers });

  const requests = counter('requests_total', 'Requests answered', ['method', 'route', 'status']);
  const requestSeconds = histogram(
    'request_duration_seconds',
    'From the first byte of a request to the last of its answer; streams left out',
    ['method', 'route'],
    requestBuckets,
  );
  const problems = counter('problems_total', 'Errors answered, by code', ['code']);
  const deployments = counter(
    'deployments_total',
    'Deployments that came to rest, by status and failure code',
    ['status', 'code'],
  );
  const phaseSeconds = histogram(
    'phase_duration_seconds',
    'How long deployments stay in a status',
    ['phase'],
    stageBuckets,
  );
  const stageSeconds = histogram(
    'stage_duration_seconds',
    'One run of a stage by a worker',
    ['stage', 'outcome'],
    requestBuckets,
  );
  const callSeconds = histogram(
    'call_duration_seconds',
    'Calls to Azure, registries and issuers',
    ['service', 'status'],
    requestBuckets,
  );
  const throttled = counter('throttled_total', 'Calls that were answered 429', ['service']);
  const remaining = new Gauge({
    name: 'slipway_arm_remaining',
    help: 'What Azure Resource Manager said last is left before it throttles',
    labelNames: ['limit'],
    registers,
  });
  const lookups = counter('cache_lookups_total', 'Looks into what is kept in memory', ['cache', 'result']);

  return {
    answered({ method, route, status, code, seconds }) {
      requests.inc({ method, route, status: classOf(status) });
      if (seconds !== null) requestSeconds.observe({ method, route }, seconds);
      if (code !== null) problems.inc({ code });
    },
    called({ service, status, seconds, remaining: left }) {
      callSeconds.observe({ service, status: status === null ? 'none' : classOf(status) }, seconds);
      if (status === 429) throttled.inc({ service });
      for (const [limit, value] of Object.entries(left)) remaining.set({ limit }, value);
    },
    moved({ from, to, seconds, settled, code }) {
      if (seconds !== null) phaseSeconds.observe({ phase: from }, seconds);
      if (settled) deployments.inc({ status: to, code: code ?? 'none' });
    },
    ran: (stage, outcome, seconds) => stageSeconds.observe({ stage, outcome }, seconds),
    lookedUp: (cache, hit) => lookups.inc({ cache, result: hit ? 'hit' : 'miss' }),
    read({ name, help, labels = [], kind = 'gauge' }, look) {
      const collect = (): Promise<void> => fill(figure, look);
      const options = { name: `slipway_${name}`, help, labelNames: labels, registers, collect };
      const figure: Gauge | Counter = kind === 'gauge' ? new Gauge(options) : new Counter(options);
    },
    collectProcess: () => collectDefaultMetrics({ register: registry }),
    expose: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  };
}

const classOf = (status: number) => `${Math.floor(status / 100)}xx`;

async function fill(figure: Gauge | Counter, look: () => Sample[] | Promise<Sample[]>): Promise<void> {
  const samples = await Promise.resolve()
    .then(look)
    .catch(() => []);
  figure.reset();
  // Without labels a reset leaves a zero, which nobody has read.
  figure.remove({});
  for (const { labels = {}, value } of samples) figure.inc(labels, value);
}
