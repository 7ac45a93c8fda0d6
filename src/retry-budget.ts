import type { Clock } from './clock.ts';

/** The code of the error of a call that was not made: whom it asks is asked again by others as much as is good for him. */
export const retryBudgetCode = 'ERETRYBUDGET';

interface Account {
  /** How many repetitions may be made now, and when that was so. */
  left: number;
  at: number;
  /** Calls that failed when they were made last: the next of the same is a repetition. */
  failed: Set<string>;
}

const most = 10;
const perCall = 0.1;
const perMs = 10 / 60_000;
const mostKept = 1_000;

export interface RetryBudget {
  /** Throws where the call is a repetition and none is left. */
  spend(dependency: string, call: string): void;
  /** What came of a call; null where whoever asked gave it up. */
  tell(dependency: string, call: string, failed: boolean | null): void;
}

/**
 * Bounds what is asked again: of each dependency's calls a tenth, and ten a minute where there are few. So an outage that
 * is not whole, and opens no circuit, is not made worse by those whom it has met.
 */
export function createRetryBudget(clock: Pick<Clock, 'now'>): RetryBudget {
  const accounts = new Map<string, Account>();

  function accountOf(dependency: string): Account {
    const now = clock.now().getTime();
    const { left, at, failed } = accounts.get(dependency) ?? {
      left: most,
      at: now,
      failed: new Set<string>(),
    };
    const account = { left: Math.min(most, left + Math.max(0, now - at) * perMs), at: now, failed };
    keep(accounts, dependency, account);
    return account;
  }

  return {
    spend(dependency, call) {
      const account = accountOf(dependency);
      if (!account.failed.has(call)) {
        account.left = Math.min(most, account.left + perCall);
        return;
      }
      if (account.left < 1)
        throw Object.assign(new Error(`${dependency} is asked again by too many; this waits for its turn`), {
          code: retryBudgetCode,
        });
      account.left -= 1;
    },
    tell(dependency, call, failed) {
      if (failed === null) return;
      const known = accountOf(dependency).failed;
      known.delete(call);
      if (failed) known.add(call);
      const [oldest] = known;
      if (known.size > mostKept && oldest !== undefined) known.delete(oldest);
    },
  };
}

function keep(accounts: Map<string, Account>, dependency: string, account: Account): void {
  accounts.delete(dependency);
  accounts.set(dependency, account);
  const [oldest] = accounts.keys();
  if (accounts.size > mostKept && oldest !== undefined) accounts.delete(oldest);
}
