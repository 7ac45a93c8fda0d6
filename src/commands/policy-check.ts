import { parseArgs } from 'node:util';
import { PolicyError, parsePolicy, readPolicyFiles } from '../policy/load.ts';
import { findWarnings } from '../policy/warnings.ts';
import { type Command, UsageError } from './command.ts';

const unusable = 1;

export const policyCheck: Command = {
  usage: 'policy check PATH',
  summary:
    'Check a policy file or directory, its own tests too; each fault with its line. 0: it can be used, 1: not',

  async run(args) {
    const { positionals } = parseArgs({ args, allowPositionals: true });
    const [path, ...others] = positionals;
    if (path === undefined || others.length > 0) throw new UsageError('Give one file or directory.');
    try {
      return tell(path);
    } catch (error) {
      if (!(error instanceof PolicyError)) throw error;
      for (const { place, message } of error.faults) console.error(`${place}: ${message}`);
      return unusable;
    }
  },
};

function tell(path: string): number {
  const { loaded, placeOf } = parsePolicy(readPolicyFiles(path));
  for (const { pointer, message } of findWarnings(loaded))
    console.log(`${placeOf(pointer)}: warning: ${pointer} ${message}`);
  const { teams, expect = [] } = loaded.policy;
  console.log(
    `${path} can be used: ${Object.keys(teams).length} teams, ${expect.length} of ${expect.length} expectations met, digest ${loaded.digest}`,
  );
  return 0;
}
