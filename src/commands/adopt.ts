import { parseArgs } from 'node:util';
import { environment } from '../config.ts';
import type { AdoptionRequest } from '../schemas/adoption.ts';
import type { Deployment } from '../schemas/deployment.ts';
import type { Problem } from '../schemas/problem.ts';
import { type Command, UsageError } from './command.ts';

export const adopt: Command = {
  usage:
    'adopt --target T --name N [--team TEAM] [--secret SERVER=NAME ...] [--identity SERVER=ARM_ID ...], with SLIPWAY_URL and SLIPWAY_TOKEN set',
  summary:
    "Take over a container group that Slipway did not make, as it is; its images' credentials by reference",

  async run(args) {
    const { values } = parseArgs({
      args,
      options: {
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
    return ask({
      target,
      name,
      ...(team === undefined ? {} : { team }),
      ...(imageRegistryCredentials.length > 0 ? { imageRegistryCredentials } : {}),
    });
  },
};

function pair(text: string): [server: string, reference: string] {
  const [, server, reference] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (!server || !reference) throw new UsageError(`'${text}' is not of the form SERVER=REFERENCE.`);
  return [server, reference];
}

async function ask(body: AdoptionRequest): Promise<number> {
  const { SLIPWAY_URL: url, SLIPWAY_TOKEN: token } = environment;
  if (!url || !token) throw new UsageError('SLIPWAY_URL and SLIPWAY_TOKEN must be set.');
  const answer = await fetch(new URL('/deployments/adopt', url), {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      prefer: 'wait=45',
    },
    body: JSON.stringify(body),
  });
  if (!answer.ok) {
    const { code, detail } = (await answer.json()) as Problem;
    console.error(`${code}: ${detail}`);
    return 1;
  }
  const told = (await answer.json()) as Deployment;
  console.log(`${told.target}:${told.name} is ${told.status} as deployment ${told.id}.`);
  if (!told.failure) return 0;
  console.error(`${told.failure.code}: ${told.failure.detail}`);
  return 1;
}
