import type { Dispatcher } from 'undici';
import type { Clock } from './clock.ts';
import { createRetryBudget } from './retry-budget.ts';

/** The code of the error of a call that was not made: whom it asks has answered nearly nobody lately. */
export const circuitOpenCode = 'ECIRCUITOPEN';

interface Circuit {
  /** When the present span began, and what came of its calls. */
  since: number;
  calls: number;
  failures: number;
  /** Nothing is asked before, but for one probe after it; 0 while it is closed. */
  openUntil: number;
  openedTimes: number;
  probing: boolean;
}

const spanMs = 30_000;
const leastCalls = 20;
const firstPauseMs = 5_000;
const longestPauseMs = 60_000;
const mostKept = 1_000;

export interface Circuits {
  /**
   * The same door, at which nobody waits for who is out: after half of 20 calls failed, a call is made now and then. Until
   * then a bounded part of what is asked is asked again.
   */
  guard(dispatcher: Dispatcher, keyOf: (call: Dispatcher.DispatchOptions) => string): Dispatcher;
  /** Who is out. */
  open(): string[];
}

/** One circuit for each dependency. Failures are errors without an answer, and answers of 500, 502, 503 and 504. */
export function createCircuits(clock: Pick<Clock, 'now'>): Circuits {
  const circuits = new Map<string, Circuit>();
  const budget = createRetryBudget(clock);
  const now = () => clock.now().getTime();

  function circuitOf(key: string): Circuit {
    const known = circuits.get(key);
    if (known) return known;
    const [oldest] = circuits.keys();
    if (circuits.size >= mostKept && oldest !== undefined) circuits.delete(oldest);
    const made = { since: now(), calls: 0, failures: 0, openUntil: 0, openedTimes: 0, probing: false };
    circuits.set(key, made);
    return made;
  }

  return {
    guard: (dispatcher, keyOf) =>
      dispatcher.compose(dispatch => (options, handler) => {
        const key = keyOf(options);
        const circuit = circuitOf(key);
        const call = `${options.method} ${options.path}`;
        // A probe is a repetition that is wanted.
        if (admit(circuit, key, now()) === 'closed') budget.spend(key, call);
        return dispatch(
          options,
          watch(handler, failed => {
            record(circuit, failed, now());
            budget.tell(key, call, failed);
          }),
        );
      }),
    open: () => [...circuits].filter(([, { openUntil }]) => openUntil > 0).map(([key]) => key),
  };
}

/** A host; of Resource Manager, which is as many services as there are subscriptions, each of these. */
export function dependencyOf({ origin, path }: Dispatcher.DispatchOptions): string {
  const { host } = new URL(String(origin ?? 'none:'));
  const [, subscription] = /^\/subscriptions\/([^/?]+)/i.exec(path) ?? [];
  return subscription ? `${host} ${subscription.toLowerCase()}` : host;
}

/** Throws where the call is not to be made. */
function admit(circuit: Circuit, key: string, now: number): 'closed' | 'probe' {
  if (circuit.openUntil === 0) return 'closed';
  // A clock that was set back does not make the pause longer.
  const isDue = now >= circuit.openUntil || circuit.openUntil - now > longestPauseMs;
  if (isDue && !circuit.probing) {
    circuit.probing = true;
    return 'probe';
  }
  throw Object.assign(new Error(`${key} has not answered lately and is asked again soon`), {
    code: circuitOpenCode,
  });
}

function record(circuit: Circuit, failed: boolean | null, now: number): void {
  if (circuit.openUntil > 0) {
    if (!circuit.probing) return;
    circuit.probing = false;
    if (failed === null) return;
    if (failed) open(circuit, now);
    else Object.assign(circuit, { openUntil: 0, openedTimes: 0, since: now, calls: 0, failures: 0 });
    return;
  }
  if (failed === null) return;
  if (now - circuit.since > spanMs || now < circuit.since)
    Object.assign(circuit, { since: now, calls: 0, failures: 0 });
  circuit.calls += 1;
  if (failed) circuit.failures += 1;
  if (circuit.calls >= leastCalls && circuit.failures * 2 >= circuit.calls) open(circuit, now);
}

function open(circuit: Circuit, now: number): void {
  circuit.openUntil = now + Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(circuit.openedTimes, 10));
  circuit.openedTimes += 1;
}

const failures: ReadonlySet<number> = new Set([500, 502, 503, 504]);

/** Tells once what came of a call; null where whoever asked gave it up. */
function watch(
  handler: Dispatcher.DispatchHandler,
  tell: (failed: boolean | null) => void,
): Dispatcher.DispatchHandler {
  let told = false;
  const once = (failed: boolean | null) => {
    if (!told) tell(failed);
    told = true;
  };
  return {
    onRequestStart: (controller, context) => handler.onRequestStart?.(controller, context),
    onRequestUpgrade: (controller, status, headers, socket) =>
      handler.onRequestUpgrade?.(controller, status, headers, socket),
    onResponseStart(controller, status, headers, message) {
      once(failures.has(status));
      return handler.onResponseStart?.(controller, status, headers, message);
    },
    onResponseData: (controller, chunk) => handler.onResponseData?.(controller, chunk),
    onResponseEnd: (controller, trailers) => handler.onResponseEnd?.(controller, trailers),
    onResponseError(controller, error) {
      once(error.name === 'AbortError' ? null : true);
      return handler.onResponseError?.(controller, error);
    },
  };
}
