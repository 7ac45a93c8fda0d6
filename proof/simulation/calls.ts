import type { DrivenTime } from './time.ts';

/** Who calls: a replica. What it waited for when it died is never answered. */
export interface Actor {
  name: string;
  alive: boolean;
}

/** What becomes of a call: its effect and its answer are two things. */
export type Fate = 'answered' | 'refused' | 'answerLost' | 'lost';

export interface Asked<T> {
  actor: Actor;
  /** `ARM PUT web`, as the trace tells it. */
  what: string;
  act: () => T;
  /** After that it is given up, and has taken effect or never will. */
  longestMs: number;
  /** What it may be answered instead; none where it is never refused. */
  refusal?: () => Error;
  /** What is thrown where no answer comes. */
  silence: () => Error;
  signal?: AbortSignal | undefined;
}

/** A call on its way. */
export interface Call {
  what: string;
  actor: Actor;
  /** Whether its caller still waits. */
  awaited: boolean;
  arrived: boolean;
  deadline: number;
  refusable: boolean;
  /** It takes effect, or meets its fate; then it is answered. */
  arrive(fate: Fate): void;
  answer(): void;
}

export interface Calls {
  make<T>(asked: Asked<T>): Promise<T>;
  /** On their way, or with an answer on its way back. */
  inFlight(): readonly Call[];
  /** Gives up what is past its deadline. */
  expire(): void;
}

export function createCalls(time: DrivenTime): Calls {
  let calls: Call[] = [];
  const drop = (call: Call) => {
    calls = calls.filter(each => each !== call);
  };
  return {
    make: asked =>
      new Promise((resolve, reject) => {
        if (!asked.actor.alive) return;
        if (asked.signal?.aborted) return reject(asked.silence());
        calls.push(callOf(asked, { resolve, reject }, time, drop));
      }),
    inFlight: () => calls,
    expire() {
      for (const call of calls.filter(({ deadline }) => deadline <= time.now())) {
        if (!call.arrived) call.arrive('lost');
        call.answer();
        drop(call);
      }
    },
  };
}

interface Waiting<T> {
  resolve(value: T): void;
  reject(error: unknown): void;
}

function callOf<T>(
  asked: Asked<T>,
  { resolve, reject }: Waiting<T>,
  time: DrivenTime,
  drop: (call: Call) => void,
): Call {
  const { actor, what, signal, silence } = asked;
  let reply = () => reject(silence());
  const call: Call = {
    ...{ what, actor, awaited: true, arrived: false, refusable: asked.refusal !== undefined },
    deadline: time.now() + asked.longestMs,
    arrive(fate) {
      call.arrived = true;
      const outcome = meet(asked, fate);
      reply = () => ('value' in outcome ? resolve(outcome.value) : reject(outcome.error));
      // Nobody waits for the answer.
      if (!isAwaited()) drop(call);
    },
    answer() {
      if (isAwaited()) reply();
      call.awaited = false;
      drop(call);
    },
  };
  const isAwaited = () => call.awaited && actor.alive;
  signal?.addEventListener('abort', () => {
    if (!isAwaited()) return;
    call.awaited = false;
    if (call.arrived) drop(call);
    reject(silence());
  });
  return call;
}

/** What the call comes to; where its effect throws, that is the answer. */
function meet<T>({ act, refusal, silence }: Asked<T>, fate: Fate): { value: T } | { error: unknown } {
  if (fate === 'lost') return { error: silence() };
  if (fate === 'refused') return { error: (refusal ?? silence)() };
  try {
    const value = act();
    return fate === 'answerLost' ? { error: silence() } : { value };
  } catch (error) {
    return { error };
  }
}
