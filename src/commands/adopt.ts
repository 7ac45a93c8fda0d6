import { parseArgs } from 'node:util';
import type { AdoptionRequest } from '../schemas/adoption.ts';
import { type Command, UsageError } from './command.ts';
import { change } from './remote/change.ts';
import { commonOptions, commonUsage } from './remote/session.ts';

export const adopt: Command = {
  usage: `adopt --target T --name N [--team TEAM] [--secret SERVER=NAME ...] [--identity SERVER=ARM_ID ...] ${commonUsage}`,
  summary:
    "Take over a container group that Slipway did not make, as it is; its images' credentials by reference",

  async run(args) {
    const { values } = parseArgs({
      args,
      options: {
        ...commonOptions,
        target: { type: 'string' },
        name: { type: 'string' },
        team: { type: 'string' },
        secret: { type: 'string', multiple: true },
        identity: { type: 'string', multiple: true },
      },
    });
    const { target, name, team, secret = [], identity = [] } = values;
    if (target === undefined || name === undefined)
      throw new UsageError(`--${target === undefined ? 'target' : 'name'} is missing.`);
    const imageRegistryCredentials = [
      ...secret.map(text => ({ server: pair(text)[0], secretName: pair(text)[1] })),
      ...identity.map(text => ({ server: pair(text)[0], identity: pair(text)[1] })),
    ];
    const body: AdoptionRequest = {
      target,
      name,
      ...(team === undefined ? {} : { team }),
      ...(imageRegistryCredentials.length > 0 ? { imageRegistryCredentials } : {}),
    };
    const asked = () => ({ method: 'POST' as const, path: '/deployments/adopt', body });
    return change({ output: values.output, wait: true }, asked);
  },
};

function pair(text: string): [server: string, reference: string] {
  const [, server, reference] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (!server || !reference) throw new UsageError(`'${text}' is not of the form SERVER=REFERENCE.`);
  return [server, reference];
}
