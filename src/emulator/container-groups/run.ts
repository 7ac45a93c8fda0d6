import type { Run } from '../world.ts';

type Line = NonNullable<Run['lines']>[number];

/** How long a job works whose length nobody knows. */
const jobMs = 300;

/** What is known of a container's program. */
interface Program {
  /** The container's own command; empty where it runs what its image does. */
  command: readonly string[];
  /** What the image runs, and how that ends where a label says it. */
  image: { command: readonly string[]; exitCode: number | null };
}

/**
 * The run that follows from a program: a shell's line is followed as far as it echoes, sleeps, loops and exits; any
 * other runs on, except in an init container, which works and ends.
 */
export function runOf({ command, image }: Program, kind: 'app' | 'init'): Run {
  const own = followed(command);
  if (own) return own;
  if (image.exitCode !== null) return { exitCode: image.exitCode, lastsMs: jobMs };
  const ends: Run = { exitCode: 0, lastsMs: jobMs };
  const otherwise = kind === 'init' ? ends : { exitCode: null };
  return (command.length === 0 ? followed(image.command) : undefined) ?? otherwise;
}

const shells = /^(?:\/(?:usr\/)?bin\/)?(?:sh|ash|bash|dash)$/;

function followed(command: readonly string[]): Run | undefined {
  const [program = '', option = '', script = ''] = command;
  if (shells.test(program)) {
    if (/^-\w*c$/.test(option)) return followScript(script);
    // Without a terminal a shell reads the end of its input, and ends.
    return command.length === 1 ? { exitCode: 0, lastsMs: jobMs, lines: [] } : undefined;
  }
  return /^(?:echo|sleep|true|false)$/.test(program) ? followScript(command.join(' ')) : undefined;
}

/** Undefined where it has a word that is not followed. */
function followScript(script: string): Run | undefined {
  const run: Run & { lines: Line[]; lastsMs: number } = { exitCode: 0, lastsMs: 0, lines: [] };
  let loop: { fromMs: number; fromLine: number } | undefined;
  for (const statement of statementsOf(script)) {
    const [word = '', ...rest] = statement.split(/\s+/);
    const argument = rest.join(' ');
    if (/^(?:while|until)$/.test(word)) {
      if (!/^(?:true|:|\[ ?1 ?\])$/.test(argument)) return undefined;
      loop = { fromMs: run.lastsMs, fromLine: run.lines.length };
    } else if (word === 'done') {
      // A shell that finds a word out of place says so, and ends with 2.
      if (!loop) return { exitCode: 2, lastsMs: jobMs, lines: syntaxError(word) };
      return {
        ...run,
        exitCode: null,
        loop: { ...loop, everyMs: Math.max(run.lastsMs - loop.fromMs, 1_000) },
      };
    } else if (word === 'echo') run.lines.push({ afterMs: run.lastsMs, text: unquoted(argument) });
    else if (word === 'sleep' && /^\d+(?:\.\d+)?s?$/.test(argument))
      run.lastsMs += Number.parseFloat(argument) * 1_000;
    else if (word === 'exit') return { ...run, exitCode: Number(argument) || 0 };
    else if (word === 'false') run.exitCode = 1;
    else if (word === 'true') run.exitCode = 0;
    else return undefined;
  }
  if (loop) return { exitCode: 2, lastsMs: jobMs, lines: syntaxError('end of file') };
  return { ...run, lastsMs: run.lastsMs || jobMs };
}

/** Apart by `;`, `&&` and line ends, outside quotes; without the `do` before the first of a loop. */
function statementsOf(script: string): string[] {
  const found = script.match(/(?:"[^"]*"|'[^']*'|[^;\n&"'])+/g) ?? [];
  return found.map(each => each.trim().replace(/^do\s+/, '')).filter(each => each !== '' && each !== 'do');
}

const syntaxError = (word: string): Line[] => [
  { afterMs: 0, text: `sh: syntax error: unexpected "${word}"` },
];

const unquoted = (text: string) => text.replace(/^(["'])(.*)\1$/, '$2');

/** What a run has written `forMs` after its start, the newest last, of loops no more than the last thousand lines. */
export function linesUntil({ lines = [], loop }: Run, forMs: number): Line[] {
  const first = lines.filter(({ afterMs }) => afterMs <= forMs);
  if (!loop) return first;
  const again = lines.slice(loop.fromLine);
  const turns = Math.max(0, Math.floor((forMs - loop.fromMs) / loop.everyMs));
  const from = Math.max(1, turns - 1_000);
  const repeated = Array.from({ length: Math.max(0, turns - from + 1) }, (_, index) =>
    again.map(({ afterMs, text }) => ({ afterMs: afterMs + (from + index) * loop.everyMs, text })),
  ).flat();
  return [...first, ...repeated.filter(({ afterMs }) => afterMs <= forMs)].slice(-1_000);
}
