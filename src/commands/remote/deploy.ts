import { parseArgs } from 'node:util';
import { environment } from '../../config.ts';
import { type Command, UsageError } from '../command.ts';
import { change, revisingOptions, revisingUsage } from './change.ts';
import { readRequest, requestOptions, requestUsage } from './request-flags.ts';

export const deploy: Command = {
  usage: `deploy ${requestUsage} ${revisingUsage}`,
  summary:
    'Deploy a container group from a file (YAML or JSON), from flags, or from a file with flags over it',

  async run(args) {
    const { values, positionals } = parseArgs({
      args,
      options: { ...requestOptions, ...revisingOptions },
      allowPositionals: true,
    });
    if (positionals.length > 0) throw new UsageError(`'${positionals[0]}' is one too many: is it -f FILE?`);
    const body = readRequest(values, environment);
    const path = `/deployments${values['allow-replace'] ? '?allowReplace=true' : ''}`;
    return change(values, () => ({ method: 'POST', path, body }));
  },
};
