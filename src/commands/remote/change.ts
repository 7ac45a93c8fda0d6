import type { Deployment, Operation } from '../../client/api.ts';
import type { CallOptions } from '../../client/connection.ts';
import { UsageError } from '../command.ts';
import { exitOfOperation, exits } from './exits.ts';
import { reach } from './reach.ts';
import { commonOptions, commonUsage, inSession, type Session } from './session.ts';
import { deploymentLines, tellFailure } from './tell.ts';

/** What every command takes that changes something. */
export const changeOptions = {
  ...commonOptions,
  wait: { type: 'boolean' },
  timeout: { type: 'string' },
  'idempotency-key': { type: 'string' },
  'on-busy': { type: 'string' },
} as const;
export const changeUsage = `[--on-busy queue|supersede] [--wait] [--timeout SECONDS] [--idempotency-key KEY] ${commonUsage}`;

/** What makes a new revision may also need the container group made anew. */
export const revisingOptions = { ...changeOptions, 'allow-replace': { type: 'boolean' } } as const;
export const revisingUsage = `[--allow-replace] ${changeUsage}`;

export interface ChangeValues {
  'on-busy'?: string | undefined;
  'allow-replace'?: boolean | undefined;
  force?: boolean | undefined;
  output?: string | undefined;
  wait?: boolean | undefined;
  timeout?: string | undefined;
  'idempotency-key'?: string | undefined;
}

export interface Change {
  method: 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  path: string;
  body?: unknown;
}

/** The query of a change to what is there. */
export function queryOf(values: ChangeValues): string {
  const query = new URLSearchParams();
  if (values['on-busy'] !== undefined) query.set('onBusy', values['on-busy']);
  if (values['allow-replace']) query.set('allowReplace', 'true');
  if (values.force) query.set('force', 'true');
  return query.size > 0 ? `?${query}` : '';
}

const defaultTimeoutSeconds = 1_900;

/** Asks for a change and, with `--wait`, waits for its end; the exit code. */
export async function change(values: ChangeValues, asked: (session: Session) => Change): Promise<number> {
  const timeoutMs = readTimeout(values.timeout) * 1000;
  const key = values['idempotency-key'];
  const options: CallOptions = key === undefined ? {} : { idempotencyKey: key };
  return inSession(values, async session => {
    const answer = await session.connection.send({ ...options, ...asked(session) });
    if (answer.status === 204) return tellGone(session);
    const deployment = answer.body as Deployment;
    const operation = answer.headers.get('operation-location')?.split('/').at(-1) ?? deployment.operation;
    if (!values.wait) return tellAccepted(session, deployment, operation);
    return waitFor(session, { deployment: deployment.id, operation }, timeoutMs);
  });
}

export function readTimeout(text: string | undefined): number {
  if (text === undefined) return defaultTimeoutSeconds;
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new UsageError(`--timeout '${text}' is not a number of seconds.`);
}

/** Waits for an operation and tells what became of it; the exit code is that of this change, whatever came after it. */
export async function waitFor(
  session: Session,
  place: { deployment: string; operation: string },
  timeoutMs: number,
): Promise<number> {
  const leave = () => {
    console.error(`\nIt goes on without you: slipway wait ${place.deployment}`);
    process.exit(130);
  };
  process.once('SIGINT', leave);
  const operation = await reach(session, place, timeoutMs).finally(() => process.off('SIGINT', leave));
  const { body: deployment } = await session.client.getDeployment({ id: place.deployment });
  if (!deployment) throw new Error('Slipway answered without the deployment');
  if (session.output === 'json') console.log(JSON.stringify({ operation, deployment }, null, 2));
  else if (operation?.status === 'Succeeded') console.log(deploymentLines(deployment).join('\n'));
  if (operation) return tellEnd(session, operation);
  console.error(`The time is over and it is still going: slipway wait ${place.deployment} goes on waiting.`);
  return exits.stillGoing;
}

function tellEnd(session: Session, operation: Operation): number {
  if (operation.failure) tellFailure(operation.failure, session.env);
  else if (operation.status !== 'Succeeded') console.error(`The operation ended ${operation.status}.`);
  return exitOfOperation(operation);
}

function tellAccepted({ output }: Session, deployment: Deployment, operation: string): number {
  if (output === 'json') console.log(JSON.stringify({ operation: { id: operation }, deployment }, null, 2));
  else console.log([`Accepted as operation ${operation}`, ...deploymentLines(deployment)].join('\n'));
  return exits.reached;
}

function tellGone({ output }: Session): number {
  console.log(output === 'json' ? JSON.stringify({ operation: null, deployment: null }) : 'Already gone.');
  return exits.reached;
}
