import { Transform } from 'node:stream';

const toldFailures = 40;
const linesOfFailure = 30;

/**
 * Passes TAP through. At the end it tells again what failed, each with its test file and its diagnosis: a log of which
 * only the end is kept still says why. It closes with `N passed, N failed, N skipped`, the line that CI reads; no
 * reporter of tap's prints either.
 */
export default class Reporter extends Transform {
  #line = '';
  #totals = '';
  readonly #subtests: string[] = [];
  readonly #failures: string[][] = [];
  #failedAt = 0;
  #openFailure: { lines: string[]; indent: number } | undefined;

  override _transform(chunk: Buffer, _encoding: string, done: () => void): void {
    const lines = (this.#line + chunk.toString('utf8')).split('\n');
    this.#line = lines.pop() ?? '';
    for (const line of lines) {
      this.#read(line);
    }
    this.push(chunk);
    done();
  }

  override _flush(done: () => void): void {
    this.#read(this.#line);
    const count = (name: string) => Number(new RegExp(`\\b${name}: (\\d+)`).exec(this.#totals)?.[1] ?? 0);
    for (const failure of this.#failures.slice(0, toldFailures)) {
      this.push(`${failure.join('\n')}\n`);
    }
    if (this.#failures.length > toldFailures) {
      this.push(`and ${this.#failures.length - toldFailures} more\n`);
    }
    this.push(`${count('pass')} passed, ${count('fail')} failed, ${count('skip') + count('todo')} skipped\n`);
    done();
  }

  #read(line: string): void {
    const indent = line.length - line.trimStart().length;
    const depth = Math.floor(indent / 4);
    const said = line.trimStart();
    if (said.startsWith('# Subtest: ')) {
      this.#subtests.length = depth;
      this.#subtests[depth] = said.slice('# Subtest: '.length);
    } else if (said.startsWith('# { total: ') && indent === 0) {
      this.#totals = said;
    }
    if (said.startsWith('not ok ')) {
      // What failed inside is told; that what is around it failed too follows right after it, and says nothing more.
      if (this.#failedAt <= indent) {
        const where = this.#subtests.slice(0, depth).filter(Boolean);
        this.#openFailure = { lines: [`Failed: ${[...where, said].join(' > ')}`], indent };
        this.#failures.push(this.#openFailure.lines);
      }
      this.#failedAt = indent;
    } else if (this.#openFailure !== undefined) {
      this.#diagnose(line, indent, this.#openFailure);
    }
  }

  /** A diagnosis is the YAML right after its line, set in by two; anything else ends it. */
  #diagnose(line: string, indent: number, failure: { lines: string[]; indent: number }): void {
    if (indent < failure.indent + 2 || line.trim() === '...' || failure.lines.length > linesOfFailure) {
      this.#openFailure = undefined;
    } else if (line.trim() !== '---') {
      failure.lines.push(line.slice(failure.indent));
    }
  }
}
