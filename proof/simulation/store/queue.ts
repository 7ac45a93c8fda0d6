import { type Claim, ClaimLost } from '../../../src/store/jobs.ts';
import type { Actor } from '../calls.ts';
import type { Flaws } from '../flaws.ts';
import type { Random } from '../random.ts';
import type { DrivenTime } from '../time.ts';

/** The job of a deployment or rotation: there is at most one. */
export interface Job {
  deployment: string;
  dueAt: number;
  attempt: number;
  /** Who works on it. */
  hold: Hold | null;
}

/** A worker's claim, as the queue sees it. */
export interface Hold {
  claim: Claim;
  by: Actor;
  /** When it is given to another. */
  endsAt: number;
}

export interface Queue {
  /** Sends a job, or brings the waiting one forward; one that is worked on is left to its end. */
  enqueue(deployment: string, afterMs?: number): void;
  /** Lets a waiting job be due then. */
  reschedule(deployment: string, afterMs: number): void;
  due(): Job[];
  claim(job: Job, by: Actor): Hold;
  /** Throws `ClaimLost` where it is somebody else's now. */
  complete(claim: Claim): void;
  /** The handler returned: what it has not completed by then is over. */
  returned(claim: Claim): void;
  /** The handler threw: it is tried again, later each time. */
  fail(claim: Claim): void;
  /** The worker's heart has stopped: the claim ends after that. */
  lapse(hold: Hold): void;
  /** Ends what has run out. */
  expire(): void;
  of(deployment: string): Job | undefined;
  all(): IterableIterator<Job>;
}

// As in the queue's own settings.
const longestClaimMs = 120_000;
const heartbeatMs = 12_000;
const longestRetryMs = 60_000;

export function createQueue(time: DrivenTime, random: Random, flaws: Flaws): Queue {
  const jobs = new Map<string, Job>();
  const held = (claim: Claim) => {
    const job = jobs.get(claim.deployment);
    return job?.hold?.claim === claim ? job : undefined;
  };
  const giveUp = (job: Job, afterMs: number) => {
    Object.assign(job, { hold: null, attempt: job.attempt + 1, dueAt: time.now() + afterMs });
  };
  const reschedule: Queue['reschedule'] = (deployment, afterMs) => {
    const job = jobs.get(deployment);
    if (job && !job.hold) job.dueAt = time.now() + afterMs;
  };
  return {
    reschedule,
    enqueue(deployment, afterMs = 0) {
      if (jobs.has(deployment)) return reschedule(deployment, afterMs);
      jobs.set(deployment, { deployment, dueAt: time.now() + afterMs, attempt: 0, hold: null });
    },
    due: () => [...jobs.values()].filter(({ hold, dueAt }) => !hold && dueAt <= time.now()),
    claim(job, by) {
      const { deployment, attempt } = job;
      // The worker's own watch: it ends his work also where he does not know that another has it.
      const signal = time.timeout(longestClaimMs);
      const complete = async () => {
        throw new Error('the model completes by itself');
      };
      const claim: Claim = { deployment, attempt, signal, complete };
      const hold = { claim, by, endsAt: time.now() + longestClaimMs };
      job.hold = hold;
      return hold;
    },
    complete(claim) {
      if (held(claim)) jobs.delete(claim.deployment);
      else if (!flaws.has('unfencedSettle')) throw new ClaimLost('the claim has run out');
    },
    returned(claim) {
      if (held(claim)) jobs.delete(claim.deployment);
    },
    fail(claim) {
      const job = held(claim);
      if (job) giveUp(job, Math.min(longestRetryMs, 1_000 * 2 ** job.attempt) * (0.5 + random.next() / 2));
    },
    lapse(hold) {
      if (!flaws.has('endlessClaim')) hold.endsAt = Math.min(hold.endsAt, time.now() + heartbeatMs);
      else hold.endsAt = Number.POSITIVE_INFINITY;
    },
    expire() {
      for (const job of jobs.values()) if (job.hold && job.hold.endsAt <= time.now()) giveUp(job, 0);
    },
    of: deployment => jobs.get(deployment),
    all: () => jobs.values(),
  };
}
