/** The emulator's time: it runs as the machine's, faster at a `rate`, and jumps where a test says so. */
export class Clock {
  #rate = 1;
  #origin = Date.now();
  #realOrigin = Date.now();

  now(): number {
    return this.#origin + (Date.now() - this.#realOrigin) * this.#rate;
  }

  advance(ms: number): void {
    this.#rebase(this.now() + ms);
  }

  setRate(rate: number): void {
    this.#rebase(this.now());
    this.#rate = rate;
  }

  #rebase(now: number): void {
    this.#origin = now;
    this.#realOrigin = Date.now();
  }
}
