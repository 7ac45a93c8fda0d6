import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import { type LoadedPolicy, PolicyError, parsePolicy } from './load.ts';
import type { PolicyFile } from './places.ts';
import type { Policy } from './policy.ts';
import type { PolicySource } from './source.ts';

/** The policy that is active for all replicas. */
export interface ActivePolicy {
  digest: string;
  files: PolicyFile[];
  at: Date;
  /** The process that made it active. */
  by: string;
}

export type Cause = 'start' | 'change' | 'signal';

/** Where replicas agree on one policy. */
export interface PolicyLedger {
  active(): Promise<ActivePolicy | null>;
  /** Makes it active, but not again where `onlyNew`; resolves with the one that is active then. */
  activate(policy: ActivePolicy & { cause: Cause; onlyNew: boolean }): Promise<ActivePolicy>;
  listen(onChange: () => void): Promise<() => Promise<void>>;
}

/**
 * Why the policy in use is not the one that stands at the source: that cannot be read, or not be used, or another one
 * became active after it; or why it is not the one that is active elsewhere: this process cannot use that.
 */
export type PolicyReason = 'unreadable' | 'invalid' | 'superseded' | 'notAdopted';

export interface PolicyState {
  digest: string;
  activatedAt: Date;
  activatedBy: string;
  reason: PolicyReason | null;
  /** Since the start of this process: how often another policy was taken into use, and how often one was refused. */
  counts: { taken: number; refused: number };
}

export interface FollowerParts {
  source: PolicySource;
  ledger: PolicyLedger;
  clock: Clock;
  log: Log;
  /** Names this process. */
  by: string;
  /** Why a policy that is good in itself must not be used here; null where it may. */
  refusal(policy: Policy): string | null;
}

/** The policy in use, and what was seen at its source and in the ledger. Its moves are made one after another. */
export class PolicyFollower {
  readonly #parts: FollowerParts;
  readonly #counts = { taken: 0, refused: 0 };
  #used: { loaded: LoadedPolicy; active: ActivePolicy } | null = null;
  /** What stood at the source; without digest where it cannot be used. */
  #seen: { text: string; digest: string | null } | null = null;
  #unreadable: string | null = null;
  #notAdopted: string | null = null;

  constructor(parts: FollowerParts) {
    this.#parts = parts;
  }

  /** Throws `PolicyError` where neither the source nor the ledger has a policy that can be used. */
  async start(): Promise<void> {
    const error = await this.#look('start').then(
      () => null,
      caught => caught,
    );
    if (error && !(error instanceof PolicyError)) throw error;
    if (!this.#used) await this.adopt();
    if (!this.#used) throw error ?? unusable(this.#notAdopted);
  }

  current(): LoadedPolicy {
    return this.#inUse().loaded;
  }

  state(): PolicyState {
    const { digest, at, by } = this.#inUse().active;
    const counts = { ...this.#counts };
    return { digest, activatedAt: at, activatedBy: by, reason: this.#reason(digest), counts };
  }

  /** Makes what stands at the source active, where it has changed or is meant to be. What cannot be used changes nothing. */
  async look(cause: Exclude<Cause, 'start'>): Promise<void> {
    try {
      await this.#look(cause);
    } catch (error) {
      if (!(error instanceof PolicyError)) throw error;
    }
  }

  /** Takes the policy into use that is active for the other replicas. */
  async adopt(): Promise<void> {
    const active = await this.#parts.ledger.active();
    if (active && active.digest !== this.#used?.active.digest) this.#take(active);
    else this.#notAdopted = null;
  }

  #inUse() {
    if (!this.#used) throw new Error('no policy is in use');
    return this.#used;
  }

  #reason(active: string): PolicyReason | null {
    if (this.#notAdopted !== null) return 'notAdopted';
    if (this.#unreadable !== null || !this.#seen) return 'unreadable';
    if (this.#seen.digest === null) return 'invalid';
    return this.#seen.digest === active ? null : 'superseded';
  }

  async #look(cause: Cause): Promise<void> {
    const { ledger, clock, by, log } = this.#parts;
    const files = await this.#readSource();
    const text = JSON.stringify(files.map(file => file.text));
    if (cause === 'change' && this.#seen?.text === text) return;
    const loaded = this.#parse(files, text);
    // One that could not be read until now is the one of the start.
    const onlyNew = cause === 'start' || (cause === 'change' && !this.#seen);
    const { digest } = loaded;
    const active = await ledger.activate({ digest, files, at: clock.now(), by, cause, onlyNew });
    // Not before: what the ledger did not take is brought again.
    this.#seen = { text, digest };
    if (active.digest === digest) return this.#use(loaded, active);
    log.warn(
      { digest, active: active.digest },
      'this policy was active before and another came after it: it stays out until a SIGHUP or a change of it',
    );
    this.#take(active);
  }

  async #readSource(): Promise<PolicyFile[]> {
    try {
      const files = await this.#parts.source.read();
      this.#unreadable = null;
      return files;
    } catch (error) {
      if (!(error instanceof PolicyError)) throw error;
      if (this.#unreadable !== error.message) this.#warn('the policy cannot be read', error);
      this.#unreadable = error.message;
      throw error;
    }
  }

  #parse(files: PolicyFile[], text: string): LoadedPolicy {
    try {
      return this.#admit(files);
    } catch (error) {
      this.#seen = { text, digest: null };
      this.#counts.refused += 1;
      this.#warn('the policy cannot be used', error);
      throw error;
    }
  }

  #admit(files: PolicyFile[]): LoadedPolicy {
    const { loaded, placeOf } = parsePolicy(files);
    const message = this.#parts.refusal(loaded.policy);
    if (message !== null) throw new PolicyError([{ place: placeOf('/issuers'), message }]);
    return loaded;
  }

  #take(active: ActivePolicy): void {
    if (this.#notAdopted === active.digest) return;
    try {
      const loaded = this.#admit(active.files);
      if (loaded.digest !== active.digest) throw new Error('its content has another digest');
      this.#use(loaded, active);
    } catch (error) {
      this.#notAdopted = active.digest;
      this.#counts.refused += 1;
      this.#warn('the policy that is active for the other replicas cannot be used', error);
    }
  }

  #use(loaded: LoadedPolicy, active: ActivePolicy): void {
    this.#notAdopted = null;
    if (this.#used?.active.digest === active.digest) return;
    this.#used = { loaded, active };
    this.#counts.taken += 1;
    this.#parts.log.info({ digest: active.digest, by: active.by, at: active.at }, 'a policy is in use');
  }

  #warn(what: string, error: unknown): void {
    const faults = error instanceof PolicyError ? error.faults.slice(0, 20) : null;
    const reason = faults?.map(({ place, message }) => `${place}: ${message}`) ?? String(error);
    const active = this.#used?.active.digest;
    this.#parts.log.warn({ reason, active }, `${what}${active ? '; the one in use stays' : ''}`);
  }
}

/** The source has what was superseded, and what came after it is of another version of Slipway, say. */
function unusable(digest: string | null): PolicyError {
  const message = `the active policy ${digest} cannot be used here, and what is given was active before it: change it to make it a new one`;
  return new PolicyError([{ place: 'the store', message }]);
}
