import { settledStatuses } from '../schemas/deployment.ts';
import type { DeploymentRow } from '../store/deployments.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { inside, parseTraceparent, type Tracer } from '../telemetry/trace.ts';
import type { Move } from './move.ts';

interface Watcher {
  tracer: Tracer;
  metrics: Metrics;
  clock: { now(): Date };
}

/** Makes a move inside a span of the trace that asked for it, and counts it once it is saved; null: it was not. */
export async function watchMove(
  row: DeploymentRow,
  { tracer, metrics, clock }: Watcher,
  make: () => Promise<Move | null>,
): Promise<void> {
  const stage = row.failure !== null && !row.settled ? 'Clearing' : row.status;
  const begun = performance.now();
  const attributes = {
    'slipway.deployment': row.id,
    'slipway.revision': row.revision,
    'slipway.stage': stage,
  };
  await tracer.trace(
    `stage ${stage}`,
    { parent: parseTraceparent(row.traceparent), attributes },
    async span =>
      inside(
        span,
        async () => {
          const move = await make();
          const outcome = outcomeOf(row, move);
          span.set({ 'slipway.outcome': outcome });
          if (move?.patch?.failure) span.fail(move.patch.failure.code);
          metrics.ran(stage, outcome, (performance.now() - begun) / 1000);
          if (move && move.to !== row.status) metrics.moved(describe(row, move, clock.now()));
        },
        { deployment: row.id },
      ),
  );
}

function outcomeOf(row: DeploymentRow, move: Move | null) {
  if (!move) return 'lost';
  if (move.patch?.failure || move.to === 'Failed') return 'failed';
  if (move.to !== row.status) return 'moved';
  return move.patch?.waitingFor ? 'waits' : 'stays';
}

function describe(row: DeploymentRow, { to, patch }: Move, now: Date) {
  const entered = row.timeline.findLast(({ phase }) => phase === row.status);
  return {
    from: row.status,
    to,
    seconds: entered ? Math.max(0, now.getTime() - Date.parse(entered.startedAt)) / 1000 : null,
    settled: settledStatuses.includes(to),
    code: patch?.failure === undefined ? (row.failure?.code ?? null) : (patch.failure?.code ?? null),
  };
}
