import { parseArgs } from 'node:util';
import type { Operation } from '../../client/api.ts';
import type { Command } from '../command.ts';
import { readTimeout } from './change.ts';
import { placeOf, secretOptions, secretUsage } from './credentials.ts';
import { exitOfOperation, exits } from './exits.ts';
import { reach } from './reach.ts';
import { inSession, onePositional, type Session } from './session.ts';
import { tellFailure } from './tell.ts';

export const credentialsRotate: Command = {
  usage: `credentials rotate SECRET [--wait] [--timeout SECONDS] [--idempotency-key KEY] ${secretUsage}`,
  summary: 'Redeploy whatever uses an older version, once the newest is proven on all of it',

  async run(args) {
    const options = {
      ...secretOptions,
      wait: { type: 'boolean' },
      timeout: { type: 'string' },
      'idempotency-key': { type: 'string' },
    } as const;
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
    const secretName = onePositional(positionals, 'SECRET');
    const timeoutMs = readTimeout(values.timeout) * 1000;
    const key = values['idempotency-key'];
    return inSession(values, async session => {
      const asked = { secretName, ...placeOf(values) };
      const more = { prefer: 'respond-async', ...(key === undefined ? {} : { idempotencyKey: key }) };
      const { body: accepted } = await session.client.rotateCredential(asked, more);
      if (!values.wait) return tell(session, accepted, exits.reached);
      const ended = await reach(session, { deployment: null, operation: accepted.id }, timeoutMs);
      if (ended) return tell(session, ended, exitOfOperation(ended));
      console.error(`The time is over and it is still going: operation ${accepted.id}.`);
      return exits.stillGoing;
    });
  },
};

function tell({ output, env }: Session, operation: Operation, exit: number): number {
  const { id, status, rotation, failure } = operation;
  if (output === 'json') console.log(JSON.stringify({ operation }, null, 2));
  else {
    const told = operation.endedAt === null ? `Accepted as operation ${id}` : status;
    const redeployed = rotation?.deployments ?? [];
    console.log(
      [told, ...redeployed.map(({ name, outcome }) => `  ${name}  ${outcome ?? 'not touched'}`)].join('\n'),
    );
  }
  if (failure) tellFailure(failure, env);
  return exit;
}
