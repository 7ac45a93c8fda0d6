import { parseArgs } from 'node:util';
import { type Command, UsageError } from '../command.ts';
import { change, changeUsage, queryOf, revisingOptions, revisingUsage } from './change.ts';
import { onePositional } from './session.ts';

/** `ID` or `TARGET:NAME`. */
export const pathOf = (id: string) => `/deployments/${encodeURIComponent(id).replaceAll('%3A', ':')}`;

export const rollback: Command = {
  usage: `rollback DEPLOYMENT [--revision N] ${revisingUsage}`,
  summary: 'Back to the last revision that succeeded, or to one, on the digests that it ran with',

  async run(args) {
    const { values, positionals } = parseArgs({
      args,
      options: { ...revisingOptions, revision: { type: 'string' } },
      allowPositionals: true,
    });
    const { revision } = values;
    if (revision !== undefined && !/^[1-9]\d{0,8}$/.test(revision))
      throw new UsageError(`--revision '${revision}' is no number of a revision.`);
    const body = revision === undefined ? {} : { revision: Number(revision) };
    const path = `${pathOf(onePositional(positionals, 'DEPLOYMENT'))}/rollback${queryOf(values)}`;
    return change(values, () => ({ method: 'POST', path, body }));
  },
};

export const redeploy = verb(
  'redeploy',
  'The same again, with credentials and digests resolved anew',
  'allow-replace',
);
export const restart = verb('restart', 'Restart the containers', 'force');
export const start = verb('start', 'Start a stopped container group', 'force');
export const stop = verb('stop', 'Stop the containers');
export const cancel = verb('cancel', 'End the change under way; the revision that is live stays');
export const remove = verb('delete', 'Delete the container group; the record stays');

/** A verb that takes nothing but the deployment, and perhaps a flag of its own. */
function verb(name: string, summary: string, flag?: 'force' | 'allow-replace'): Command {
  return {
    usage: `${name} DEPLOYMENT ${flag ? `[--${flag}] ` : ''}${changeUsage}`,
    summary,
    async run(args) {
      const options = { ...revisingOptions, force: { type: 'boolean' } } as const;
      const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
      const foreign = (['force', 'allow-replace'] as const).find(each => each !== flag && values[each]);
      if (foreign) throw new UsageError(`${name} takes no --${foreign}.`);
      const place = pathOf(onePositional(positionals, 'DEPLOYMENT'));
      return change(values, () =>
        name === 'delete'
          ? { method: 'DELETE', path: `${place}${queryOf(values)}` }
          : { method: 'POST', path: `${place}/${name}${queryOf(values)}` },
      );
    },
  };
}
