import { parseArgs } from 'node:util';
import { type Command, UsageError } from '../command.ts';
import { change, queryOf, revisingOptions, revisingUsage } from './change.ts';
import { readPair } from './request-file.ts';
import { pathOf } from './verbs.ts';

export const images: Command = {
  usage: `images DEPLOYMENT CONTAINER=IMAGE ... ${revisingUsage}`,
  summary: 'A new revision with these images, and all else kept',

  async run(args) {
    const { values, positionals } = parseArgs({ args, options: revisingOptions, allowPositionals: true });
    const [id, ...pairs] = positionals;
    if (id === undefined || pairs.length === 0)
      throw new UsageError(id === undefined ? 'DEPLOYMENT is missing.' : 'CONTAINER=IMAGE is missing.');
    const body = Object.fromEntries(pairs.map(text => readPair('image', text)));
    return change(values, () => ({ method: 'POST', path: `${pathOf(id)}/images${queryOf(values)}`, body }));
  },
};
