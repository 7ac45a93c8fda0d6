/** One command of `slipway`. Its module stands in `commands/` and is loaded only when it is asked for. */
export interface Command {
  /** As it is typed, after `slipway`: `policy explain --team T --secret S --server R`. */
  usage: string;
  /** One line for `slipway help`. */
  summary: string;
  /** Does it with what stands behind the command's name; the exit code. A `UsageError` is told with the usage. */
  run(args: string[]): Promise<number>;
}

/** The command line cannot be understood: the message is a sentence that names the place. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** How a command answers, by its `--output`. */
export function outputOf(output: string | undefined): 'text' | 'json' {
  if (output !== undefined && output !== 'json') throw new UsageError("--output takes 'json'.");
  return output ?? 'text';
}
