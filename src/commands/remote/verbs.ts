import { parseArgs } from 'node:util';
import { type Command, UsageError } from '../command.ts';
import { change, changeOptions, changeUsage } from './change.ts';
import { onePositional } from './session.ts';

/** `ID` or `TARGET:NAME`. */
export const pathOf = (id: string) => `/deployments/${encodeURIComponent(id).replaceAll('%3A', ':')}`;

export const rollback: Command = {
  usage: `rollback DEPLOYMENT [--revision N] ${changeUsage}`,
  summary: 'Back to the last revision that succeeded, or to one, on the digests that it ran with',

  async run(args) {
    const { values, positionals } = parseArgs({
      args,
      options: { ...changeOptions, revision: { type: 'string' } },
      allowPositionals: true,
    });
    const { revision } = values;
    if (revision !== undefined && !/^[1-9]\d{0,8}$/.test(revision))
      throw new UsageError(`--revision '${revision}' is no number of a revision.`);
    const body = revision === undefined ? {} : { revision: Number(revision) };
    const path = `${pathOf(onePositional(positionals, 'DEPLOYMENT'))}/rollback`;
    return change(values, () => ({ method: 'POST', path, body }));
  },
};

export const cancel = verb('cancel', 'End the change under way; the revision that is live stays');
export const redeploy = verb('redeploy', 'The same again, with credentials and digests resolved anew');
export const restart = verb('restart', 'Restart the containers', ['force']);
export const start = verb('start', 'Start a stopped container group', ['force']);
export const stop = verb('stop', 'Stop the containers');

export const remove: Command = {
  usage: `delete DEPLOYMENT ${changeUsage}`,
  summary: 'Delete the container group; the record stays',

  async run(args) {
    const { values, positionals } = parseArgs({ args, options: changeOptions, allowPositionals: true });
    const path = pathOf(onePositional(positionals, 'DEPLOYMENT'));
    return change(values, () => ({ method: 'DELETE', path }));
  },
};

/** A verb that takes nothing but the deployment. */
function verb(name: string, summary: string, [flag]: ['force'] | [] = []): Command {
  return {
    usage: `${name} DEPLOYMENT ${flag ? '[--force] ' : ''}${changeUsage}`,
    summary,
    async run(args) {
      const { values, positionals } = parseArgs({
        args,
        options: { ...changeOptions, force: { type: 'boolean' } },
        allowPositionals: true,
      });
      if (values.force && !flag) throw new UsageError(`${name} takes no --force.`);
      const query = values.force ? '?force=true' : '';
      const path = `${pathOf(onePositional(positionals, 'DEPLOYMENT'))}/${name}${query}`;
      return change(values, () => ({ method: 'POST', path }));
    },
  };
}
