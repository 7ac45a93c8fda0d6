import type { Log } from '../log.ts';
import { type FollowerParts, PolicyFollower, type PolicyState } from './following.ts';
import type { LoadedPolicy } from './load.ts';
import type { PolicySource } from './source.ts';

/** A policy that follows its source and the other replicas. What cannot be used never replaces what can. */
export interface LivePolicy {
  current(): LoadedPolicy;
  state(): PolicyState;
  /** Reads the source and makes it active, also where it was before. Never rejects. */
  reload(): Promise<void>;
  close(): Promise<void>;
}

const everyMs = 30_000;
// An editor writes in several steps.
const settleMs = 250;

/** Throws `PolicyError` where neither the source nor the ledger has a policy that can be used. */
export async function startLivePolicy(parts: FollowerParts): Promise<LivePolicy> {
  const { source, ledger, clock, log } = parts;
  const follower = new PolicyFollower(parts);
  await follower.start();

  // One after another: what was read first is not taken last.
  let tail: Promise<void> = Promise.resolve();
  const enqueue = (move: () => Promise<void>) => {
    tail = tail.then(move).catch(err => log.error({ err }, 'the policy could not be looked at'));
    return tail;
  };
  const look = () => enqueue(() => follower.look('change'));
  const adopt = () => enqueue(() => follower.adopt());

  const closing = new AbortController();
  const later = async (ms: number, then: () => Promise<void>): Promise<void> => {
    await clock.wait(ms, closing.signal).catch(() => {});
    if (!closing.signal.aborted) await then();
  };
  const repeat = (): Promise<void> =>
    later(everyMs, async () => {
      await look();
      await adopt();
      void repeat();
    });
  let settling = false;
  const settle = () => {
    if (settling) return;
    settling = true;
    void later(settleMs, () => {
      settling = false;
      return look();
    });
  };

  const unlisten = await ledger.listen(() => void adopt());
  const unwatch = startWatch(source, log, settle);
  void repeat();
  return {
    current: () => follower.current(),
    state: () => follower.state(),
    reload: () => enqueue(() => follower.look('signal')),
    async close() {
      closing.abort();
      unwatch();
      await unlisten();
      await tail;
    },
  };
}

function startWatch(source: PolicySource, log: Log, onChange: () => void): () => void {
  try {
    return source.watch(onChange);
  } catch (err) {
    log.warn({ err }, 'the policy cannot be watched: it is looked at by interval');
    return () => {};
  }
}
