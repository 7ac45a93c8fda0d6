/** One challenge of a `WWW-Authenticate` header (RFC 9110); names in lower case. */
export interface Challenge {
  scheme: string;
  parameters: Record<string, string>;
}

const token = /[!#$%&'*+.^_`|~\w-]+/y;

/** Reads every challenge of one or several headers. What is malformed ends the reading; what came before it counts. */
export function parseChallenges(headers: string | string[] | undefined): Challenge[] {
  return [headers ?? []].flat().flatMap(parseHeader);
}

function parseHeader(header: string): Challenge[] {
  const challenges: Challenge[] = [];
  const reader = new Reader(header);
  while (!reader.atEnd()) {
    reader.skip(/[\s,]*/y);
    const name = reader.take(token);
    if (name === null) break;
    const current = challenges.at(-1);
    // A name is a parameter if `=` and a value follow it, else the scheme of the next challenge.
    if (current && reader.peek(/\s*=\s*(?=["!#$%&'*+.^_`|~\w-])/y)) {
      reader.skip(/\s*=\s*/y);
      current.parameters[name.toLowerCase()] = reader.value();
    } else {
      challenges.push({ scheme: name.toLowerCase(), parameters: {} });
      // Negotiate and its like carry a token of their own.
      reader.skip(/[ \t]+[\w.~+/-]+=*(?=\s*(?:,|$))/y);
    }
  }
  return challenges;
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  atEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  peek(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at;
    return pattern.test(this.#text);
  }

  take(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    const [found] = pattern.exec(this.#text) ?? [];
    if (found === undefined) return null;
    this.#at += found.length;
    return found;
  }

  skip(pattern: RegExp): void {
    this.take(pattern);
  }

  value(): string {
    const quoted = this.take(/"(?:[^"\\]|\\.)*"/y);
    if (quoted !== null) return quoted.slice(1, -1).replaceAll(/\\(.)/g, '$1');
    return this.take(token) ?? '';
  }
}
