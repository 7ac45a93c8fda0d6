import { parseArgs } from 'node:util';
import { type Difference, diffPolicies } from '../policy/diff.ts';
import { linesOfDiff } from '../policy/diff-lines.ts';
import { loadPolicy, PolicyError } from '../policy/load.ts';
import { type Command, outputOf, UsageError } from './command.ts';

const different = 1;
const trouble = 2;

export const policyDiff: Command = {
  usage: 'policy diff OLD NEW [--output json]',
  summary:
    'Say what each team loses and gains from one policy to another, by what they allow. 0: nothing, 1: something, 2: one cannot be used',

  async run(args) {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { output: { type: 'string' } },
    });
    const [before, after, ...others] = positionals;
    if (before === undefined || after === undefined || others.length > 0)
      throw new UsageError('Give two files or directories.');
    const output = outputOf(values.output);
    try {
      return tell(before, after, output);
    } catch (error) {
      if (!(error instanceof PolicyError)) throw error;
      console.error(error.message);
      return trouble;
    }
  },
};

function tell(before: string, after: string, output: 'text' | 'json'): number {
  const [from, to] = [loadPolicy(before), loadPolicy(after)];
  const differences = diffPolicies(from, to);
  if (output === 'json') {
    const document = { before: from.digest, after: to.digest, differences: differences.map(memberOf) };
    console.log(JSON.stringify(document, null, 2));
  } else for (const line of linesOfDiff(differences)) console.log(line);
  return differences.length > 0 ? different : 0;
}

function memberOf({ team, change, right: { text, server, repository, secret } }: Difference) {
  return { team, change, right: text, server, repository, secret };
}
