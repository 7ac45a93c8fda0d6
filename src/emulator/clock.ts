/** The emulator's time: it runs as the machine's, faster at a `rate`, and jumps where a test says so. */
export class Clock {
  #rate = 1;
  #origin = Date.now();
  #realOrigin = Date.now();
  #alarms: { at: number; ring: () => void }[] = [];
  #timer: NodeJS.Timeout | undefined;

  now(): number {
    return this.#origin + (Date.now() - this.#realOrigin) * this.#rate;
  }

  get rate(): number {
    return this.#rate;
  }

  advance(ms: number): void {
    this.#rebase(this.now() + ms);
    this.#ringDue();
  }

  setRate(rate: number): void {
    this.#rebase(this.now());
    this.#rate = rate;
    this.#ringDue();
  }

  /** Calls `ring` once it is `moment`, however time gets there: before `advance` returns where that passes it. */
  at(moment: number, ring: () => void): void {
    this.#alarms.push({ at: moment, ring });
    this.#ringDue();
  }

  /** Forgets what was still to come. */
  silence(): void {
    this.#alarms = [];
    clearTimeout(this.#timer);
  }

  #rebase(now: number): void {
    this.#origin = now;
    this.#realOrigin = Date.now();
  }

  #ringDue(): void {
    const now = this.now();
    const due = this.#alarms.filter(({ at }) => at <= now).sort((one, other) => one.at - other.at);
    this.#alarms = this.#alarms.filter(({ at }) => at > now);
    clearTimeout(this.#timer);
    const next = Math.min(...this.#alarms.map(({ at }) => at));
    if (Number.isFinite(next) && this.#rate > 0)
      this.#timer = setTimeout(() => this.#ringDue(), waitMs((next - now) / this.#rate)).unref();
    for (const { ring } of due) ring();
  }
}

/** No longer than a timer can wait: then it is looked at again. */
const waitMs = (ms: number) => Math.min(Math.ceil(ms), 2 ** 31 - 1);
